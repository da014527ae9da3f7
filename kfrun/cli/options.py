"""Options that several verbs share, as decorators, and the settings that they lead to. Called by the verbs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfrun import settings as settings_module
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.settings import Settings

Function = TypeVar("Function", bound="Callable[..., Any]")


def files(function: Function) -> Function:
    """``-f`` (several) and ``-R``: parameters ``filenames`` and ``recursive``."""
    function = click.option(
        "-f", "--filename", "filenames", multiple=True, required=True, metavar="FILE",
        help="A file, folder, glob, https URL, or - for stdin; can be given several times.",
    )(function)  # fmt: skip
    return click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")(function)


def namespace(function: Function) -> Function:
    """``-n``: parameter ``namespace``."""
    return click.option("-n", "--namespace", metavar="NAME", help="The namespace.")(function)


def trainer_version(function: Function) -> Function:
    """``--trainer-version``: parameter ``trainer_version``."""
    return click.option(
        "--trainer-version", metavar="VERSION", help="Check and resolve as this version of Kubeflow Trainer would."
    )(function)


def planning(function: Function) -> Function:
    """What shapes a plan: parameters ``backend``, ``strict`` and ``cluster_defaults``."""
    function = click.option(
        "--backend", type=click.Choice(settings_module.BACKENDS), help="What runs the jobs; wins over the manifest."
    )(function)
    function = click.option(
        "--strict", is_flag=True, default=None, help="Refuse what the backend cannot honour instead of naming it."
    )(function)
    return click.option(
        "--cluster-defaults", is_flag=True, help="Retry a failed pod as often as a cluster would (backoffLimit 6)."
    )(function)


def launching(function: Function) -> Function:
    """What shapes the processes of a job: parameters ``python``, ``clean_env`` and ``keep_environment``."""
    function = click.option(
        "--python", metavar="PATH", help="The interpreter for jobs that ask for no version of their own."
    )(function)
    function = click.option("--clean-env", is_flag=True, help="Keep your environment variables from the job.")(function)
    return click.option(
        "--keep-environment", is_flag=True, help="Keep an isolated Python environment after the job's end."
    )(function)


def output(*choices: str, default: str) -> Callable[[Function], Function]:
    """``-o``: parameter ``output``, one of ``choices``."""
    return click.option(
        "-o", "--output", type=click.Choice(choices), default=default, show_default=True, help="The output's form."
    )


def load_settings(**flags: Any) -> Settings:
    """The settings of this call; flags that are None were not given.

    Raises:
        UsageProblem: a setting makes no sense, or the current folder is gone.
    """
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        raise UsageProblem("the current folder does not exist any more", "cd to one that does") from None
    return settings_module.load(flags, os.environ, folder)


def colors_stdout(settings: Settings) -> bool:
    """Whether standard output is to be coloured."""
    return settings_module.uses_color(settings.color, os.environ, is_terminal=sys.stdout.isatty())


def write(parts: str | Sequence[str]) -> None:
    """Write data to standard output. Characters that its encoding lacks are escaped, not an error."""
    text = parts if isinstance(parts, str) else "".join(parts)
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
