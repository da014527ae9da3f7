"""The recorder: the parent of a container's main process, which outlives the supervisor.

A parent always learns an exit code. So each attempt has a small process of its own between supervisor and program: a
fork of the supervisor that starts the program, waits, writes the record, ends what the program left, and exits with
its code. It ignores every signal that can be ignored. What the program starts and disowns becomes its child, so that
nothing flees, whatever it does to its session and its environment. The supervisor is small and has one thread, so a
fork costs 1-2 ms and no memory of note; a shell in its place would change the environment and the signals of the
program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.execute.controller.facts import START_ERROR, START_ERROR_CODE
from kfrun.execute.local.process import enclosure
from kfrun.execute.local.process.attempts import record as records
from kfrun.execute.local.process.attempts import remains
from kfrun.execute.local.process.attempts.mountpoints import MountPoints
from kfrun.execute.local.process.attempts.orphan import code_of
from kfrun.execute.local.process.attempts.pump import Pump
from kfrun.execute.local.process.attempts.record import Record
from kfrun.execute.local.process.enclosure import Unstartable
from kfrun.execute.local.process.launch import ATTEMPT_MARKER
from kfrun.execute.local.runtime import JOB_MARKER
from kfrun.host import files, orphans
from kfrun.model.values import dataclass, replace

if TYPE_CHECKING:
    from kfrun.execute.local.process.identity import Identity
    from kfrun.host.namespaces import Bind

_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: absolute executable, argv, environment, working directory, log file and umask; and in which boot.

    With ``limit`` the log is kept at so many bytes; with ``identity`` it runs as somebody else; with ``binds`` it is
    started in a mount namespace of its own, and looked for there, or in that of the process ``beside`` it, of that pid
    and start. ``own`` are folders in which places for them may be made; ``places`` are those for volumes in the source
    folder, and ``note`` the file that tells which were made. ``told`` is what there is to say of all that, before it
    starts.
    """

    executable: str
    argv: tuple[str, ...]
    env: dict[str, str]
    folder: str
    log: str
    umask: int
    boot: str = ""
    limit: int = 0
    identity: Identity | None = None
    binds: tuple[Bind, ...] = ()
    own: tuple[str, ...] = ()
    places: tuple[tuple[str, bool], ...] = ()
    note: str = ""
    told: str = ""
    beside: tuple[int, str] = (0, "")


class Reports:
    """How recorders tell the supervisor that forked them that their program runs, and that they are about to end.

    A pipe, so that nobody has to poll, and nobody has to wait until a process is taken down that has nothing more to
    do. It is there while somebody is expected to speak.
    """

    _WORD = struct.Struct("<qd")
    """The recorder's pid, negative at its end, and since when that is so. Far below what a pipe takes in one piece."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None
        self._expected: set[int] = set()

    def open(self) -> int:
        """The end of the pipe for a recorder that is about to be forked."""
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[0], False)
        return self._pipe[1]

    def expect(self, pid: int) -> None:
        """That recorder was forked."""
        self._expected.add(pid)

    def give_up(self, *pids: int) -> None:
        """These recorders have nothing more to say."""
        self._expected.difference_update(pids)
        if not self._expected:
            self.close()

    @classmethod
    def tell_start(cls, descriptor: int, at: float) -> None:
        """Said by a recorder; nobody listens when its supervisor is gone."""
        cls._tell(descriptor, os.getpid(), at)

    @classmethod
    def tell_end(cls, descriptor: int, at: float) -> None:
        """Said by a recorder once everything is written down and nothing is left."""
        cls._tell(descriptor, -os.getpid(), at)

    @classmethod
    def _tell(cls, descriptor: int, pid: int, at: float) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, cls._WORD.pack(pid, at))

    def collect(self) -> list[tuple[int, float]]:
        """Pids of recorders whose programs started, negative ones of those that are ending, and since when."""
        if self._pipe is None:
            return []
        try:
            text = os.read(self._pipe[0], 1024 * self._WORD.size)
        except BlockingIOError:
            return []
        return [(pid, at) for pid, at in self._WORD.iter_unpack(text) if abs(pid) in self._expected]

    def descriptors(self) -> list[int]:
        """Readable when `collect` has something."""
        return [self._pipe[0]] if self._pipe is not None else []

    def close(self) -> None:
        """Listen no more."""
        for descriptor in self._pipe or ():
            os.close(descriptor)
        self._pipe = None
        self._expected.clear()


def spawn(program: Program, descriptor: int, reports: Reports) -> int:
    """Start a recorder for ``program``; ``descriptor`` is the locked record. Returns the recorder's pid.

    Raises:
        OSError: there is no process or memory to spare; ``descriptor`` is closed all the same.
    """
    try:
        teller = reports.open()
        pid = os.fork()
    except OSError:
        os.close(descriptor)
        reports.give_up()
        raise
    if pid:
        os.close(descriptor)
        reports.expect(pid)
        return pid
    code = START_ERROR_CODE
    try:
        code = _record(program, descriptor, teller)
    finally:
        os._exit(code)


def _record(program: Program, descriptor: int, teller: int) -> int:
    os.setsid()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Whatever the supervisor had open must not live on here: its own lock above all.
    files.close_all_but(descriptor, teller)
    takes_in = orphans.become_subreaper()
    me = os.getpid()
    record = Record(
        "starting", recorder=me, recorder_start=host.start_time(me) or "", at=time.time(), boot=program.boot
    )
    records.write(descriptor, record)
    points = MountPoints(program.places, program.note)
    try:
        points.hold()
        pump = Pump.new(program.log, program.limit) if program.limit else None
        pid = _start(program, pump)
    except (OSError, ValueError, Unstartable) as error:
        message = why(program, error)
        ended = replace(record, state="exited", exit_code=START_ERROR_CODE, reason=START_ERROR, message=message)
        points.let_go()
        _write_surely(descriptor, replace(ended, at=time.time(), swept=True))
        return START_ERROR_CODE
    record = replace(record, state="running", pid=pid, start=host.start_time(pid, zombie=True) or "", at=time.time())
    # A full disk does not matter here: the block is there already. Nothing may keep us from waiting.
    with contextlib.suppress(OSError):
        records.write(descriptor, record)
    Reports.tell_start(teller, record.at)
    code = _wait(pid) if pump is None else _wait_pumping(pid, pump)
    reason = "Completed" if code == 0 else "Error"
    ended = replace(record, state="exited", exit_code=code, reason=reason, at=time.time())
    is_written = _conclude(program, descriptor, ended, is_alone=takes_in and host.children(me) == [pid])
    if pump is not None:
        pump.close()
    points.let_go()
    if is_written:
        Reports.tell_end(teller, ended.at)
    return code


def why(program: Program, error: OSError | ValueError | Unstartable) -> str:
    """What is said of a program that `start` could not start."""
    if isinstance(error, Unstartable):
        return str(error)
    # ValueError: a NUL character in an argument or a variable; no system call can carry it.
    from kfrun.execute.local.process import causes

    return causes.refused(program.argv, program.folder, program.executable, error)


def _wait(pid: int) -> int:
    """Wait for the main process, and for what it disowned; its exit code. It is left a zombie, which tells others."""
    if not hasattr(os, "waitid"):
        return code_of(os.waitpid(pid, 0)[1])
    while True:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert found is not None
        if found.si_pid == pid:
            return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
        os.waitpid(found.si_pid, 0)


def _wait_pumping(pid: int, pump: Pump) -> int:
    """The same, while the output is pumped."""
    codes: list[int] = []

    def has_ended() -> bool:
        code = _look(pid)
        codes.extend(() if code is None else (code,))
        return code is not None

    pump.until(host.open_pidfd(pid), has_ended)
    return codes[-1]


def _look(pid: int) -> int | None:
    """The exit code of the main process if it has ended."""
    if not hasattr(os, "waitid"):
        ended, status = os.waitpid(pid, os.WNOHANG)
        return code_of(status) if ended else None
    while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is not None:
        if found.si_pid == pid:
            return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
        os.waitpid(found.si_pid, 0)
    return None


def _conclude(program: Program, descriptor: int, ended: Record, *, is_alone: bool) -> bool:
    """Write down how it ended, before anything else: from then on we may be killed. Then end what it left.

    Returns whether that is written down.
    """
    is_written = True
    try:
        records.write(descriptor, replace(ended, swept=is_alone))
    except OSError:
        is_written = False
    if not is_alone:
        remains.end(lambda: _left(program))
    if not (is_written and is_alone):
        is_written = _write_surely(descriptor, replace(ended, swept=True))
    _reap()
    return is_written


def _left(program: Program) -> list[int]:
    _reap()
    uid = program.env[JOB_MARKER]
    if orphans.is_subreaper():
        return orphans.descendants(os.getpid(), lambda environment: remains.is_foreign(environment, uid))
    return host.marked_processes(f"{ATTEMPT_MARKER}={program.env[ATTEMPT_MARKER]}")


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _start(program: Program, pump: Pump | None) -> int:
    log = files.open_regular(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if pump is None else pump.inlet()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        return start(program, (null, log, log))
    finally:
        os.close(log)
        os.close(null)


def start(program: Program, streams: tuple[int, int, int]) -> int:
    """Start a program as a child of this process, which was forked for it; its pid.

    Raises:
        OSError, ValueError, Unstartable: it cannot be started.
    """
    os.umask(program.umask)
    host.restore_file_limit()
    if program.binds:
        return enclosure.start(program, streams)
    os.chdir(program.folder)
    if program.identity is not None:
        return _spawn_as(program, streams)
    return _spawn_in_session(program, [(os.POSIX_SPAWN_DUP2, item, number) for number, item in enumerate(streams)])


def _spawn_as(program: Program, streams: tuple[int, int, int]) -> int:
    """Start it as somebody else, which posix_spawn cannot do: a pipe that closes with exec tells what went wrong."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            enclosure.become(program, program.executable, streams)
        except (OSError, ValueError) as error:
            os.write(writing, struct.pack("<i", getattr(error, "errno", None) or 0))
        finally:
            os._exit(START_ERROR_CODE)
    os.close(writing)
    with open(reading, "rb") as pipe:
        problem = pipe.read()
    if problem:
        os.waitpid(pid, 0)
        (number,) = struct.unpack("<i", problem)
        if not number:
            raise ValueError("embedded null byte")
        raise OSError(number, os.strerror(number))
    return pid


def _spawn_in_session(program: Program, actions: list[tuple[int, int, int]]) -> int:
    arguments = (program.executable, list(program.argv), program.env)
    # As a container would find them, whatever the caller's shell or nohup ignored.
    signals = signal.valid_signals() - enclosure.UNCHANGEABLE
    try:
        return os.posix_spawn(*arguments, file_actions=actions, setsid=True, setsigdef=signals, setsigmask=[])
    except NotImplementedError:
        # No POSIX_SPAWN_SETSID in this libc: a process group of its own will do.
        return os.posix_spawn(*arguments, file_actions=actions, setpgroup=0, setsigdef=signals, setsigmask=[])


def _write_surely(descriptor: int, record: Record) -> bool:
    """Write the end, however long the disk stays full; False: a living supervisor learns it from our exit code."""
    supervisor = os.getppid()
    while True:
        try:
            records.write(descriptor, record)
        except OSError:
            if os.getppid() == supervisor != 1:
                return False
            time.sleep(0.2)
        else:
            return True
