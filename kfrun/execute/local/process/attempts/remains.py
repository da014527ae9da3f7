"""What a container's main process leaves behind when it ends, and how that ends.

On a cluster it is killed at once. Here it is given a moment first, because nobody else tidies this machine: Python's
resource trackers unlink the shared memory of a program that was killed, as soon as nobody holds their pipe any more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.execute.local.process.launch import ATTEMPT_MARKER, HELPER_MARKER
from kfrun.execute.local.runtime import JOB_MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOMENT, _CARETAKERS_MOMENT, _PATIENCE = 0.2, 3.0, 1.0
_PAUSE = 0.005
_CARETAKERS = ("resource_tracker", "torch_shm_manager")
"""In the command lines of processes that live to tidy up behind others: of multiprocessing, loky and PyTorch."""

_HELPER, _JOB, _ATTEMPT = (os.fsencode(name) for name in (HELPER_MARKER, JOB_MARKER, ATTEMPT_MARKER))


class Remains:
    """Ends what is left of a container: its own moment, then SIGKILL, to those that tidy up behind the others last."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def are_gone(self, left: Sequence[int]) -> bool:
        """Go on with those that are ``left``; True when there are none, or when nothing helps against them."""
        age = time.monotonic() - self._since
        if not left or age > _MOMENT + _CARETAKERS_MOMENT + _PATIENCE:
            return True
        if age > _MOMENT:
            for pid in left:
                if age > _MOMENT + _CARETAKERS_MOMENT or not _is_caretaker(pid):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
        return False


def end(find: Callable[[], Sequence[int]]) -> None:
    """End what ``find`` finds, and be back when it is gone."""
    remains = Remains()
    while not remains.are_gone(find()):
        time.sleep(_PAUSE)


def _is_caretaker(pid: int) -> bool:
    called = host.command_line(pid)
    return any(name in called for name in _CARETAKERS)


def is_foreign(environment: list[bytes], uid: str) -> bool:
    """Whether a process of that environment is none of a job's, though it may be below one: kfrun's, or another job's.

    A job may start jobs. What cleared its environment is its own.
    """
    found = _markers(environment)
    return _HELPER in found or found.get(_JOB, os.fsencode(uid)) != os.fsencode(uid)


def is_marked(environment: list[bytes]) -> bool:
    """Whether a process of that environment says itself whose it is."""
    return bool(_markers(environment))


def _markers(environment: list[bytes]) -> dict[bytes, bytes]:
    pairs = (item.partition(b"=") for item in environment)
    return {name: value for name, _, value in pairs if name in (_HELPER, _JOB, _ATTEMPT)}
