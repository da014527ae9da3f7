"""Checks documents of every kind that kfrun reads, alone and against each other. Called by the CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.packed import Packed
from kfrun.model.source import Document, Finding, ObjectKey, Stage
from kfrun.validate import explain, hints, kinds, located, rules, schemas, structure
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TOP_FIELDS = {
    "ConfigMap": ("binaryData", "data", "immutable"),
    "Secret": ("data", "immutable", "stringData", "type"),
    "PersistentVolumeClaim": ("spec", "status"),
    "Namespace": ("spec", "status"),
}
"""Fields of core objects beside apiVersion, kind and metadata."""

TEXT_FIELDS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
"""Fields that map names to strings."""


def check(documents: Sequence[Document], *, version: str = schemas.DEFAULT_VERSION) -> list[Finding]:
    """Every finding of the documents, those of one document in the order of its source.

    Raises:
        UsageProblem: an unknown Trainer version.
        Unavailable: the installation lacks its schemas.
    """
    found = []
    for document in documents:
        found += check_one(document, version=version)
    return found + list(repeated((document.key, document) for document in documents))


def check_one(document: Document, *, version: str, with_rules: bool = True) -> list[Finding]:
    """Every finding of one document, of its structure alone if so asked, in the order of its source.

    Raises:
        UsageProblem: an unknown Trainer version.
        Unavailable: the installation lacks its schemas.
    """
    problem = structure.identity_problem(document.data)
    if problem is not None:
        return [located.finding(document, problem, Stage.SCHEMA)]
    if document.data["kind"] in kinds.TRAINER_KINDS:
        structural = structure.check(document, version=version)
    else:
        structural = located.findings(document, _core_problems(document), Stage.SCHEMA)
    return _in_order(structural + rules.check(document, version=version)) if with_rules else structural


def _in_order(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: one.position[1:] if one.position else (0, 0))


def _core_problems(document: Document) -> Iterator[Problem]:
    """A light check: the fields that every object has, known top-level fields, strings where data are strings."""
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
        yield Problem("KF202", ("metadata",), f"{explain.found(metadata)} where a mapping is needed")
    else:
        yield from _name_types(metadata)
    for field in TEXT_FIELDS.get(kind, ()):
        yield from _texts(document, field, data.get(field))


def _name_types(metadata: dict[str, Any]) -> Iterator[Problem]:
    for field in ("name", "namespace"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            path = ("metadata", field)
            yield Problem("KF202", path, f"{explain.found(value)} where a string is needed", "put it in quotes")


def _texts(document: Document, field: str, value: Any) -> Iterator[Problem]:
    if value is not None and not isinstance(value, dict):
        yield Problem("KF202", (field,), f"{explain.found(value)} where a mapping is needed")
    for name, text in value.items() if isinstance(value, dict) else ():
        if not isinstance(text, str) and text is not None:
            message = f"{explain.found(text)} where a string is needed"
            yield Problem("KF202", (field, name), message, hints.quote(document, (field, name), text))


def repeated(documents: Iterable[tuple[ObjectKey, Document | Packed]]) -> Iterator[Finding]:
    """Objects that come twice, by their keys: which one is meant?"""
    seen: dict[ObjectKey, Document | Packed] = {}
    for given, one in documents:
        key = kinds.identity(given)
        first = seen.setdefault(key, one)
        if first is one or not key.name or not key.kind:
            continue
        document, earlier = (item.unpack() if isinstance(item, Packed) else item for item in (one, first))
        place = earlier.positions.value(())
        message = f"{given.resource} is in the input already, at {place}"
        problem = Problem("KF209", ("metadata", "name"), message, "remove one of them or rename it")
        yield located.finding(document, problem, Stage.SCHEMA)
