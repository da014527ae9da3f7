"""The recorder: the parent of a container's main process, which outlives the supervisor.

Only a parent learns an exit code. So each attempt has a small process of its own between supervisor and program: a
fork of the supervisor that starts the program, waits, writes the record and exits with the program's code. It
ignores every signal that can be ignored. The supervisor is small and has one thread, so a fork costs 1-2 ms and no
memory of note; a shell in its place would change the environment and the signals of the program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import replace

from kfrun import host
from kfrun.execute.local.process import record as records
from kfrun.execute.local.process.record import Record
from kfrun.execute.local.runtime import START_ERROR, START_ERROR_CODE
from kfrun.model.values import dataclass

_MAX_DESCRIPTOR = 1 << 20
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_KEPT = {signal.SIGKILL, signal.SIGSTOP}
"""Signals whose action cannot be set."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: absolute executable, argv, environment, working directory, log file and umask."""

    executable: str
    argv: tuple[str, ...]
    env: dict[str, str]
    folder: str
    log: str
    umask: int


def spawn(program: Program, descriptor: int) -> int:
    """Start a recorder for ``program``; ``descriptor`` is the locked record. Returns the recorder's pid.

    Raises:
        OSError: there is no process or memory to spare; ``descriptor`` is closed all the same.
    """
    try:
        pid = os.fork()
    except OSError:
        os.close(descriptor)
        raise
    if pid:
        os.close(descriptor)
        return pid
    code = START_ERROR_CODE
    try:
        code = _record(program, descriptor)
    finally:
        os._exit(code)


def _record(program: Program, descriptor: int) -> int:
    os.setsid()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Whatever the supervisor had open must not live on here: its own lock above all.
    os.closerange(3, descriptor)
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(descriptor + 1, limit if limit > 0 else _MAX_DESCRIPTOR)
    me = os.getpid()
    record = Record("starting", recorder=me, recorder_start=host.start_time(me) or "", at=time.time())
    records.write(descriptor, record)
    try:
        pid = _start(program)
    except (OSError, ValueError) as error:
        # ValueError: a NUL character in an argument or a variable; no system call can carry it.
        text = getattr(error, "strerror", None) or error
        message = f'exec: "{program.argv[0]}": {text}'
        ended = replace(record, state="exited", exit_code=START_ERROR_CODE, reason=START_ERROR, message=message)
        _write_surely(descriptor, replace(ended, at=time.time()))
        return START_ERROR_CODE
    record = replace(record, state="running", pid=pid, start=host.start_time(pid) or "", at=time.time())
    # A full disk does not matter here: the block is there already. Nothing may keep us from waiting.
    with contextlib.suppress(OSError):
        records.write(descriptor, record)
    _, status = os.waitpid(pid, 0)
    code = _exit_code(status)
    _kill_group(pid)
    reason = "Completed" if code == 0 else "Error"
    _write_surely(descriptor, replace(record, state="exited", exit_code=code, reason=reason, at=time.time()))
    return code


def _start(program: Program) -> int:
    os.chdir(program.folder)
    log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.umask(program.umask)
    host.restore_file_limit()
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    try:
        return _spawn_in_session(program, actions)
    finally:
        os.close(log)
        os.close(null)


def _spawn_in_session(program: Program, actions: list[tuple[int, int, int]]) -> int:
    arguments = (program.executable, list(program.argv), program.env)
    # As a container would find them, whatever the caller's shell or nohup ignored.
    signals = signal.valid_signals() - _KEPT
    try:
        return os.posix_spawn(*arguments, file_actions=actions, setsid=True, setsigdef=signals, setsigmask=[])
    except NotImplementedError:
        # No POSIX_SPAWN_SETSID in this libc: a process group of its own will do.
        return os.posix_spawn(*arguments, file_actions=actions, setpgroup=0, setsigdef=signals, setsigmask=[])


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _kill_group(pid: int) -> None:
    """A container ends with its main process: what that left in its group goes as well."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _write_surely(descriptor: int, record: Record) -> None:
    """Write the end, however long the disk stays full; a living supervisor learns it from our exit code instead."""
    supervisor = os.getppid()
    while True:
        try:
            records.write(descriptor, record)
        except OSError:
            if os.getppid() == supervisor != 1:
                return
            time.sleep(0.2)
        else:
            return
