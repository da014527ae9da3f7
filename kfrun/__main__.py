"""The program. Answers ``kfrun --version`` itself, before anything is imported; everything else goes to kfrun.cli."""

from __future__ import annotations

import gc
import os
import sys

_GARBAGE_THRESHOLD = 100_000
"""Importing makes many objects and no garbage: looking for it every 700 objects costs 7 ms a command."""

_ANEW = "_KFRUN_ANEW"
"""Says that the program was started anew already: a wrapper around Python may set PYTHONPATH every time."""

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
        code = _run(arguments)
    except KeyboardInterrupt:
        # It came while we were loading: nothing has been started.
        code = 130
    if argv is None:
        _end(code)
    return code


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["validate"]:
        from kfrun.cli.check import plain

        asked = plain.read(arguments)
        if asked is not None:
            return plain.run(asked)
    from kfrun.cli.main import run

    return run(arguments)


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
    is_anew = os.environ.pop(_ANEW, None) is not None
    folders = set()
    if "PYTHONPATH" in os.environ and not sys.flags.ignore_environment:
        folders = {_absolute(folder) for folder in os.environ["PYTHONPATH"].split(os.pathsep)}
        if own in folders and not _is_elsewhere("kfrun", folders):
            # kfrun was put there on purpose, and so was what it needs, unless that is elsewhere
            folders = folders - {own} if _is_elsewhere("click", folders) else set()
        elif _are_in_use(folders) and sys.executable and not is_anew:
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, _ANEW: "1"})  # noqa: S606
    if __name__ == "__main__" and not sys.flags.safe_path:
        folders.add(sys.path[0])  # the current folder: python -m puts it before all others
    if folders:
        sys.path[:] = [folder for folder in sys.path if folder not in folders or folder == own]


def _is_elsewhere(name: str, folders: set[str]) -> bool:
    """Whether a package is installed outside of the folders, too."""
    from importlib.machinery import PathFinder

    others = [*(folder for folder in sys.path if folder not in folders), *_sites()]
    return PathFinder.find_spec(name, others) is not None


def _are_in_use(folders: set[str]) -> bool:
    """Whether something of the folders was imported already, or one of them is this Python's own."""
    parents = (os.path.dirname(getattr(module, "__file__", None) or "") for module in list(sys.modules.values()))
    return not folders.isdisjoint(_sites()) or any(
        parent in folders or os.path.dirname(parent) in folders for parent in parents
    )


def _sites() -> list[str]:
    site = sys.modules.get("site")
    return [] if site is None else [*site.getsitepackages(), *([site.USER_SITE] if site.USER_SITE else [])]


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
