"""``kfrun run``: one job in the foreground: apply, follow to the end, exit with the job's own code; Ctrl-C cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, foreground, options
from kfrun.errors import UsageProblem
from kfrun.execute import choice
from kfrun.flow import execution, plans

if TYPE_CHECKING:
    from kfrun.flow.plans import Ready
    from kfrun.model.wishes import Wishes


@options.verb("run", with_arguments=True)
@options.wishes(
    options.files,
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.planning,
    options.launching,
)
@click.option("--rm", "remove", is_flag=True, help="Remove the job and its logs when it has ended.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither the plan nor what can be done next.")
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
        _require_one_job(ready)
        if not quiet:
            attach.show_plan(ready)
        return foreground.run(ready, backend, caller, remove=remove, quiet=quiet)


def _require_one_job(ready: Ready) -> None:
    if len(ready.keys) == 1:
        return
    count, names = len(ready.keys), ", ".join(key.name for key in ready.keys) or "none"
    raise UsageProblem(f"run takes one TrainJob, and the input has {count}: {names}", "kfrun apply takes many")
