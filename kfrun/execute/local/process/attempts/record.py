"""The record of one attempt: what the recorder tells whoever supervises, now or later.

A record is one preallocated block that is rewritten in place, so that a full disk cannot lose an exit code. Its
states: ``new`` (nothing was started), ``starting``, ``running`` (with the identity of the main process),
``exited``. The recorder holds a lock on it for as long as it lives: a free lock with a record that is not
``exited`` means that the recorder is gone, and that the main process has to be watched without it.
"""

from __future__ import annotations

import errno
import json
import os

from kfrun.host import files, lock
from kfrun.model.values import asdict, dataclass

_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an attempt.

    Attributes:
        recorder, recorder_start: pid and start time of the recorder.
        pid, start: pid and start time of the container's main process.
        exit_code: as `kfrun.execute.controller.facts.Ended`.
        at: when the state was reached, seconds since the epoch.
        boot: in which boot of the machine that was: pids and start times of another one mean nothing.
        swept: nothing is left of what the main process started.
    """

    state: str = "new"
    recorder: int = 0
    recorder_start: str = ""
    pid: int = 0
    start: str = ""
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    at: float = 0.0
    boot: str = ""
    swept: bool = False

    @property
    def is_starting(self) -> bool:
        """The program has not started yet."""
        return self.state in ("new", "starting")


def create(path: str) -> int:
    """Make the record of a new attempt and lock it; returns the descriptor that holds the lock.

    Raises:
        OSError: no space, or the folder is gone.
    """
    descriptor = lock.take(path)
    if descriptor is None:
        raise BlockingIOError(errno.EAGAIN, "the recorder of this attempt is at work already")
    try:
        write(descriptor, Record())
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(descriptor: int, record: Record) -> None:
    """Rewrite the block in place with one system call."""
    data = asdict(record)
    text = json.dumps(data).encode()
    while len(text) >= _SIZE:
        # Only the message can be long; a character takes up to twelve bytes.
        data["message"] = data["message"][: len(data["message"]) // 2]
        text = json.dumps(data).encode()
    os.pwrite(descriptor, text.ljust(_SIZE - 1) + b"\n", 0)


def rewrite(path: str, record: Record) -> None:
    """As `write`, by whoever takes the place of a recorder that is gone.

    Raises:
        OSError: it is not there any more, or cannot be written.
    """
    descriptor = files.open_regular(path, os.O_WRONLY)
    try:
        write(descriptor, record)
    finally:
        os.close(descriptor)


def read(path: str) -> Record | None:
    """The record at ``path``; None when there is none or it was never written whole."""
    try:
        descriptor = files.open_regular(path)
    except OSError:
        # Removed, or something else lies there.
        return None
    try:
        return Record(**json.loads(os.pread(descriptor, _SIZE, 0)))
    except (ValueError, TypeError, RecursionError):
        return None
    finally:
        os.close(descriptor)


def is_held(path: str) -> bool:
    """Whether the recorder of this attempt is alive."""
    return lock.is_held(path)
