"""``kfrun resume``: spec.suspend of stored TrainJobs."""

from __future__ import annotations

import click

from kfrun.cli import kinds, options, suspension


@options.verb("resume")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=kinds.complete_trainjobs)
@options.namespace
def command(names: tuple[str, ...], namespace: str | None) -> None:
    """Start suspended jobs; their deadlines count from now."""
    suspension.set_suspend(names, namespace, suspend=False)
