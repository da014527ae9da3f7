"""``kfrun apply``: records jobs and runtimes, starts what is new, and leaves; ``--wait`` and ``--follow`` stay."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kfrun.cli import applying, attach, durations, options, planfile
from kfrun.cli.options import Values
from kfrun.errors import UsageProblem, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.cli.applying import Ready
    from kfrun.model.source import ObjectKey
    from kfrun.observe.store import Store
    from kfrun.plan.saved import SavedPlan


@click.command("apply")
@options.files_or_plan
@options.values
@options.namespace
@options.trainer_version
@options.planning
@options.launching
@click.option("--replace", is_flag=True, help="Replace finished jobs that were changed.")
@options.pruning
@click.option("--dry-run", type=click.Choice(["none", "client"]), default="none", help="client: show the plan only.")
@click.option("--wait", is_flag=True, help="Stay until the jobs have ended; exit with the first failed job's code.")
@click.option("--follow", is_flag=True, help="Like --wait, and print the logs. Ctrl-C leaves the jobs alone.")
@click.option("--timeout", metavar="DURATION", help="With --wait: exit 124 when the time is up; the jobs go on.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the plan.")
def command(
    plan_file: str | None,
    filenames: tuple[str, ...],
    recursive: bool,
    values: Values,
    namespace: str | None,
    trainer_version: str | None,
    backend: str | None,
    strict: bool | None,
    cluster_defaults: bool,
    python: str | None,
    clean_env: bool,
    keep_environment: bool,
    replace: bool,
    apply_set: str,
    prune: bool,
    dry_run: str,
    wait: bool,
    follow: bool,
    timeout: str | None,
    quiet: bool,
) -> int:
    """Record jobs and runtimes and start what is new.

    An unchanged manifest changes nothing. The jobs run on when this command, or the terminal, is gone.

    PLAN is a file of kfrun plan --out: its sources are read again, and it is refused when they, what is stored, or what
    would be done is not the same any more.
    """
    from kfrun.cli import session
    from kfrun.execute.local import supervisors

    flags = {"namespace": namespace, "trainer_version": trainer_version, "backend": backend, "strict": strict}
    shape = planfile.PlanWishes(filenames, recursive, values, cluster_defaults, replace, apply_set, prune=prune)
    saved = _saved(plan_file, shape, flags)
    if saved is not None:
        flags = {name: getattr(saved.call, name) for name in flags}
        shape = planfile.wishes_of(saved, values)
    settings = options.load_settings(**flags)
    wishes = applying.Wishes(
        shape.filenames, shape.recursive, shape.cluster_defaults, python, clean_env, keep_environment,
        replace=shape.replace, values=shape.values, apply_set=shape.apply_set, prune=shape.prune,
    )  # fmt: skip
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    if dry_run == "none":
        supervisors.prepare()
    with session.open_store(settings, create=dry_run == "none") as store:
        ready = applying.make_ready(wishes, settings, store, saved)
        if not quiet:
            applying.show_plan(ready)
        if dry_run != "none":
            return 0
        applying.carry_out(ready, wishes, store, say=click.echo)
        supervisors.dismiss()
        sys.stdout.flush()
        keys = [job.resolution.trainjob for job in ready.plan.jobs]
        if follow:
            return _follow(store, ready, keys)
        return _wait(store, keys, seconds) if wait or seconds is not None else 0


def _saved(path: str | None, shape: planfile.PlanWishes, flags: Mapping[str, object]) -> SavedPlan | None:
    """The plan that the command line names, which must name nothing beside it that a plan says itself."""
    if path is None:
        if not shape.filenames:
            raise UsageProblem("nothing to apply", "name manifests with -f, or a plan of kfrun plan --out")
        return None
    is_told = shape._replace(values=Values(shape.values.files)) != planfile.PlanWishes(
        (), recursive=False, values=Values()
    )
    if is_told or any(value is not None for value in flags.values()):
        raise UsageProblem(
            f"{path} is a plan: its flags are in it, and only --set and --set-string have to be given again",
            "to apply a manifest, name it with -f",
        )
    return planfile.read(path)


def _follow(store: Store, ready: Ready, keys: list[ObjectKey]) -> int:
    codes = []
    for key in keys:
        job = applying.stored_job(store, key)
        follower = applying.Follower(store, job, ready.settings, prefix=applying.has_several_containers(ready, key))
        with attach.detachable(attach.how_to_return("logs -f", key.name, key.namespace)):
            outcome = follower.follow()
        if outcome is not None:
            follower.say_end(outcome)
            codes.append(outcome.exit_code)
    return next((code for code in codes if code), 0)


def _wait(store: Store, keys: list[ObjectKey], timeout: float | None) -> int:
    from kfrun.cli import rows
    from kfrun.observe import watch

    jobs = [applying.stored_job(store, key) for key in keys]

    def codes() -> list[int] | None:
        found = []
        for job in jobs:
            now = store.find(job.key.kind, job.key.namespace, job.key.name)
            ended = rows.outcome_of(store, now, store.run(job.uid)) if now and now.uid == job.uid else None
            if ended is None and now is not None:
                return None
            found.append(ended.exit_code if ended else 1)
        return found

    names = " ".join(key.name for key in keys)
    with attach.detachable(attach.how_to_return("wait", names, keys[0].namespace if keys else "default")):
        ended = watch.wait(store, codes, timeout=timeout, heal=attach.healer(store))
    if ended is None:
        raise WaitTimeout(f"{names}: not over after {timeout:g} s; the jobs go on", f"kfrun wait {names} waits longer")
    return next((code for code in ended if code), 0)
