"""Logs that are bounded: a FIFO lies between a container's program and its log, and somebody pumps.

The program holds the FIFO open for reading as well: it never meets a broken pipe, whoever dies. What it wrote waits in
the FIFO, and so does the program once that is full, until the next one pumps. The recorder pumps while it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.host import files, lock
from kfrun.observe import segments

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 18
_NOTICE_BYTES = 4096
"""What a line about a loss may take, in whole blocks of a disk."""
_PIPE_BYTES = 1 << 20
_POLL_MILLISECONDS = 20
_PATIENCE, _PAUSE = 1.0, 0.005


class Bounded:
    """The log of an attempt, kept at a size: the older part goes when the newest one is full, and that is said.

    What the disk does not take is dropped as well: no program waits for room, or dies of a full disk.

    Args:
        path: of the log.
        limit: bytes.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        # A part is full at the next end of a line, but never larger than half of all.
        self._enough, self._most = limit // 3, limit // 2
        self._missed = 0
        self._at_line_start = True
        self._open()

    def _open(self) -> None:
        self._file = files.open_regular(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._size = os.fstat(self._file).st_size

    def write(self, data: bytes) -> None:
        """Append what the program wrote."""
        while data:
            if self._missed:
                self._say_missed()
            end = self._part(data)
            self._append(data[:end])
            data = data[end:]
            if data or self._size >= (self._enough if self._at_line_start else self._most):
                self._turn()

    def _part(self, data: bytes) -> int:
        """How much of it comes into the newest part: up to the end of a line, unless that is far away."""
        room = self._enough - self._size
        if len(data) <= room:
            return len(data)
        end = data.rfind(b"\n", 0, max(room, 0)) + 1 or data.find(b"\n") + 1
        most = max(self._most - self._size, 0)
        if end and end <= most:
            return end
        return min(len(data), most)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                written = os.write(self._file, data)
                self._size += written
                self._at_line_start = data[:written].endswith(b"\n")
                data = data[written:]
        except OSError:
            self._missed += len(data)

    def _say(self, text: str) -> None:
        self._append(f"{'' if self._at_line_start else chr(10)}kfrun: {text}\n".encode())

    def _say_missed(self) -> None:
        missed, self._missed = self._missed, 0
        self._say(f"{missed} bytes of this log were dropped here: the disk did not take them")
        if self._missed:
            self._missed = missed

    def _turn(self) -> None:
        """Begin a new part, and drop the one before the last."""
        full = self._file
        try:
            older, dropped = segments.older(self._path), segments.start_of_last(self._path)
            aside = segments.name(self._path, dropped)
            os.rename(self._path, aside)
            try:
                self._open()
            except OSError:
                os.rename(aside, self._path)
                raise
        except OSError:
            # Nothing can be made here just now: it grows no further all the same.
            with contextlib.suppress(OSError):
                os.ftruncate(full, 0)
                self._missed += self._size
            self._size = 0
            return
        os.close(full)
        for _, path in older:
            with contextlib.suppress(OSError):
                os.unlink(path)
        if older:
            self._say(f"the first {dropped} bytes of this log were dropped: its max-size is {self._limit} bytes")

    def close(self) -> None:
        """Nothing more comes."""
        if self._missed:
            self._say_missed()
        if self._missed and self._size:
            # Still no room: what is there already makes some.
            left = max(self._size - _NOTICE_BYTES, 0)
            self._missed, self._size = self._missed + self._size - left, left
            self._at_line_start = False
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, left)
                self._say_missed()
        os.close(self._file)


def _fifo(log: str) -> str:
    return f"{log.removesuffix('.log')}.pipe"


def open_to(user: int, log: str, folder: str) -> None:
    """Make the FIFO of an attempt in a folder where that user gets to it, who may not enter the folder of a job."""
    path = f"{folder}/{os.path.basename(_fifo(log))}"
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o600)
        os.chown(path, user, -1, follow_symlinks=False)
        os.symlink(path, _fifo(log))


class Pump:
    """What pumps the output of one attempt, as long as its process lives."""

    def __init__(self, log: str, limit: int, mode: int) -> None:
        self._fifo = _fifo(log)
        self._source = os.open(self._fifo, mode | os.O_NONBLOCK | os.O_CLOEXEC)
        # By this it is known that somebody pumps.
        fcntl.flock(self._source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._log = Bounded(log, limit)

    @classmethod
    def new(cls, log: str, limit: int) -> Pump:
        """The pump of an attempt that is about to start.

        Raises:
            OSError: the FIFO or the log cannot be made.
        """
        with contextlib.suppress(FileExistsError):
            os.mkfifo(_fifo(log), 0o600)
        # Read and written, so that it never ends before the program does.
        return cls(log, limit, os.O_RDWR)

    def inlet(self) -> int:
        """What the program gets as standard output and error: a descriptor that is read from as well."""
        descriptor = os.open(self._fifo, os.O_RDWR)
        with contextlib.suppress(AttributeError, OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return descriptor

    def until(self, ended: int | None, has_ended: Callable[[], bool]) -> None:
        """Pump until ``has_ended``; ``ended`` becomes readable then, None where the system cannot tell."""
        poller = select.poll()
        poller.register(self._source, select.POLLIN)
        if ended is not None:
            poller.register(ended, select.POLLIN)
        while not has_ended():
            poller.poll(_POLL_MILLISECONDS if ended is None else None)
            self.drain()

    def to_the_end(self) -> None:
        """Pump until nobody can write any more."""
        poller = select.poll()
        poller.register(self._source, select.POLLIN)
        while poller.poll() and self.drain():
            pass
        self.close()

    def drain(self, pieces: int = 1) -> bool:
        """Pump what there is now, up to so many pieces; False when nobody can write any more."""
        for _ in range(pieces):
            try:
                data = os.read(self._source, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._log.write(data)
        return True

    def close(self) -> None:
        """Pump the rest: nobody writes any more, and who does all the same is not waited for."""
        self.drain(2 * _PIPE_BYTES // _CHUNK)
        self._log.close()
        with contextlib.suppress(OSError):
            os.unlink(self._fifo)
        os.close(self._source)


def is_at_work(log: str) -> bool:
    """Whether somebody pumps the output of an attempt."""
    return lock.is_held(_fifo(log))


def wait(log: str) -> None:
    """Wait until what the program wrote last is in the log; nobody writes any more."""
    _until(lambda: not is_at_work(log))


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not check() and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def replace(log: str, limit: int) -> None:
    """Have the output of an attempt pumped by a process of its own, in the place of a recorder that was killed.

    It stays until nobody writes any more.
    """
    if is_at_work(log) or not os.path.exists(_fifo(log)):
        return
    try:
        pid = os.fork()
    except OSError:
        # No process to spare: the next look tries again.
        return
    if pid:
        # Until it has begun, the next look must not start another one.
        _until(lambda: is_at_work(log))
        return
    try:
        os.setsid()
        # The lock of the supervisor above all: it must not live on here.
        files.close_all_but()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        host.set_process_name("kfrun:pump")
        Pump(log, limit, os.O_RDONLY).to_the_end()
    finally:
        os._exit(0)
