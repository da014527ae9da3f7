"""``kfrun env``: lists the Python environments that jobs were given, and removes those that nobody needs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import options
from kfrun.errors import UsageProblem
from kfrun.execute import choice, environments
from kfrun.model.requirements import shown
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.execute.environments import EnvironmentInfo
    from kfrun.settings import Settings

_PACKAGES_WIDTH = 60
_DAY = 86_400.0


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
@click.option(
    "--unused-for", metavar="DURATION", help="Only those that no job was given for so long, like 7d or 12h.  [1d]"
)
@click.option("--all", "everything", is_flag=True, help="Also those that a job was given within the last day.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask on a terminal.")
@options.output("table", "name", "json", default="table")
def prune(unused_for: str | None, everything: bool, dry_run: bool, yes: bool, output: str) -> int:
    """Remove the environments that no job needs which has not ended, and what was left half-built.

    What a job was given within the last day stays, unless --all or --unused-for says otherwise.
    """
    from kfrun.cli.durations import parse_duration

    if everything and unused_for is not None:
        raise UsageProblem("--all and --unused-for contradict each other", "leave one away")
    settings = options.load_settings()
    cache, in_use = Path(settings.cache_dir), _in_use(settings)
    seconds = _DAY if unused_for is None else parse_duration(unused_for, "--unused-for")
    found = environments.prune(cache, unused_for=None if everything else seconds, in_use=in_use, dry_run=True)
    sizes = {info.key: environments.size(info.path) for info in found}
    if not dry_run and found and not yes and not _is_wanted(found, sizes):
        return 0
    removed = found if dry_run else environments.remove_all(found)
    if output == "json":
        options.data(_json(removed, sizes))
    else:
        verb = "would be removed" if dry_run else "removed"
        options.write([f"{info.key}{'' if output == 'name' else f' {verb}'}\n" for info in removed])
    if output == "table":
        _tell_sum(removed, sizes, dry_run=dry_run)
        _tell_spared(cache, in_use, found, everything=everything or unused_for is not None)
    return 0


def _is_wanted(found: Sequence[EnvironmentInfo], sizes: Mapping[str, int]) -> bool:
    """Ask whoever sits at the terminal; whoever does not has said so already."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    options.tell(*(f"{info.key}  {_size(sizes[info.key])}  {_packages(info)}" for info in found))
    return click.confirm(f"remove {_counted(found)}, {_size(sum(sizes.values()))}?", err=True)


def _tell_sum(removed: Sequence[EnvironmentInfo], sizes: Mapping[str, int], *, dry_run: bool) -> None:
    total = _size(sum(sizes[info.key] for info in removed))
    if removed:
        options.tell(f"{_counted(removed)}: {total} {'would be freed' if dry_run else 'freed'}")


def _tell_spared(cache: Path, in_use: set[Path], found: Sequence[EnvironmentInfo], *, everything: bool) -> None:
    """What stays only because it was used lately."""
    if everything:
        return
    more = environments.prune(cache, unused_for=None, in_use=in_use, dry_run=True)
    spared = [info for info in more if info.key not in {one.key for one in found}]
    if spared:
        total = _size(sum(environments.size(info.path) for info in spared))
        verb = "was" if len(spared) == 1 else "were"
        options.tell(f"{_counted(spared)}, {total}, {verb} used within the last day: --all removes these, too")


def _counted(found: Sequence[EnvironmentInfo]) -> str:
    return f"{len(found)} environment{'' if len(found) == 1 else 's'}"


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


def _json(found: Sequence[EnvironmentInfo], sizes: Mapping[str, int] | None = None) -> str:
    known = {info.key: environments.size(info.path) for info in found} if sizes is None else sizes
    items = [_object(info, known[info.key]) for info in found]
    return json_text({"formatVersion": 1, "environments": items})


def _object(info: EnvironmentInfo, size: int) -> dict[str, Any]:
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
