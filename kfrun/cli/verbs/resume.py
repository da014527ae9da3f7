"""``kfrun resume``: spec.suspend of stored TrainJobs."""

from __future__ import annotations

import click

from kfrun.cli import options, suspension


@options.verb("resume")
@click.argument(
    "names", nargs=-1, required=True, metavar="[TYPE] NAME...", shell_complete=options.complete("trainjobs")
)
@options.namespace
def command(names: tuple[str, ...], namespace: str | None) -> None:
    """Start suspended jobs; their deadlines count from now."""
    suspension.set_suspend(names, namespace, suspend=False)
