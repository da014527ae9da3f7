"""What is said of a runtime that a job names and that is not there: how much it weighs, and where it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.source import Severity
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kfrun.model.source import Finding, ObjectKey

MISSING: Final = "KF401"
_STORED: Final = "--stored looks among those that were applied on this machine, too, --runtimes SRC elsewhere"


def weighed(findings: Iterable[Finding], wanted: ObjectKey | None, missing_runtime: str) -> list[Finding]:
    """The findings about a job; that its runtime is not there is one as ``missing_runtime`` says.

    Args:
        findings: what was found.
        wanted: the runtime that the job names; a job that names none is refused anyway.
        missing_runtime: a setting: ``error``, ``warn`` or ``ignore``.
    """
    if missing_runtime == "error" or wanted is None or not wanted.name:
        return list(findings)
    if missing_runtime == "ignore":
        return [one for one in findings if one.code != MISSING]
    return [replace(one, severity=Severity.WARNING) if one.code == MISSING else one for one in findings]


def doubted(findings: Sequence[Finding], unread: Sequence[Finding]) -> Sequence[Finding]:
    """The findings; those that miss a runtime say that it may be in what could not be read."""
    place = next((one.position.file for one in unread if one.position), None)
    if place is None:
        return findings
    hint = f"it may be in {place}, which could not be read"
    return _told(findings, lambda before: f"{hint}; {before}" if before else hint)


def unasked(findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings; those that miss a runtime say that nobody looked for it in the store."""
    return _told(findings, lambda before: f"{before}; {_STORED}" if before else _STORED)


def _told(findings: Sequence[Finding], hint: Callable[[str | None], str]) -> Sequence[Finding]:
    return [replace(one, hint=hint(one.hint)) if one.code == MISSING else one for one in findings]
