"""``kfrun plan``: shows what ``kfrun apply`` would do, and why; changes nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from kfrun.cli import exits, options
from kfrun.execute import choice
from kfrun.flow import execution, givensecrets, plans
from kfrun.plan import render
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from kfrun.model.wishes import Wishes


@options.verb("plan", with_arguments=True)
@options.wishes(
    options.files,
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.runtimes,
    options.planning,
    options.secrets,
    click.option("--replace", is_flag=True, help="Plan to replace finished jobs that were changed."),
    options.force,
    options.pruning,
)
@click.option(
    "--out", metavar="FILE", shell_complete=options.complete("any_files"),
    help="Save the plan (0600) for kfrun apply FILE: digests, no contents.",
)  # fmt: skip
@click.option("--detailed-exitcode", is_flag=True, help="Exit 0 when there is nothing to do, 2 for changes.")
@options.output("text", "json", default="text")
def command(wishes: Wishes, out: str | None, detailed_exitcode: bool, output: str) -> int:
    """Show what apply would do, and why.

    Exit code 1 when something is refused, with or without --detailed-exitcode. What keeps a job from being started here
    is warned of.
    """
    settings = options.load_settings(**wishes.settings)
    if out is not None:
        from kfrun.flow import savedplans

        wishes = savedplans.with_absolute_names(wishes)
    with_code = out is not None or output == "json"
    ready = plans.make(
        wishes, settings, partial(choice.observe, settings), warn=options.warn(settings), with_code=with_code
    )
    if output == "json":
        options.data(json_text(render.to_json(ready.plan)))
    else:
        options.write(render.to_text(ready.plan, color=options.colors_stdout(settings)), styled=True)
    options.tell(*givensecrets.told(ready))
    against = execution.obstacles(ready, options.caller())
    if against:
        options.warn(settings)(against)
    if ready.plan.refusals:
        return exits.REFUSED
    if out is not None:
        savedplans.write(out, savedplans.saved(ready))
        again = " with the same --set and --set-string" if wishes.values.texts or wishes.values.strings else ""
        again += f"{' and' if again else ' with'} --secret-env-file" if wishes.secret_env_files else ""
        options.tell(f"saved as {out}: kfrun apply {out}{again} does exactly this")
    return exits.CHANGES if detailed_exitcode and not ready.plan.is_empty else exits.SUCCESS
