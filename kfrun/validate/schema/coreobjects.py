"""A light check of the core objects that a training spec leans on: ConfigMaps, Secrets and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.validate.located import Problem
from kfrun.validate.schema import hints, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import Document

TOP_FIELDS = {
    "ConfigMap": ("binaryData", "data", "immutable"),
    "Secret": ("data", "immutable", "stringData", "type"),
    "PersistentVolumeClaim": ("spec", "status"),
    "Namespace": ("spec", "status"),
}
"""Fields of core objects beside apiVersion, kind and metadata."""

TEXT_FIELDS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
"""Fields that map names to strings."""


def problems(document: Document) -> Iterator[Problem]:
    """The fields that every object has, known top-level fields, strings where data are strings."""
    data, kind = document.data, document.data["kind"]
    allowed = ("apiVersion", "kind", "metadata", *TOP_FIELDS[kind])
    for field in data:
        if field not in allowed:
            message = f'unknown field "{field}"; allowed here: {", ".join(allowed)}'
            yield Problem("KF201", (field,), message, hints.near_value(field, allowed), "key")
    metadata = data.get("metadata")
    if metadata is None:
        yield Problem("KF203", ("metadata",), 'required field "metadata" is missing', at="parent")
    elif not isinstance(metadata, dict):
        yield Problem("KF202", ("metadata",), f"{violations.found(metadata)} where a mapping is needed")
    else:
        yield from _name_types(metadata)
    for field in TEXT_FIELDS.get(kind, ()):
        yield from _texts(document, field, data.get(field))


def _name_types(metadata: dict[str, Any]) -> Iterator[Problem]:
    for field in ("name", "namespace"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            path = ("metadata", field)
            yield Problem("KF202", path, f"{violations.found(value)} where a string is needed", "put it in quotes")


def _texts(document: Document, field: str, value: Any) -> Iterator[Problem]:
    if value is not None and not isinstance(value, dict):
        yield Problem("KF202", (field,), f"{violations.found(value)} where a mapping is needed")
    for name, text in value.items() if isinstance(value, dict) else ():
        if not isinstance(text, str) and text is not None:
            message = f"{violations.found(text)} where a string is needed"
            yield Problem("KF202", (field, name), message, hints.quote(document, (field, name), text))
