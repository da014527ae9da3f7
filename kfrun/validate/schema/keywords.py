"""The keywords of JSON Schema that the shipped schemas use: what of them a document breaks, without a validator.

Importing `jsonschema_rs` and compiling a schema takes 6 ms, a tenth of what a command takes, and importing `jsonschema`
60; walking one document along its schema takes a fifth of one. What is found is what `jsonschema` finds. Every doubt is
for the validators to settle: a keyword that is not known here, text beyond ASCII for a pattern, nesting without end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.model.source import FieldPath
    from kfrun.validate.schema.schemas import Schema

    _Check = tuple[str, Callable[[Any], bool], "Callable[[_Walk, Any, Schema, FieldPath], None] | None"]

_DEEPEST: Final = 60


class Violation(NamedTuple):
    """A keyword of the schema that a value breaks.

    Attributes:
        path: the value.
        keyword: the keyword, ``required`` for example.
        schema: the node of the schema that holds the keyword.
        value: what was found.
    """

    path: FieldPath
    keyword: str
    schema: Schema
    value: Any


class InDoubt(Exception):
    """Only a validator knows."""


def broken(data: Any, root: Schema) -> list[Violation]:
    """What is broken, each keyword of a value once; the keywords of one value in the order of its schema.

    Raises:
        InDoubt: the document may be valid or not.
    """
    walk = _Walk(root.get("definitions", {}))
    walk.look(data, root, ())
    return walk.found


class _Walk:
    """One document on its way along a schema."""

    __slots__ = ("_definitions", "_depth", "found")

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._depth = 0
        self.found: list[Violation] = []

    def look(self, data: Any, schema: Schema, path: FieldPath) -> None:
        if "$ref" in schema:  # what stands beside it says nothing
            schema = self._defined(schema["$ref"])
        self._depth += 1
        if self._depth > _DEEPEST:
            raise InDoubt
        for keyword, is_kept, look_below in _checks(schema):
            if look_below is not None:
                look_below(self, data, schema, path)
            elif not is_kept(data):
                self.found.append(Violation(path, keyword, schema, data))
        self._depth -= 1

    def _defined(self, pointer: str) -> Schema:
        schema = self._definitions.get(pointer.removeprefix("#/definitions/"))
        if schema is None or "$ref" in schema:
            raise InDoubt
        return schema

    def properties(self, data: Any, schema: Schema, path: FieldPath) -> None:
        if isinstance(data, dict):
            known = schema["properties"]
            for name, value in data.items():
                if name in known:
                    self.look(value, known[name], (*path, name))

    def others(self, data: Any, schema: Schema, path: FieldPath) -> None:
        wanted = schema["additionalProperties"]
        if not isinstance(data, dict) or wanted is True:
            return
        known = schema.get("properties", ())
        others = [name for name in data if name not in known]
        if wanted is False:
            if others:
                self.found.append(Violation(path, "additionalProperties", schema, data))
            return
        for name in others:
            self.look(data[name], wanted, (*path, name))

    def items(self, data: Any, schema: Schema, path: FieldPath) -> None:
        if isinstance(data, list):
            below = schema["items"]
            for index, item in enumerate(data):
                self.look(item, below, (*path, index))


_NESTED: Final[Mapping[str, Callable[[_Walk, Any, Schema, FieldPath], None]]] = {
    "properties": _Walk.properties,
    "additionalProperties": _Walk.others,
    "items": _Walk.items,
}


_CHECKED: Final[dict[int, tuple[Schema, list[_Check]]]] = {}
"""What is to be checked by a node of a schema, by its identity; kept with it, so that nothing else can have that."""


def _checks(schema: Schema) -> list[_Check]:
    """The keywords of a node in their order, each with what tells whether a value keeps it, or what looks below.

    Raises:
        InDoubt: one of them is not known here.
    """
    known = _CHECKED.get(id(schema))
    if known is None:
        checks = [_check(keyword, wanted) for keyword, wanted in schema.items() if keyword not in _SAYS_NOTHING]
        known = _CHECKED[id(schema)] = (schema, checks)
    return known[1]


def _check(keyword: str, wanted: Any) -> _Check:
    if keyword in _NESTED:
        return keyword, _always, _NESTED[keyword]
    if keyword in _SIMPLE:
        return keyword, _SIMPLE[keyword](wanted), None
    raise InDoubt


def _always(_: Any) -> bool:
    return True


def _is_number(data: Any) -> bool:
    return isinstance(data, int | float) and not isinstance(data, bool)


def _is_whole(data: Any) -> bool:
    return _is_number(data) and (isinstance(data, int) or data.is_integer())


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda data: isinstance(data, dict),
    "array": lambda data: isinstance(data, list),
    "string": lambda data: isinstance(data, str),
    "boolean": lambda data: isinstance(data, bool),
    "integer": _is_whole,
    "number": _is_number,
    "null": lambda data: data is None,
}


def _type(wanted: str | list[str]) -> Callable[[Any], bool]:
    if isinstance(wanted, str):
        return _TYPES[wanted]
    tests = [_TYPES[name] for name in wanted]
    return lambda data: any(test(data) for test in tests)


def _enum(wanted: list[Any]) -> Callable[[Any], bool]:
    if not all(isinstance(one, str) for one in wanted):
        raise InDoubt  # to Python 1, 1.0 and True are the same
    return lambda data: isinstance(data, str) and data in wanted


def _pattern(wanted: str) -> Callable[[Any], bool]:
    # In JSON Schema $ is the end of the text only, in Python it also matches before a last line break.
    search = pattern(wanted.removesuffix("$") + r"\Z" if wanted.endswith("$") else wanted, re.ASCII)

    def matches(data: Any) -> bool:
        if not isinstance(data, str):
            return True
        if not data.isascii():
            raise InDoubt  # what is a letter or a digit is a question for the validators
        return search.search(data) is not None

    return matches


_SAYS_NOTHING: Final = frozenset(
    {
        "$comment", "$schema", "default", "definitions", "description", "format", "title", "uniqueItems",
        "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    }
)  # fmt: skip
"""Formats are checked by rules of our own, lists that are maps or sets by `lists`."""

_SIMPLE: Final[Mapping[str, Callable[[Any], Callable[[Any], bool]]]] = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "required": lambda wanted: lambda data: not isinstance(data, dict) or all(name in data for name in wanted),
    "minimum": lambda wanted: lambda data: not _is_number(data) or data >= wanted,
    "maximum": lambda wanted: lambda data: not _is_number(data) or data <= wanted,
    "minLength": lambda wanted: lambda data: not isinstance(data, str) or len(data) >= wanted,
    "maxLength": lambda wanted: lambda data: not isinstance(data, str) or len(data) <= wanted,
    "minItems": lambda wanted: lambda data: not isinstance(data, list) or len(data) >= wanted,
    "maxItems": lambda wanted: lambda data: not isinstance(data, list) or len(data) <= wanted,
    "minProperties": lambda wanted: lambda data: not isinstance(data, dict) or len(data) >= wanted,
}
"""Keyword -> what makes, of its value in the schema, the test that a document's value passes."""
