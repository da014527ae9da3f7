"""The errors of a real answer as refusals of fields, and which findings of kfrun are the same ones."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NEXT = re.compile(r", (?=(?:<nil>|(?:metadata|spec)[^\s:]*): )")
"""Between two errors of a list, each of which begins with its field."""

_JOBSET = re.compile(r'^JobSet\S* "[^"]*" is invalid: ')
_NUMBER = re.compile(r"value must be of type integer|in body must be of type int|invalid data, expected int")
_NAME = re.compile(r"RFC 1123|RFC 1035|DNS-1035|(?:JobSet name|subdomain|groupName) is too long|no more than \d+ char")
_VALUE = re.compile(r'[\w ]+: (".*?"): ')


class Refusals(NamedTuple):
    """What was refused.

    Attributes:
        paths: the fields, as upstream names them, as often as something else is said of each.
        anywhere: whether there are errors that name no field: any finding of their stage stands for them.
    """

    paths: Sequence[str]
    anywhere: bool

    @classmethod
    def of(cls, errors: Iterable[str]) -> Refusals:
        """The refusals that these errors tell of."""
        told = [_place(one) for error in errors for one in _several(error)]
        placed = [one for one in told if one is not None]
        once = dict.fromkeys(one for one in placed if one[1])
        return cls([path for path, _ in once] + [path for path, same in placed if not same], len(placed) < len(told))

    def missing(self, found: Iterable[str]) -> list[str]:
        """What no finding is about."""
        left, unmatched = self._matched(found)
        nowhere = ["any field"] if self.anywhere and not left else []
        return sorted(unmatched) + nowhere

    def surplus(self, found: Iterable[str]) -> list[str]:
        """Findings about something else."""
        left, _ = self._matched(found)
        return sorted(path for path in left if not self.anywhere and not any(_below(path, one) for one in self.paths))

    def _matched(self, found: Iterable[str]) -> tuple[list[str], list[str]]:
        """The findings and the refusals that are left when those that are the same are taken away."""
        have, want = Counter(map(_plain, found)), Counter(self.paths)
        left, unmatched = list((have - want).elements()), []
        for path in (want - have).elements():
            inside = next((one for one in left if _below(one, path)), None)
            if inside is None:
                unmatched.append(path)
            else:
                left.remove(inside)
        return left, unmatched


def _several(error: str) -> Iterator[str]:
    """The errors of a list in brackets, or the one that is not."""
    told = _JOBSET.sub("", error)
    yield from _NEXT.split(told[1:].removesuffix("]")) if told.startswith("[") else [told]


def _place(error: str) -> tuple[str, str] | None:
    """The field of an error, None where it has none; and what it shares with others that say the same of one value."""
    path, _, said = error.partition(": ")
    if _NUMBER.search(said):
        return said.rpartition(" in ")[2] if path == "<nil>" else path, "a number"
    if path == "<nil>" and "metadata.name" in said:
        path = "metadata.name"
    if (path == "<nil>" and said.startswith("Internal error")) or "from VolumeClaimPolicies" in said:
        return None
    if path in {"spec.RuntimeRef", "unsupported runtime"}:
        path = "spec.runtimeRef"
    value = _VALUE.match(said)
    same = f"the name {value[1] if value and path != 'metadata.name' else ''}" if _NAME.search(said) else ""
    path = re.sub(r"\.template(\[\d+\])\.name$", r".templates\1.metadata.name", path)
    return _plain(path.replace("<nil>", "")), same


def _plain(path: str) -> str:
    """Upstream names fields of an owner without its index."""
    return re.sub(r"^metadata\.ownerReferences\[\d+\]", "metadata.ownerReferences", path)


def _below(path: str, holder: str) -> bool:
    """Whether ``path`` is a field inside of ``holder``."""
    return not holder or path.startswith((f"{holder}.", f"{holder}["))
