"""``kfrun plan``: shows what ``kfrun apply`` would do, and why; changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kfrun.cli import exits, inputs, options

if TYPE_CHECKING:
    from kfrun.cli.inputs import Inputs, Known
    from kfrun.model.change import Plan
    from kfrun.settings import Settings


@click.command("plan")
@options.files
@options.namespace
@options.trainer_version
@options.planning
@click.option("--replace", is_flag=True, help="Plan to replace finished jobs that were changed.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 0 when there is nothing to do, 2 for changes.")
@options.output("text", "json", default="text")
def command(
    filenames: tuple[str, ...],
    recursive: bool,
    namespace: str | None,
    trainer_version: str | None,
    backend: str | None,
    strict: bool | None,
    cluster_defaults: bool,
    replace: bool,
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
    documents = inputs.read(filenames, recursive=recursive, settings=settings)
    known = inputs.look_up(documents, settings)
    prepared = inputs.prepare(documents, known, settings=settings, cluster_defaults=cluster_defaults)
    made = make(prepared, known, settings, replace=replace)
    if output == "json":
        options.write(json.dumps(render.to_json(made), indent=2, ensure_ascii=False) + "\n")
    else:
        options.write(render.to_text(made, color=options.colors_stdout(settings)))
    if made.refusals:
        return exits.REFUSED
    return exits.CHANGES if detailed_exitcode and not made.is_empty else exits.SUCCESS


def make(prepared: Inputs, known: Known, settings: Settings, *, replace: bool = False, rerun: bool = False) -> Plan:
    """The plan for prepared inputs; ``apply`` and ``run`` make theirs with it too."""
    from kfrun.plan import planner
    from kfrun.settings import BACKENDS

    is_flag = settings.origins["backend"].layer == "flag"
    chosen = planner.PlanOptions(
        replace=replace,
        rerun=rerun,
        strict=settings.strict,
        backend=settings.backend if is_flag else None,
        default_backend=settings.backend,
        backends=BACKENDS,
    )
    return planner.plan(prepared.jobs, prepared.objects, known.jobs, known.objects, chosen)
