"""``kfrun replace``: puts manifests in the place of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, options
from kfrun.flow.objects import creations

if TYPE_CHECKING:
    from kfrun.model.wishes import Wishes


@options.verb("replace", with_arguments=True)
@options.wishes(
    options.files,
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.planning,
    options.launching,
    click.option("--force", is_flag=True, help="Stop jobs that run first; what is not there is created."),
)
@options.storing
def command(wishes: Wishes, dry_run: str, output: str | None, quiet: bool) -> None:
    """Put manifests in the place of what is stored: finished jobs start anew, changed or not.

    What is not there is refused, before anything is done, and so is a job that runs, without --force. What the
    replaced run printed is kept: kfrun logs NAME --run N.
    """
    check = (lambda _: None) if wishes.force else creations.require_there
    attach.store(wishes._replace(rerun=True), check, is_dry=dry_run != "none", output=output, quiet=quiet)
