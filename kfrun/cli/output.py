"""The only ways to standard output and standard error, but for the logs of jobs, which are bytes of their own.

So nothing that stands in a manifest, a file name, an argument or an answer of the system reaches a terminal, or a CI
runner that reads along, as anything but text. A test says that nobody else prints.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kfrun import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO


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


def _put(text: str, stream: TextIO) -> None:
    """Characters that the stream's encoding lacks are escaped, not an error."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
