"""``kfrun schema``: the JSON Schemas of manifests, for editors and other programs."""

from __future__ import annotations

import click

from kfrun.cli import kinds, options
from kfrun.errors import UsageProblem
from kfrun.model.kinds import TRAINER_KINDS
from kfrun.terminal import json_text


@options.verb("schema")
@click.argument("kind", required=False, metavar="[KIND]", shell_complete=options.complete("trainer_kinds"))
@options.trainer_version
@click.option("--all-kinds", is_flag=True, help="One for files that hold several kinds (default without KIND).")
def command(kind: str | None, trainer_version: str | None, all_kinds: bool) -> None:
    """Print the JSON Schema of a kind, or of manifests of all kinds.

    Editors complete and check manifests by it: kfrun schema > trainer.json, and a first line
    # yaml-language-server: $schema=trainer.json
    """
    from kfrun.validate.advice import editors

    if kind is not None and all_kinds:
        raise UsageProblem("--all-kinds goes without a KIND", "leave one away")
    version = options.load_settings(trainer_version=trainer_version).trainer_version
    if kind is None:
        options.data(json_text(editors.of_all(version)))
        return
    meant = [one for one in kinds.kinds_of(kind) if one in TRAINER_KINDS]
    if len(meant) != 1:
        names = ", ".join(one.lower() for one in TRAINER_KINDS)
        raise UsageProblem(
            f"there is no schema of {kind}" if not meant else f"{kind} is several kinds", f"there are {names}"
        )
    options.data(json_text(editors.of(meant[0], version)))
