"""A job followed to its end: its output, what happens to it, and how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kfrun.errors import Refused
from kfrun.flow.follower.installation import Installation, span
from kfrun.model import kinds
from kfrun.model.state import HELP, WOULD_HANG
from kfrun.observe import logs
from kfrun.report.table import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import Event, StoredObject
    from kfrun.observe.logs import LogReader
    from kfrun.observe.logtexts import JobLogs
    from kfrun.observe.outcome import Outcome

_LOOK_SECONDS = 0.02
_LAST_BYTES = 1 << 13


def has_several_containers(ready: Ready, key: ObjectKey) -> bool:
    """Whether the lines of a job need the name of their node."""
    job = next(item for item in ready.plan.jobs if item.resolution.trainjob == key)
    return logs.containers(job.resolution.jobset or {}, ("initContainers", "containers")) > 1


def pause(backend: Backend, logs: JobLogs, job: StoredObject, seconds: float) -> None:
    """Let time pass until there may be more of a job's logs.

    Raises:
        Refused: it has not ended, and nothing can happen any more by itself: it is suspended, and nobody resumes it.
    """
    if not backend.pause(seconds) and not logs.ended():
        raise Refused(f"{job.key.name} has not ended, and nothing happens by itself here")


class Follower:
    """Streams a job's output and tells what happens to it, until nothing of it runs any more.

    Args:
        backend: where it runs.
        job: the stored TrainJob.
        write: gets the output, chunk by chunk.
        tell: gets one line at a time of what happens, safe for a terminal.
        options: how the output is shown; every attempt is.
        flush: called before every pause.
        live: see `Installation`.

    Attributes:
        of_script: see `epilogue.of`.
    """

    def __init__(
        self,
        backend: Backend,
        job: StoredObject,
        *,
        write: Callable[[bytes], object],
        tell: Callable[[str], object],
        options: logs.LogOptions,
        flush: Callable[[], object] = lambda: None,
        live: Callable[[str], object] | None = None,
    ) -> None:
        self._backend, self._job, self._options = backend, job, options
        self._sink, self._say, self._flush = write, tell, flush
        self._last = b""
        self._told = 0
        self._logs: JobLogs | None = None
        self._reader: LogReader | None = None
        self._live, self.of_script = live, False
        self._installation: Installation | None = None
        self._started = time.monotonic()

    def follow(self) -> Outcome | None:
        """Follow to the end; None when the job was deleted meanwhile.

        Ctrl-C passes through; a further call goes on where this one stopped. So does a `BrokenPipeError`, after a line
        that tells: whoever wrote ``| head`` might believe that the job is over.

        Raises:
            Refused: see `pause`.
        """
        try:
            return self._follow()
        except BrokenPipeError:
            self._tell_unread()
            raise

    def _follow(self) -> Outcome | None:
        if self._logs is None:
            if self._job.uid not in self._backend.runs([self._job.uid]):
                # Deleted already, or left to another controller.
                return None
            self._logs = self._backend.logs(self._job)
            self._installation = Installation(
                self._backend, self._job, self._logs, tell=self._tell_line, live=self._live
            )
        if self._reader is None:
            self._reader = logs.LogReader(self._logs.run(), self._options, self._write)
            self._reader.backlog()
        while not self._logs.ended():
            # That its packages are there comes before what the job then says, however quick it is.
            self._tell_news()
            self._reader.advance()
            self._flush()
            pause(self._backend, self._logs, self._job, _LOOK_SECONDS)
        self._tell_news()
        self._reader.finish()
        self._flush()
        self._tell_news()
        self._tell_installation(final=True)
        for text in (*self._reader.unreadable, *self._reader.damaged):
            self._tell(clean(text))
        self.close()
        return self.outcome()

    def _write(self, chunk: bytes) -> None:
        self._last = (self._last + chunk)[-_LAST_BYTES:]
        self._sink(chunk)

    def _tell(self, text: str) -> None:
        if self._installation is not None:
            self._installation.clear()
        self._tell_line(text)

    def _tell_line(self, text: str) -> None:
        if self._options.terminal and self._reader is not None:
            # A line of the job that is not finished stays as it is.
            self._reader.break_line()
            self._flush()
        self._say(text)

    def close(self) -> None:
        """Let go of the logs; `follow` does it at the end. A further call of it would begin anew."""
        if self._reader is not None:
            self._reader.close()
        if self._installation is not None:
            self._installation.close()
        self._logs = self._reader = self._installation = None

    def outcome(self) -> Outcome | None:
        """How the job ended; None while it has not, or when it is gone."""
        found = self._backend.find(*self._job.key[1:])
        return None if found is None or found.uid != self._job.uid else self._backend.outcome(found)

    def tell_end(self, outcome: Outcome) -> None:
        """How it ended and how long it took; of a failed job why, as far as its last lines tell."""
        from kfrun.flow.follower import epilogue

        name = self._job.key.name
        end = epilogue.of(self._backend, self._job, outcome, of_script=self.of_script)
        if end.lines and not self._was_shown(end.lines[-1]):
            for line in end.told:
                self._tell(line)
        self._tell(f"{name}: {self._end(outcome)}")
        if end.advice:
            self._tell(f"{name}: help: {end.advice}")

    def _was_shown(self, line: str) -> bool:
        """Whether it is the last thing that was written."""
        return clean(self._last.decode("utf-8", "replace").rstrip().rpartition("\n")[2]).endswith(line)

    def _end(self, outcome: Outcome) -> str:
        environment = self._environment_seconds()
        seconds = max(0.0, time.monotonic() - self._started - environment)
        aside = f" (environment {span(environment)})" if environment else ""
        if outcome.reason == "Cancelled":  # an event said so
            return f"Cancelled after {span(seconds)}{aside}"
        if not outcome.succeeded:
            return f"Failed after {span(seconds)}{aside}: {_first_line(outcome.message or outcome.reason)}"
        return f"Complete: trained {span(seconds)}{aside}" if environment else f"Complete after {span(seconds)}"

    def _environment_seconds(self) -> float:
        """How long the job waited for its packages, as long as it was followed."""
        since = time.time() - (time.monotonic() - self._started)
        total, begun = 0.0, 0.0
        for _, event in self._backend.events(owner=self._job.uid):
            if event.reason == "EnvironmentBuilding":
                begun = max(since, event.first_time)
            elif begun and event.reason in ("EnvironmentReady", "EnvironmentKilled"):
                total, begun = total + max(0.0, event.last_time - begun), 0.0
        return total

    def _tell_unread(self) -> None:
        if self.outcome() is not None:
            return
        name, namespace = self._job.key.name, self._job.key.namespace
        place = "" if namespace == kinds.DEFAULT_NAMESPACE else f" -n {namespace}"
        again, stop = f"kfrun logs -f {name}{place}", f"kfrun stop {name}{place}"
        self._tell(f"nobody reads the output any more: {name} goes on; {again} shows it, {stop} stops it")

    def _tell_news(self) -> None:
        """Events of the TrainJob itself, what the installer says, and why a container could not be started."""
        for number, event in self._backend.events(owner=self._job.uid, after=self._told):
            self._told = number
            if event.reason == WOULD_HANG:
                # The plan, or whoever resumed it, has said so.
                continue
            if event.object.kind == kinds.TRAIN_JOB or (event.type == "Warning" and event.object.kind == "Pod"):
                # Further lines are the installer's last ones, which were shown as they came.
                self._tell_installation()
                self._tell_event(event)
        self._tell_installation()

    def _tell_event(self, event: Event) -> None:
        if self._installation is not None and self._installation.is_live:
            if event.reason == "EnvironmentBuilding":
                return
            if event.reason in ("EnvironmentFailed", "EnvironmentKilled"):
                self._installation.clear()
                self._installation.tell_kept()
        what, _, advice = _first_line(event.message).partition(HELP)
        self._tell(f"{event.object.name}: {clean(what)}")
        if advice:
            self._tell(f"{event.object.name}: help: {clean(advice)}")

    def _tell_installation(self, *, final: bool = False) -> None:
        if self._installation is not None:
            self._installation.look(final=final)


def _first_line(message: str) -> str:
    return message.partition("\n")[0].rstrip(":")
