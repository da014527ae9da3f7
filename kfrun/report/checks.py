"""What a check of manifests found, object by object: what the formats for CI are made from.

Made by ``validate`` and ``lint``; drawn by `text`, `junit`, `sarif`, `tap` and `github`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.source import Finding, ObjectKey

ERRORS = frozenset({Severity.ERROR})
ANYTHING = frozenset(Severity)


if TYPE_CHECKING:
    # a protocol takes 0.2 ms to define, and nobody asks for it while kfrun runs

    class CheckedObject(Protocol):
        """An object that was checked; a `Document`, or what is left of one."""

        @property
        def key(self) -> ObjectKey:
            """The object's."""

        @property
        def source(self) -> str:
            """The source that it stands in."""


class Report(NamedTuple):
    """The findings about some documents.

    Attributes:
        verb: that asks: ``validate`` or ``lint``.
        failing: severities that refuse an object.
        titles: what the codes mean, as far as it is known.
        helps: why they are a problem and how to mend it, in a few sentences, as far as it is known.
        pages: pages on the web about them, where there are any.
    """

    verb: str
    documents: Sequence[CheckedObject]
    findings: Sequence[Finding]
    failing: frozenset[Severity] = ERRORS
    titles: Mapping[str, str] = MappingProxyType({})
    helps: Mapping[str, str] = MappingProxyType({})
    pages: Mapping[str, str] = MappingProxyType({})

    @property
    def refused(self) -> bool:
        """Whether one of the findings refuses its object."""
        return any(one.severity in self.failing for one in self.findings)


class Case(NamedTuple):
    """One object, or one file that could not be read, and what was found about it.

    Attributes:
        source: the file as given.
        name: the object as kubectl names it; empty for a file.
        key: the object's; None for a file.
        failing: the findings that refuse it.
        other: the other findings.
    """

    source: str
    name: str
    key: ObjectKey | None
    failing: tuple[Finding, ...]
    other: tuple[Finding, ...]

    @property
    def label(self) -> str:
        """How it is named in one line."""
        return ": ".join(part for part in (self.source, self.name) if part)


def cases(report: Report) -> list[Case]:
    """The objects in their order, then files that gave none. Every finding is in one case."""
    documents = {(item.key, item.source): item for item in report.documents}
    groups: dict[tuple[ObjectKey | None, str], list[Finding]] = {place: [] for place in documents}
    for finding in report.findings:
        groups.setdefault(_place(finding, groups), []).append(finding)
    return [_case(report, place, found) for place, found in groups.items()]


def _place(finding: Finding, groups: Mapping[tuple[ObjectKey | None, str], object]) -> tuple[ObjectKey | None, str]:
    """Where a finding belongs: its object, in its own file if it is in several, otherwise its file."""
    file = finding.position.file if finding.position else ""
    if (finding.object, file) in groups:
        return finding.object, file
    known = (place for place in groups if place[0] is not None and place[0] == finding.object)
    return next(known, (None, file))


def _case(report: Report, place: tuple[ObjectKey | None, str], found: Sequence[Finding]) -> Case:
    key, source = place
    failing = tuple(one for one in found if one.severity in report.failing)
    other = tuple(one for one in found if one.severity not in report.failing)
    return Case(source, key.resource if key else "", key, failing, other)
