"""The program. Answers ``kfrun --version`` itself, before anything is imported; everything else goes to kfrun.cli."""

from __future__ import annotations

import gc
import os
import sys

_GARBAGE_THRESHOLD = 100_000
"""Importing makes many objects and no garbage: looking for it every 700 objects costs 7 ms a command."""

_STARTING = (["apply"], ["run"])
_PASSIVE = frozenset({"-h", "--help", "--dry-run=client"})


def main(argv: list[str] | None = None) -> int:
    """Run a command line (without the program's name) and return the exit code; as the program, end with it."""
    arguments = sys.argv[1:] if argv is None else argv
    if argv is None:
        _open_standard_streams()
        _leave_callers_modules()
    if arguments in (["--version"], ["version"]):
        from kfrun.version import __version__

        try:
            sys.stdout.write(f"kfrun {__version__}\n")
            sys.stdout.flush()
            return 0
        except OSError:
            pass  # The slow way knows what to do about it.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    if arguments[:1] in _STARTING and not _PASSIVE.intersection(arguments):
        _prepare()
    try:
        from kfrun.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:
        # It came while we were loading: nothing has been started.
        code = 130
    if argv is None:
        _end(code)
    return code


def _prepare() -> None:
    """Have the nursery load what supervisors need on another core, while this process loads what the command needs."""
    from kfrun.execute.local import supervisors

    try:
        supervisors.prepare()
    except OSError:
        # The command tries again and says what is wrong.
        return


def _leave_callers_modules() -> None:
    """Import nothing from PYTHONPATH: what it names is for the caller's own programs, often of another Python.

    Where some of it was imported before this, by Python itself, the program starts anew without the variable.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = set()
    if "PYTHONPATH" in os.environ and not sys.flags.ignore_environment:
        folders = {_absolute(folder) for folder in os.environ["PYTHONPATH"].split(os.pathsep)}
        if sys.executable and _are_in_use(folders, own):
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
    if __name__ == "__main__" and not sys.flags.safe_path:
        folders.add(sys.path[0])  # the current folder: python -m puts it before all others
    if folders:
        sys.path[:] = [folder for folder in sys.path if folder not in folders or folder == own]


def _are_in_use(folders: set[str], own: str) -> bool:
    """Whether something of the folders was imported already, or one of them is this Python's own."""
    site = sys.modules.get("site")
    if site is not None and not folders.isdisjoint((*site.getsitepackages(), site.USER_SITE)):
        return True
    if own in folders:
        from importlib.machinery import PathFinder

        # where kfrun itself is in no other place, it was put there on purpose
        others = [folder for folder in sys.path if folder not in folders]
        folders = folders - {own} if PathFinder.find_spec("kfrun", others) is None else folders
    parents = (os.path.dirname(getattr(module, "__file__", None) or "") for module in list(sys.modules.values()))
    return any(parent in folders or os.path.dirname(parent) in folders for parent in parents)


def _absolute(folder: str) -> str:
    try:
        return os.path.abspath(folder)
    except OSError:  # the current folder is gone
        return folder


def _open_standard_streams() -> None:
    """Stand-ins for streams that the caller closed (``>&-``): no file that is opened later may get their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _end(code: int) -> None:
    """End the process without taking the interpreter apart, which would cost another 10 ms."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            # The command has said its code; what is left for a reader who went away is lost.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (AttributeError, OSError, ValueError):
            # Closed, or full: the ordinary way out knows what to do about that.
            return
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
