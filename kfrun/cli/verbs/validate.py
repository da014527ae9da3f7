"""``kfrun validate``: checks manifests as a cluster's admission would, without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import exits, options
from kfrun.cli.check import checkoptions, reports
from kfrun.errors import UsageProblem
from kfrun.flow.checker.stages import Asked
from kfrun.flow.documents import read_values
from kfrun.model.source import Stage
from kfrun.report.checks import Report
from kfrun.settings import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.cli.check.reports import OutputTarget
    from kfrun.flow.checker.releases import Respect
    from kfrun.flow.checker.stages import Until
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.wishes import Values
    from kfrun.report.checks import CheckedObject
    from kfrun.settings import Settings


@options.verb("validate")
@checkoptions.files
@options.values
@options.namespace
@options.runtimes
@click.option(
    "--trainer-version", "trainer_versions", multiple=True, metavar="VERSION",
    shell_complete=options.complete("releases"),
    help="The release of Kubeflow Trainer to go by: v2.0, v2.1, v2.2, v2.3, or head; of several, or with commas, one "
    "table tells what each says.",
)  # fmt: skip
@click.option(
    "--clusters", "clusters_file", metavar="FILE", shell_complete=options.complete("any_files"),
    help="A TOML file with tables [clusters.NAME]: trainer-version, runtimes and registries; one table tells what each "
    "says.",
)  # fmt: skip
@click.option(
    "--previous",
    multiple=True,
    metavar="FILE",
    shell_complete=options.complete("files"),
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
@checkoptions.runtimes
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
    trainer_versions: tuple[str, ...],
    clusters_file: str | None,
    previous: tuple[str, ...],
    previous_ref: str | None,
    previous_stored: bool,
    until: Until,
    backend: str | None,
    cache: bool,
    stored: bool,
    missing_runtime: str | None,
    outputs: tuple[OutputTarget, ...],
    fail_on: str,
    quiet: bool,
) -> int:
    """Check manifests as a cluster would.

    Structure, rules across fields, and whether the runtime that a job refers to is in the input or shipped, and fits.
    What this machine has stored counts with --stored only. Exit code 1 when something is refused; warnings alone do not
    refuse, unless --fail-on says so.

    Every object is checked as a new one, or with --previous, --previous-ref or --previous-stored as an update of what
    it was: what cannot change is refused then, too. kfrun plan always compares with what is stored.
    """
    if until != "job":
        _require_no_later_stage(backend, runtime_sources, stored=stored)
    options.listen()
    each = _each(trainer_versions, clusters_file, {
        "namespace": namespace, "missing_runtime": missing_runtime, "exclude": exclude,
        "runtime_sources": runtime_sources, "refresh": refresh,
    })  # fmt: skip
    settings, outcome, names = each[0].settings, "", reports.named(paths, filenames)
    asked = Asked(
        settings, until, backend=backend, only_own_kinds=skip_other_kinds, with_scripts=True,
        stored=stored, missing_runtime=settings.missing_runtime,
    )  # fmt: skip
    documents: Sequence[CheckedObject]
    findings: Sequence[Finding]
    before: Mapping[ObjectKey, Document] = {}
    if previous or previous_ref is not None or previous_stored:
        from kfrun.flow.checker import previous as earlier

        _require_comparable(until, each)
        comparison = earlier.Comparison(names, previous, previous_ref, previous_stored, recursive, values)
        documents, findings, before = earlier.check(comparison, asked)
    else:
        given = read_values(values)
        from kfrun.flow.checker import remembered

        asked = asked._replace(values=given)
        if len(each) == 1 and clusters_file is None:
            documents, findings = remembered.check_new(names, asked, recursive=recursive, cache=cache)
        else:
            from kfrun.flow.checker import releases

            several = releases.check(names, asked, each, recursive=recursive, cache=cache)
            documents, findings = several.documents, several.findings
            outcome = releases.table(several, reports.severities(fail_on))
        # of a template that cannot be read nobody knows what it uses
        if given is not None and all(one.stage not in (Stage.YAML, Stage.TEMPLATE) for one in findings):
            given.require_used()
    report = Report("validate", documents, findings, reports.severities(fail_on))
    reports.write(report, outputs, text=lambda: _text(report, before, settings, outcome, backend=backend, quiet=quiet))
    return exits.REFUSED if report.refused else exits.SUCCESS


def _require_no_later_stage(backend: str | None, runtime_sources: tuple[str, ...] | None, *, stored: bool) -> None:
    if backend is not None:
        raise UsageProblem("--backend is asked at the last stage only", "leave --until out, or --backend")
    if runtime_sources or stored:
        hint = "leave --until out, or --runtimes and --stored"
        raise UsageProblem("no runtime is looked for before the last stage", hint)


def _require_comparable(until: Until, each: Sequence[Respect]) -> None:
    if until != "job":
        raise UsageProblem("--until goes with new objects only", "leave it out, or the older objects")
    if len(each) > 1:
        raise UsageProblem("older objects are compared by one release", "give one --trainer-version at a time")


def _each(versions: tuple[str, ...], clusters_file: str | None, flags: dict[str, Any]) -> list[Respect]:
    """What the input is checked in respect of: each release or cluster that is named, or what the settings say."""
    if clusters_file is not None:
        from kfrun.cli.check import clusters

        if versions:
            raise UsageProblem("--clusters says which release each has", "leave --trainer-version away")
        return clusters.read(clusters_file, **flags)
    from kfrun.flow.checker.releases import Respect

    named: list[str | None] = [one.strip() for given in versions for one in given.split(",")]
    found = (options.load_settings(trainer_version=version, **flags) for version in named or [None])
    return [Respect(one.trainer_version, one) for one in found]


def _text(
    report: Report,
    before: Mapping[ObjectKey, Document],
    settings: Settings,
    outcome: str,
    *,
    backend: str | None,
    quiet: bool,
) -> str:
    """What people read; ``outcome`` is of several releases, ``quiet``: only what was found."""
    if outcome and not quiet:
        found = reports.drawn(report, settings, backend) if report.findings else ""
        return f"{found}\n{outcome}" if found else outcome
    return reports.validity(report, before, settings, backend=backend, quiet=quiet)
