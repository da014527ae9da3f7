"""``kfrun doctor``: what could keep jobs from running on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import options
from kfrun.errors import Unavailable
from kfrun.execute import choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.answers import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@options.verb("doctor")
@options.output("text", "json", default="text")
def command(output: str) -> int:
    """Look for what could keep jobs from running here, and say how to mend it.

    Exits with 0 unless a check fails (3). Nothing is changed.
    """
    settings = options.load_settings()
    checks = list(choice.checks(settings))
    if output == "json":
        from kfrun.terminal import json_text

        options.data(json_text([check._asdict() for check in checks]))
    else:
        options.write(_text(checks, colour=options.colors_stdout(settings)), styled=True)
    return Unavailable.exit_code if any(check.status == "fail" for check in checks) else 0


def _text(checks: Sequence[Check], *, colour: bool) -> str:
    from kfrun.report.table import clean

    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        word = f"{check.status:<4}"
        shown = click.style(word, fg=_COLOURS[check.status]) if colour else word
        lines.append(f"{shown}  {check.name:<{width}}  {clean(check.message)}\n")
        if check.fix:
            lines.append(f"{'':4}  {'':<{width}}  → {clean(check.fix)}\n")
    return "".join(lines)
