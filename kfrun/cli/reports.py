"""What ``validate`` and ``lint`` share: which manifests are checked, and in which formats the result is written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from kfrun import masking
from kfrun.cli import options
from kfrun.errors import Unavailable, UsageProblem
from kfrun.report import checks
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from kfrun.model.source import Finding, Severity
    from kfrun.report.checks import Report
    from kfrun.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS: Final = ("text", "json", "junit", "sarif", "tap", "github")

_FOR_PROGRAMS: Final = frozenset({"json", "sarif", "github"})

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_FOLDER: Final = "the folder must exist and be yours to write"


class OutputTarget(NamedTuple):
    """One output: its format, and the file that it goes to; None is standard output."""

    format: str
    path: str | None


class _TargetType(click.ParamType[OutputTarget]):
    name = "FORMAT[=FILE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> OutputTarget:
        if isinstance(value, OutputTarget):
            return value
        name, equals, path = value.partition("=")
        if name not in FORMATS:
            self.fail(f'"{name}" is no format; there are {", ".join(FORMATS)}', param, ctx)
        if equals and not path:
            self.fail(f'"{value}" names no file', param, ctx)
        return OutputTarget(name, path if path != "-" and equals else None)


def files(function: Function) -> Function:
    """The files as arguments, as pre-commit passes them, or as ``-f``: ``paths``, ``filenames``, ``recursive``."""
    function = click.option(
        "-f", "--filename", "filenames", multiple=True, metavar="FILE",
        help="A file, folder, glob, https URL, or - for stdin; can be given several times, or as an argument.",
    )(function)  # fmt: skip
    function = click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")(function)
    function = click.option(
        "--skip-other-kinds", is_flag=True, help="Pass over YAML of other kinds, and what is no object at all."
    )(function)
    return click.argument("paths", nargs=-1, metavar="[FILE]...")(function)


def outputs(function: Function) -> Function:
    """``-o`` and ``--fail-on``: parameters ``outputs`` and ``fail_on``."""
    function = click.option(
        "-o", "--output", "outputs", multiple=True, type=_TargetType(), metavar="FORMAT[=FILE]",
        help=f"The output's form: {', '.join(FORMATS)}; with a file it goes there. Can be given several times.",
    )(function)  # fmt: skip
    return click.option(
        "--fail-on", type=click.Choice(("warning", "error")), default="error", show_default=True,
        help="The least severity that refuses an object.",
    )(function)  # fmt: skip


def named(paths: Sequence[str], filenames: Sequence[str]) -> tuple[str, ...]:
    """What is to be read.

    Raises:
        UsageProblem: nothing was named.
    """
    if not paths and not filenames:
        raise UsageProblem("no manifest was named", "name files, folders or -, as arguments or with -f")
    return (*filenames, *paths)


def severities(fail_on: str) -> frozenset[Severity]:
    """The severities that refuse an object."""
    return checks.ANYTHING if fail_on == "warning" else checks.ERRORS


def write(report: Report, targets: Sequence[OutputTarget], *, text: Callable[[], str]) -> None:
    """Write the report in every format that was asked for; ``text`` draws the one for people.

    Raises:
        UsageProblem: two outputs would go to one place, or a file cannot be written.
        Unavailable: there is no room for a file.
    """
    targets = targets or (OutputTarget("text", None),)
    places = [target.path and os.path.realpath(target.path) for target in targets]
    twice = next((target for target, place in zip(targets, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        where = f'"{twice.path}"' if twice.path else "standard output"
        raise UsageProblem(f"two outputs would go to {where}", "give one of them a file of its own: -o sarif=FILE")
    for target in targets:
        if target.path is not None:
            _write_file(target.path, masking.without_logins(_draw(target.format, report, text)))
    for target in targets:
        if target.path is None:
            drawn = masking.without_logins(_draw(target.format, report, text))
            if target.format in _FOR_PROGRAMS:
                options.data(drawn)
            else:
                options.write(drawn, styled=True)


def _write_file(path: str, content: str) -> None:
    from pathlib import Path

    try:
        Path(path).write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        message = f"{path} cannot be written: {error.strerror if isinstance(error, OSError) else error}"
        if number in _NO_ROOM:
            raise Unavailable(message, "free some space and try again") from None
        hint = "it is a folder: name a file in it" if number == errno.EISDIR else _FOLDER
        raise UsageProblem(message, hint) from None


def _draw(name: str, report: Report, text: Callable[[], str]) -> str:
    if name == "text":
        return text()
    if name == "json":
        return json_text(_json(report))
    if name == "tap":
        from kfrun.report.tap import to_tap

        return to_tap(report)
    if name == "junit":
        from kfrun.report.junit import to_junit

        return to_junit(report, timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    report = report._replace(titles=titles({one.code for one in report.findings}))
    if name == "sarif":
        from kfrun.flow import codes
        from kfrun.report.sarif import to_sarif

        report = report._replace(helps=codes.helps({one.code for one in report.findings}))
        return json_text(to_sarif(report))
    from kfrun.report.github import to_github

    return to_github(report)


def _json(report: Report) -> dict[str, Any]:
    from kfrun.report.findings import object_json, to_json

    refused = refused_keys(report)
    objects = [
        {"source": document.source, "object": object_json(document.key), "valid": document.key not in refused}
        for document in report.documents
    ]
    return {**to_json(report.findings), "objects": objects}


def refused_keys(report: Report) -> set[object]:
    """The objects that a finding refuses."""
    return {finding.object for finding in report.findings if finding.severity in report.failing}


def titles(needed: Collection[str] = ()) -> dict[str, str]:
    """Code -> what it means, from the tables named CODES of the modules in use: whoever found something is.

    Unless another process found it: where one of ``needed`` is unknown here, all modules are asked.
    """
    from kfrun.load.kubeyaml import problems

    # bytes that are no text are found before anything of YAML is imported
    found: dict[str, str] = dict(problems.CODES)
    for name, module in list(sys.modules.items()):
        if name.startswith("kfrun."):
            found |= getattr(module, "CODES", {})
    if found.keys() >= set(needed):
        return found
    from kfrun.flow import codes

    return codes.tables()


def count(number: int, noun: str) -> str:
    """``1 object``, ``2 objects``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def drawn(findings: Iterable[Finding], settings: Settings) -> str:
    """The findings for people, coloured where standard output is a terminal."""
    from kfrun.report.findings import to_text

    return to_text(list(findings), color=options.colors_stdout(settings))
