"""``kfrun apply``: records jobs and runtimes, starts what is new, and leaves; ``--wait`` and ``--follow`` stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, options
from kfrun.errors import UsageProblem, WaitTimeout
from kfrun.execute import choice
from kfrun.flow import execution, plans
from kfrun.model import kinds
from kfrun.model.wishes import Wishes

if TYPE_CHECKING:
    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.plan.saved import SavedPlan


_LAUNCHING = ("python", "clean_env", "keep_environment", "secret_env_files")
"""What a plan does not say: how processes are started, and secrets."""


@options.verb("apply", with_arguments=True)
@options.wishes(
    options.files_if_any("[FILE... | PLAN]", "any_files"),
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.runtimes,
    options.planning,
    options.launching,
    click.option("--replace", is_flag=True, help="Replace finished jobs that were changed."),
    options.force,
    options.pruning,
)
@click.option("--dry-run", type=click.Choice(["none", "client"]), default="none", help="client: show the plan only.")
@click.option("--wait", is_flag=True, help="Stay until the jobs have ended; exit with the first failed job's code.")
@click.option("--follow", is_flag=True, help="Like --wait, and print the logs. Ctrl-C leaves the jobs alone.")
@click.option("--timeout", metavar="DURATION", help="With --wait: exit 124 when the time is up; the jobs go on.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither the plan nor what can be done next.")
def command(
    wishes: Wishes,
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
    if follow and timeout:
        raise UsageProblem("--timeout goes with --wait: --follow stays until the jobs have ended", "leave one away")
    saved = _saved(wishes)
    if saved is not None:
        wishes = _of_plan(saved, wishes)
    settings = options.load_settings(**wishes.settings)
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    is_real = dry_run == "none"
    if is_real:
        choice.warm_up(settings)
    with options.backend(settings, create=is_real) as backend:
        caller = options.caller()
        with_code = saved is not None
        ready = plans.make(wishes, settings, backend.observe, warn=options.warn(settings), with_code=with_code)
        if saved is not None:
            _require_same(saved, ready)
        execution.require_possible(ready, backend, caller, warn=options.warn(settings))
        if not quiet:
            attach.show_plan(ready)
        if not is_real:
            return 0
        execution.carry_out(ready, backend, caller, say=options.say)
        if follow:
            return _follow(backend, ready, quiet=quiet)
        return _wait(backend, ready, seconds) if wait or seconds is not None else 0


def _saved(wishes: Wishes) -> SavedPlan | None:
    """The plan that the command line names, which must name nothing beside it that a plan says itself."""
    if not wishes.filenames:
        raise UsageProblem("nothing to apply", "name manifests, or a plan of kfrun plan --out")
    from kfrun.flow import savedplans

    path = next((name for name in wishes.filenames if savedplans.is_saved(name)), None)
    if path is None:
        return None
    launching = {name: getattr(wishes, name) for name in _LAUNCHING}
    again = wishes.values._replace(files=())
    if wishes != Wishes((path,), values=again, **launching):
        raise UsageProblem(
            f"{path} is a plan: its flags are in it, only --set, --set-string and --secret-env-file are given again",
            "apply it alone, with none of the others",
        )
    return savedplans.read(path)


def _of_plan(saved: SavedPlan, wishes: Wishes) -> Wishes:
    """What a plan says, and what a command line adds to it: how processes are started."""
    from kfrun.flow import savedplans

    found = savedplans.wishes_of(saved, wishes.values)
    return found._replace(**{name: getattr(wishes, name) for name in _LAUNCHING})


def _require_same(saved: SavedPlan, ready: Ready) -> None:
    from kfrun.flow import savedplans

    savedplans.require_same(saved, ready)


def _follow(backend: Backend, ready: Ready, *, quiet: bool) -> int:
    from kfrun.observe import selection

    codes = []
    for key in ready.keys:
        follower = attach.follower(backend, ready, selection.get(backend, *key[1:]))
        with attach.detachable(*attach.how_to_return("logs -f", key.name, key.namespace)):
            outcome = follower.follow()
        if outcome is not None:
            follower.tell_end(outcome)
            if not quiet:
                attach.tell_what_next(key, ready)
            codes.append(outcome.exit_code)
    return next((code for code in codes if code), 0)


def _wait(backend: Backend, ready: Ready, timeout: float | None) -> int:
    from kfrun.flow import waits
    from kfrun.observe import selection

    jobs = [selection.get(backend, *key[1:]) for key in ready.keys]
    names = " ".join(key.name for key in ready.keys)
    namespace = ready.keys[0].namespace if ready.keys else kinds.DEFAULT_NAMESPACE
    with attach.detachable(*attach.how_to_return("wait", names, namespace)):
        codes = waits.exit_codes(backend, jobs, timeout)
    if codes is None:
        raise WaitTimeout(f"{names}: not over after {timeout:g} s; the jobs go on", f"kfrun wait {names} waits longer")
    return next((code for code in codes if code), 0)
