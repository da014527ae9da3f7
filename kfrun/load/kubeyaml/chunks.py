"""Cuts a source into documents the way kubectl does: at lines that begin with ``---``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.kubeyaml.problems import ChunkPlace, ChunkProblem
from kfrun.load.lines import LineCounter, line_at
from kfrun.model.source import Position
from kfrun.patterns import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

_SURROGATES: Final = pattern(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_REWRITTEN: Final = pattern(r"(?<!\\)(?:\\\\)*\\U[0-9a-f]{8}")
_SPACE: Final = " \t\r\n"


class Chunk:
    """A part of a source that holds one document at most; ``line`` and ``column`` are 0-based.

    ``problem`` says why kubectl would not read it.
    """

    __slots__ = ("_end", "_start", "_text", "column", "is_json", "line", "problem")

    def __init__(
        self,
        text: str,
        bounds: tuple[int, int],
        place: ChunkPlace,
        *,
        is_json: bool = False,
        problem: ChunkProblem | None = None,
    ) -> None:
        self._text = text
        self._start, self._end = bounds
        self.is_json = is_json
        self.line, self.column = place
        self.problem = problem

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def content(self) -> str:
        """The chunk's text as the YAML parser should see it."""
        # libyaml does not count the mark at the start
        content = self._text[self._start : self._end].removeprefix("\ufeff")
        if self.is_json and "\\u" in content:
            # JSON writes a character beyond U+FFFF as a pair of escapes, which YAML does not know
            content = _SURROGATES.sub(_one_character, content)
        return content

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space."""
        return self._end - self._start < 1000 and not self._text[self._start : self._end].strip()

    def position(self, file: str, mark: Any) -> Position:
        """Where a 0-based mark of this chunk stands in the source."""
        column: int = mark.column + 1
        if self.is_json and "\\u" in self._text:
            # each pair of escapes before the mark is two characters longer in the source than in the content
            before = line_at(self.content, mark.line + 1)[: mark.column]
            column += 2 * len(_REWRITTEN.findall(before))
        if mark.line == 0:
            column += self.column
        return Position(file, self.line + mark.line + 1, column)


def split(text: str) -> Iterator[Chunk]:
    """The chunks of a source in order, empty ones among them."""
    lines = LineCounter(text)
    start = 0
    for end in _json_ends(text):
        yield Chunk(text, (start, end), ChunkPlace(*lines.place(start)), is_json=True)
        start = end
    is_refused = False
    for mark, end_of_line in _separators(text, start):
        if not is_refused:
            yield Chunk(text, (start, mark), ChunkPlace(*lines.place(start)))
        problem = _separator_problem(text[mark:end_of_line])
        is_refused = problem is not None
        if is_refused:
            yield Chunk(text, (mark, end_of_line), ChunkPlace(*lines.place(mark)), problem=problem)
        start = end_of_line
    if not is_refused:
        yield Chunk(text, (start, len(text)), ChunkPlace(*lines.place(start)))


def _separator_problem(line: str) -> ChunkProblem | None:
    rest = line[3:].strip()
    if not rest or rest.startswith("#"):
        return None
    hint = "write exactly three dashes" if rest[0] == "-" else "put it on the next line"
    return ChunkProblem(
        "KF111", "kubectl refuses text behind the --- that starts a document", ChunkPlace(0, 3), hint=hint
    )


def _separators(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The bounds of each line that begins with ``---``, its break included."""
    if text.startswith("---", start) and text[start - 1 : start] in ("", "\n"):
        mark = start
    else:
        mark = _next_separator(text, start)
    while mark >= 0:
        end = text.find("\n", mark) + 1 or len(text)
        yield mark, end
        mark = _next_separator(text, end - 1)


def _next_separator(text: str, start: int) -> int:
    found = text.find("\n---", start)
    return found + 1 if found >= 0 else -1


def _json_ends(text: str) -> Iterator[int]:
    """Where each of the JSON objects ends that the text begins with, one after the other."""
    import json

    decoder = json.JSONDecoder()
    start = _skip_space(text, 0)
    while text.startswith("{", start):
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):  # no JSON: it is read as YAML
            return
        yield end
        start = _skip_space(text, end)


def _skip_space(text: str, start: int) -> int:
    while text[start : start + 1] in _SPACE and start < len(text):
        start += 1
    return start


def _one_character(match: re.Match[str]) -> str:
    backslashes, high, low = match.groups()
    code = 0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)
    return f"{backslashes}\\U{code:08x}"
