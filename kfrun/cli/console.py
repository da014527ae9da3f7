"""This process as a command sees it: the settings that it was called with, and the only ways to its output.

Knows nothing of command lines: what is so plain that nobody needs `click` for it does not import it.

Nothing else prints but the logs of jobs, which are bytes of their own. So nothing that stands in a
manifest, a file name, an argument or an answer of the system reaches a terminal, or a CI runner that reads along, as
anything but text. A test says that nobody else prints.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from kfrun import settings as settings_module
from kfrun import terminal
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from kfrun.settings import Settings


_COLUMNS = 80
"""Of a terminal that does not say how wide it is."""


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


def write(parts: str | Sequence[str], *, err: bool = False, styled: bool = False, show_secrets: bool = False) -> None:
    """Write what was drawn for people, in lines; ``styled``: it may be coloured. Logins in URLs are left out."""
    text = parts if isinstance(parts, str) else "".join(parts)
    if "://" in text and not show_secrets:
        from kfrun import masking

        text = masking.text(text)
    _put(terminal.harmless(terminal.printable(text, styled=styled)), sys.stderr if err else sys.stdout)


def data(parts: str | Sequence[str]) -> None:
    """Write what programs read, exactly as it is; on a terminal without what that would obey."""
    text = parts if isinstance(parts, str) else "".join(parts)
    _put(terminal.printable(text) if sys.stdout.isatty() else text, sys.stdout)


def say(line: str) -> None:
    """One line on standard output, at once: breaks within it are no breaks."""
    write(f"{terminal.clean(line)}\n")
    sys.stdout.flush()


def tell(*lines: str) -> None:
    """Lines on standard error, each as with `say`."""
    write("".join(f"{terminal.clean(line)}\n" for line in lines), err=True)
    sys.stderr.flush()


def has_live_line() -> bool:
    """Whether standard error is a terminal that can draw a line anew."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def live(line: str) -> None:
    """Draw the last line of the terminal at standard error anew; an empty one is taken away."""
    width = os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    text = terminal.harmless(terminal.in_columns(line))[: width - 1]
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


def _put(text: str, stream: TextIO) -> None:
    """Characters that the stream's encoding lacks are escaped, not an error."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
