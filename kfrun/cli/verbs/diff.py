"""``kfrun diff``: how manifests differ from what is stored, with the exit codes of ``kubectl diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfrun.cli import exits, options, switches
from kfrun.execute import choice
from kfrun.flow import desired, documents
from kfrun.model.change import FieldChange
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.resolution import STORE
from kfrun.plan import compare
from kfrun.report import diff
from kfrun.report.diff import ObjectDiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kfrun.flow.desired import DesiredState
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import Observed
    from kfrun.model.wishes import Wishes

Result = TypeVar("Result")

_SAME, _DIFFERENT = 0, 1
_SIGNALS = 124
"""Codes from here on say that somebody stopped the command, not that it failed."""


class _DiffCommand(switches.Verb):
    """A verb whose errors all end with code 3: 1 says that there are differences."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line."""
        return _or_unavailable(lambda: super(_DiffCommand, self).make_context(*args, **kwargs))

    def invoke(self, ctx: click.Context) -> Any:
        """Compare."""
        return _or_unavailable(lambda: super(_DiffCommand, self).invoke(ctx))


def _or_unavailable(work: Callable[[], Result]) -> Result:
    done: list[Result] = []
    ended: list[click.exceptions.Exit] = []

    def attempt() -> None:
        try:
            done.append(work())
        except click.exceptions.Exit as end:  # --help
            ended.append(end)

    code = exits.guard(attempt)
    if ended:
        raise ended[0]
    if code and not done:
        raise click.exceptions.Exit(code if code >= _SIGNALS else exits.UNAVAILABLE)
    return done[0]


@click.command("diff", cls=_DiffCommand)
@options.wishes(options.files, options.values, options.namespace, options.trainer_version, options.runtimes)
@click.option("--show-secrets", is_flag=True, help="Show values that are hidden otherwise.")
def command(wishes: Wishes, show_secrets: bool) -> int:
    """Show how manifests differ from what is stored.

    Defaults are filled in before, and entries of lists are matched by the keys that Kubernetes merges them by.

    Exit code 0: they are the same. 1: they differ. 3: an error, whichever.
    """
    settings = options.load_settings(**wishes.settings)
    read = documents.read(wishes, settings)
    observed = choice.observe(settings, [document.key for document in read])
    wanted = desired.prepare(read, observed, settings=settings)
    for job in wanted.jobs:
        runtime = job.resolution.runtime
        if runtime is not None and runtime.found_in == STORE:
            options.tell(f"{job.resolution.trainjob.resource}: runtime {runtime}")
    found = list(_diffs(wanted, observed, show_secrets=show_secrets))
    text = diff.to_text(found, color=options.colors_stdout(settings))
    options.write(text, styled=True, show_secrets=show_secrets)
    return _DIFFERENT if any(item.changes for item in found) else _SAME


def _diffs(wanted: DesiredState, observed: Observed, *, show_secrets: bool) -> Iterator[ObjectDiff]:
    for document in wanted.objects:
        stored = observed.objects.get(document.key)
        yield _diff(document.key, document.source, stored, document.data, show_secrets=show_secrets)
    for job in wanted.jobs:
        key, source = job.resolution.trainjob, job.resolution.job.source
        job_before = observed.jobs.get(key)
        stored = job_before.data if job_before else None
        yield _diff(key, source, stored, wanted.trainjobs[key], show_secrets=show_secrets)


def _diff(
    key: ObjectKey,
    source: str,
    stored: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    *,
    show_secrets: bool,
) -> ObjectDiff:
    # Nothing is compared as an object of that kind: the kind says what is a secret.
    changes = compare.changes(stored or {}, after, show_secrets=show_secrets)
    if stored is not None:
        changes += tuple(_suspend_change(stored, after))
    name = key.resource if key.namespace in ("", "default") else f"{key.resource} in {key.namespace}"
    return ObjectDiff(name, source, changes, is_new=stored is None)


def _suspend_change(stored: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """``suspend`` is compared apart: `kfrun suspend` and `kfrun resume` switch it too."""
    if after["kind"] != TRAIN_JOB:
        return
    old, new = (bool(item["spec"].get("suspend", False)) for item in (stored, after))
    if old != new:
        yield FieldChange("spec.suspend", str(old).lower(), str(new).lower())
