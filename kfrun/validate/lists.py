"""Lists whose items must differ: by key fields (list maps) or as a whole (sets). Called by structure and update.

Source: apiextensions-apiserver, list type validation; it runs after defaulting, so a key field that is left
out counts with its default (a port without protocol is a TCP port).
"""

from __future__ import annotations

import json
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


def duplicates(data: dict[str, Any], root: Schema) -> Iterator[Duplicate]:
    """Every repeated item of the lists in ``data``. Values of wrong types are passed over."""
    yield from _walk(data, root, root, ())


def item_key(item: Any, keys: list[str], fields: Schema) -> dict[str, Any] | None:
    """The key fields of a list item with defaults filled in; None when it lacks one."""
    if not isinstance(item, dict):
        return None
    key = {}
    for name in keys:
        value = item.get(name)
        if value is None:
            value = fields.get(name, {}).get("default")
        if not isinstance(value, str | int):
            return None
        key[name] = value
    return key


def _walk(value: Any, node: Schema, root: Schema, path: FieldPath) -> Iterator[Duplicate]:
    if isinstance(value, dict):
        for name, item in value.items():
            below = schemas.child(root, node, name)
            if below is not None and isinstance(item, dict | list):
                yield from _walk(item, below, root, (*path, name))
    elif isinstance(value, list):
        items = schemas.child(root, node, 0)
        if items is None:
            return
        yield from _repeated(value, node, items, path)
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _walk(item, items, root, (*path, index))


def _repeated(value: list[Any], node: Schema, items: Schema, path: FieldPath) -> Iterator[Duplicate]:
    keys = node.get(schemas.LIST_KEYS)
    if keys is None and node.get(schemas.LIST_TYPE) != "set":
        return
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        key = item_key(item, keys, items["properties"]) if keys else {"": item}
        if key is None:
            continue
        first = seen.setdefault(json.dumps(key, sort_keys=True), index)
        if first != index:
            yield Duplicate((*path, index), first, key)
