"""Lines and columns of a text as YAML counts them.

A line ends at LF, CRLF, CR, NEL, LS or PS, as libyaml sees it; columns count characters. Lines of templates end at the
first three only, as Jinja2 sees it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.packed import Packed
    from kfrun.model.source import Document

_BREAK: Final = pattern("\r\n?|[\n\x85\u2028\u2029]")
TEMPLATE_BREAK: Final = pattern("\r\n?|\n")
_UNUSUAL: Final = pattern("\r(?!\n)|[\x85\u2028\u2029]")
_COMMENT: Final = pattern(r"(^|\s)#.*")


class Line(NamedTuple):
    """One line of a list: its text without comment and margin, and its 0-based number."""

    number: int
    text: str


def entries(text: str) -> list[Line]:
    """The entries of a list in a text: one a line, blank lines and ``#`` comments left out."""
    stripped = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return [Line(number, entry) for number, entry in enumerate(stripped) if entry]


class LineCounter:
    """Line and column of ever later places in a text, each part of it looked at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        # almost always LF or CRLF end every line, and counting LFs is fast
        self._is_simple = (text.isascii() and "\r" not in text) or _UNUSUAL.search(text) is None
        self._index = 0
        self._line = 0
        self._line_start = 0

    def place(self, index: int) -> tuple[int, int]:
        """The 0-based line and column of the character at ``index``, which grows from call to call."""
        if self._is_simple:
            self._line += self._text.count("\n", self._index, index)
            self._line_start = self._text.rfind("\n", self._index, index) + 1 or self._line_start
        else:
            for match in _BREAK.finditer(self._text, self._index, index):
                self._line += 1
                self._line_start = match.end()
        self._index = index
        return self._line, index - self._line_start


def place(text: str, index: int) -> tuple[int, int]:
    """The 1-based line and column of the character at ``index``."""
    line, start = 1, 0
    for match in _BREAK.finditer(text, 0, index):
        line, start = line + 1, match.end()
    return line, index - start + 1


def is_template(document: Document | Packed) -> bool:
    """Whether a document was rendered: its text and its positions are its template's."""
    return getattr(document.positions, "is_rendered", False)


def line_at(text: str, line: int, *, is_template: bool = False) -> str:
    """The 1-based ``line`` without its break; empty when there is no such line."""
    if is_template:
        found = _template_lines(text)
        return found[line - 1] if 1 <= line <= len(found) else ""
    starts = _line_starts(text)
    if not 1 <= line <= len(starts):
        return ""
    end = starts[line] if line < len(starts) else len(text)
    return text[starts[line - 1] : end].rstrip("\r\n\x85\u2028\u2029")


def line_of(document: Document, line: int) -> str:
    """As `line_at`, of the text that the document's positions are in."""
    return line_at(document.text, line, is_template=is_template(document))


def lines_from(document: Document, line: int) -> Iterator[tuple[int, str]]:
    """The lines of the text from the 1-based ``line`` on, each with its number."""
    count = len(_template_lines(document.text) if is_template(document) else _line_starts(document.text))
    return ((number, line_of(document, number)) for number in range(line, count + 1))


@lru_cache(maxsize=2)
def _template_lines(text: str) -> list[str]:
    return TEMPLATE_BREAK.split(text)


@lru_cache(maxsize=2)  # a thousand findings about one source look at it a thousand times
def _line_starts(text: str) -> list[int]:
    if "\r" in text or not (text.isascii() or _UNUSUAL.search(text) is None):
        return [0, *(match.end() for match in _BREAK.finditer(text))]
    # six times as fast: there is one of these for every document that something is wrong with
    return list(accumulate((len(line) + 1 for line in text.split("\n")[:-1]), initial=0))
