"""Volumes of the machine's own paths: what has to be there, or is made, by their type."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class WrongType(Exception):
    """What is at a path is not what its type says; the message is the kubelet's."""


def require(path: str, kind: str) -> None:
    """See to it that a path is what its type says; "" asks for nothing.

    Raises:
        WrongType: it is not.
        OSError: it cannot be made.
    """
    if not os.path.isabs(path):
        raise WrongType(f"{path} is no absolute path")
    if ".." in path.split("/"):
        raise WrongType(f"{path} must not contain '..'")
    base, makes, _ = kind.partition("OrCreate")
    if not base:
        if not os.path.lexists(path):
            # As container engines do it with what they are to bind.
            os.makedirs(path, 0o755, exist_ok=True)
        return
    if makes and not os.path.lexists(path):
        _make(path, is_folder=base == "Directory")
        return
    is_right, what = _CHECKS[base]
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = 0
    if not is_right(mode):
        raise WrongType(f"hostPath type check failed: {path} is not {what}")


def _make(path: str, *, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(path, 0o755, exist_ok=True)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
