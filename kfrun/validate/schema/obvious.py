"""Tells documents that are valid beyond doubt, without a validator. For the first few documents.

Importing `jsonschema_rs` and compiling a schema takes 6 ms, a tenth of what a command takes; walking one document
along its schema takes a fifth of one. Every doubt is for the validator to settle: a keyword that is not known here, a
number that is written with a fraction, nesting without end.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.validate.schema.schemas import Schema

_DEEPEST: Final = 60
_TYPES: Final[Mapping[str, type]] = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
}  # fmt: skip


def is_valid(data: Any, root: Schema) -> bool:
    """Whether ``data`` surely fits the schema; False means that it may or may not."""
    return _fits(data, root, root["definitions"], 0)


def _fits(data: Any, schema: Schema, definitions: Mapping[str, Schema], depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    for keyword, wanted in schema.items():
        if keyword in _SAYS_NOTHING:
            continue
        if keyword in _SIMPLE:
            if not _SIMPLE[keyword](data, wanted):
                return False
        elif keyword not in _NESTED or not _NESTED[keyword](data, schema, definitions, depth + 1):
            return False
    return True


def _has_type(data: Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(type(data) is _TYPES.get(name) for name in names)


def _is_one_of(data: Any, wanted: list[Any]) -> bool:
    # Strings only: to Python 1, 1.0 and True are the same.
    return type(data) is str and data in wanted


def _matches(data: Any, wanted: str) -> bool:
    # What is no Unicode is a question for the validators.
    return not isinstance(data, str) or (data.isascii() and _pattern(wanted).search(data) is not None)


@cache
def _pattern(expression: str) -> re.Pattern[str]:
    # In JSON Schema $ is the end of the text only, in Python it also matches before a last line break.
    return re.compile(re.sub(r"\$$", r"\\Z", expression), re.ASCII)


def _of(kind: type, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A keyword that speaks of one type of data only."""
    return lambda data, wanted: not isinstance(data, kind) or holds(data, wanted)


_SAYS_NOTHING: Final = frozenset(
    {
        "$comment", "$schema", "default", "definitions", "description", "format", "title",
        "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    }
)  # fmt: skip
"""Formats are checked by rules of our own, as are lists that are maps."""

_SIMPLE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "type": _has_type,
    "enum": _is_one_of,
    "pattern": _matches,
    "required": _of(dict, lambda data, wanted: all(name in data for name in wanted)),
    "minimum": _of(int, lambda data, wanted: data >= wanted),
    "maximum": _of(int, lambda data, wanted: data <= wanted),
    "minLength": _of(str, lambda data, wanted: len(data) >= wanted),
    "maxLength": _of(str, lambda data, wanted: len(data) <= wanted),
    "minItems": _of(list, lambda data, wanted: len(data) >= wanted),
    "maxItems": _of(list, lambda data, wanted: len(data) <= wanted),
    "minProperties": _of(dict, lambda data, wanted: len(data) >= wanted),
}


def _properties(data: Any, schema: Schema, definitions: Mapping[str, Schema], depth: int) -> bool:
    if not isinstance(data, dict):
        return True
    known = schema["properties"]
    return all(_fits(value, known[name], definitions, depth) for name, value in data.items() if name in known)


def _others(data: Any, schema: Schema, definitions: Mapping[str, Schema], depth: int) -> bool:
    if not isinstance(data, dict):
        return True
    known, wanted = schema.get("properties", {}), schema["additionalProperties"]
    others = [value for name, value in data.items() if name not in known]
    if isinstance(wanted, bool):
        return wanted or not others
    return all(_fits(value, wanted, definitions, depth) for value in others)


def _items(data: Any, schema: Schema, definitions: Mapping[str, Schema], depth: int) -> bool:
    return not isinstance(data, list) or all(_fits(item, schema["items"], definitions, depth) for item in data)


def _definition(data: Any, schema: Schema, definitions: Mapping[str, Schema], depth: int) -> bool:
    if len(schema) > 1 and not _SAYS_NOTHING.issuperset(schema.keys() - {"$ref"}):
        return False
    name = schema["$ref"].removeprefix("#/definitions/")
    return name in definitions and _fits(data, definitions[name], definitions, depth)


_NESTED: Final[Mapping[str, Callable[[Any, Schema, Mapping[str, Schema], int], bool]]] = {
    "properties": _properties,
    "additionalProperties": _others,
    "items": _items,
    "$ref": _definition,
}
