"""One builder an environment at a time, by flock on a file beside it. Called by the builder and the inventory."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def lock_file(path: Path) -> Path:
    """The lock of the environment at ``path``."""
    return path.with_name(f"{path.name}.lock")


@contextmanager
def held(path: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of the environment at ``path``; yields its descriptor. ``on_wait`` is called before waiting.

    The file goes with the lock: who waited for it sees that and takes the next one.
    """
    lock = _take(path)
    if lock is None:
        on_wait()
        lock = _take(path, wait=True)
        assert lock is not None
    try:
        yield lock
    finally:
        lock_file(path).unlink(missing_ok=True)
        os.close(lock)


@contextmanager
def tried(path: Path) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it is held."""
    lock = _take(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock_file(path).unlink(missing_ok=True)
            os.close(lock)


def is_locked(path: Path) -> bool:
    """Whether somebody builds or removes the environment at ``path`` now. Never makes a lock file."""
    import fcntl

    try:
        lock = os.open(lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _take(path: Path, *, wait: bool = False) -> int | None:
    """The descriptor of the lock once it is held; None when somebody else holds it."""
    import fcntl

    file = lock_file(path)
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # Who held it before may have removed the file: then this lock guards nothing.
            if file.exists() and os.fstat(lock).st_ino == file.stat().st_ino:
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
