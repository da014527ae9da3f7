"""Findings as text for people and as JSON for programs.

Sources are untrusted: control characters in excerpts, messages and paths never reach a terminal.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.source import Finding, Position, Related, Severity, Stage
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import ObjectKey

FORMAT_VERSION: Final = 1
"""Of the JSON form; grows when a field changes its meaning or goes away."""

TAB: Final = 4
WIDTH: Final = 100
"""Columns of an excerpt; longer lines are cut around the position."""

LONGEST: Final = 2000
"""Characters of a message, a field or a hint that are shown; programs get all of them."""

_LEAD: Final = 40
"""Columns of a cut line that are kept before the position."""

CUT_AT: Final = 61
"""Where load leaves the position in a line that it cut at the front: so many characters before it, ``…`` first."""

_MADE: Final = {Stage.JOBSET: "its JobSet", Stage.JOB: "its Job"}
_STYLES: Final = {Severity.ERROR: "1;31", Severity.WARNING: "1;33"}
_TOKEN = pattern(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[\[{]|[^\s,\]}\[{#:]+(?::[^\s,\]}]+)*")


def to_text(findings: Sequence[Finding], *, color: bool = False) -> str:
    """The findings one below the other, each with its excerpt, and a line that counts them.

    ``color`` adds ANSI styles. No finding gives an empty text; otherwise it ends with a line break.
    """
    if not findings:
        return ""
    blocks = [_block(one, _Painter(color)) for one in findings]
    return "\n".join([*blocks, _summary(findings)]) + "\n"


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as plain data: formatVersion, errors, warnings and findings, each with the same keys.

    ``file``, ``line`` and ``column``, ``position`` (the three in one), ``object``, ``hint`` and ``excerpt`` are null
    where a finding has none; ``related`` are further places, which need not be in the input. Published as
    ``schemas/findings-v1.json``.
    """
    return {
        "formatVersion": FORMAT_VERSION,
        "errors": _count(findings, Severity.ERROR),
        "warnings": _count(findings, Severity.WARNING),
        "findings": [_one_json(one) for one in findings],
    }


def object_json(key: ObjectKey) -> dict[str, str]:
    """What identifies an object, in the spelling of manifests."""
    return {"apiVersion": key.api_version, "kind": key.kind, "namespace": key.namespace, "name": key.name}


class _Painter(NamedTuple):
    color: bool

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color else text


class _Excerpt(NamedTuple):
    """A line made printable: its text, and the columns of it that the caret marks (0-based, and how many)."""

    text: str
    column: int
    length: int


def _block(one: Finding, painter: _Painter) -> str:
    style = _STYLES[one.severity]
    label = painter.paint(f"{one.severity} {one.code}", style)
    where = painter.paint(f"{_clean(str(one.position))}: ", "1") if one.position else ""
    lines = [f"{where}{label}: {_clean(_cut(one.message))}"]
    about = ", ".join(part for part in (_resource(one), field_of(one)) if part)
    margin = len(str(one.position.line)) if one.position else 1
    if about:
        lines.append(f"{' ' * margin}--> {_clean(_cut(about))}")
    if one.position and one.excerpt and one.excerpt.strip():
        lines += _excerpt_lines(one.excerpt, one.position, painter, style)
    if one.hint:
        lines.append(f"{' ' * margin} = {painter.paint('help', '1;36')}: {_clean(_cut(one.hint))}")
    lines += [f"{' ' * margin} = {painter.paint('see', '1;36')}: {_clean(_cut(str(item)))}" for item in one.related]
    return "\n".join(lines) + "\n"


def field_of(one: Finding) -> str:
    """The field for people: what a JobSet or a Job is made with is no field of the object that the finding is about."""
    of_jobset = one.stage is Stage.BACKEND and one.shown and one.shown.startswith("spec.")
    owner = _MADE[Stage.JOBSET] if of_jobset else _MADE.get(one.stage)
    return f"{one.field} of {owner}" if owner and one.field else one.field


def _resource(one: Finding) -> str:
    return one.object.resource if one.object and one.object.kind and one.object.name else ""


def _excerpt_lines(line: str, position: Position, painter: _Painter, style: str) -> list[str]:
    excerpt = _excerpt(line, position.column)
    number = str(position.line)
    gutter = " " * len(number)
    caret = painter.paint("^" * excerpt.length, style)
    return [
        f"{gutter} |",
        f"{number} | {excerpt.text}",
        f"{gutter} | {' ' * excerpt.column}{caret}",
    ]


def _excerpt(line: str, column: int) -> _Excerpt:
    """Expand tabs, hide control characters, cut a long line around ``column`` (1-based, in characters)."""
    start = CUT_AT if column > len(line) and line.startswith("…") else column - 1
    start = min(max(start, 0), len(line))
    token = _TOKEN.match(line, start)
    end = token.end() if token else start + 1
    before, marked, after = _printable(line[:start]), _printable(line[start:end]), _printable(line[end:])
    if _width(before) > _LEAD and _width(before + marked + after) > WIDTH:
        before = "…" + _tail(before, _LEAD - 1)
    room = WIDTH - _width(before)
    if _width(marked + after) > room:
        marked = _head(marked, room - 1)
        after = _head(after, room - 1 - _width(marked)) + "…"
    return _Excerpt((before + marked + after).rstrip(), _width(before), max(_width(marked), 1))


def _printable(text: str) -> str:
    return _clean(text.replace("\t", " " * TAB))


def _cut(text: str) -> str:
    """As much of a text as somebody reads: it may quote a value of any length."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _clean(text: str) -> str:
    """The text without characters that could move the cursor, colour the terminal or reorder what is read."""
    if text.isprintable():  # nothing of what is hidden
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _HIDDEN else one for one in text)


_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(one) for one in text)


def _columns(one: str) -> int:
    if unicodedata.category(one) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(one) in {"W", "F"} else 1


def _head(text: str, columns: int) -> str:
    """As much of the beginning as fits into ``columns``."""
    taken = 0
    for index, one in enumerate(text):
        taken += _columns(one)
        if taken > columns:
            return text[:index]
    return text


def _tail(text: str, columns: int) -> str:
    return _head(text[::-1], columns)[::-1]


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(one.severity is severity for one in findings)


def _summary(findings: Sequence[Finding]) -> str:
    counts = [(_count(findings, severity), severity) for severity in (Severity.ERROR, Severity.WARNING)]
    return ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for count, severity in counts if count)


def _one_json(one: Finding) -> dict[str, Any]:
    key = one.object
    place = one.position if one.position and one.position.line else None
    return {
        "code": one.code,
        "severity": str(one.severity),
        "stage": str(one.stage),
        "message": one.message,
        "hint": one.hint,
        "field": one.field,
        "path": list(one.path),
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "position": place._asdict() if place else None,
        **({"given": str(one.position)} if one.position and place is None else {}),
        "object": object_json(key) if key else None,
        "excerpt": one.excerpt,
        **({"related": [_related_json(item) for item in one.related]} if one.related else {}),
    }


def _related_json(item: Related) -> dict[str, Any]:
    place = item.position if item.position and item.position.line else None
    return {"message": item.message, **(place._asdict() if place else {"file": None, "line": None, "column": None})}
