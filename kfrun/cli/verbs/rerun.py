"""``kfrun rerun``: a stored job once more, with today's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, foreground, kinds, options
from kfrun.execute import choice
from kfrun.flow import execution, reruns

if TYPE_CHECKING:
    from kfrun.flow.plans import Ready
    from kfrun.model.wishes import Wishes


@options.verb("rerun", with_arguments=True)
@options.wishes(options.arguments, options.namespace, options.planning, options.launching, options.force)
@click.argument("names", nargs=-1, metavar="[TYPE] NAME", shell_complete=options.complete("trainjobs"))
@click.option("-d", "--detach", is_flag=True, help="Start it and leave, as apply does.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither the plan nor what can be done next.")
def command(wishes: Wishes, names: tuple[str, ...], detach: bool, quiet: bool) -> int:
    """Run a finished job once more, with today's code.

    The manifest and the runtime are those that are stored, the code and the packages that files name are as they are
    now. ARGS go to the job's command line: --lr 0.05 takes the place of a --lr that is there, other words are appended.
    """
    settings = options.load_settings(**wishes.settings)
    choice.warm_up(settings)
    with options.backend(settings, create=True) as backend:
        caller = options.caller()
        job = kinds.trainjob(backend, settings.namespace, kinds.one(names) or kinds.latest(backend, settings.namespace))
        ready = reruns.make(job, wishes, settings, backend, warn=options.warn(settings))
        execution.require_possible(ready, backend, caller, warn=options.warn(settings))
        if not quiet:
            attach.show_plan(ready)
            _tell_unchanged(ready)
        if detach:
            return foreground.leave(ready, backend, caller)
        return foreground.run(ready, backend, caller, remove=False, quiet=quiet)


def _tell_unchanged(ready: Ready) -> None:
    """Whoever runs a job again wants to know that it is the same one."""
    if not any(getattr(action, "code", ()) or getattr(action, "changes", ()) for action in ready.plan.actions):
        options.tell("nothing has changed since the last run: code, manifest and arguments are the same")
