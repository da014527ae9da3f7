"""What can be wrong with YAML: the codes of load, and libyaml's complaints in words that help.

Called by the builder and by `parse`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kfrun.load.kubeyaml.events import ReaderError
from kfrun.load.lines import place
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from kfrun.load.kubeyaml.events import YAMLError
    from kfrun.model.source import FieldPath

CODES: Final = {
    "KF101": "the text is not YAML",
    "KF102": "a key appears twice in one mapping",
    "KF103": "a character or byte that YAML does not allow",
    "KF104": "an alias without anchor, or an anchor inside itself",
    "KF105": "aliases that expand beyond all measure",
    "KF106": "nested too deeply",
    "KF107": "too large",
    "KF108": "not a Kubernetes object",
    "KF109": "a value or key that cannot become JSON",
    "KF110": "a merge key << that merges no mapping",
    "KF111": "text that kubectl refuses or ignores between documents",
    "KF112": "no object in the source",
    "KF113": "too many problems in one source",
}
"""Code and meaning of every finding of load."""


class Place(NamedTuple):
    """0-based line and column within one chunk."""

    line: int
    column: int


class Problem(Exception):
    """Something wrong at a place of a chunk; becomes a `Finding` once the source is known."""

    def __init__(self, code: str, message: str, where: Any, *, hint: str | None = None, path: FieldPath = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = Place(where.line, where.column)
        self.hint = hint
        self.path = path


_FORBIDDEN: Final = pattern("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTE: Final = "put quotes around the value"
_TAB: Final = "indent with spaces"


class _Wording(NamedTuple):
    pattern: str
    message: str
    hint: str | None


# libyaml's phrase or PyYAML's own (searched, first match wins), our message, our hint
_WORDINGS: Final = (
    _Wording(r"tab character|'\\t' that cannot start", "a tab cannot indent YAML", _TAB),
    _Wording(
        r"mapping values are not allowed",
        'a "key: value" cannot start here',
        'indent keys of one mapping alike, and quote a value that contains ": "',
    ),
    _Wording(
        r"could not find expected ':'",
        'this line is no "key: value"',
        'a key needs ": " behind it; a text of several lines needs "key: |" or quotes',
    ),
    _Wording(
        r"did not find expected key|block mapping.*expected <block end>",
        "this does not continue the mapping around it",
        "indent it like the other keys of its mapping; quote a value that starts with a quote or a bracket",
    ),
    _Wording(
        r"did not find expected '-' indicator|block collection.*expected <block end>",
        "this does not continue the list around it",
        'indent it like the other "- " items, or further if it belongs to the item above',
    ),
    _Wording(r"expected ',' or '\]'", "a list in [ ] lacks a comma or its ]", "close it, or quote the text"),
    _Wording(r"expected ',' or '\}'", "a mapping in { } lacks a comma or its }", "close it, or quote the text"),
    _Wording(r"unexpected end of stream", "a quoted text is not closed", "add the closing quote"),
    _Wording(
        r"unknown escape character",
        "an unknown escape in double quotes",
        "write \\\\ for a backslash, or use single quotes",
    ),
    _Wording(r"hexdecimal|hexadecimal", "an escape in double quotes lacks hexadecimal digits", None),
    _Wording(
        r"Unicode character escape",
        "an escape that names no character",
        "write the character itself, or \\U and its eight digits",
    ),
    _Wording(
        r"sequence entries are not allowed",
        'a "- " item cannot start here',
        'put the list on the lines below its key, or quote a value that starts with "-"',
    ),
    _Wording(r"mapping keys are not allowed", 'a "? " key cannot start here', _QUOTE),
    _Wording(
        r"alphabetic or numeric character|alphanumeric character",
        "an & or * without a name",
        f"{_QUOTE} if it should start with & or *",
    ),
    _Wording(
        r"unexpected ':'", "a colon that separates nothing", "put a space behind it, or quote the text that holds it"
    ),
    _Wording(r"question mark", "kubectl refuses a ? in a text inside [ ] or { }", _QUOTE),
    _Wording(r"undefined tag handle", "an unknown tag", f"{_QUOTE} if it should start with !"),
    _Wording(
        r"comment or (?:a )?line break|chomping or indentation|indentation indicator",
        "text behind a | or > that starts a block",
        "put the text on the lines below it, further indented",
    ),
    _Wording(r"expected node content", "a value is missing here", None),
    _Wording(
        r"<document start>",
        "a document has ended, and this is no part of it",
        "indent it like the text above, or start a new document with ---",
    ),
)


def from_yaml(error: YAMLError, text: str) -> Problem:
    """The parser's complaint about ``text`` in our words, at the place that the user should look at."""
    if isinstance(error, ReaderError):
        return _bad_character(text)
    found: Any = error
    problem, context = found.problem or "", found.context or ""
    mark = found.problem_mark or found.context_mark
    if mark is None:
        return Problem("KF101", f"not YAML: {problem or context}", Place(0, 0))
    if "<document start>" in problem and text.lstrip().startswith("%"):
        return Problem("KF111", "kubectl refuses directives such as %YAML", Place(0, 0), hint="remove the line")
    if "cannot start any token" in problem:
        return _bad_start(text, mark)
    wording = next((row for row in _WORDINGS if re.search(row.pattern, f"{context} {problem}")), None)
    if "unexpected end of stream" in problem and found.context_mark is not None:
        mark = found.context_mark
    mark = _inside(mark, text)
    if wording is None:
        return Problem("KF101", f"not YAML: {problem}", mark)
    return Problem("KF101", wording.message, mark, hint=wording.hint)


def _inside(mark: Any, text: str) -> Any:
    """The mark, or the text's end: where its last line lacks a break, libyaml complains of the line behind it."""
    line, column = place(text, len(text))
    return mark if mark.line < line else Place(line - 1, column - 1)


def _bad_start(text: str, mark: Any) -> Problem:
    character = text[mark.index : mark.index + 1]
    if character == "\t":
        return Problem("KF101", "a tab cannot indent YAML", mark, hint=_TAB)
    return Problem("KF101", f"a value cannot start with {character}", mark, hint=_QUOTE)


def _bad_character(text: str) -> Problem:
    match = _FORBIDDEN.search(text)
    if match is None:
        return Problem("KF103", "a character that YAML does not allow", Place(0, 0))
    line, column = place(text, match.start())
    code = ord(match[0])
    if not code:
        message, hint = "a NUL byte", "is this a binary file, or UTF-16 without a byte order mark?"
    else:
        message, hint = f"the control character U+{code:04X}", "in double quotes it can be written as an escape"
    return Problem("KF103", f"{message} is not allowed in YAML", Place(line - 1, column - 1), hint=hint)
