"""Termination messages: what a container leaves to say why it ended.

Each attempt has a file of its own beside its log, and who runs the container sees to it that this is what lies at
``terminationMessagePath``.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.supply import inmemory
from kfrun.host import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.execute.controller.facts import Attempt, Ended
    from kfrun.model.workload import Workload

DEFAULT_PATH = "/dev/termination-log"
_LONGEST, _OF_POD = 4096, 12 << 10
_LOG_BYTES, _LOG_LINES = 2048, 80


def path(container: Mapping[str, Any]) -> str:
    """Where a container finds its file."""
    return container.get("terminationMessagePath") or DEFAULT_PATH


def file(folder: str, attempt: Attempt) -> str:
    """The file of an attempt, in the folder of its job."""
    return f"{folder}/pods/{attempt.pod}/{_name(attempt)}"


def open_to(user: int, folder: str, attempt: Attempt) -> str:
    """Make the file of an attempt where that user can write it, who may not enter the folder of a job; empty if not.

    Raises:
        OSError: somebody else was there before.
    """
    if not inmemory.open_beside(os.path.basename(folder), attempt.pod):
        return ""
    path = _outside(folder, attempt)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchown(descriptor, user, -1)
    os.close(descriptor)
    return path


def _outside(folder: str, attempt: Attempt) -> str:
    return f"{inmemory.beside(os.path.basename(folder), attempt.pod)}/{_name(attempt)}"


def _name(attempt: Attempt) -> str:
    return f"{attempt.container}.{attempt.restarts}.message"


def of(folder: str, workload: Workload, job: str, fact: Ended, started: float | None) -> str:
    """The message of an attempt that has ended; empty when it left none."""
    child = next(item for item in workload.jobs if item.name == job)
    container = child.job_template.container(fact.attempt.container)
    own, outside = file(folder, fact.attempt), _outside(folder, fact.attempt)
    siblings = len(child.job_template.containers) + len(child.job_template.init_containers)
    limit = min(_LONGEST, _OF_POD // siblings)
    found = _tail(own, limit) or _tail(outside, limit) or _tail(path(container), limit, since=started)
    if not found and fact.exit_code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        found = _last_lines(_tail(f"{own.removesuffix('.message')}.log", _LOG_BYTES))
    return found.decode(errors="replace")


def _last_lines(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[-_LOG_LINES:])


def _tail(path: str, limit: int, *, since: float | None = None) -> bytes:
    """The end of a regular file, of one that was written ``since`` then; empty when there is none."""
    try:
        # Not opened before it is looked at: a device may mind.
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or (since is not None and found.st_mtime < since):
            return b""
        with open(path, "rb", opener=files.opener) as opened:
            opened.seek(max(0, found.st_size - limit))
            return opened.read(limit)
    except (OSError, ValueError):
        return b""
