"""``kfrun plan``: shows what ``kfrun apply`` would do, and why; changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kfrun.cli import applying, applysets, exits, inputs, options, planfile

if TYPE_CHECKING:
    from kfrun.cli.options import Values


@click.command("plan")
@options.files
@options.values
@options.namespace
@options.trainer_version
@options.planning
@click.option("--replace", is_flag=True, help="Plan to replace finished jobs that were changed.")
@options.pruning
@click.option("--out", metavar="FILE", help="Save the plan (0600) for kfrun apply FILE: digests, no contents.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 0 when there is nothing to do, 2 for changes.")
@options.output("text", "json", default="text")
def command(
    filenames: tuple[str, ...],
    recursive: bool,
    values: Values,
    namespace: str | None,
    trainer_version: str | None,
    backend: str | None,
    strict: bool | None,
    cluster_defaults: bool,
    replace: bool,
    apply_set: str,
    prune: bool,
    out: str | None,
    detailed_exitcode: bool,
    output: str,
) -> int:
    """Show what apply would do, and why.

    Exit code 1 when something is refused, with or without --detailed-exitcode.
    """
    from kfrun.plan import render

    settings = options.load_settings(
        namespace=namespace, trainer_version=trainer_version, backend=backend, strict=strict
    )
    wishes = planfile.PlanWishes(filenames, recursive, values, cluster_defaults, replace, apply_set, prune=prune)
    sources = planfile.Sources()
    if out is not None:
        wishes = planfile.with_absolute_names(wishes)
    documents = inputs.read(
        wishes.filenames, recursive=recursive, settings=settings, values=wishes.values, note=sources.note
    )
    known = inputs.look_up(documents, settings)
    prepared = inputs.prepare(documents, known, settings=settings, cluster_defaults=cluster_defaults)
    inputs.warn(prepared, settings)
    made = applying.make(prepared, known, settings, replace=replace)
    chosen = applysets.look_up(apply_set, settings, prune=prune)
    if chosen is not None:
        made = applysets.with_set(made, chosen, prepared, prune=prune)
    if output == "json":
        options.write(json.dumps(render.to_json(made), indent=2, ensure_ascii=False) + "\n")
    else:
        options.write(render.to_text(made, color=options.colors_stdout(settings)))
    if made.refusals:
        return exits.REFUSED
    if out is not None:
        planfile.write(out, planfile.saved(wishes, settings, sources, planfile.Planned(made, prepared, known, chosen)))
        again = " with the same --set and --set-string" if values.texts or values.strings else ""
        click.echo(f"saved as {out}: kfrun apply {out}{again} does exactly this", err=True)
    return exits.CHANGES if detailed_exitcode and not made.is_empty else exits.SUCCESS
