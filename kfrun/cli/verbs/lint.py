"""``kfrun lint``: looks for what a cluster accepts and a team would rather not have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import checkoptions, exits, lintconfig, options, reports
from kfrun.execute import choice
from kfrun.flow import documents
from kfrun.model.kinds import API_VERSION, CLUSTER_RUNTIME, DEFAULT_NAMESPACE, is_own
from kfrun.model.source import ObjectKey
from kfrun.model.wishes import Wishes
from kfrun.report.checks import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.cli.reports import OutputTarget
    from kfrun.model.source import Document
    from kfrun.model.wishes import Values
    from kfrun.settings import Settings


@click.command("lint")
@checkoptions.files
@options.values
@options.namespace
@click.option("--enable", multiple=True, metavar="CODE", help="Switch a policy on; wins over --disable and kfrun.toml.")
@click.option("--disable", multiple=True, metavar="CODE", help="Switch a policy off; all stands for every one.")
@checkoptions.outputs
def command(
    paths: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    skip_other_kinds: bool,
    values: Values,
    namespace: str | None,
    enable: tuple[str, ...],
    disable: tuple[str, ...],
    outputs: tuple[OutputTarget, ...],
    fail_on: str,
) -> int:
    """Look for what a cluster accepts and then regrets.

    Moving image tags, secrets in plain sight, jobs that cannot be repeated, resumed or stopped. Policies are switched
    by [lint] in kfrun.toml, by a comment (# kfrun: ignore KF701) on the line or above it, and by the annotation
    kfrun.dev/lint-ignore. Findings are warnings; --fail-on warning makes the exit code 1.
    """
    from kfrun.validate.lint import table

    settings = options.load_settings(namespace=namespace)
    chosen = lintconfig.load(os.environ, enable=enable, disable=disable)
    wishes = Wishes(reports.named(paths, filenames), recursive, values)
    found, findings = documents.or_findings(lambda: documents.read(wishes, settings, only_objects=skip_other_kinds))
    found = tuple(item for item in found if not skip_other_kinds or is_own(item.key))
    if not findings:
        findings = tuple(table.check(found, _runtimes(found, settings), chosen))
    report = Report("lint", found, findings, reports.severities(fail_on))
    reports.write(report, outputs, text=lambda: _text(report, settings))
    return exits.REFUSED if report.refused else exits.SUCCESS


def _runtimes(found: Sequence[Document], settings: Settings) -> Callable[[Document], dict[str, Any] | None]:
    """How to find the runtime that a TrainJob refers to: in the input, in the store, among those shipped."""
    from kfrun.resolve.runtimes.catalogue import Catalogue
    from kfrun.resolve.runtimes.shipped import shipped
    from kfrun.validate.rules.cel import get

    known: dict[ObjectKey, dict[str, Any]] = {}

    def find(job: Document) -> dict[str, Any] | None:
        if not known:
            stored = choice.observe(settings, [document.key for document in found]).runtimes
            catalogue = Catalogue(found, stored, shipped())
            known.update({source.key: source.document.data for source in catalogue.runtimes()})
        reference = get(job.data, "spec", "runtimeRef")
        kind, name = str(get(reference, "kind") or CLUSTER_RUNTIME), str(get(reference, "name"))
        namespace = "" if kind == CLUSTER_RUNTIME else job.key.namespace or DEFAULT_NAMESPACE
        return known.get(ObjectKey(API_VERSION, kind, namespace, name))

    return find


def _text(report: Report, settings: Settings) -> str:
    if report.findings:
        return reports.drawn(report.findings, settings)
    return f"{reports.count(len(report.documents), 'object')}: nothing found\n"
