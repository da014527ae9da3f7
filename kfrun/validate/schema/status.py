"""The status in a manifest. An API server drops it before it looks whether the object is valid, of whatever type it is.

Only fields that nobody knows are refused there, too: decoding is strict, and comes first.

Source: apiextensions-apiserver, the strategy of custom resources with a status, and pruning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.validate.schema import schemas
from kfrun.validate.schema.keywords import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath
    from kfrun.validate.schema.schemas import Schema


def unknown_fields(status: Any, root: Schema) -> Iterator[Violation]:
    """The mappings in ``status`` that hold fields of which the schema of the object knows nothing."""
    yield from _unknown(status, schemas.child(root, root, "status"), root, ("status",))


def _unknown(value: Any, node: Schema | None, root: Schema, path: FieldPath) -> Iterator[Violation]:
    if isinstance(value, list):
        items = schemas.child(root, node, 0) if node is not None else None
        for index, item in enumerate(value):
            yield from _unknown(item, items, root, (*path, index))
    elif isinstance(value, dict):
        known = {name: schemas.child(root, node, name) if node is not None else None for name in value}
        if None in known.values():
            yield Violation(path, "additionalProperties", node or {}, value)
        for name, below in known.items():
            if below is not None:
                yield from _unknown(value[name], below, root, (*path, name))
