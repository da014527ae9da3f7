"""What an API server does to an object before anybody sees it: drops nulls, fills in defaults. Pure.

Called by structure (nulls), update and resolve (both).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from kfrun.validate import schemas

if TYPE_CHECKING:
    from kfrun.validate.schemas import Schema


def apply(document_data: dict[str, Any], kind: str, version: str = schemas.DEFAULT_VERSION) -> dict[str, Any]:
    """A copy of ``document_data`` without nulls and with the defaults of the CRD filled in.

    Defaults are filled into objects that exist, never into missing ones. Unknown fields and values of wrong
    types stay as they are, so it may run on documents that were not checked.

    Source: apiextensions-apiserver, structural defaulting and PruneNonNullableNullsWithoutDefaults.

    Raises:
        UsageProblem: an unknown Trainer version.
    """
    root = schemas.schema(version, kind)
    filled = copy.deepcopy(without_nulls(document_data, root))
    _fill(filled, root, root)
    return filled


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


def _fill(value: Any, node: Schema | None, root: Schema) -> None:
    if node is None:
        return
    if isinstance(value, dict):
        for field, described in node.get("properties", {}).items():
            if "default" in described:
                value.setdefault(field, copy.deepcopy(described["default"]))
        for field, item in value.items():
            _fill(item, schemas.child(root, node, field), root)
    elif isinstance(value, list):
        items = schemas.child(root, node, 0)
        for item in value:
            _fill(item, items, root)
