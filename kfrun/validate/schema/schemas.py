"""The shipped JSON Schemas, loaded when asked for, and steps along them.

The files are made by ``schemas/generate.py``. They are JSON Schema draft 7, built from a few plain means:
``$ref`` into ``definitions`` (never with siblings that matter to validation), ``properties``, ``items`` and
``additionalProperties``; no ``anyOf``. So a node's children are found without a validator.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from kfrun.errors import UsageProblem
from kfrun.load import data

Schema = dict[str, Any]

LIST_KEYS: Final = "x-kubernetes-list-map-keys"
"""Keyword of lists whose items are told apart by these fields."""

LIST_TYPE: Final = "x-kubernetes-list-type"
"""Keyword of lists; only ``set`` occurs: equal items are refused."""

INT_OR_STRING: Final = "x-kubernetes-int-or-string"

DEFAULT_VERSION: Final = "v2.3"
FOLDERS: Final = {"v2.0": "v2.0", "v2.1": "v2.1", "v2.2": "v2.2", "v2.3": "v2.3", "head": "v2.3"}
"""Trainer version -> folder of schemas, oldest first. ``head`` has v2.3's structure; its bounds are rules."""

BEFORE_PATCHES: Final = frozenset({"v2.0", "v2.1"})
"""The releases that had overrides and labels where newer ones have runtimePatches."""


@cache
def schema(version: str, kind: str) -> Schema:
    """The schema of ``kind``, a kind of `kinds.TRAINER_KINDS`. Shared: do not change it.

    Raises:
        UsageProblem: an unknown Trainer version.
        Unavailable: the installation lacks the file.
    """
    folder = FOLDERS.get(version)
    if folder is None:
        known = ", ".join(FOLDERS)
        raise UsageProblem(f'unknown Trainer version "{version}"', hint=f"known versions: {known}")
    loaded: Schema = json.loads(data.read_text("schemas", folder, f"{kind.lower()}.json"))
    return loaded


def follow(root: Schema, node: Schema) -> Schema:
    """The node itself, or what its ``$ref`` points to."""
    pointer: str | None = node.get("$ref")
    if pointer is None:
        return node
    target: Schema = root["definitions"][pointer.rpartition("/")[2]]
    return target


def child(root: Schema, node: Schema, part: str | int) -> Schema | None:
    """The schema of a field, map value or list item of ``node``; None where nothing is known of it."""
    found = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
    if found is None and isinstance(part, str):
        found = node.get("additionalProperties")
    return follow(root, found) if isinstance(found, dict) else None


def at(root: Schema, path: tuple[str | int, ...]) -> Schema | None:
    """The schema of the node at ``path``; None where nothing is known of it."""
    node: Schema | None = root
    for part in path:
        if node is None:
            return None
        node = child(root, node, part)
    return node
