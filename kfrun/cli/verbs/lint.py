"""``kfrun lint``: looks for what a cluster accepts and a team would rather not have."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import exits, options
from kfrun.cli.check import checkoptions, lintconfig, reports
from kfrun.errors import UsageProblem
from kfrun.execute import choice
from kfrun.flow import documents
from kfrun.model.kinds import TRAIN_JOB, is_own
from kfrun.model.resolution import Effects, RuntimeSource
from kfrun.model.state import Observed
from kfrun.report.checks import Report
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.cli.check.lintconfig import PolicyState
    from kfrun.cli.check.reports import OutputTarget
    from kfrun.model.source import Document, Finding
    from kfrun.model.wishes import Values
    from kfrun.resolve.runtimes.catalogue import Catalogue
    from kfrun.settings import Settings


@options.verb("lint")
@checkoptions.files
@options.values
@options.namespace
@options.runtimes
@click.option(
    "--enable", multiple=True, metavar="CODE", shell_complete=options.complete("policies"),
    help="Switch a policy on; wins over --disable and kfrun.toml.",
)  # fmt: skip
@click.option(
    "--disable", multiple=True, metavar="CODE", shell_complete=options.complete("policies"),
    help="Switch a policy off; all stands for every one.",
)  # fmt: skip
@checkoptions.runtimes
@click.option("--list", "only_list", is_flag=True, help="List the policies, whether they are on, and who says so.")
@checkoptions.outputs
def command(
    paths: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    exclude: tuple[str, ...] | None,
    skip_other_kinds: bool,
    values: Values,
    namespace: str | None,
    runtime_sources: tuple[str, ...] | None,
    refresh: bool | None,
    enable: tuple[str, ...],
    disable: tuple[str, ...],
    stored: bool,
    missing_runtime: str | None,
    only_list: bool,
    outputs: tuple[OutputTarget, ...],
    fail_on: str,
    quiet: bool,
) -> int:
    """Look for what a cluster accepts and then regrets.

    Moving image tags, secrets in plain sight, jobs that cannot be repeated, resumed or stopped. Policies are switched
    by [lint] in kfrun.toml, by a comment (# kfrun: ignore KF701) on the line or above it, and by the annotation
    kfrun.dev/lint-ignore. Findings are warnings; --fail-on warning makes the exit code 1.
    """
    if only_list:
        return _list(lintconfig.states(os.environ, enable=enable, disable=disable), outputs)
    from kfrun.validate.lint import table

    options.listen()
    settings = options.load_settings(
        namespace=namespace,
        missing_runtime=missing_runtime,
        exclude=exclude,
        runtime_sources=runtime_sources,
        refresh=refresh,
    )
    chosen = lintconfig.load(os.environ, enable=enable, disable=disable)
    names = reports.named(paths, filenames)
    found, refused = documents.gather(
        names, lambda: documents.read_values(values), settings, recursive=recursive, only_objects=skip_other_kinds
    )
    if skip_other_kinds:
        documents.tell_passed_over(item.key for item in found if not is_own(item.key))
        found = tuple(item for item in found if is_own(item.key))
    around = _Surroundings(found, settings, stored=stored)
    findings = (*refused, *around.missing(), *table.check(found, around.runtime, chosen, around.effects))
    report = Report("lint", found, findings, reports.severities(fail_on))
    reports.write(report, outputs, text=lambda: _text(report, settings, quiet=quiet))
    return exits.REFUSED if report.refused else exits.SUCCESS


class _Surroundings:
    """The runtimes that TrainJobs refer to: in the input, in the store if asked, and shipped ones.

    They are looked up at first use.
    """

    def __init__(self, found: Sequence[Document], settings: Settings, *, stored: bool) -> None:
        self._found, self._settings, self._stored = found, settings, stored

    @cached_property
    def _catalogue(self) -> Catalogue:
        from kfrun.flow import referred

        observed = choice.observe(self._settings, ()) if self._stored else Observed()
        return referred.catalogue(self._found, observed.runtimes, self._settings)

    def missing(self) -> Sequence[Finding]:
        """That runtimes are not there, where anybody said what that is: validate tells it by itself."""
        if self._settings.origins["missing_runtime"].layer == "default":
            return ()
        from kfrun.flow.checker import absence
        from kfrun.resolve.runtimes.catalogue import wanted_runtime

        jobs = [item for item in self._found if item.key.kind == TRAIN_JOB]
        found = [(self._catalogue.find(job), wanted_runtime(job)) for job in jobs]
        told = [
            finding
            for one, wanted in found
            if not isinstance(one, RuntimeSource) and one.code == absence.MISSING
            for finding in absence.weighed((one,), wanted, self._settings.missing_runtime)
        ]
        return told if self._stored else absence.unasked(told)

    def runtime(self, job: Document) -> dict[str, Any] | None:
        """The runtime of a job, None where there is none."""
        found = self._catalogue.find(job)
        return found.document.data if isinstance(found, RuntimeSource) else None

    def effects(self, job: Document) -> Effects:
        """What becomes of a job."""
        from kfrun.resolve import resolver
        from kfrun.resolve.pods import effects

        return effects.of(resolver.resolve(job, self._catalogue, version=self._settings.trainer_version))


def _list(found: Sequence[PolicyState], outputs: Sequence[OutputTarget]) -> int:
    """The policies, as a table or as data."""
    from kfrun.report.table import Table
    from kfrun.validate.lint.table import CODES

    if any(target.format not in ("text", "json") or target.path for target in outputs):
        raise UsageProblem("--list is a table, or data with -o json", "leave other outputs away")
    if outputs:
        rows = [{"code": one.code, "on": one.is_on, "severity": str(one.severity), "from": one.origin,
                 "title": CODES[one.code]} for one in found]  # fmt: skip
        options.data(json_text({"formatVersion": 1, "policies": rows}))
        return 0
    cells = [(one.code, "on" if one.is_on else "off", str(one.severity), one.origin, CODES[one.code]) for one in found]
    options.write(Table(("CODE", "STATE", "SEVERITY", "FROM", "FINDS")).render(cells))
    return 0


def _text(report: Report, settings: Settings, *, quiet: bool) -> str:
    if report.findings:
        return reports.drawn(report, settings)
    if quiet:
        return ""
    return f"{reports.count(len(report.documents), 'object')}: nothing found\n"
