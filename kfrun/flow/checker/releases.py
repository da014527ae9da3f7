"""Several releases of the Trainer asked about one input, which is read once, and what each says in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.flow import documents as documents_of
from kfrun.flow.checker import pipeline, remembered
from kfrun.flow.checker.verdicts import Verdicts
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.model.packed import Packed
    from kfrun.model.source import Finding, Severity
    from kfrun.settings import Settings


class Several(NamedTuple):
    """The objects of an input, what was found by any release, and what by each.

    Attributes:
        findings: each once; what some of the releases do not say tells in its message which ones do.
    """

    documents: Sequence[Packed]
    findings: Sequence[Finding]
    by_release: Mapping[str, Sequence[Finding]]


def check(names: Sequence[str], asked: Asked, settings: Sequence[Settings], *, recursive: bool, cache: bool) -> Several:
    """Check the objects as new ones, by the release of each of the settings."""
    texts = pipeline.opened(names, recursive=recursive, exclusion=documents_of.exclusion(asked.settings))
    documents: Sequence[Packed] = ()
    by_release: dict[str, Sequence[Finding]] = {}
    for one in settings:
        if one.trainer_version in by_release:
            continue
        way = asked._replace(settings=one)
        done = remembered.check(texts, way, Verdicts.open(way)) if cache else pipeline.check(texts, way)
        documents, by_release[one.trainer_version] = done.documents, done.findings
    return Several(documents, _once(by_release), by_release)


def _once(by_release: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    said: dict[Finding, list[str]] = {}
    for release, findings in by_release.items():
        for one in dict.fromkeys(findings):
            said.setdefault(one, []).append(release)
    return [
        one if len(releases) == len(by_release) else replace(one, message=f"{one.message} [{', '.join(releases)}]")
        for one, releases in said.items()
    ]


def table(several: Several, failing: Collection[Severity]) -> str:
    """What every release says of every object: ``valid``, or how much it refuses."""
    from kfrun.report.table import Table

    rows = []
    for document in several.documents:
        cells = [_verdict(document, findings, failing) for findings in several.by_release.values()]
        rows.append((document.source, document.key.resource, *cells))
    return Table(("SOURCE", "OBJECT", *several.by_release)).render(rows)


def _verdict(document: Packed, findings: Sequence[Finding], failing: Collection[Severity]) -> str:
    refusing = sum(one.object == document.key and one.severity in failing for one in findings)
    return f"{refusing} refused" if refusing else "valid"
