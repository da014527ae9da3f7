"""Draws what is known of a field or of a finding's code, as kubectl explain does."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.fieldinfo import FieldInfo

WIDTH = 100


class Code(NamedTuple):
    """A finding's code.

    Attributes:
        meaning: in one line.
        stage: who finds it.
        cause: what usually causes it.
        remedy: how to mend it.
        why: what a cluster does with it, or what goes wrong.
        wrong: an example in YAML, and ``right`` the same, mended; empty where there is none.
        source: where upstream states the rule.
        documentation: pages and commands that tell more.
    """

    code: str
    meaning: str
    stage: str
    cause: str = ""
    remedy: str = ""
    why: str = ""
    wrong: str = ""
    right: str = ""
    source: str = ""
    documentation: tuple[str, ...] = ()


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
    if code.source:
        lines.append(f"source:   {code.source}")
    parts = {
        "WHY IT IS A PROBLEM": _wrapped(code.why),
        "TYPICAL CAUSE": _wrapped(code.cause),
        "HOW TO MEND IT": _wrapped(_sentence(code.remedy)),
        "WRONG": textwrap.indent(code.wrong, "    ").splitlines(),
        "RIGHT": textwrap.indent(code.right, "    ").splitlines(),
        "MORE": [f"    {one}" for one in code.documentation],
    }
    for title, text in parts.items():
        lines += ["", f"{title}:", *text] if text else []
    return "\n".join(lines) + "\n"


def _facts(info: FieldInfo) -> Iterator[str]:
    if info.path:
        yield f"REQUIRED:    {'yes' if info.required else 'no'}"
    if info.within:
        yield f"IN RUNTIMES: {info.within.partition('.')[2]}"
    if info.default is not None:
        yield f"DEFAULT:     {json.dumps(info.default)}"
    for number, clause in enumerate(info.constraints):
        yield f"{'ALLOWED:' if not number else '':<13}{clause}"
    if info.since:
        yield f"SINCE:       {info.since}{f', until {info.until}' if info.until else ''}"


def _sentence(text: str) -> str:
    """A hint as a sentence: it may begin with a command, which stays as it is."""
    text = text if text.startswith(("kfrun", "metadata", "apiVersion")) else text[:1].upper() + text[1:]
    return text if text.endswith((".", "?")) else f"{text}."


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
    return json_text({"formatVersion": 1, **info})
