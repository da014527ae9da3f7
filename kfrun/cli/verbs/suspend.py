"""``kfrun suspend``: spec.suspend of stored TrainJobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import options, suspension

if TYPE_CHECKING:
    from kfrun.cli.query import Crowd


@options.verb("suspend")
@click.argument("names", nargs=-1, metavar="[TYPE] NAME...", shell_complete=options.complete("trainjobs"))
@options.namespace
@options.crowd("All TrainJobs of the namespace that have not ended.")
def command(names: tuple[str, ...], namespace: str | None, crowd: Crowd) -> None:
    """Stop the pods of jobs gracefully, and keep the jobs: kfrun resume starts them again."""
    suspension.set_suspend(names, namespace, crowd, suspend=True)
