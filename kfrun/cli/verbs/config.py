"""``kfrun config``: shows the settings in force and which layer each came from."""

from __future__ import annotations

import click

from kfrun.cli import options
from kfrun.report.table import clean
from kfrun.settings import KEYS, places
from kfrun.terminal import json_text


@options.family("config")
def command() -> None:
    """Show the settings and where they come from."""


@command.command("view")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@options.output("text", "json", default="text")
def view(origin: bool, output: str) -> int:
    """Print every setting in force, as it would stand in kfrun.toml."""
    settings = options.load_settings()
    values = {key: getattr(settings, key) for key in KEYS}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    if output == "json":
        shown = {
            key: {"value": value, "origin": str(settings.origins[key])} if origin else value
            for key, value in plain.items()
        }
        options.data(json_text(shown))
        return 0
    table = ""
    for inside, name, key in places():
        value = plain[key]
        if inside != table:
            options.write(f"\n[{inside}]\n")
            table = inside
        # TOML has no null: an unset key is a comment.
        line = f"# {name} is not set" if value in (None, "", []) else f"{name} = {json_text(value)[:-1]}"
        options.write(f"{line}{f'  # {clean(str(settings.origins[key]))}' if origin else ''}\n")
    return 0
