"""Templates: a text is rendered with values, then read as YAML; findings point at the template.

`sandbox` renders, twice if anybody asks for a place: the second time with marks that tell the template's line of every
character. An expression that writes several lines stands on its own line for all of them, and so does a loop's body
for every round: a place in the output has one place in the template, which many places in the output may share.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from kfrun.load.excerpts import shown
from kfrun.load.lines import TEMPLATE_BREAK
from kfrun.model.source import Finding, Position, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.load.sandbox import Told
    from kfrun.model.source import Document, FieldPath, Positions

CODES = {
    "KF120": "the template is not what Jinja2 understands",
    "KF121": "a template uses a value that nobody gave",
    "KF122": "a template fails when it is rendered",
    "KF123": "a template reaches for what it may not have: Python's objects, files, other templates",
    "KF124": "a template takes too much time or memory, or is too large",
}

MAX_CHARACTERS: Final = 2 * 1024 * 1024
"""Longest template."""

_OPENINGS: Final = ("{{", "{%", "{#")
_BREAK: Final = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_PRIVATE_USE: Final = range(0xF0000, 0xFFFFD)
_RENDERED: Final = "rendered: "


def parse(
    text: str, source: str, values: Mapping[str, Any], *, folder: str | None = None
) -> tuple[list[Document], list[Finding]]:
    """Render a text with ``values`` and read the outcome; never raises for bad input.

    Documents and findings are as `kfrun.load.kubeyaml.parse` gives them, their positions, texts and excerpts those of
    the template.
    """
    from kfrun.load import kubeyaml

    if not any(opening in text for opening in _OPENINGS):
        return kubeyaml.parse(text, source, folder=folder)
    rendered, refusal = _render(text, source, values)
    if refusal is not None:
        return [], [refusal]
    places = _Places(text, rendered, values)
    documents, findings = kubeyaml.parse(rendered, source, folder=folder)
    mapped = [replace(item, positions=_Mapped(item.positions, places), text=text) for item in documents]
    return mapped, [_in_template(item, places) for item in findings]


def _render(text: str, source: str, values: Mapping[str, Any]) -> tuple[str, Finding | None]:
    if len(text) > MAX_CHARACTERS:
        message = f"a template of more than {MAX_CHARACTERS // 2**20} MiB"
        return "", _finding(_Fault("KF124", message, 1, "render it elsewhere, or split it"), text, source)
    try:
        return _output(text, values), None
    except Exception as error:  # noqa: BLE001 - a template can raise whatever Python raises; all of it is a finding
        return "", _finding(_fault(error, values), text, source)


def _output(text: str, values: Mapping[str, Any], mark: str = "") -> str:
    from kfrun.load.sandbox import Sandbox

    return "".join(Sandbox(mark).compiled(text).generate(dict(values)))


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with a template: in which line, and what the words are to look for in it."""

    code: str
    message: str
    line: int
    hint: str | None = None
    words: tuple[str, ...] = ()


def _fault(error: Exception, values: Mapping[str, Any]) -> _Fault:
    from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError

    from kfrun.load import sandbox

    line, text = _failed_line(error), _lower(str(error).rstrip("."))
    told = error.args[0] if error.args and isinstance(error.args[0], sandbox.Told) else None
    words = (told.name,) if told is not None and told.name else ()
    if isinstance(error, TemplateSyntaxError):
        words = (error.word,) if isinstance(error, sandbox.Unparsed) and error.word else ()
        return _Fault("KF120", f"not a template: {_lower(error.message or '').rstrip('.')}", error.lineno, words=words)
    if isinstance(error, UndefinedError):
        return _Fault("KF121", text, line, _near(told, values), words)
    if isinstance(error, sandbox.Elsewhere):
        return _Fault("KF123", text, error.line, "kfrun renders one file at a time; give values with --values")
    if isinstance(error, SecurityError):
        return _Fault("KF123", f"not allowed in a template: {text}", line, words=words)
    return _exhausted(error, text, line)


def _exhausted(error: Exception, text: str, line: int) -> _Fault:
    from kfrun.load import sandbox

    if isinstance(error, RecursionError):
        return _Fault("KF124", "the template does too much: it calls itself, or is nested, too deeply", line)
    if isinstance(error, sandbox.TooMuch | OverflowError | MemoryError):
        return _Fault("KF124", f"the template does too much: {text or 'out of memory'}", line)
    if isinstance(error, SyntaxError):
        return _Fault("KF120", f"not a template: {error.msg}", line)
    kind = "" if isinstance(error, sandbox.Unwritable) else f"{type(error).__name__}: "
    return _Fault("KF122", f"the template fails: {kind}{text}", line)


def _failed_line(error: BaseException) -> int:
    """The line of the template that was being rendered; Jinja2 puts it into the traceback."""
    line, step = 1, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<template>":
            line = step.tb_lineno
        step = step.tb_next
    return line


def _lower(message: str) -> str:
    return message if message[:2].isupper() else message[:1].lower() + message[1:]


def _near(told: Told | None, values: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    name = told.name if told is not None else None
    near = get_close_matches(name, _names(values), n=1) if name else []
    if near:
        return f'did you mean "{near[0]}"?'
    if told is None or not told.is_value:
        return "values are given with --set, --set-string and --values"
    return f"give it with --set {name}=… or --values, or write a default: {{{{ {name} | default(…) }}}}"


def _names(values: object, depth: int = 0) -> list[str]:
    if not isinstance(values, dict) or depth > 8:
        return []
    return [*values, *(name for value in values.values() for name in _names(value, depth + 1))]


def _finding(fault: _Fault, text: str, source: str) -> Finding:
    lines = TEMPLATE_BREAK.split(text)
    number = min(max(fault.line, 1), len(lines))
    hint = fault.hint
    if fault.code == "KF120" and hint is None:
        from kfrun.load import placeholders

        hint = placeholders.of_another_language(lines[number - 1])
    position = Position(source, number, _column(lines[number - 1], fault.words))
    return Finding(
        fault.code,
        fault.message,
        Stage.TEMPLATE,
        position=position,
        hint=hint,
        excerpt=shown(lines[number - 1], position.column),
    )


def _column(line: str, words: tuple[str, ...]) -> int:
    """Where in a line of the template a fault most likely stands: Jinja2 knows lines only."""
    opening = re.search(r"\{[{%#]", line)
    start = opening.start() if opening else len(line) - len(line.lstrip())
    for word in words:
        found = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").search(line, start)
        if found:
            return found.start() + 1
    return start + 1


class _Places:
    """From places of the output to places of the template, worked out when somebody first asks."""

    __slots__ = ("_lines", "_marks", "_rendered", "_starts", "_template", "_values")

    def __init__(self, template: str, rendered: str, values: Mapping[str, Any]) -> None:
        self._template, self._rendered, self._values = template, rendered, values
        self._lines = TEMPLATE_BREAK.split(template)
        self._starts = [0, *(match.end() for match in _BREAK.finditer(rendered))]
        self._marks: tuple[list[int], list[int]] | None = None

    def position(self, place: Position) -> Position:
        """The place in the template that wrote ``place`` of the output."""
        if self._marks is None:
            self._marks = self._marked()
        offsets, numbers = self._marks
        start = self._starts[min(place.line, len(self._starts)) - 1]
        index = bisect_right(offsets, start + place.column - 1) - 1
        number = numbers[index] if index >= 0 else 1
        number = min(max(number, 1), len(self._lines))
        return Position(place.file, number, _same_column(self._lines[number - 1], self.line(place), place.column))

    def line(self, place: Position) -> str:
        """The line of the output that ``place`` is in."""
        number = min(place.line, len(self._starts))
        end = self._starts[number] if number < len(self._starts) else len(self._rendered)
        return self._rendered[self._starts[number - 1] : end].rstrip("\r\n\x85\u2028\u2029")

    def excerpt(self, position: Position) -> str:
        """The template's line."""
        return shown(self._lines[position.line - 1], position.column)

    def _marked(self) -> tuple[list[int], list[int]]:
        """Offsets in the output, ascending, and the line of the template that writes what begins there."""
        mark = next(chr(code) for code in _PRIVATE_USE if chr(code) not in self._template + self._rendered)
        try:
            output = _output(self._template, self._values, mark)
        except Exception:  # noqa: BLE001 - with marks in its texts a template may take another way, and fail there
            return self._guessed()
        offsets: list[int] = []
        numbers: list[int] = []
        plain: list[str] = []
        length = 0
        for index, piece in enumerate(output.split(mark)):
            if index % 2 == 0:
                plain.append(piece)
                length += len(piece)
            elif piece.isdigit():
                offsets.append(length)
                numbers.append(int(piece))
        if "".join(plain) != self._rendered:
            return self._guessed()
        return offsets, numbers

    def _guessed(self) -> tuple[list[int], list[int]]:
        """For templates that look at their own text (``|trim`` of a block): lines that are the same as in it."""
        from difflib import SequenceMatcher

        bounds = zip(self._starts, [*self._starts[1:], len(self._rendered)], strict=True)
        written = [self._rendered[start:end].rstrip("\r\n").strip() for start, end in bounds]
        source = [line.strip() for line in self._lines]
        if len(written) * len(source) > 4_000_000:
            return list(self._starts), list(range(1, len(self._starts) + 1))
        offsets: list[int] = []
        numbers: list[int] = []
        for a, b, size in SequenceMatcher(None, source, written, autojunk=False).get_matching_blocks():
            offsets += self._starts[b : b + size]
            numbers += range(a + 1, a + 1 + size)
        return offsets, numbers


def _same_column(template: str, line: str, column: int) -> int:
    """The column in the template's line for that of the output's line: exact outside expressions, else their start."""
    index = column - 1
    if line[: index + 1] == template[: index + 1]:
        return min(column, len(template) + 1)
    rest = line[index:]
    if rest and template.endswith(rest):
        return len(template) - len(rest) + 1
    shared = next((at for at, (a, b) in enumerate(zip(template, line, strict=False)) if a != b), len(line))
    indentation = len(template) - len(template.lstrip())
    return min(max(shared, indentation), len(template)) + 1


class _Mapped:
    """The positions of a document that was rendered, in its template."""

    __slots__ = ("_places", "_positions")
    is_rendered = True

    def __init__(self, positions: Positions, places: _Places) -> None:
        self._positions, self._places = positions, places

    def value(self, path: FieldPath) -> Position:
        """Where the template writes the value at ``path``."""
        return self._places.position(self._positions.value(path))

    def key(self, path: FieldPath) -> Position:
        """Where the template writes the key of ``path``."""
        return self._places.position(self._positions.key(path))


def _in_template(finding: Finding, places: _Places) -> Finding:
    """A finding about the output as one about the template; what was written there is told beside the hint."""
    if finding.position is None:
        return finding
    position = places.position(finding.position)
    written, excerpt = places.line(finding.position), places.excerpt(position)
    hint = finding.hint
    if written != excerpt:
        line = _RENDERED + shown(written.strip(), 1)
        hint = f"{hint}; {line}" if hint else line
    return replace(finding, position=position, hint=hint, excerpt=excerpt)
