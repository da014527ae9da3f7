"""``kfrun init``: writes the manifest of a script for people to change, or copies an example."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from kfrun.cli import options, script
from kfrun.errors import UsageProblem
from kfrun.model.script import ScriptCall
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from kfrun.flow.scripts import Made
    from kfrun.model.wishes import Wishes


@options.verb("init", made_of=script.ScriptVerb)
@options.wishes(
    script.called,
    options.namespace,
    click.option("--force", is_flag=True, help="Write over files that are there already."),
)
@click.argument("paths", nargs=-1, metavar="[SCRIPT [ARGS]... | FOLDER]", shell_complete=options.complete("any_files"))
@click.option(
    "-o", "--output", default="job.yaml", show_default=True, metavar="FILE", shell_complete=options.complete("files"),
    help="Where to write the manifest; - for standard output.",
)  # fmt: skip
@click.option("--stdout", is_flag=True, help="As -o -.")
@click.option(
    "--example", is_flag=False, flag_value="", metavar="[NAME]", shell_complete=options.complete("shipped_examples"),
    help="Copy one of kfrun's examples into FOLDER, else one of its name; without NAME list them.",
)  # fmt: skip
@click.option("--list-examples", is_flag=True, help="List the examples.")
def command(
    wishes: Wishes,
    paths: tuple[str, ...],
    output: str,
    stdout: bool,
    example: str | None,
    list_examples: bool,
) -> int:
    """Write a manifest for a script, with comments, or copy an example.

    Without SCRIPT it is the likely one of the folder. The manifest is what kfrun run SCRIPT would make, with a comment
    at everything that can be changed, and the options that the script takes.
    """
    named = (*(wishes.script.words if wishes.script else ()), *paths)
    if list_examples or example == "":
        return _list()
    if example is not None:
        return _copy(example, named, force=wishes.force)
    from kfrun.flow import scripts

    settings = options.load_settings(namespace=wishes.namespace)
    target = "-" if stdout else output
    call = wishes.script or ScriptCall()
    words = call.words if call.words or call.is_command else (scripts.likely(paths),)
    call = call._replace(words=words, save=None if target == "-" else target)
    made = scripts.make(wishes._replace(script=call), settings, explained=True)
    if made.warnings:
        options.warn(settings)(made.warnings)
    if target == "-":
        options.data(made.text)
        return 0
    if not wishes.force:
        scripts.require_writable(target, made.text, "--force writes over it, -o names another file")
    scripts.write(target, made.text)
    _tell_next(made, target)
    return 0


def _tell_next(made: Made, target: str) -> None:
    options.tell(f"{target}: the manifest of {made.facts.shown}, as trainjob {made.facts.title}")
    missing = [one.words[0].partition("=")[0] for one in made.facts.parameters if one.is_required]
    if missing and not made.facts.args:
        options.tell(f"{made.facts.shown} wants {', '.join(missing)}: fill in args first")
    options.tell(f"next: kfrun run -f {quoted(target)}")


def _list() -> int:
    from kfrun.flow.scripts import examples

    width = max(map(len, examples.names()))
    for name in examples.names():
        options.say(f"{name:{width}}   {examples.about(name)}")
    options.tell("kfrun init --example NAME copies one")
    return 0


def _copy(name: str, named: tuple[str, ...], *, force: bool) -> int:
    from kfrun.flow.scripts import examples

    if len(named) > 1:
        raise UsageProblem(f"an example goes into one folder, and there are {len(named)}: {', '.join(named)}")
    folder = named[0] if named else name
    written = examples.copy(name, folder, force=force)
    options.tell(f"{examples.about(name)}: {', '.join(written)}")
    options.tell(f"next: kfrun run -f {quoted(os.path.normpath(os.path.join(folder, examples.MANIFEST)))}")
    return 0
