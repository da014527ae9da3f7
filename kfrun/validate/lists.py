"""Lists whose items must differ: by key fields (list maps) or as a whole (sets). Called by structure and update.

Source: apiextensions-apiserver, list type validation; it runs after defaulting, so a key field that is left
out counts with its default (a port without protocol is a TCP port).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kfrun.validate import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath
    from kfrun.validate.schemas import Schema


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
        yield from _walk(data, route, ())


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


class _Route(NamedTuple):
    """The part of a schema that leads to such lists, so that the rest of a document is not looked at."""

    fields: dict[str, _Route]
    items: _Route | None
    keys: list[str]
    key_fields: Schema
    is_set: bool


@cache
def _route(version: str, kind: str) -> _Route | None:
    root = schemas.schema(version, kind)
    return _routed(root, root, {})


def _routed(root: Schema, node: Schema, done: dict[str, _Route | None]) -> _Route | None:
    """The route below ``node``; None where no such list is. ``done`` holds those of definitions."""
    pointer = node.get("$ref")
    if pointer is not None:
        if pointer not in done:
            done[pointer] = _routed(root, schemas.follow(root, node), done)
        return done[pointer]
    fields = {name: _routed(root, below, done) for name, below in node.get("properties", {}).items()}
    leading = {name: route for name, route in fields.items() if route is not None}
    items = _routed(root, node["items"], done) if "items" in node else None
    keys, is_set = node.get(schemas.LIST_KEYS, []), node.get(schemas.LIST_TYPE) == "set"
    if not (leading or items or keys or is_set):
        return None
    key_fields = schemas.follow(root, node["items"])["properties"] if keys else {}
    return _Route(leading, items, keys, key_fields, is_set)


def _walk(value: Any, route: _Route, path: FieldPath) -> Iterator[Duplicate]:
    if isinstance(value, dict):
        for name, below in route.fields.items():
            if name in value:
                yield from _walk(value[name], below, (*path, name))
    elif isinstance(value, list):
        if route.keys or route.is_set:
            yield from _repeated(value, route, path)
        if route.items is not None:
            for index, item in enumerate(value):
                yield from _walk(item, route.items, (*path, index))


def _repeated(value: list[Any], route: _Route, path: FieldPath) -> Iterator[Duplicate]:
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        key = {"": item} if route.is_set else item_key(item, route.keys, route.key_fields)
        if key is None:
            continue
        first = seen.setdefault(json.dumps(tuple(key.values())), index)
        if first != index:
            yield Duplicate((*path, index), first, key)
