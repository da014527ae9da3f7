"""Locks between processes: flock on a file, let go by the system when its holder dies, however it does."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def take(path: str | os.PathLike[str], *, wait: bool = False) -> int | None:
    """Take the lock of the file at ``path``, which is made when it is missing.

    Returns the descriptor that holds it until it is closed; None when somebody else holds it and ``wait`` is False.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def hold(path: str | os.PathLike[str]) -> Iterator[None]:
    """Wait for the lock of the file at ``path`` and hold it meanwhile.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = take(path, wait=True)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether somebody holds the lock of the file at ``path``; never makes one."""
    try:
        # A FIFO in its place must not keep us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: those who only ask must not be taken for a holder by each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
