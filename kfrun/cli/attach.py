"""Watching without owning: Ctrl-C ends the looking, never the job. And what apply and run show of theirs."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kfrun.cli import console, options
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfrun.execute.backend import Backend
    from kfrun.flow.follower import Follower
    from kfrun.flow.plans import Ready
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.model.wishes import Wishes


@contextmanager
def detachable(*message: str) -> Iterator[None]:
    """On Ctrl-C tell the lines of ``message`` and let the interrupt end the command (exit code 130)."""
    try:
        yield
    except KeyboardInterrupt:
        options.tell("", *message)
        raise


def how_to_return(verb: str, name: str, namespace: str) -> tuple[str, ...]:
    """What to tell somebody who stops looking at a running job, in lines."""
    place = namespace_flag(namespace)
    return (
        f"detached: {name} goes on",
        f"  kfrun {verb} {name}{place}   looks again",
        f"  kfrun stop {name}{place}   stops it",
    )


def tell_what_next(key: ObjectKey, ready: Ready) -> None:
    """Where the logs of a job are that has ended, and how to run it again."""
    name = f"{key.name}{namespace_flag(key.namespace)}"
    again = "".join(f" --secret-env-file {quoted(one)}" for one in ready.wishes.secret_env_files)
    options.tell(f"{key.name}: logs: kfrun logs {name}; again: kfrun rerun {name}{again}")


def namespace_flag(namespace: str) -> str:
    """What a command about an object of the namespace has to say of it."""
    return "" if namespace == "default" else f" -n {namespace}"


def show_plan(ready: Ready) -> None:
    """The plan on stderr: stdout belongs to data."""
    from kfrun.flow import givensecrets
    from kfrun.plan import render

    text = render.to_text(ready.plan, color=options.colors_stderr(ready.settings))
    options.write(f"{text}\n", err=True, styled=True)
    options.tell(*givensecrets.told(ready))


def store(wishes: Wishes, check: Callable[[Ready], None], *, is_dry: bool, output: str | None, quiet: bool) -> None:
    """Carry manifests out that ``check`` does not refuse, and say what was done, or print what is stored then.

    With ``is_dry`` say what would be done, or print what would be stored.
    """
    from kfrun.execute import choice
    from kfrun.flow import execution, plans

    settings = options.load_settings(**wishes.settings)
    if not is_dry:
        choice.warm_up(settings)
    with options.backend(settings, create=not is_dry) as backend:
        caller, warn = options.caller(), options.warn(settings)
        ready = plans.make(wishes, settings, backend.observe, warn=warn)
        check(ready)
        execution.require_possible(ready, backend, caller, warn=warn)
        if not quiet:
            show_plan(ready)
        if not is_dry:
            execution.carry_out(ready, backend, caller, say=options.say if output is None else lambda _: None)
        elif output is None:
            for line in execution.lines(ready):
                options.say(f"{line} (dry run)")
        if output is not None:
            from kfrun.report import objects

            found = [document.data for document in ready.desired.objects]
            found += [ready.desired.trainjobs[key] for key in ready.keys]
            if not is_dry:
                keys = [*(document.key for document in ready.desired.objects), *ready.keys]
                found = [item.data for item in (backend.find(*key[1:]) for key in keys) if item is not None]
            options.data(objects.formatter(output, single=len(found) == 1)(found))


def follower(backend: Backend, ready: Ready, job: StoredObject) -> Follower:
    """A follower of a job just applied: its output on stdout, what happens to it on stderr."""
    from kfrun import host
    from kfrun.flow.follower import Follower, has_several_containers
    from kfrun.observe.logs import LogOptions

    host.allow_many_files()
    shown = LogOptions(
        attempts="all",
        prefix=has_several_containers(ready, job.key) or None,
        colour=options.colors_stdout(ready.settings),
        terminal=sys.stdout.isatty(),
    )
    out = sys.stdout.buffer
    live = console.live if console.has_live_line() else None
    found = Follower(backend, job, write=out.write, flush=out.flush, tell=options.tell, options=shown, live=live)
    found.of_script = ready.wishes.script is not None
    return found
