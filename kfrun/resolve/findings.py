"""Findings of the resolve stage, with position and excerpt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.load.excerpts import excerpt
from kfrun.model.source import Finding, Severity, Stage

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath

CODES = {
    "KF401": "the runtime that runtimeRef names does not exist",
    "KF402": "runtimeRef names a kind that is no training runtime",
    "KF403": "a shipped runtime has what the release asked for does not know",
    "KF404": "a value has a type that cannot be resolved",
    "KF405": "an envInjection target is not in the runtime's template",
    "KF406": "a runtime patch cannot be merged",
    "KF407": "an MPI implementation that the Trainer does not know",
    "KF408": "a Flux job that does not say how many nodes it wants",
    "KF409": "an MPI job of more hosts than a hostfile can name",
    "KF411": "a line of kfrun.dev/packages is no requirement",
    "KF412": "a package is listed twice",
    "KF413": "a path in kfrun.dev/packages that leads nowhere",
    "KF414": "a file that kfrun.dev/requirements names cannot be read",
    "KF415": "something in a requirements file that cannot be used",
    "KF416": "a requirement without a hash where others have one",
    "KF421": "more pods than this machine can be asked for",
}
"""Every code of this stage and what it means."""


def finding(
    code: str,
    message: str,
    document: Document,
    path: FieldPath,
    *,
    stage: Stage = Stage.BUILD,
    hint: str | None = None,
    severity: Severity = Severity.ERROR,
) -> Finding:
    """A finding about the value at ``path`` of ``document``."""
    position = document.positions.value(path)
    return Finding(
        code=code,
        message=message,
        stage=stage,
        severity=severity,
        path=path,
        position=position,
        hint=hint or _mend(code),
        object=document.key,
        excerpt=excerpt(document, position) if document.text else None,
    )


def _mend(code: str) -> str:
    """How to mend what the finding itself says nothing about."""
    from kfrun.resolve.reasons import REASONS

    return REASONS[code].mend
