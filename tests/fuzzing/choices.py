"""Where chance comes from: everything that is generated or mutated is a function of a `Choices`.

A seeded one makes a document that can be made again; one that asks hypothesis makes documents that can be shrunk.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


class Choices(ABC):
    """One number after the other."""

    @abstractmethod
    def below(self, end: int) -> int:
        """A number from 0 up to, but not, ``end``; 0 is the simplest."""

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items; the first is the simplest."""
        return items[self.below(len(items))]

    def once_in(self, number: int) -> bool:
        """True once in ``number`` times; False is simpler."""
        return self.below(number) == number - 1

    def between(self, first: int, last: int) -> int:
        """A number from ``first`` to ``last``."""
        return first + self.below(last - first + 1)


class SeededChoices(Choices):
    """The same choices for the same seed, whatever the process and its hash seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def below(self, end: int) -> int:
        """A number from 0 up to, but not, ``end``."""
        return self._random.randrange(end)
