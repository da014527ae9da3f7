"""The program. Answers ``kfrun --version`` itself, before anything is imported; everything else goes to kfrun.cli."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run a command line (without the program's name) and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["--version"], ["version"]):
        from kfrun.version import __version__

        try:
            sys.stdout.write(f"kfrun {__version__}\n")
            sys.stdout.flush()
            return 0
        except OSError:
            pass  # The slow way knows what to do about it.
    from kfrun.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
