"""SIGINT and SIGTERM of a command that owns a job: counted, and never lost."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kfrun.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Self

_TERMINATED = 143


class Stopped(Exception):
    """SIGINT or SIGTERM came."""


class Stops:
    """Counts SIGINT and SIGTERM from the moment that a job may exist.

    They interrupt only what is done within `interruptible`: whatever comes at another moment is kept for it, so that
    no job is started, or told to stop, half.
    """

    def __init__(self) -> None:
        self.count = 0
        self.code = 0
        self._told = 0
        self._raises = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raise `Stopped` for what came since the last time, and for whatever comes now."""
        try:
            self._raises = True
            if self.count > self._told:
                raise Stopped
            yield
        finally:
            self._raises = False
            self._told = self.count

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.code = _TERMINATED if number == signal.SIGTERM else Interrupted.exit_code
        if self._raises:
            self._raises = False
            raise Stopped
