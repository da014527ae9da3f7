"""``kfrun run``: one job in the foreground: apply, follow to the end, exit with the job's own code; Ctrl-C cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, foreground, options, script
from kfrun.errors import UsageProblem
from kfrun.execute import choice
from kfrun.flow import execution, plans
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.settings import Settings


@options.verb("run", made_of=script.ScriptVerb)
@options.wishes(
    script.called,
    script.SAVE,
    options.files_if_any("[SCRIPT [ARGS]... | FILE | -- COMMAND...]", "any_files"),
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.runtimes,
    options.planning,
    options.launching,
    options.force,
)
@click.option("--rm", "remove", is_flag=True, help="Remove the job and its logs when it has ended.")
@click.option("-d", "--detach", is_flag=True, help="Start it and leave, as apply does.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither the plan nor what can be done next.")
def command(wishes: Wishes, remove: bool, detach: bool, quiet: bool) -> int:
    """Train in the foreground and exit with the job's own code.

    SCRIPT needs no manifest: one is made of it, with the packages that requirements.txt, pyproject.toml or the script
    itself names, and by torchrun where it imports PyTorch. Options stand before it, and what stands behind it is the
    script's. COMMAND is any command line. FILE is a manifest; words behind -- go to its job.

    A finished job of that name is replaced, one that runs only with --force. Ctrl-C stops the job gracefully, a second
    one at once.
    """
    if wishes.script is None and not wishes.filenames:
        raise UsageProblem("nothing to run", "name a script or a manifest: kfrun run train.py, kfrun run -f job.yaml")
    if detach and remove:
        raise UsageProblem("--rm removes a job that has ended, and --detach does not wait for that", "leave one away")
    if wishes.script is not None:
        script.require(wishes.script)
    settings = options.load_settings(**wishes.settings)
    choice.warm_up(settings)
    with options.backend(settings, create=True) as backend:
        caller = options.caller()
        ready = _script(wishes, settings, backend, caller, quiet=quiet) if wishes.script else None
        if ready is None:
            ready = plans.make(wishes.to_run(), settings, backend.observe, warn=options.warn(settings))
            execution.require_possible(ready, backend, caller, warn=options.warn(settings))
            _require_one_job(ready)
        if not quiet:
            attach.show_plan(ready)
        if detach:
            return foreground.leave(ready, backend, caller)
        return foreground.run(ready, backend, caller, remove=remove, quiet=quiet)


def _script(wishes: Wishes, settings: Settings, backend: Backend, caller: Caller, *, quiet: bool) -> Ready:
    """The plan for a script, whose manifest is shown, and written where it is to be kept."""
    from kfrun.flow import scripts

    made = scripts.make(wishes, settings)
    ready = scripts.plan(made, wishes, settings, backend.observe, warn=options.warn(settings))
    execution.require_possible(ready, backend, caller, warn=options.warn(settings))
    if folder := scripts.before(ready, made):
        options.tell(f"{made.facts.title}: it ran in {folder} before, and runs in {made.facts.folder} now")
    if not quiet:
        script.show(made.facts.shown, made.shown)
    if made.call.save:
        scripts.write(made.call.save, made.text)
        options.tell(f"the manifest is in {made.call.save}: kfrun run -f {quoted(made.call.save)} runs it again")
    return ready


def _require_one_job(ready: Ready) -> None:
    if len(ready.keys) == 1:
        return
    count, names = len(ready.keys), ", ".join(key.name for key in ready.keys) or "none"
    raise UsageProblem(f"run takes one TrainJob, and the input has {count}: {names}", "kfrun apply takes many")
