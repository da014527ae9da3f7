"""Files of variables as a kubelet reads them for ``fileKeyRef``: ``KEY='VALUE'``, a part of a shell's syntax. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Lines = Iterator[tuple[int, str]]

_BLANK = " \t"


class BadLine(Exception):
    """A line that such a file may not have; the message says which and why, and never what stands there."""


def value(text: str, key: str) -> str:
    """What stands at a key, empty if it is not there. As in a kubelet, what comes behind it is not looked at.

    Raises:
        BadLine: a line before it is no variable.
    """
    lines = enumerate((line.removesuffix("\r") for line in text.split("\n")), 1)
    for number, line in lines:
        name, equals, rest = line.lstrip(_BLANK).partition("=")
        if name.startswith("#") or not (name or equals):
            continue
        if not equals or not name.rstrip(_BLANK):
            raise BadLine(f"line {number} is no KEY='VALUE'")
        if name[-1] in _BLANK:
            raise BadLine(f"line {number}: a blank stands before =")
        # As in a shell, A= 'b' leaves A empty.
        found = "" if rest.startswith((" ", "\t")) else _quoted(rest, number, lines)
        if name == key:
            return found
    return ""


def _quoted(rest: str, number: int, lines: Lines) -> str:
    """What stands between the quotes, which may be on several lines."""
    if not rest.startswith("'"):
        raise BadLine(f"line {number}: the value must stand between single quotes, as in KEY='VALUE'")
    found, quote, behind = rest[1:].partition("'")
    while not quote:
        last, rest = next(lines, (0, ""))
        if not last:
            raise BadLine(f"line {number}: the single quote is never closed")
        more, quote, behind = rest.partition("'")
        found += f"\n{more}"
    if behind.strip(_BLANK) and not behind.lstrip(_BLANK).startswith("#"):
        raise BadLine(f"line {number}: only a comment may stand behind the closing quote")
    return found
