"""``kfrun validate``: checks manifests as a cluster's admission would, without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import exits, options, reports
from kfrun.errors import UsageProblem
from kfrun.flow.checker.stages import Asked
from kfrun.flow.documents import read_values
from kfrun.report.checks import Report
from kfrun.settings import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.cli.reports import OutputTarget
    from kfrun.flow.checker.pipeline import CheckedInput
    from kfrun.flow.checker.stages import Until
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.wishes import Values
    from kfrun.report.checks import CheckedObject
    from kfrun.settings import Settings


@options.verb("validate")
@reports.files
@options.values
@options.namespace
@options.trainer_version
@click.option(
    "--previous",
    multiple=True,
    metavar="FILE",
    help="The objects as they were: read as with -f. What is among them is checked as an update.",
)
@click.option(
    "--previous-ref",
    metavar="REVISION",
    help="As --previous, with the files as git has them at a branch, tag or commit.",
)
@click.option(
    "--previous-stored", is_flag=True, help="As --previous, with the objects that are stored on this machine."
)
@click.option(
    "--until",
    type=click.Choice(("schema", "rule", "job")),
    default="job",
    show_default=True,
    help="The last stage: the structure; the rules across fields, too; everything up to the Jobs. No runtime is looked "
    "for before the last one.",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Say as well what this backend could not run, and which fields it would not honour.",
)
@click.option("--no-cache", "cache", is_flag=True, flag_value=False, default=True, help="Check what was valid, too.")
@reports.outputs
def command(
    paths: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    skip_other_kinds: bool,
    values: Values,
    namespace: str | None,
    trainer_version: str | None,
    previous: tuple[str, ...],
    previous_ref: str | None,
    previous_stored: bool,
    until: Until,
    backend: str | None,
    cache: bool,
    outputs: tuple[OutputTarget, ...],
    fail_on: str,
) -> int:
    """Check manifests as a cluster would.

    Structure, rules across fields, and whether the runtime that a job refers to exists and fits. Exit code 1 when
    something is refused; warnings alone do not refuse, unless --fail-on says so.

    Every object is checked as a new one, or with --previous, --previous-ref or --previous-stored as an update of what
    it was: what cannot change is refused then, too. kfrun plan always compares with what is stored.
    """
    if until != "job" and backend is not None:
        raise UsageProblem("--backend is asked at the last stage only", "leave --until out, or --backend")
    settings = options.load_settings(namespace=namespace, trainer_version=trainer_version)
    names = reports.named(paths, filenames)
    asked = Asked(settings, until, backend=backend, only_own_kinds=skip_other_kinds)
    documents: Sequence[CheckedObject]
    findings: Sequence[Finding]
    before: Mapping[ObjectKey, Document] = {}
    if previous or previous_ref is not None or previous_stored:
        from kfrun.flow.checker import previous as earlier

        if until != "job":
            raise UsageProblem("--until goes with new objects only", "leave it out, or the older objects")
        comparison = earlier.Comparison(names, previous, previous_ref, previous_stored, recursive, values)
        documents, findings, before = earlier.check(comparison, asked)
    else:
        documents, findings = _as_new(names, asked._replace(values=read_values(values)), recursive, cache)
    report = Report("validate", documents, findings, reports.severities(fail_on))
    reports.write(report, outputs, text=lambda: _text(report, before, settings))
    return exits.REFUSED if report.refused else exits.SUCCESS


def _as_new(names: Sequence[str], asked: Asked, recursive: bool, cache: bool) -> CheckedInput:
    from kfrun.flow.checker import pipeline

    texts = pipeline.opened(names, recursive=recursive)
    if not cache:
        return pipeline.check(texts, asked)
    from kfrun.flow.checker import remembered
    from kfrun.flow.checker.verdicts import Verdicts

    return remembered.check(texts, asked, Verdicts.open(asked))


def _text(report: Report, before: Mapping[ObjectKey, Document], settings: Settings) -> str:
    from kfrun.report.table import clean

    refused = reports.refused_keys(report)
    valid = [document for document in report.documents if document.key not in refused]
    lines = []
    for document in valid:
        old = before.get(document.key)
        verdict = f"a valid update of {clean(old.source)}" if old else "valid"
        lines.append(f"{clean(document.source)}: {clean(document.key.resource)} is {verdict}\n")
    if report.findings:
        lines.append(reports.drawn(report.findings, settings))
    number, unread = len(report.documents), _unread(report)
    if number > 1 or (number and unread):
        lines.append(f"{reports.count(number, 'object')}: {len(valid)} valid, {number - len(valid)} refused")
        lines.append(f"; not read: {reports.count(unread, 'source')}\n" if unread else "\n")
    return "".join(lines)


def _unread(report: Report) -> int:
    """Sources that could not be read, or not as a whole."""
    return len({one.position.file for one in report.findings if one.object is None and one.position})
