"""Folders of pods in memory: how they are called, so that whoever knows a job finds all of them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

PLACE = "/dev/shm"  # noqa: S108 (folders of our own in it)


def of_job(uid: str) -> str:
    """What the paths of all of a job begin with."""
    return f"{PLACE}/kfrun-{os.getuid()}-{uid}-"


def of_pod(uid: str, pod: str) -> str:
    """For volumes; nobody else may enter it."""
    return f"{of_job(uid)}{pod}"


def beside(uid: str, pod: str) -> str:
    """For what processes of a pod write that run as somebody else; it goes when the pod does."""
    return f"{of_pod(uid, pod)}.open"


def open_beside(uid: str, pod: str) -> str:
    """Make that folder, unless it is there; empty where there is no place for it.

    Raises:
        OSError: somebody else was there before.
    """
    path = beside(uid, pod)
    if not os.access(PLACE, os.W_OK):
        return ""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
        # Who knows a name in it may go there, and nobody finds one.
        os.chmod(path, 0o711)  # noqa: S103
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(errno.EPERM, "it is not ours", path)
    return path
