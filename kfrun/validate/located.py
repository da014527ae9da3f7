"""From a problem of the data to a Finding with position and excerpt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from kfrun.load import excerpts
from kfrun.model.source import Document, FieldPath, Finding, Position, Severity, Stage
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Problem(NamedTuple):
    """One problem at a path of a document, not located yet.

    Attributes:
        at: what the position points to: the key that introduces the field, its value, or for a field that is
            missing the object that lacks it.
    """

    code: str
    path: FieldPath
    message: str
    hint: str | None = None
    at: Literal["key", "value", "parent"] = "value"
    severity: Severity = Severity.ERROR


def findings(document: Document, problems: Iterable[Problem], stage: Stage) -> list[Finding]:
    """The problems as findings, in the order in which they stand in the source."""
    located = [finding(document, problem, stage) for problem in problems]
    return sorted(located, key=_order)


def finding(document: Document, problem: Problem, stage: Stage) -> Finding:
    """One problem as a finding."""
    place = position(document, problem)
    return Finding(
        code=problem.code,
        message=problem.message,
        stage=stage,
        severity=problem.severity,
        path=problem.path,
        position=place,
        hint=problem.hint,
        object=document.key,
        excerpt=excerpts.excerpt(document, place),
    )


def position(document: Document, problem: Problem) -> Position:
    """Where a problem stands."""
    if problem.at == "key":
        return document.positions.key(problem.path)
    if problem.at == "value" or len(problem.path) < 2:
        path = problem.path if problem.at == "value" else ()
        return document.positions.value(path)
    return document.positions.key(problem.path[:-1])


def _order(one: Finding) -> tuple[str, int, int, tuple[str, ...], str]:
    place = one.position or Position("", 0, 0)
    return (*place, tuple(map(str, one.path)), one.code)
