"""Checks documents of every kind that kfrun reads, alone and against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model import kinds
from kfrun.model.packed import unpacked
from kfrun.model.source import Stage
from kfrun.validate import located
from kfrun.validate.located import Problem
from kfrun.validate.rules import cel
from kfrun.validate.schema import schemas, structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kfrun.model.packed import Packed
    from kfrun.model.source import Document, Finding, ObjectKey


def check(document: Document, *, version: str = schemas.DEFAULT_VERSION, with_rules: bool = True) -> list[Finding]:
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
        from kfrun.validate.schema import coreobjects

        structural = located.findings(document, coreobjects.problems(document), Stage.SCHEMA)
    return _in_order(structural + cel.check(document, version=version)) if with_rules else structural


def _in_order(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: one.position[1:] if one.position else (0, 0))


def repeated(documents: Iterable[Document | Packed]) -> Iterator[Finding]:
    """Objects that come twice, by their keys: which one is meant?"""
    seen: dict[ObjectKey, Document | Packed] = {}
    for one in documents:
        given = one.key
        key = kinds.identity(given)
        first = seen.setdefault(key, one)
        if first is one or not key.name or not key.kind:
            continue
        document, earlier = unpacked(one), unpacked(first)
        place = earlier.positions.value(())
        message = f"{given.resource} is in the input already, at {place}"
        problem = Problem("KF209", ("metadata", "name"), message, "remove one of them or rename it")
        yield located.finding(document, problem, Stage.SCHEMA)
