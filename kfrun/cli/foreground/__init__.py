"""One job in the foreground: carried out, followed to its end; Ctrl-C cancels it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import attach, options
from kfrun.cli.foreground.stops import Stopped, Stops
from kfrun.errors import Refused, Unavailable
from kfrun.flow import execution, waits
from kfrun.observe import selection
from kfrun.plan.jobs import is_managed_elsewhere

if TYPE_CHECKING:
    from kfrun.execute.backend import Backend, Wish
    from kfrun.flow.follower import Follower
    from kfrun.flow.plans import Ready
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.model.wishes import Caller
    from kfrun.observe.outcome import Outcome


def run(ready: Ready, backend: Backend, caller: Caller, *, remove: bool, quiet: bool = False) -> int:
    """Carry out a plan for one job and return its exit code; the first interrupt cancels it, the second kills it.

    At the end it is told what can be done next, unless ``quiet``.

    Raises:
        Refused, Unavailable: it is recorded, and does not run here or now.
    """
    key = ready.keys[0]
    waits.settled(backend, key)
    with Stops() as stops:
        execution.carry_out(ready, backend, caller)
        job = selection.get(backend, *key[1:])
        _require_runnable(job)
        code = _follow(backend, job, attach.follower(backend, ready, job), stops)
    if remove:
        backend.wish(key, "delete", uid=job.uid)
    elif not quiet and backend.find(*key[1:]) is not None:
        attach.tell_what_next(key, ready)
    return code


def leave(ready: Ready, backend: Backend, caller: Caller) -> int:
    """Carry out a plan for one job and tell how to look at it again."""
    execution.carry_out(ready, backend, caller, say=options.say)
    name, namespace = ready.keys[0].name, ready.keys[0].namespace
    options.tell(f"kfrun logs -f {name}{attach.namespace_flag(namespace)} follows it")
    return 0


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


def _follow(backend: Backend, job: StoredObject, follower: Follower, stops: Stops) -> int:
    """Follow to the end; the first interrupt cancels the job, the second kills it."""
    wish: Wish = "cancel"
    while True:
        try:
            with stops.interruptible():
                outcome = follower.follow()
        except Stopped:
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
