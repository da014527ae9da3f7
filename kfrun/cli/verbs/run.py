"""``kfrun run``: one job in the foreground: apply, follow to the end, exit with the job's own code; Ctrl-C cancels."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kfrun.cli import applying, options
from kfrun.errors import Interrupted, Refused, Unavailable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Self

    from kfrun.cli.applying import Follower, Ready
    from kfrun.cli.options import Values
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.store import Store

_TERMINATED = 143


@click.command("run")
@options.files
@options.values
@options.namespace
@options.trainer_version
@options.planning
@options.launching
@click.option("--rm", "remove", is_flag=True, help="Remove the job and its logs when it has ended.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the plan.")
def command(
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
    remove: bool,
    quiet: bool,
) -> int:
    """Train in the foreground and exit with the job's own code.

    A finished job of that name is replaced. Ctrl-C stops the job gracefully, a second one at once.
    """
    from kfrun.cli import session
    from kfrun.execute.local import creation, supervisors

    settings = options.load_settings(
        namespace=namespace, trainer_version=trainer_version, backend=backend, strict=strict
    )
    wishes = applying.Wishes(
        filenames, recursive, cluster_defaults, python, clean_env, keep_environment, rerun=True, values=values
    )
    supervisors.prepare()
    with session.open_store(settings, create=True) as store:
        ready = applying.make_ready(wishes, settings, store)
        key = _only_job(ready)
        if not quiet:
            applying.show_plan(ready)
        creation.await_end(store, key)
        with _Stops() as stops:
            applying.carry_out(ready, wishes, store, say=lambda _: None)
            supervisors.dismiss()
            _require_runnable(store, key)
            job = applying.stored_job(store, key)
            prefix = applying.has_several_containers(ready, key)
            follower = applying.Follower(store, job, settings, prefix=prefix)
            code = _follow(store, job, follower, stops)
        if remove:
            creation.request(store, key, "delete", uid=job.uid)
        return code


def _only_job(ready: Ready) -> ObjectKey:
    keys = [job.resolution.trainjob for job in ready.plan.jobs]
    if len(keys) == 1:
        return keys[0]
    names = ", ".join(key.name for key in keys) or "none"
    raise UsageProblem(f"run takes one TrainJob, and the input has {len(keys)}: {names}", "kfrun apply takes many")


def _require_runnable(store: Store, key: ObjectKey) -> None:
    """What is recorded but does not run here cannot be followed."""
    from kfrun.plan.jobs import is_managed_elsewhere

    data = applying.stored_job(store, key).data
    if is_managed_elsewhere(data):
        manager = data["spec"]["managedBy"]
        raise Unavailable(
            f"{key.name} is managed by {manager}: it was recorded, and that controller has to run it",
            "leave spec.managedBy away to run it here",
        )
    if data["spec"].get("suspend"):
        raise Refused(f"{key.name} is suspended: it was recorded and waits", f"kfrun resume {key.name} starts it")


class _Stopped(Exception):
    """SIGINT or SIGTERM came."""


class _Stops:
    """Counts SIGINT and SIGTERM from the moment that a job may exist.

    They interrupt only what is done within `interruptible`: whatever comes at another moment is kept for it, so that
    no job is started, or told to stop, half.
    """

    def __init__(self) -> None:
        self.count = 0
        self.code = 0
        self._told = 0
        self._raises = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raise `_Stopped` for what came since the last time, and for whatever comes now."""
        try:
            self._raises = True
            if self.count > self._told:
                raise _Stopped
            yield
        finally:
            self._raises = False
            self._told = self.count

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.code = _TERMINATED if number == signal.SIGTERM else Interrupted.exit_code
        if self._raises:
            self._raises = False
            raise _Stopped


def _follow(store: Store, job: StoredObject, follower: Follower, stops: _Stops) -> int:
    """Follow to the end; the first interrupt cancels the job, the second kills it."""
    from kfrun.execute.local import creation

    wish = "cancel"
    while True:
        try:
            with stops.interruptible():
                outcome = follower.follow()
        except _Stopped:
            wish = "kill" if stops.count > 1 else wish
            _say_stopping(job.key, wish)
            creation.request(store, job.key, wish, uid=job.uid)
        else:
            return _end(job.key, follower, outcome, stops.code)


def _say_stopping(key: ObjectKey, wish: str) -> None:
    if wish == "cancel":
        click.echo(f"\nstopping {key.name}: SIGTERM was sent; Ctrl-C again kills it at once", err=True)
    else:
        click.echo(f"\nkilling {key.name}", err=True)


def _end(key: ObjectKey, follower: Follower, outcome: Outcome | None, code: int) -> int:
    if outcome is None:
        click.echo(f"{key.name} was deleted while it ran", err=True)
        return code or 1
    follower.say_end(outcome)
    # A job that had ended by itself before the interrupt came keeps its own code.
    return code if code and outcome.reason == "Cancelled" else outcome.exit_code
