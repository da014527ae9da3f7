"""Turns everything that can go wrong into a message on stderr and an exit code: the only place that does.

Bad input and bad luck never show a traceback; what is our own fault leaves one in a private file. ``KFRUN_DEBUG=1``
shows tracebacks.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from kfrun.errors import InvalidInput, KfrunError

if TYPE_CHECKING:
    from collections.abc import Callable

    import click

SUCCESS, REFUSED, USAGE, UNAVAILABLE, TIMEOUT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 124, 130, 141
CHANGES = 2
"""Of ``plan --detailed-exitcode``."""

TABLE = (
    ("0", "success; for plan --detailed-exitcode: nothing to do"),
    ("1", "the input was refused, or the job failed without a code of its own"),
    ("2", "the command line or a setting is wrong; for plan --detailed-exitcode: changes"),
    ("3", "kfrun could not do its work: environment, store, disk, backend"),
    ("124", "the time was up"),
    ("130", "Ctrl-C"),
    ("141", "the reader of the output went away"),
    ("143", "SIGTERM"),
    ("N", "run, wait, apply --wait and --follow: the job's own code"),
)
"""Exit codes and their meaning, as ``--help`` prints them."""


def guard(command: Callable[[], int | None]) -> int:
    """Run a command and return the exit code of the process."""
    try:
        code = command() or SUCCESS
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _maybe_traceback()
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place: everything ends as a message and a code
        _maybe_traceback()
        return _report(error)


def _report(error: Exception) -> int:
    if isinstance(error, InvalidInput):
        _say_findings(error)
        return error.exit_code
    if isinstance(error, KfrunError):
        _say(error.message, error.hint)
        return error.exit_code
    if "click" in sys.modules:  # else it is none of its errors
        import click

        if isinstance(error, click.Abort):
            return INTERRUPTED
        if isinstance(error, click.ClickException):
            return _report_usage(error)
    if isinstance(error, RecursionError | MemoryError):
        _say("out of memory" if isinstance(error, MemoryError) else "the input is nested too deeply")
    elif isinstance(error, OSError) and error.errno in _OS_HINTS:
        _report_os(error)
    else:
        _report_internal(error)
    return UNAVAILABLE


def _report_usage(error: click.ClickException) -> int:
    import click

    if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later
        # Called without any argument: the help is the answer.
        error.show()
        return USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{context.command_path} --help tells more" if context else None
    message = error.format_message()
    # click lists what there is to choose from on lines of their own
    _say(" ".join(message.split()) if isinstance(error, click.MissingParameter) else message, hint)
    return USAGE


_OS_HINTS = {
    errno.ENOSPC: "free some space and try again; nothing that was stored is lost",
    errno.EDQUOT: "your quota is used up: free some space and try again",
    errno.EROFS: "set KFRUN_HOME to a folder that can be written",
    errno.EACCES: "look at the permissions, or set KFRUN_HOME to a folder of your own",
    errno.EPERM: "look at the permissions, or set KFRUN_HOME to a folder of your own",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
    errno.ENFILE: "the system has too many open files",
    errno.EIO: "look at the disk",
    errno.ENOENT: "it was there a moment ago",
    errno.ENOTDIR: None,
    errno.EISDIR: None,
    errno.ENAMETOOLONG: None,
    errno.ELOOP: None,
    errno.EAGAIN: "the system has no process or memory to spare: try again",
    errno.ENOMEM: "the system is out of memory",
}
"""What the system refuses at any time, and what to do about it: no fault of kfrun's code."""


def _report_os(error: OSError) -> None:
    if error.filename is None and error.errno == errno.ENOSPC:
        # Most likely the output itself: writing what is left of it at exit would fail again.
        _silence_stdout()
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    _say(f"{place}{error.strerror or error}", _OS_HINTS[error.errno] if error.errno else None)


def _report_internal(error: Exception) -> None:
    where = _crash_report(error)
    kept = f"; {where} holds the details (read it before you share it)" if where else ""
    _say(f"internal error: {type(error).__name__}: {error}{kept}", "this is a bug in kfrun: please report it")


def _crash_report(error: Exception) -> str | None:
    """Write the traceback to a file that only the user can read; None when that fails too."""
    import platform
    import tempfile
    import traceback

    from kfrun.version import __version__

    try:
        descriptor, path = tempfile.mkstemp(prefix="kfrun-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"kfrun {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
            file.write(f"{sys.argv}\n\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return None
    return path


def _say_findings(error: InvalidInput) -> None:
    from kfrun.cli import console
    from kfrun.report import findings
    from kfrun.settings import COLORS, uses_color

    wanted = os.environ.get("KFRUN_COLOR", "auto")
    wanted = wanted if wanted in COLORS else "auto"
    color = uses_color(wanted, os.environ, is_terminal=sys.stderr.isatty())
    with suppress(OSError, ValueError):
        console.write(findings.to_text(error.findings, color=color), err=True, styled=True)
        sys.stderr.flush()


def _say(message: str, hint: str | None = None) -> None:
    from kfrun.cli import console

    with suppress(OSError, ValueError):
        console.tell(f"error: {message}", *([f"hint: {hint}"] if hint else []))


def _maybe_traceback() -> None:
    if os.environ.get("KFRUN_DEBUG", "") not in ("", "0"):
        import traceback

        from kfrun.cli import console

        console.write(traceback.format_exc(), err=True)


def _silence_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere instead of failing again."""
    try:
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, sys.stdout.fileno())
        os.close(target)
    except (OSError, ValueError):
        return
