"""Tables as kubectl draws them: columns three blanks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun import terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = 3
_MINIMUM = 6
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY
_NAMES = {1: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}
_STEPS: tuple[tuple[float, int, int], ...] = (
    (2 * _MINUTE, 1, 0),
    (10 * _MINUTE, _MINUTE, 1),
    (3 * _HOUR, _MINUTE, 0),
    (8 * _HOUR, _HOUR, _MINUTE),
    (2 * _DAY, _HOUR, 0),
    (8 * _DAY, _DAY, _HOUR),
    (2 * _YEAR, _DAY, 0),
    (8 * _YEAR, _YEAR, _DAY),
    (float("inf"), _YEAR, 0),
)
"""Spans below so many seconds are counted in the large unit, the rest in the small one (0: not at all)."""


class Table:
    """Aligned rows under a header. Widths are kept between calls, so that the rows of a watch stay aligned."""

    def __init__(self, columns: Sequence[str], *, headers: bool = True) -> None:
        self._columns = columns
        self._pending_header = headers
        self._widths = [0] * len(columns)

    def render(self, rows: Iterable[Sequence[str]]) -> str:
        """The rows as lines; the header comes with the first ones. Empty cells of the last column leave no blanks."""
        lines = [[clean(cell) for cell in row] for row in rows]
        if self._pending_header and lines:
            lines.insert(0, list(self._columns))
            self._pending_header = False
        for line in lines:
            for number, cell in enumerate(line):
                self._widths[number] = max(self._widths[number], width(cell) + _GAP, _MINIMUM)
        return "".join(self._line(line) for line in lines)

    def _line(self, cells: Sequence[str]) -> str:
        padded = [cell + " " * (self._widths[number] - width(cell)) for number, cell in enumerate(cells)]
        return "".join([*padded[:-1], cells[-1]]).rstrip() + "\n"


clean = terminal.clean
"""Of a cell, and of any other text in a line."""


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes: wide characters two, what joins or combines none."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return wcswidth(text)


def human_duration(seconds: float) -> str:
    """A span of time as kubectl writes ages: ``45s``, ``3m20s``, ``5h``, ``12d``, ``2y30d``."""
    whole = max(0, int(seconds))
    large, small = next((large, small) for limit, large, small in _STEPS if whole < limit)
    rest = whole % large // small if small else 0
    return f"{whole // large}{_NAMES[large]}" + (f"{rest}{_NAMES[small]}" if rest else "")


def age(timestamp: str | None, now: float) -> str:
    """How long ago an RFC 3339 time was; ``<unknown>`` without one.

    Args:
        timestamp: as Kubernetes writes it, in UTC (``2026-11-21T00:44:00Z``, with or without a fraction).
        now: seconds since the epoch.
    """
    seconds = epoch(timestamp)
    return "<unknown>" if seconds is None else human_duration(now - seconds)


def epoch(timestamp: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 time, None when it is none."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(timestamp or "")
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
