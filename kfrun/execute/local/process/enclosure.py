"""A program that is started with a view of its own of the file system: in a mount namespace with its pod's volumes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING

from kfrun.execute.local.process import launch
from kfrun.host import namespaces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from kfrun.execute.local.process.attempts.recorder import Program

UNCHANGEABLE = {signal.SIGKILL, signal.SIGSTOP}
"""Signals whose action cannot be set."""
_LONGEST = 4000
_SYSTEM = frozenset({"/", "/dev", "/proc", "/sys"})


class Unstartable(Exception):
    """Why a program cannot be started, in words for whoever wrote the manifest."""


def executable(argv: Sequence[str], folder: str, path: str) -> str:
    """The file of a command, as it is seen from here.

    Raises:
        Unstartable: it, or the folder that it is to run in, is not there.
    """
    if not os.path.isdir(folder):
        raise Unstartable(_causes().no_folder(folder))
    found = launch.find_executable(argv[0], path, folder)
    if found is None:
        raise Unstartable(_causes().missing(argv, folder, path))
    return found


def require_usable(binds: Sequence[namespaces.Bind]) -> None:
    """Refuse volumes in the place of what every program needs.

    Raises:
        Unstartable: one is.
    """
    for bind in binds:
        if bind.target in _SYSTEM:
            raise Unstartable(f"a volume cannot be mounted at {bind.target}: nothing would run there")


def start(program: Program, streams: tuple[int, int, int]) -> int:
    """Start a program where its volumes are; the pid of its main process.

    Raises:
        Unstartable: it cannot be.
        OSError: there is no process to spare.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, _run(program, streams).encode("utf-8", "surrogateescape")[:_LONGEST])
        finally:
            os._exit(127)
    os.close(writing)
    # The program's own start closes the other end.
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode("utf-8", "surrogateescape")
    if text:
        os.waitpid(pid, 0)
        raise Unstartable(text)
    return pid


def _run(program: Program, streams: tuple[int, int, int]) -> str:
    """Become the program; comes back only with the reason why that is impossible."""
    try:
        return _enclosed(program, streams)
    except ImportError:
        # The words for it lie behind a volume, with the interpreter that runs kfrun.
        return f'exec: "{program.argv[0]}": cannot be started{_hidden(program)}'


def _enclosed(program: Program, streams: tuple[int, int, int]) -> str:
    try:
        os.setsid()
        if _is_beside(program):
            return _becoming(program, streams)
        stage = f"{os.path.dirname(program.log)}/stage"
        os.makedirs(stage, 0o700, exist_ok=True)
        namespaces.enter(program.binds, stage, program.own)
    except OSError as error:
        if error.errno == errno.ENOTDIR and error.filename:
            return f"its volumes cannot be mounted: at {error.filename} a file would hide a folder, or the reverse"
        return f"its volumes cannot be mounted: {error.strerror}: {error.filename or 'a namespace of its own'}"
    return _becoming(program, streams)


def _is_beside(program: Program) -> bool:
    """See what another process of the container sees, where there is one: also what it made beside its volumes."""
    pid, start = program.beside
    with contextlib.suppress(OSError):
        if pid:
            namespaces.join(pid, start)
            return True
    return False


def _becoming(program: Program, streams: tuple[int, int, int]) -> str:
    file = ""
    try:
        file = executable(program.argv, program.folder, program.env["PATH"])
        os.chdir(program.folder)
        become(program, file, streams)
    except Unstartable as error:
        return f"{error}{_hidden(program)}"
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and (hidden := _hidden(program)):
            # It is there, but not what loads it.
            return f'exec: "{program.argv[0]}": {error.strerror}{hidden}'
        return str(_causes().refused(program.argv, program.folder, file, error))
    return "it did not become its program"


def become(program: Program, file: str, streams: tuple[int, int, int]) -> None:
    """Replace this process, which was forked for it, by a program, as whoever it is to run as.

    Raises:
        OSError, ValueError: it cannot be.
    """
    for number, item in enumerate(streams):
        os.dup2(item, number)
    # As a container would find them, whatever the caller's shell or nohup ignored.
    for number in signal.valid_signals() - UNCHANGEABLE:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if program.identity is not None:
        with contextlib.suppress(OSError):
            # So that it may open /dev/stdout and /dev/stderr.
            os.fchown(streams[1], program.identity.uid, -1)
        program.identity.assume()
    os.execve(file, program.argv, program.env)  # noqa: S606 (no shell is wanted)


def _hidden(program: Program) -> str:
    """Which volumes lie where this machine has its programs."""
    folders = [*program.env["PATH"].split(os.pathsep), os.path.dirname(os.__file__)]
    found = [
        bind.target
        for bind in program.binds
        if any(folder == bind.target or folder.startswith(f"{bind.target}/") for folder in folders)
    ]
    return f"; a volume hides what this machine has at {', '.join(found)}" if found else ""


def _causes() -> ModuleType:
    # No supervisor carries them along: most start everything that they are asked for.
    from kfrun.execute.local.process import causes

    return causes
