"""The options that ``validate`` and ``lint`` share: which manifests are checked, and what is written about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfrun.cli import options
from kfrun.cli.check.reports import FORMATS, OutputTarget
from kfrun.settings import MISSING_RUNTIME

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


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

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in FORMATS if name.startswith(incomplete)]


def files(function: Function) -> Function:
    """The files as arguments, as pre-commit passes them, or as ``-f``: ``paths``, ``filenames``, ``recursive``."""
    function = click.option(
        "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=options.complete("files"),
        help="A file, folder, glob, https URL, or - for stdin; can be given several times, or as an argument.",
    )(function)  # fmt: skip
    function = options.exclude(
        click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")(function)
    )
    function = options.skip_other_kinds(function)
    function = options.made(function)
    return click.argument("paths", nargs=-1, metavar="[FILE]...", shell_complete=options.complete("files"))(function)


def runtimes(function: Function) -> Function:
    """Where runtimes are looked for, and what it is that one is not there: ``stored`` and ``missing_runtime``."""
    function = click.option(
        "--missing-runtime", type=click.Choice(MISSING_RUNTIME),
        help="What it is that a job's runtime is not there; by itself an error to validate, and nothing to lint.",
    )(function)  # fmt: skip
    return options.stored(function)


def outputs(function: Function) -> Function:
    """``-o``, ``--fail-on`` and ``-q``: parameters ``outputs``, ``fail_on`` and ``quiet``."""
    function = click.option("-q", "--quiet", is_flag=True, help="Say nothing where nothing was found.")(function)
    function = click.option(
        "-o", "--output", "outputs", multiple=True, type=_TargetType(), metavar="FORMAT[=FILE]",
        help=f"The output's form: {', '.join(FORMATS)}; with a file it goes there. Can be given several times.",
    )(function)  # fmt: skip
    return click.option(
        "--fail-on", type=click.Choice(("warning", "error")), default="error", show_default=True,
        help="The least severity that refuses an object.",
    )(function)  # fmt: skip
