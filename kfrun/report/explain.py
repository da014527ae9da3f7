"""Draws what is known of a field or of a finding's code, as kubectl explain does. Called by cli (explain)."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.fieldinfo import FieldInfo

WIDTH = 100


class Code(NamedTuple):
    """A finding's code: its one-line meaning, the stage that finds it, what usually causes it and how to mend it."""

    code: str
    meaning: str
    stage: str
    cause: str = ""
    remedy: str = ""


def field_text(info: FieldInfo, *, recursive: bool = False) -> str:
    """Everything about one field, and the fields that it holds."""
    from kfrun.report import yamljson

    lines = [f"KIND:        {info.kind}"]
    if info.path:
        lines.append(f"FIELD:       {info.path} <{info.type}>")
    lines += list(_facts(info))
    if info.description:
        lines += ["", "DESCRIPTION:", *_wrapped(info.description)]
    if info.example is not None:
        lines += ["", "EXAMPLE:", *textwrap.indent(yamljson.to_yaml([info.example]), "    ").splitlines()]
    if info.fields:
        lines += ["", "FIELDS:", *(_tree(info.fields, 1) if recursive else _list(info.fields))]
    return "\n".join(lines) + "\n"


def code_text(code: Code) -> str:
    """What a finding's code means and how to mend what it finds."""
    lines = [f"{code.code}: {code.meaning}", f"found by: {code.stage}"]
    if code.cause:
        lines += ["", "TYPICAL CAUSE:", *_wrapped(code.cause)]
    if code.remedy:
        lines += ["", "HOW TO MEND IT:", *_wrapped(code.remedy)]
    return "\n".join(lines) + "\n"


def _facts(info: FieldInfo) -> Iterator[str]:
    if info.path:
        yield f"REQUIRED:    {'yes' if info.required else 'no'}"
    if info.default is not None:
        yield f"DEFAULT:     {json.dumps(info.default)}"
    for number, clause in enumerate(info.constraints):
        yield f"{'ALLOWED:' if not number else '':<13}{clause}"
    if info.since:
        yield f"SINCE:       {info.since}{f', until {info.until}' if info.until else ''}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 4, initial_indent="    ", subsequent_indent="    ")


def _list(fields: tuple[FieldInfo, ...]) -> Iterator[str]:
    for field in fields:
        yield f"  {_head(field)}"
        if field.description:
            yield from _wrapped(field.description)


def _tree(fields: tuple[FieldInfo, ...], depth: int) -> Iterator[str]:
    for field in fields:
        yield f"{'  ' * depth}{_head(field)}"
        yield from _tree(field.fields, depth + 1)


def _head(field: FieldInfo) -> str:
    return f"{field.name} <{field.type}>{' -required-' if field.required else ''}"


def to_json(info: dict[str, Any]) -> str:
    """A field as data, for programs."""
    return json.dumps({"formatVersion": 1, **info}, indent=2, ensure_ascii=False) + "\n"
