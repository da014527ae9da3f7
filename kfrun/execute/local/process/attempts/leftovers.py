"""What attempts without a recorder have left on this machine, seen by whoever supervises them, at one moment."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.execute.local.process.attempts.orphan import Orphan
from kfrun.execute.local.process.attempts.remains import end, is_foreign, is_marked
from kfrun.execute.local.runtime import JOB_MARKER
from kfrun.host import orphans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.local.process.attempts.watch import Watch


_PAUSE = 0.02


class Leftovers:
    """Looks at all processes once, and only when it is asked: a thousand nodes may lose their recorders at once.

    Args:
        watches: all attempts that are watched here.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._marked: dict[str, list[int]] | None = None

    def of(self, watch: Watch) -> list[int]:
        """What is left of an attempt: what has its marker or writes its log; what came to us and can be no other's."""
        found = self._marked_by(watch.traces.marker)
        # Where the log is kept at a size, they write into a FIFO.
        log = [pid for suffix in ("log", "pipe") for pid in orphans.writers(f"{watch.traces.prefix}.{suffix}")]
        found = [*found, *(pid for pid in log if not is_marked(host.environment(pid)) and host.start_time(pid))]
        others = [item for item in self._watches if item.is_lost and item is not watch]
        if orphans.is_subreaper() and not others:
            found = [*found, *orphans.descendants(os.getpid(), is_marked)]
        return found

    def main_process(self, watch: Watch) -> int | None:
        """The main process of an attempt of which only the markers tell: it leads a session, and no other is older."""
        found = self._marked_by(watch.traces.marker)
        below = {child for pid in found for child in host.children(pid)}
        leaders = [(_age(pid), pid) for pid in found if pid not in below and _is_leader(pid)]
        if leaders:
            return min(leaders)[1]
        ended = [pid for pid in self._ended_children() if _is_leader(pid)]
        others = [item for item in self._watches if item.is_searching and item is not watch]
        return ended[0] if len(ended) == 1 and not others else None

    def reap(self) -> None:
        """Take note of the end of whatever came to us and is no attempt's main process."""
        for pid in self._ended_children():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _ended_children(self) -> list[int]:
        if not orphans.is_subreaper():
            return []
        known = {pid for item in self._watches for pid in item.known}
        return [
            pid
            for pid in host.children(os.getpid())
            if pid not in known and (fields := host.stat(pid)) is not None and host.is_zombie(fields)
        ]

    def _marked_by(self, marker: str) -> list[int]:
        if self._marked is None:
            self._marked = host.marked_by([item.traces.marker for item in self._watches if item.is_lost])
        return self._marked.get(marker, [])


def end_job(uid: str, grace: float) -> None:
    """End whatever of a job still runs; with a grace period its main processes are asked first. It waits."""
    marker = f"{JOB_MARKER}={uid}"
    if grace:
        _ask(marker, time.monotonic() + grace)

    def left() -> list[int]:
        found = host.marked_processes(marker)
        if orphans.is_subreaper():
            found += orphans.descendants(os.getpid(), lambda item: is_foreign(item, uid))
        return found

    end(left)


def _ask(marker: str, deadline: float) -> None:
    """SIGTERM to main processes: those that nothing else with the marker started."""
    found = host.marked_processes(marker)
    below = {child for pid in found for child in host.children(pid)}
    mains = [Orphan(pid, start) for pid in found if pid not in below and (start := host.start_time(pid)) is not None]
    for item in mains:
        item.send(signal.SIGTERM)
    while any(item.is_running for item in mains) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    for item in mains:
        item.let_go()


def _age(pid: int) -> int:
    """Greater for what started later, where the system tells."""
    started = host.start_time(pid) or ""
    return int(started) if started.isdigit() else 0


def _is_leader(pid: int) -> bool:
    """Whether it leads a session, or a process group where the system starts none."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False
