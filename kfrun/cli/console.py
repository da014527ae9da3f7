"""This process as a command sees it: the settings that it was called with, whether it has colours.

Knows nothing of command lines: what is so plain that nobody needs `click` for it does not import it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from kfrun import settings as settings_module
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from kfrun.settings import Settings


def current_folder() -> str:
    """The folder that this command was called in.

    Raises:
        UsageProblem: it is gone.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageProblem("the current folder does not exist any more", "cd to one that does") from None


def load_settings(**flags: Any) -> Settings:
    """The settings of this call; flags that are None were not given.

    Raises:
        UsageProblem: a setting makes no sense, or the current folder is gone.
    """
    return settings_module.load(flags, os.environ, current_folder())


def colors_stdout(settings: Settings) -> bool:
    """Whether standard output is to be coloured."""
    return settings_module.uses_color(settings.color, os.environ, is_terminal=sys.stdout.isatty())


def colors_stderr(settings: Settings) -> bool:
    """Whether standard error is to be coloured."""
    return settings_module.uses_color(settings.color, os.environ, is_terminal=sys.stderr.isatty())
