"""One attempt of a container, watched from its start or its adoption until nothing of it is left.

Its recorder says how it ended. When that was killed, the training goes on: its main process is watched itself, and
whoever supervises writes down its end and ends what it leaves, as the recorder would have done.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.execute.controller.facts import START_ERROR, Ended, Started
from kfrun.execute.local.process.attempts import record as records
from kfrun.execute.local.process.attempts.orphan import Orphan
from kfrun.execute.local.process.attempts.record import Record
from kfrun.execute.local.process.attempts.remains import Remains, is_foreign
from kfrun.host import orphans
from kfrun.model.state import RECORDER_LOST
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from kfrun.execute.controller.facts import Attempt, Fact
    from kfrun.execute.local.process.attempts.leftovers import Leftovers

_POLL_SECONDS = 0.02
_SLOW_POLL_SECONDS = 0.5
"""Where only ``ps`` can tell whether a process that is nobody's child here still runs."""

_SEARCH_SECONDS = 0.1
"""How long a program is looked for that a recorder may have started just before it was killed."""

_LOST = "it ended, and nobody saw how: what keeps its exit code was killed. The exit code is unknown"


class Traces(NamedTuple):
    """What an attempt is found by: its job, how its files' names begin, what is in its processes' environment."""

    uid: str
    prefix: str
    marker: str
    boot: str


class Watch:
    """Watches one attempt.

    Attributes:
        recorder: its recorder's pid.
        has_started: it was told that the program runs.
        never_started: it turned out that there is nothing to watch: it may be started.
        log_size: how far its log had grown when that was last noted.
    """

    def __init__(self, attempt: Attempt, traces: Traces, recorder: int, *, is_child: bool) -> None:
        self.attempt, self.traces, self.recorder = attempt, traces, recorder
        self.has_started = self.never_started = False
        self.log_size = 0
        self._is_child = is_child
        self._descriptor = host.open_pidfd(recorder) if recorder else None
        self._is_recorder_gone = False
        self._status: int | None = None
        self._program: Orphan | None = None
        # Signals that came before there was a process to get them.
        self._asked: list[int] = []
        self._search_until: float | None = None
        self._end: Ended | None = None
        self._remains: Remains | None = None
        self._below: list[tuple[int, str]] = []

    @property
    def is_lost(self) -> bool:
        """Its recorder is gone, and what that left to do is ours."""
        return self._is_recorder_gone

    @property
    def has_news(self) -> bool:
        """Whether `advance` may have something to tell: of a child that runs, others tell."""
        return self._is_recorder_gone or not self._is_child

    @property
    def is_searching(self) -> bool:
        """Nobody knows yet whether its recorder started anything."""
        return self._is_recorder_gone and self._program is None and self._end is None

    @property
    def known(self) -> tuple[int, ...]:
        """Pids that are its own: its recorder, and its main process once that is watched itself."""
        return (self.recorder,) if self._program is None else (self.recorder, self._program.pid)

    # What the supervisor waits for

    def descriptors(self) -> list[int]:
        """Readable when `advance` has something to do."""
        if not self._is_recorder_gone:
            return [] if self._descriptor is None else [self._descriptor]
        if self._program is None or self._program.descriptor is None:
            return []
        return [self._program.descriptor]

    def poll_interval(self) -> float | None:
        """Seconds until `advance` should be called; None where the descriptors tell."""
        if self._is_recorder_gone and self._program is not None and self._end is None:
            return None if self.descriptors() else _SLOW_POLL_SECONDS
        if self._is_recorder_gone or not self.descriptors():
            return _POLL_SECONDS
        # A recorder that is not our child tells nobody when its program starts.
        return None if self._is_child or self.has_started else _POLL_SECONDS

    # What happens

    def note_start(self, at: float) -> Started:
        """The program runs."""
        self.has_started = True
        asked, self._asked = self._asked, []
        for number in asked:
            self.send(number)
        return Started(self.attempt, at)

    def note_end(self) -> bool:
        """Its recorder says that it has written down everything, and is about to go; False where it has to go first."""
        found = records.read(self._path)
        if self._is_recorder_gone or found is None or found.state != "exited":
            # Somebody has removed the record: the exit code tells.
            return False
        self._is_recorder_gone = True
        self._let_go_of_recorder()
        return True

    def look(self) -> bool:
        """Whether the recorder has ended since the last look, by itself or not."""
        if self._is_recorder_gone:
            return False
        if self._is_child:
            pid, self._status = os.waitpid(self.recorder, os.WNOHANG)
            self._is_recorder_gone = pid != 0
        else:
            self._is_recorder_gone = not records.is_held(self._path)
        if self._is_recorder_gone:
            self._let_go_of_recorder()
        return self._is_recorder_gone

    def advance(self, leftovers: Leftovers) -> list[Fact]:
        """Go on as far as it goes now, after `look`; what is new. With `Ended`, or `never_started`, it is over."""
        if not self._is_recorder_gone:
            return self._mind_start()
        facts: list[Fact] = []
        if self._end is None:
            facts = self._mind_program(leftovers)
        if self._end is not None and self._is_swept(leftovers):
            facts.append(self._end)
        return facts

    def _mind_start(self) -> list[Fact]:
        """Of a recorder that is not our child: what it does not tell us."""
        if self._is_child or self.has_started:
            return []
        found = records.read(self._path)
        if found is None or found.is_starting:
            return []
        if not self.recorder:
            self.recorder, self._descriptor = found.recorder, host.open_pidfd(found.recorder)
        if found.state == "running":
            # Held from now on: of an end that nobody saw, only who was there before can learn.
            self._program = Orphan(found.pid, found.start)
        return [self.note_start(found.at)]

    def _mind_program(self, leftovers: Leftovers) -> list[Fact]:
        found = records.read(self._path)
        if found is not None and found.state == "exited" and found.exit_code is not None:
            self._end = Ended(self.attempt, found.exit_code, found.reason, found.message, found.at)
            return []
        if self._program is None and found is not None and found.state == "running":
            if not self._is_of_this_boot(found):
                self._conclude(found)
                return []
            self._program = Orphan(found.pid, found.start)
        facts: list[Fact] = []
        if self._program is not None and not self.has_started and found is not None:
            facts.append(self.note_start(found.at))
        if self._program is None and not self._has_told:
            return self._search(found, leftovers)
        if self._program is None or self._program.has_ended():
            self._conclude(found)
        return facts

    @property
    def _has_told(self) -> bool:
        """The recorder could not write (or the job removed its record), so it told us, its parent, by its own code."""
        return self._is_child and self._status is not None and os.WIFEXITED(self._status)

    def _conclude(self, found: Record | None) -> None:
        """The main process has ended: write down how, as its recorder would have, before anything else."""
        code = None if self._program is None else self._program.code
        now = time.time()
        if code is not None:
            reason = "Completed" if code == 0 else "Error"
            self._end = Ended(self.attempt, code, reason, "", now)
            ended = replace(found or Record(), state="exited", exit_code=code, reason=reason, at=now)
            with contextlib.suppress(OSError):
                records.rewrite(self._path, ended)
        elif self._has_told:
            assert self._status is not None
            self._end = _told(self.attempt, os.WEXITSTATUS(self._status), found)
        else:
            self._end = Ended(self.attempt, 137, RECORDER_LOST, _LOST, now)
        if self._program is not None:
            self._program.release()

    def _is_swept(self, leftovers: Leftovers) -> bool:
        """Whether nothing is left of it."""
        if self._remains is None:
            found = records.read(self._path)
            if found is not None and found.swept:
                return True
            self._remains = Remains()
        below = [pid for pid, start in self._below if host.start_time(pid) == start]
        return self._remains.are_gone([*leftovers.of(self), *below])

    # A recorder that was killed while it started the program

    def _search(self, found: Record | None, leftovers: Leftovers) -> list[Fact]:
        if records.is_held(self._path):
            # The program's process is there, but it is still a copy of the recorder.
            return []
        if found is not None and found.state == "new":
            self._give_up()
            return []
        pid = leftovers.main_process(self)
        if pid is not None and (start := host.start_time(pid, zombie=True)):
            self._program = Orphan(pid, start)
            running = replace(found or Record(), state="running", pid=pid, start=start, at=time.time())
            with contextlib.suppress(OSError):
                records.rewrite(self._path, running)
            return [self.note_start(running.at)]
        if self._search_until is None:
            self._search_until = time.monotonic() + _SEARCH_SECONDS
        if time.monotonic() > self._search_until:
            self._give_up()
        return []

    def _give_up(self) -> None:
        """There is no program. Unless something shows that there was one it may be started, as if it never had been."""
        if self.has_started or self._asked or _size(f"{self.traces.prefix}.log"):
            self._conclude(None)
        else:
            self.never_started = True

    # What is done to it

    def send(self, number: int) -> None:
        """A signal to the main process, and to nothing else; once there is one."""
        found = records.read(self._path)
        if self._program is not None:
            self._program.send(number)
        elif found is not None and found.state == "running" and self._is_of_this_boot(found):
            program = Orphan(found.pid, found.start)
            program.send(number)
            program.let_go()
        elif self._end is None and (found is None or found.is_starting):
            self._asked.append(number)
        if self.recorder and not self._is_recorder_gone:
            # Somebody may have stopped it; it has to take note now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.recorder, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the main process; what it leaves is ended as always."""
        if self.is_lost and self._program is not None and not host.is_portable():
            # What cleared its environment is known by its parents alone, and these are about to go.
            below = orphans.descendants(self._program.pid, lambda item: is_foreign(item, self.traces.uid))
            self._below = [(pid, start) for pid in below if (start := host.start_time(pid)) is not None]
        self.send(signal.SIGKILL)

    def close(self) -> None:
        """Watch no more; nothing is stopped."""
        self._let_go_of_recorder()
        if self._program is not None:
            self._program.let_go()

    def _let_go_of_recorder(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _is_of_this_boot(self, found: Record) -> bool:
        return found.boot in ("", self.traces.boot)

    @property
    def _path(self) -> str:
        return f"{self.traces.prefix}.attempt"


def _told(attempt: Attempt, code: int, found: Record | None) -> Ended:
    if found is not None and found.state != "running":
        return Ended(attempt, code, START_ERROR, "the container's record could not be written", time.time())
    return Ended(attempt, code, "Completed" if code == 0 else "Error", "", time.time())


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
