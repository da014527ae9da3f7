"""Processes that lose their parent: who takes them in, what is below one, how one ended that is no child of ours.

Only Linux can tell. Elsewhere, or with ``KFRUN_PORTABLE=1``, orphans go to the system's first process, and how they
end is not known.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from typing import TYPE_CHECKING

from kfrun import host

if TYPE_CHECKING:
    from collections.abc import Callable

_SET_CHILD_SUBREAPER = 36
_GET_INFO = 0xC040FF0B
"""PIDFD_GET_INFO, for the first version of its structure."""

_INFO = struct.Struct("=QQ11Ii")
_EXIT = 1 << 3

_PRCTL: list[Callable[..., int] | None] = []
_SUBREAPERS: set[int] = set()
"""This process's pid once it has become one; a fork of it has not."""


def load() -> None:
    """Have the system's call at hand for `become_subreaper`, so that forks of this process need not look it up."""
    if _PRCTL or host.is_portable():
        return
    try:
        # What ctypes is made of: all of it takes 4 ms to import, and a job would start so much later.
        import _ctypes

        class Prctl(_ctypes.CFuncPtr):
            _flags_ = _ctypes.FUNCFLAG_CDECL

        library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # the program itself
        _PRCTL.append(Prctl(_ctypes.dlsym(library, "prctl")))
    except (ImportError, OSError, AttributeError, TypeError):
        _PRCTL.append(None)


def become_subreaper() -> bool:
    """From now on whatever below this process loses its parent becomes its child; False where the system cannot."""
    load()
    call = _PRCTL[0] if _PRCTL and not host.is_portable() else None
    if call is not None and call(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        _SUBREAPERS.add(os.getpid())
    return is_subreaper()


def is_subreaper() -> bool:
    """Whether `become_subreaper` has succeeded in this process."""
    return os.getpid() in _SUBREAPERS


def descendants(pid: int, is_foreign: Callable[[list[bytes]], bool]) -> list[int]:
    """Pids of what runs below ``pid``; without those for whose environment ``is_foreign``, and what is below them."""
    # One that is handed on to another parent in this very moment may be missed once, but not twice.
    return _descendants(pid, is_foreign) or _descendants(pid, is_foreign)


def _descendants(pid: int, is_foreign: Callable[[list[bytes]], bool]) -> list[int]:
    found, waiting = [], host.children(pid)
    while waiting:
        child = waiting.pop()
        if is_foreign(host.environment(child)):
            continue
        waiting += host.children(child)
        if host.start_time(child) is not None:
            found.append(child)
    return found


def writers(path: str) -> list[int]:
    """Pids of those whose standard output or error is the file at ``path``, as far as the system tells us."""
    if host.is_portable():
        return []
    try:
        wanted = _file(path)
        return [pid for name in os.listdir("/proc") if name.isdigit() and _writes(pid := int(name), wanted)]
    except OSError:
        return []


def _writes(pid: int, wanted: tuple[int, int]) -> bool:
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if _file(f"/proc/{pid}/fd/{number}") == wanted:
                return True
    return False


def _file(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def exit_status(pid: int, start_time: str, descriptor: int | None) -> int | None:
    """How a process ended, as wait(2) has it, whoever its parent is; None when nobody can tell.

    ``descriptor`` is its pidfd, opened while it was there: it tells once the parent has taken note (Linux 6.15). Until
    then its zombie does.
    """
    # Its parent may take note between the first two.
    for look in (_told, _of_zombie, _told):
        status = look(pid, start_time, descriptor)
        if status is not None:
            return status
    return None


def _told(pid: int, start_time: str, descriptor: int | None) -> int | None:
    del pid, start_time
    if descriptor is None:
        return None
    info = bytearray(_INFO.pack(_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(descriptor, _GET_INFO, info)
    except OSError:
        # Before Linux 6.13 there is no such call; later it refuses to tell of a process that is gone but not noted.
        return None
    mask, *_, status = _INFO.unpack(info)
    return int(status) if mask & _EXIT else None


def _of_zombie(pid: int, start_time: str, descriptor: int | None) -> int | None:
    del descriptor
    fields = None if host.is_portable() else host.stat(pid)
    if fields is None or not host.is_zombie(fields) or fields[19].decode() != start_time or not _is_ours(pid):
        return None
    return int(fields[49])


def _is_ours(pid: int) -> bool:
    """Whether the system shows us its exit code: of another user's process it says 0."""
    try:
        return os.geteuid() in (0, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return False
