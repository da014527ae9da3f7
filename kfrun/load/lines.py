"""Lines and columns of a text as YAML counts them. Called by kubeyaml, sources and excerpts.

A line ends at LF, CRLF, CR, NEL, LS or PS, as libyaml sees it; columns count characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_BREAK: Final = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_UNUSUAL: Final = re.compile("\r(?!\n)|[\x85\u2028\u2029]")


def only_newlines(text: str) -> bool:
    """Whether LF or CRLF end every line, so that counting LFs is enough."""
    if text.isascii() and "\r" not in text:
        return True
    return _UNUSUAL.search(text) is None


def count_breaks(text: str, start: int, end: int, *, simple: bool) -> int:
    """The number of line breaks in ``text[start:end]``; ``simple`` is what `only_newlines` said of the text."""
    if simple:
        return text.count("\n", start, end)
    return sum(1 for _ in _BREAK.finditer(text, start, end))


def place(text: str, index: int) -> tuple[int, int]:
    """The 1-based line and column of the character at ``index``."""
    line, start = 1, 0
    for match in _BREAK.finditer(text, 0, index):
        line, start = line + 1, match.end()
    return line, index - start + 1


def line_at(text: str, line: int) -> str:
    """The 1-based ``line`` without its break; empty when there is no such line."""
    starts = _line_starts(text)
    if not 1 <= line <= len(starts):
        return ""
    end = starts[line] if line < len(starts) else len(text)
    return text[starts[line - 1] : end].rstrip("\r\n\x85\u2028\u2029")


@lru_cache(maxsize=2)  # a thousand findings about one source look at it a thousand times
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in _BREAK.finditer(text))]
