"""Why a text is not YAML, in words that help.

What a parser says is not looked at: its words change from release to release. The type of its exception, the two places
that it gives (where it stopped, and the start of what it was reading) and the text at these places tell enough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.load.kubeyaml.goyaml import GoYamlError
from kfrun.load.kubeyaml.problems import ChunkPlace, ChunkProblem
from kfrun.load.kubeyaml.pureyaml import ParserError, ReaderError
from kfrun.load.lines import place
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.load.kubeyaml.events import YAMLError

_QUOTE: Final = "put quotes around the value"


class _Wording(NamedTuple):
    message: str
    hint: str | None = None


_TAB: Final = _Wording("a tab cannot indent YAML", "indent with spaces")
_VALUE: Final = _Wording(
    'a "key: value" cannot start here',
    'indent keys of one mapping alike, and quote a value that contains ": "',
)
_NO_VALUE: Final = _Wording(
    'this line is no "key: value"', 'a key needs ": " behind it; a text of several lines needs "key: |" or quotes'
)
_IN_MAPPING: Final = _Wording(
    "this does not continue the mapping around it",
    "indent it like the other keys of its mapping; quote a value that starts with a quote or a bracket",
)
_IN_LIST: Final = _Wording(
    "this does not continue the list around it",
    'indent it like the other "- " items, or further if it belongs to the item above',
)
_BRACKETS: Final = _Wording("a list in [ ] lacks a comma or its ]", "close it, or quote the text")
_BRACES: Final = _Wording("a mapping in { } lacks a comma or its }", "close it, or quote the text")
_UNCLOSED: Final = _Wording("a quoted text is not closed", "add the closing quote")
_ESCAPE: Final = _Wording("an unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes")
_DIGITS: Final = _Wording("an escape in double quotes lacks hexadecimal digits")
_CHARACTER: Final = _Wording(
    "an escape that names no character", "write the character itself, or \\U and its eight digits"
)
_ITEM: Final = _Wording(
    'a "- " item cannot start here',
    'put the list on the lines below its key, or quote a value that starts with "-"',
)
_KEY: Final = _Wording('a "? " key cannot start here', _QUOTE)
_NAME: Final = _Wording("an & or * without a name", f"{_QUOTE} if it should start with & or *")
_COLON: Final = _Wording("a colon that separates nothing", "put a space behind it, or quote the text that holds it")
_QUESTION: Final = _Wording("kubectl refuses a ? in a text inside [ ] or { }", _QUOTE)
_TAG: Final = _Wording("an unknown tag", f"{_QUOTE} if it should start with !")
_BEHIND: Final = _Wording(
    "text behind a | or > that starts a block", "put the text on the lines below it, further indented"
)
_MISSING: Final = _Wording("a value is missing here")
_NO_KEY: Final = _Wording("a key is missing before this colon", _QUOTE)
_ENDED: Final = _Wording(
    "a document has ended, and this is no part of it",
    "indent it like the text above, or start a new document with ---",
)

_ONLY_GO_YAML: Final = {"escape": _ESCAPE, "character": _CHARACTER, "question": _QUESTION}
# a parser gives brackets up where they are deeper than it bears, and it waits for the colon of a key before they open
_INDICATORS: Final = {":": _VALUE, "-": _ITEM, "?": _KEY, "[": _NO_VALUE, "{": _NO_VALUE}
_ESCAPED: Final = {"x": 2, "u": 4, "U": 8}
"""Letter of an escape -> its hexadecimal digits."""

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE: Final = re.compile(r"\s")
_ANCHOR: Final = re.compile(r"&\S+\s+")
_QUOTED: Final = re.compile(r"""'(?:[^']|'')*+'|"(?:[^"\\]|\\.)*+\"""", re.DOTALL)
_COLON_IN_FLOW: Final = re.compile(r":[,?\[\]{}]")
_HEXADECIMAL: Final = re.compile("[0-9a-fA-F]*")


def from_yaml(error: YAMLError, text: str) -> ChunkProblem:
    """The parser's complaint about ``text`` in our words, at the place that the user should look at."""
    problem = _in_our_words(error, text)
    start = getattr(error, "context_mark", None)
    problem.since = None if start is None else start.line
    return problem


def _in_our_words(error: YAMLError, text: str) -> ChunkProblem:
    if isinstance(error, ReaderError):
        return _bad_character(text)
    if isinstance(error, GoYamlError):
        return _problem(_ONLY_GO_YAML[error.reason], error.mark)
    found: Any = error
    mark, start = found.problem_mark, found.context_mark
    wording: _Wording | None
    if isinstance(error, ParserError):
        if start is None and text.lstrip().startswith("%"):
            return _directive(ChunkPlace(0, 0))
        wording = _of_structure(text, mark.index, None if start is None else start.index)
    else:
        if start is not None and start.index < mark.index and text.startswith("%", start.index):
            return _directive(start)
        wording = _of_token(text, mark.index, mark.index if start is None else start.index)
    if wording is _UNCLOSED:
        mark = start
    mark = _inside(mark, text)
    return _bad_start(text[found.problem_mark.index :][:1], mark) if wording is None else _problem(wording, mark)


def _of_structure(text: str, at: int, start: int | None) -> _Wording:
    """Why a token has no place at ``at``, in what began at ``start``."""
    if start is None:
        return _ENDED
    if text.startswith("!", at) and (at == start or _ANCHOR.fullmatch(text, start, at)):
        return _TAG
    if at == start:
        return _NO_KEY if text.startswith(":", at) else _MISSING
    opening = text[start]
    if opening == "-":
        return _IN_LIST if _SPACE.match(text, start + 1) else _IN_MAPPING
    return {"[": _BRACKETS, "{": _BRACES}.get(opening, _IN_MAPPING)


def _of_token(text: str, at: int, start: int) -> _Wording | None:
    """What is wrong at ``at`` with the token that began at ``start``; None for a character that starts none."""
    if at == start:
        return _INDICATORS.get(text[at : at + 1])
    opening = text[start]
    if opening in "'\"":
        return _of_quoted(text, at, start)
    if opening in "&*!" and _is_broken(text, at, start):
        return _TAG if opening == "!" else _NAME
    if text.startswith("\t", at):
        return _TAB
    if opening in "|>":
        return _BEHIND
    return _COLON if _COLON_IN_FLOW.match(text, at) else _NO_VALUE


def _is_broken(text: str, at: int, start: int) -> bool:
    """Whether a name or tag ends at ``at`` as it must not; if not so, it is a key whose colon was looked for there."""
    if at < len(text):
        return _SPACE.search(text, start, at) is None
    return at == start + 1 or text.startswith("!<", start)


def _of_quoted(text: str, at: int, start: int) -> _Wording:
    whole = _QUOTED.match(text, start)
    if whole is not None and whole.end() <= at:
        return _NO_VALUE
    return (_of_escape(text, at, start) if text[start] == '"' else None) or _UNCLOSED


def _of_escape(text: str, at: int, start: int) -> _Wording | None:
    """What is wrong with the escape at ``at``: a parser stops behind the letter, at the backslash or at the letter."""
    if text[at - 1] in _ESCAPED and _is_escape(text, at - 2, start):
        digits = _HEXADECIMAL.match(text, at)
        assert digits
        return _DIGITS if len(digits[0]) < _ESCAPED[text[at - 1]] else _CHARACTER
    return _ESCAPE if _is_escape(text, at, start) or _is_escape(text, at - 1, start) else None


def _is_escape(text: str, at: int, start: int) -> bool:
    """Whether a backslash stands at ``at`` that no other one escapes."""
    before = text[start + 1 : at]
    return text.startswith("\\", at) and (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _problem(wording: _Wording, mark: Any) -> ChunkProblem:
    return ChunkProblem("KF101", wording.message, mark, hint=wording.hint)


def _directive(mark: Any) -> ChunkProblem:
    return ChunkProblem("KF111", "kubectl refuses directives such as %YAML", mark, hint="remove the line")


def _bad_start(character: str, mark: Any) -> ChunkProblem:
    if character == "\t":
        return _problem(_TAB, mark)
    return ChunkProblem("KF101", f"a value cannot start with {character}", mark, hint=_QUOTE)


def _inside(mark: Any, text: str) -> Any:
    """The mark, or the text's end: where its last line lacks a break, libyaml complains of the line behind it."""
    line, column = place(text, len(text))
    return mark if mark.line < line else ChunkPlace(line - 1, column - 1)


def _bad_character(text: str) -> ChunkProblem:
    match = _FORBIDDEN.search(text)
    if match is None:
        return ChunkProblem("KF103", "a character that YAML does not allow", ChunkPlace(0, 0))
    line, column = place(text, match.start())
    code = ord(match[0])
    if not code:
        message, hint = "a NUL byte", "is this a binary file, or UTF-16 without a byte order mark?"
    else:
        message, hint = f"the control character U+{code:04X}", "in double quotes it can be written as an escape"
    return ChunkProblem("KF103", f"{message} is not allowed in YAML", ChunkPlace(line - 1, column - 1), hint=hint)
