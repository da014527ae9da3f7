"""``kfrun suspend``: spec.suspend of stored TrainJobs."""

from __future__ import annotations

import click

from kfrun.cli import options, suspension


@options.verb("suspend")
@click.argument(
    "names", nargs=-1, required=True, metavar="[TYPE] NAME...", shell_complete=options.complete("trainjobs")
)
@options.namespace
def command(names: tuple[str, ...], namespace: str | None) -> None:
    """Stop the pods of jobs gracefully, and keep the jobs: kfrun resume starts them again."""
    suspension.set_suspend(names, namespace, suspend=True)
