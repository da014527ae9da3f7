"""One builder an environment at a time, by flock on a file beside it."""

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
    descriptor = _take(path)
    if descriptor is None:
        on_wait()
        descriptor = _take(path, wait=True)
        assert descriptor is not None
    try:
        yield descriptor
    finally:
        lock_file(path).unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def tried(path: Path) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it is held."""
    descriptor = _take(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            lock_file(path).unlink(missing_ok=True)
            os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether somebody builds or removes the environment at ``path`` now. Never makes a lock file."""
    from kfrun.host import lock

    try:
        return lock.is_held(lock_file(path))
    except OSError:
        return False


def _take(path: Path, *, wait: bool = False) -> int | None:
    """The descriptor of the lock once it is held; None when somebody else holds it."""
    from kfrun.host import lock

    file = lock_file(path)
    while (descriptor := lock.take(file, wait=wait)) is not None:
        # Who held it before may have removed the file: then this lock guards nothing.
        if file.exists() and os.fstat(descriptor).st_ino == file.stat().st_ino:
            return descriptor
        os.close(descriptor)
    return None
