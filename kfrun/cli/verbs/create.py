"""``kfrun create``: starts what must be new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import attach, options
from kfrun.flow.objects import creations

if TYPE_CHECKING:
    from kfrun.model.wishes import Wishes


@options.verb("create", with_arguments=True)
@options.wishes(
    options.files,
    options.values,
    options.arguments,
    options.namespace,
    options.trainer_version,
    options.planning,
    options.launching,
)
@options.storing
def command(wishes: Wishes, dry_run: str, output: str | None, quiet: bool) -> None:
    """Record jobs and runtimes that must be new, and start the jobs.

    What is there already is refused, before anything is done. A manifest with metadata.generateName instead of a name
    gets a name that nobody has: what stands there, and five characters. It is printed. The jobs run on when this
    command is gone.
    """
    attach.store(
        wishes._replace(create=True), creations.require_new, is_dry=dry_run != "none", output=output, quiet=quiet
    )
