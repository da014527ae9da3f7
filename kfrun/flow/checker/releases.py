"""Several releases of the Trainer, or clusters, asked about one input, and what each says in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.flow import documents as documents_of
from kfrun.flow.checker import pipeline, remembered
from kfrun.flow.checker.verdicts import Verdicts
from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.flow.checker.structure import Text
    from kfrun.model.packed import Packed
    from kfrun.model.source import Finding
    from kfrun.settings import Settings


class Respect(NamedTuple):
    """What an input is checked in respect of: a release, or a cluster.

    Attributes:
        name: as the table calls it.
        settings: with its release, and the sources of its runtimes.
        registries: how images may begin there; empty for any.
    """

    name: str
    settings: Settings
    registries: tuple[str, ...] = ()


class Several(NamedTuple):
    """The objects of an input, what was found by any release, and what by each.

    Attributes:
        findings: each once; what some of the releases do not say tells in its message which ones do.
    """

    documents: Sequence[Packed]
    findings: Sequence[Finding]
    by_release: Mapping[str, Sequence[Finding]]


def check(names: Sequence[str], asked: Asked, each: Sequence[Respect], *, recursive: bool, cache: bool) -> Several:
    """Check the objects as new ones, in respect of each release or cluster."""
    texts = pipeline.opened(names, recursive=recursive, exclusion=documents_of.exclusion(asked.settings))
    documents: Sequence[Packed] = ()
    found: dict[str, Sequence[Finding]] = {}
    for one in each:
        if one.name in found:
            continue
        way = asked._replace(settings=one.settings)
        done = remembered.check(texts, way, Verdicts.open(way)) if cache else pipeline.check(texts, way)
        documents, found[one.name] = done.documents, (*done.findings, *_images(texts, way, one.registries))
    return Several(documents, _once(found), found)


def _images(texts: Sequence[Text], asked: Asked, registries: tuple[str, ...]) -> Sequence[Finding]:
    """Images that a cluster would not take (KF718)."""
    if not registries:
        return ()
    from kfrun.load import sources
    from kfrun.load.content import Source
    from kfrun.validate.lint import table
    from kfrun.validate.lint.subject import Choice

    read = (sources.parsed(one.text, Source(one.name, folder=one.folder), asked.values)[0] for one in texts)
    choice = Choice(
        enabled=frozenset({"KF718"}),
        disabled=frozenset({"all"}),
        severities={"KF718": Severity.ERROR},
        registries=registries,
    )
    namespace = asked.settings.namespace
    given = [documents_of.in_namespace(document, namespace) for documents in read for document in documents]
    found = table.check(given, lambda _: None, choice)
    return [one for one in found if one.code == "KF718"]


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
