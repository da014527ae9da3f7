"""Source lines for `Finding.excerpt`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.load.lines import line_at, line_of
from kfrun.terminal import in_columns

if TYPE_CHECKING:
    from kfrun.model.source import Document, Position

LONGEST: Final = 180
"""Characters of an excerpt at most."""


def excerpt(source: Document | str, position: Position) -> str:
    """The source line at ``position``, safe to print.

    Column for column the same as the source: a tab becomes one space, what could steer a terminal
    becomes U+FFFD. A line beyond `LONGEST` is cut: its beginning when the column lies in it,
    otherwise the surroundings of the column, shorter than the column, so that a caret drawn at
    ``position.column`` only where the excerpt reaches that far is always right. Where there are no lines there is none.
    """
    if not position.line:
        return ""
    line = line_at(source, position.line) if isinstance(source, str) else line_of(source, position.line)
    return shown(line, position.column)


def shown(line: str, column: int) -> str:
    """One line as an excerpt around the 1-based ``column``; see `excerpt`."""
    if len(line) > LONGEST:
        if column <= LONGEST - 20:
            line = line[: LONGEST - 1] + "…"
        else:
            first = column - 61
            line = f"…{line[first : first + 120]}…"
    return in_columns(line.replace("\t", " "))
