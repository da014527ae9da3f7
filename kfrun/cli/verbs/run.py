"""``kfrun run``: one job in the foreground: apply, follow to the end, exit with the job's own code; Ctrl-C cancels."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, options
from kfrun.errors import Interrupted, Refused, Unavailable, UsageProblem
from kfrun.execute import choice
from kfrun.flow import execution, plans, waits
from kfrun.observe import selection
from kfrun.plan.jobs import is_managed_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Self

    from kfrun.execute.backend import Backend, Wish
    from kfrun.flow.follower import Follower
    from kfrun.flow.plans import Ready
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.model.wishes import Wishes
    from kfrun.observe.outcome import Outcome

_TERMINATED = 143


@options.verb("run")
@options.wishes(
    options.files,
    options.values,
    options.namespace,
    options.trainer_version,
    options.planning,
    options.launching,
)
@click.option("--rm", "remove", is_flag=True, help="Remove the job and its logs when it has ended.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the plan.")
def command(wishes: Wishes, remove: bool, quiet: bool) -> int:
    """Train in the foreground and exit with the job's own code.

    A finished job of that name is replaced. Ctrl-C stops the job gracefully, a second one at once.
    """
    settings = options.load_settings(**wishes.settings)
    choice.warm_up(settings)
    with options.backend(settings, create=True) as backend:
        caller = options.caller()
        ready = plans.make(wishes._replace(rerun=True), settings, backend.observe, warn=options.warn(settings))
        execution.require_possible(ready, backend, caller, warn=options.warn(settings))
        key = _only_job(ready)
        if not quiet:
            attach.show_plan(ready)
        waits.settled(backend, key)
        with _Stops() as stops:
            execution.carry_out(ready, backend, caller)
            job = selection.get(backend, *key[1:])
            _require_runnable(job)
            code = _follow(backend, job, attach.follower(backend, ready, job), stops)
        if remove:
            backend.wish(key, "delete", uid=job.uid)
        return code


def _only_job(ready: Ready) -> ObjectKey:
    if len(ready.keys) == 1:
        return ready.keys[0]
    count, names = len(ready.keys), ", ".join(key.name for key in ready.keys) or "none"
    raise UsageProblem(f"run takes one TrainJob, and the input has {count}: {names}", "kfrun apply takes many")


def _require_runnable(job: StoredObject) -> None:
    """What is recorded but does not run here cannot be followed."""
    name = job.key.name
    if is_managed_elsewhere(job.data):
        manager = job.data["spec"]["managedBy"]
        raise Unavailable(
            f"{name} is managed by {manager}: it was recorded, and that controller has to run it",
            "leave spec.managedBy away to run it here",
        )
    if job.data["spec"].get("suspend"):
        raise Refused(f"{name} is suspended: it was recorded and waits", f"kfrun resume {name} starts it")


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


def _follow(backend: Backend, job: StoredObject, follower: Follower, stops: _Stops) -> int:
    """Follow to the end; the first interrupt cancels the job, the second kills it."""
    wish: Wish = "cancel"
    while True:
        try:
            with stops.interruptible():
                outcome = follower.follow()
        except _Stopped:
            wish = "kill" if stops.count > 1 else wish
            _say_stopping(job.key, wish)
            backend.wish(job.key, wish, uid=job.uid)
        else:
            return _end(job.key, follower, outcome, stops.code)


def _say_stopping(key: ObjectKey, wish: str) -> None:
    if wish == "cancel":
        options.tell("", f"stopping {key.name}: SIGTERM was sent; Ctrl-C again kills it at once")
    else:
        options.tell("", f"killing {key.name}")


def _end(key: ObjectKey, follower: Follower, outcome: Outcome | None, code: int) -> int:
    if outcome is None:
        options.tell(f"{key.name} was deleted while it ran")
        return code or 1
    follower.tell_end(outcome)
    # A job that had ended by itself before the interrupt came keeps its own code.
    return code if code and outcome.reason == "Cancelled" else outcome.exit_code
