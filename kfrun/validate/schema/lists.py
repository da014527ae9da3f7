"""Lists whose items must differ: by key fields (list maps) or as a whole (sets).

Source: apiextensions-apiserver, list type validation; it runs after defaulting, so a key field that is left
out counts with its default (a port without protocol is a TCP port).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kfrun.model.source import FieldPath
    from kfrun.validate.schema.schemas import Schema


class Duplicate(NamedTuple):
    """An item that repeats an earlier one.

    Attributes:
        path: the later item.
        first: index of the earlier one.
        key: what they share: the key fields and their values, or the item itself under ``""``.
    """

    path: FieldPath
    first: int
    key: dict[str, Any]


def duplicates(data: dict[str, Any], version: str, kind: str) -> Iterator[Duplicate]:
    """Every repeated item of the lists in ``data``. Values of wrong types are passed over."""
    route = _route(version, kind)
    if route is not None:
        yield from _walk(data, route)


def item_key(item: Any, keys: list[str], fields: Schema) -> dict[str, Any] | None:
    """The key fields of a list item with defaults filled in; None when it lacks one."""
    if not isinstance(item, dict):
        return None
    key = {}
    for name in keys:
        value = item.get(name)
        if value is None:
            value = fields[name].get("default")
        if not isinstance(value, str | int):
            return None
        key[name] = value
    return key


class _Fields(dict[str, "_Route | None"]):
    """The ways on along fields, found out as documents ask for them; None where none leads to such a list."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[str], _Route | None]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> _Route | None:
        self[name] = self._find(name)
        return self[name]


class _Route:
    """The part of a schema that leads to such lists, so that the rest of a document is not looked at.

    It is found out as documents ask for it: a whole schema takes longer than a document or two.
    """

    __slots__ = ("_items", "_root", "_schema", "_shared", "fields", "is_set", "key_fields", "keys")

    def __init__(self, root: Schema, schema: Schema, shared: dict[str, _Route | None]) -> None:
        self._root = root
        self._schema = schema
        self._shared = shared
        self._items: list[_Route | None] = []
        self.fields = _Fields(self._field)
        self.keys: list[str] = schema.get(schemas.LIST_KEYS, [])
        self.is_set: bool = schema.get(schemas.LIST_TYPE) == "set"
        self.key_fields: Schema = schemas.follow(root, schema["items"])["properties"] if self.keys else {}

    def _field(self, name: str) -> _Route | None:
        below = self._schema.get("properties", {}).get(name)
        return None if below is None else _routed(self._root, below, self._shared)

    @property
    def items(self) -> _Route | None:
        """The way on along the items of the list."""
        if not self._items:
            below = self._schema.get("items")
            self._items.append(None if below is None else _routed(self._root, below, self._shared))
        return self._items[0]

    @property
    def leads_on(self) -> bool:
        """Whether there is such a list at all, here or below."""
        if self.keys or self.is_set or self.items is not None:
            return True
        return any(self.fields[name] is not None for name in self._schema.get("properties", ()))


@cache
def _route(version: str, kind: str) -> _Route | None:
    root = schemas.schema(version, kind)
    return _routed(root, root, {})


def _routed(root: Schema, schema: Schema, shared: dict[str, _Route | None]) -> _Route | None:
    """The route below ``schema``; None where no such list is. ``shared`` holds those of definitions."""
    if "$ref" not in schema:
        route = _Route(root, schema, shared)
        return route if route.leads_on else None
    pointer = schema["$ref"]
    if pointer not in shared:
        shared[pointer] = _routed(root, schemas.follow(root, schema), shared)
    return shared[pointer]


def _walk(value: Any, route: _Route) -> Sequence[Duplicate]:
    """What is found below ``value``, with paths from there; nearly always nothing, so no path is made before."""
    found: list[Duplicate] = []
    if isinstance(value, dict):
        fields = route.fields
        for name, item in value.items():
            below = fields[name]
            if below is not None and (inner := _walk(item, below)):
                found += [one._replace(path=(name, *one.path)) for one in inner]
    elif isinstance(value, list):
        if len(value) > 1 and (route.keys or route.is_set):
            found += _repeated(value, route)
        below = route.items
        if below is not None:
            for index, item in enumerate(value):
                if inner := _walk(item, below):
                    found += [one._replace(path=(index, *one.path)) for one in inner]
    return found


def _repeated(value: list[Any], route: _Route) -> Iterator[Duplicate]:
    seen: dict[object, int] = {}
    for index, item in enumerate(value):
        key = {"": item} if route.is_set else item_key(item, route.keys, route.key_fields)
        if key is None:
            continue
        first = seen.setdefault(_comparable(key), index)
        if first != index:
            yield Duplicate((index,), first, key)


def _comparable(key: dict[str, Any]) -> object:
    """What equal keys share: to Python 1, 1.0 and True are the same, to JSON the last is not."""
    values = tuple(key.values())
    return values if all(type(value) is str for value in values) else json.dumps(values)
