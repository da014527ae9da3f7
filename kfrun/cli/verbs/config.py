"""``kfrun config``: shows the settings in force and which layer each came from."""

from __future__ import annotations

import click

from kfrun.cli import options
from kfrun.report.table import clean
from kfrun.settings import KEYS
from kfrun.terminal import json_text


@click.group("config")
def command() -> None:
    """Show the settings and where they come from."""


@command.command("view")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@options.output("text", "json", default="text")
def view(origin: bool, output: str) -> int:
    """Print every setting in force, as it would stand in kfrun.toml."""
    settings = options.load_settings()
    values = {key: getattr(settings, key) for key in KEYS}
    plain = {
        key: value if isinstance(value, str | float | bool) or value is None else str(value)
        for key, value in values.items()
    }
    if output == "json":
        shown = {
            key: {"value": value, "origin": str(settings.origins[key])} if origin else value
            for key, value in plain.items()
        }
        options.data(json_text(shown))
        return 0
    for key, value in plain.items():
        # TOML has no null: an unset key is a comment.
        line = f"# {key} is not set" if value is None else f"{key} = {json_text(value)[:-1]}"
        options.write(f"{line}{f'  # {clean(str(settings.origins[key]))}' if origin else ''}\n")
    return 0
