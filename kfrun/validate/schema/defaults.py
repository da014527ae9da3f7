"""What an API server does to an object before anybody sees it: drops nulls, fills in defaults. Pure."""

from __future__ import annotations

import operator
from functools import cache
from typing import TYPE_CHECKING, Any

from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from kfrun.validate.schema.schemas import Schema


def apply(document_data: dict[str, Any], kind: str, version: str = schemas.DEFAULT_VERSION) -> dict[str, Any]:
    """A copy of ``document_data`` without nulls and with the defaults of the CRD filled in.

    Defaults are filled into objects that exist, never into missing ones. Unknown fields and values of wrong
    types stay as they are, so it may run on documents that were not checked.

    Source: apiextensions-apiserver, structural defaulting and PruneNonNullableNullsWithoutDefaults.

    Raises:
        UsageProblem: an unknown Trainer version.
    """
    filled: dict[str, Any] = _filled(document_data, _shape(version, kind))
    return filled


def complete(part: Any, path: tuple[str, ...], kind: str, version: str = schemas.DEFAULT_VERSION) -> Any:
    """The ``part`` of an object of this kind that stands at ``path``, with the defaults of the CRD filled in.

    What gets none is shared with ``part``, which may be the whole of it. Nulls stay.
    """
    shape: _Shape | None = _shape(version, kind)
    for name in path:
        shape = shape.child(name) if shape is not None else None
    return part if shape is None else _completed(part, shape)


def without_nulls(data: dict[str, Any], root: Schema) -> dict[str, Any]:
    """``data`` itself, or, where known fields are null, a copy without these fields.

    A null in a list stays, and so does an unknown field: both are errors to report.
    """
    if not _holds_null(data):
        return data
    pruned: dict[str, Any] = _pruned(data, root, root)
    return pruned


def _holds_null(data: Any) -> bool:
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif value is None:
            return True
    return False


def _pruned(value: Any, node: Schema | None, root: Schema) -> Any:
    if node is None:
        return value
    if isinstance(value, dict):
        known = {key: schemas.child(root, node, key) for key in value}
        return {
            key: _pruned(item, known[key], root)
            for key, item in value.items()
            if item is not None or known[key] is None
        }
    if isinstance(value, list):
        return [_pruned(item, schemas.child(root, node, 0), root) for item in value]
    return value


class _Routes(dict["str | int", "_Shape | None"]):
    """The shapes of fields that hold defaults, found out as documents ask for them; None for the others."""

    __slots__ = ("_shape",)

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self._shape = shape

    def __missing__(self, part: str | int) -> _Shape | None:
        below = self._shape.child(part)
        self[part] = below if below is not None and below.leads_on() else None
        return self[part]


class _Shape:
    """What a schema says of nulls and defaults, found out field by field as documents ask for it."""

    __slots__ = ("_children", "_root", "_schema", "_shared", "defaults", "routes")

    def __init__(self, root: Schema, schema: Schema, shared: dict[int, _Shape]) -> None:
        self._root = root
        self._schema = schema
        self._shared = shared
        self._children: dict[str | int, _Shape | None] = {}
        self.routes = _Routes(self)
        described: dict[str, Schema] = schema.get("properties", {})
        self.defaults = [(name, field["default"]) for name, field in described.items() if "default" in field]

    def child(self, part: str | int) -> _Shape | None:
        """The shape of a field or, with 0, of the items of a list; None where nothing is known of it."""
        if part not in self._children:
            below = schemas.child(self._root, self._schema, part)
            self._children[part] = None if below is None else self._of(below)
        return self._children[part]

    def leads_on(self) -> bool:
        """Whether there is a default here or below."""
        parts: list[str | int] = [0, *self._schema.get("properties", ())]
        return bool(self.defaults) or any(self.routes[part] is not None for part in parts)

    def _of(self, schema: Schema) -> _Shape:
        # many fields share one definition; the schemas live as long as the process, and so do their ids
        if id(schema) not in self._shared:
            self._shared[id(schema)] = _Shape(self._root, schema, self._shared)
        return self._shared[id(schema)]


@cache
def _shape(version: str, kind: str) -> _Shape:
    root = schemas.schema(version, kind)
    return _Shape(root, root, {})


def _filled(value: Any, shape: _Shape | None) -> Any:
    """A copy, filled in; where the schema says nothing of it, as it is."""
    if type(value) is list:
        items = shape.child(0) if shape is not None else None
        return [_filled(item, items) if type(item) in _NESTED else item for item in value]
    if type(value) is not dict:
        return value
    if shape is None:
        return {key: _filled(item, None) if type(item) in _NESTED else item for key, item in value.items()}
    filled = {}
    for key, item in value.items():
        if type(item) in _NESTED:
            filled[key] = _filled(item, shape.child(key))
        elif item is not None or shape.child(key) is None:
            filled[key] = item
    for key, default in shape.defaults:
        if key not in filled:
            filled[key] = _filled(default, shape.child(key))
    return filled


_NESTED = frozenset({dict, list})


def _completed(value: Any, shape: _Shape) -> Any:
    """The same as `_filled`, but for what gets no default: that is not copied."""
    routes = shape.routes
    if type(value) is list:
        items = routes[0]
        if items is None:
            return value
        completed = [_completed(item, items) for item in value]
        return value if all(map(operator.is_, completed, value)) else completed
    if type(value) is not dict:
        return value
    changed: dict[str, Any] = {}
    for key, default in shape.defaults:
        if key not in value:
            changed[key] = _filled(default, shape.child(key))
    for key, item in value.items():
        if type(item) in _NESTED:
            below = routes[key]
            if below is not None and (completed := _completed(item, below)) is not item:
                changed[key] = completed
    return {**value, **changed} if changed else value
