"""The program. Answers ``kfrun --version`` itself, before anything is imported; everything else goes to kfrun.cli."""

from __future__ import annotations

import gc
import os
import sys

_GARBAGE_THRESHOLD = 100_000
"""Importing makes many objects and no garbage: looking for it every 700 objects costs 7 ms a command."""


def main(argv: list[str] | None = None) -> int:
    """Run a command line (without the program's name) and return the exit code; as the program, end with it."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["--version"], ["version"]):
        from kfrun.version import __version__

        try:
            sys.stdout.write(f"kfrun {__version__}\n")
            sys.stdout.flush()
            return 0
        except OSError:
            pass  # The slow way knows what to do about it.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    from kfrun.cli.main import run

    code = run(arguments)
    if argv is None:
        _end(code)
    return code


def _end(code: int) -> None:
    """End the process without taking the interpreter apart, which would cost another 10 ms."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (AttributeError, OSError, ValueError):
        # Closed, or nobody reads it: the ordinary way out knows what to do about that.
        return
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
