"""``kfrun validate``: checks manifests as a cluster's admission would, without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import exits, inputs, options, reports

if TYPE_CHECKING:
    from kfrun.cli.options import Values
    from kfrun.cli.reports import Target
    from kfrun.report.checks import Report
    from kfrun.settings import Settings


@click.command("validate")
@reports.files
@options.values
@options.namespace
@options.trainer_version
@reports.outputs
def command(
    paths: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    skip_other_kinds: bool,
    values: Values,
    namespace: str | None,
    trainer_version: str | None,
    outputs: tuple[Target, ...],
    fail_on: str,
) -> int:
    """Check manifests as a cluster would.

    Structure, rules across fields, and whether the runtime that a job refers to exists and fits. Exit code 1 when
    something is refused; warnings alone do not refuse, unless --fail-on says so.
    """
    from kfrun.report.checks import Report

    settings = options.load_settings(namespace=namespace, trainer_version=trainer_version)
    names = reports.named(paths, filenames)
    documents, findings = reports.read(
        names, recursive=recursive, only_own_kinds=skip_other_kinds, settings=settings, values=values
    )
    if not findings:
        known = inputs.look_up(documents, settings)
        checked = inputs.check(documents, known, settings=settings, admission="cluster")
        documents, findings = checked.documents, checked.findings
    report = Report("validate", documents, findings, reports.severities(fail_on))
    reports.write(report, outputs, text=lambda: _text(report, settings))
    return exits.REFUSED if report.refused else exits.SUCCESS


def _text(report: Report, settings: Settings) -> str:
    from kfrun.report.table import clean

    refused = reports.refused_keys(report)
    valid = [document for document in report.documents if document.key not in refused]
    lines = [f"{clean(document.source)}: {clean(document.key.resource)} is valid\n" for document in valid]
    if report.findings:
        lines.append(reports.drawn(report.findings, settings))
    number = len(report.documents)
    if number > 1:
        lines.append(f"{number} objects: {len(valid)} valid, {number - len(valid)} refused\n")
    return "".join(lines)
