"""``kfrun env``: lists the Python environments that jobs were given, and removes those that nobody needs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import options
from kfrun.execute import choice, environments
from kfrun.model.requirements import shown
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.environments import EnvironmentInfo
    from kfrun.settings import Settings

_PACKAGES_WIDTH = 60


@options.family("env", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> int:
    """List and prune Python environments."""
    return ctx.invoke(list_environments) if ctx.invoked_subcommand is None else 0


@command.command("list")
@options.output("table", "name", "json", default="table")
def list_environments(output: str = "table") -> int:
    """List the environments, the one used last first."""
    settings = options.load_settings()
    found = environments.listing(Path(settings.cache_dir))
    if output == "name":
        options.write([f"{info.key}\n" for info in found])
    elif output == "json":
        options.data(_json(found))
    elif found:
        options.write(_table(found, _in_use(settings), time.time()))
    else:
        options.tell(f"no environments in {settings.cache_dir}")
    return 0


@command.command("prune")
@click.option("--unused-for", metavar="DURATION", help="Only those that no job was given for so long, like 7d or 12h.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@options.output("table", "name", "json", default="table")
def prune(unused_for: str | None, dry_run: bool, output: str) -> int:
    """Remove the environments that no job needs which has not ended, and what was left half-built."""
    from kfrun.cli.durations import parse_duration

    settings = options.load_settings()
    seconds = None if unused_for is None else parse_duration(unused_for, "--unused-for")
    removed = environments.prune(
        Path(settings.cache_dir), unused_for=seconds, in_use=_in_use(settings), dry_run=dry_run
    )
    if output == "json":
        options.data(_json(removed))
    else:
        verb = "would be removed" if dry_run else "removed"
        options.write([f"{info.key}{'' if output == 'name' else f' {verb}'}\n" for info in removed])
    return 0


def _in_use(settings: Settings) -> set[Path]:
    """The environments of jobs that have not ended."""
    return {Path(folder) for folder in choice.environments(settings)}


def _table(found: Sequence[EnvironmentInfo], in_use: set[Path], now: float) -> str:
    from kfrun.report.table import Table, human_duration

    rows = [
        (
            info.key,
            "in use" if info.path in in_use and info.state == "ready" else info.state,
            info.python or "-",
            _size(environments.size(info.path)),
            human_duration(now - info.last_used),
            _packages(info),
        )
        for info in found
    ]
    return Table(("NAME", "STATE", "PYTHON", "SIZE", "LAST USED", "PACKAGES")).render(rows)


def _packages(info: EnvironmentInfo) -> str:
    text = " ".join((*info.sources, *map(shown, info.requirements))) or "-"
    return text if len(text) <= _PACKAGES_WIDTH else f"{text[: _PACKAGES_WIDTH - 1]}…"


def _size(count: int) -> str:
    """Bytes as ``12Ki``, ``804Mi``, ``5.4Gi``."""
    number, unit = float(count), ""
    for larger in ("Ki", "Mi", "Gi", "Ti"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.1f}{unit}" if unit and number < 10 else f"{number:.0f}{unit}"


def _json(found: Sequence[EnvironmentInfo]) -> str:
    items = [_object(info, environments.size(info.path) if info.path.exists() else None) for info in found]
    return json_text({"formatVersion": 1, "environments": items})


def _object(info: EnvironmentInfo, size: int | None) -> dict[str, Any]:
    return {
        "name": info.key,
        "path": str(info.path),
        "state": info.state,
        "python": info.python,
        "installer": info.installer,
        "requirements": list(info.requirements),
        "sources": list(info.sources),
        "isolatedFor": info.isolated_for,
        "created": info.created,
        "lastUsed": info.last_used,
        "size": size,
    }
