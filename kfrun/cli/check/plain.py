"""Command lines that are so plain that they are read without click: ``kfrun validate [-f] FILE ... [--no-cache]``.

Importing click and what it imports, and declaring the options of a verb, would be a quarter of what such a command
takes beyond the interpreter's own start; editors and hooks start it for every file. Whatever looks in the least
otherwise is for click to read: help, other flags, flags that are written together with their values, and mistakes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = ("-f", "--filename")
_NO_CACHE = "--no-cache"
_STDIN = "-"


class Plain(NamedTuple):
    """What ``validate`` was asked for, by the names of its click parameters."""

    filenames: tuple[str, ...]
    paths: tuple[str, ...]
    cache: bool


def read(arguments: Sequence[str]) -> Plain | None:
    """A command line, without the program's name; None if it is not plain."""
    verb, *words = arguments or [""]
    if verb != "validate" or os.environ.get("_KFRUN_COMPLETE"):
        return None
    filenames: list[str] = []
    paths: list[str] = []
    cache = True
    rest = iter(words)
    for word in rest:
        is_file = word in _FILE
        name = next(rest, "") if is_file else word
        if name == _NO_CACHE and not is_file:
            cache = False
        elif not name or (name.startswith("-") and name != _STDIN):
            return None
        else:
            (filenames if is_file else paths).append(name)
    return Plain(tuple(filenames), tuple(paths), cache) if filenames or paths else None


def run(asked: Plain) -> int:
    """Carry it out, and return the exit code."""
    from kfrun.cli import exits

    return exits.guard(lambda: _validate(asked))


def _validate(asked: Plain) -> int:
    from kfrun.cli import console, exits
    from kfrun.cli.check import reports
    from kfrun.flow import listener
    from kfrun.flow.checker import remembered
    from kfrun.flow.checker.stages import Asked
    from kfrun.report.checks import Report

    listener.listen(console.tell)
    settings = console.load_settings()
    names = reports.named(asked.paths, asked.filenames)
    documents, findings = remembered.check_new(
        names,
        Asked(settings, with_scripts=True, missing_runtime=settings.missing_runtime),
        recursive=False,
        cache=asked.cache,
    )
    report = Report("validate", documents, findings)
    reports.write(report, (), text=lambda: reports.validity(report, {}, settings))
    return exits.REFUSED if report.refused else exits.SUCCESS
