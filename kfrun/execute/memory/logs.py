"""Logs that lie in memory, see `kfrun.observe.logtexts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple
from kfrun.observe.logtexts import Sample, TimeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.memory.job import MemoryJob
    from kfrun.model.state import PastRun
    from kfrun.observe.logtexts import LogFile


class _OneSample(TimeIndex):
    """All was written at one time."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> Sample:
        return (self._sample,)[number]

    def _from(self, number: int) -> Iterator[tuple[float, int]]:
        return iter((self._sample,)[number:])


class MemoryText:
    """What one attempt wrote, all of it at one time; see `LogText`."""

    def __init__(self, content: bytes, time: float) -> None:
        self._content = content
        self._time = time

    def state(self) -> tuple[int, float]:
        """See `LogText.state`."""
        return len(self._content), self._time

    def start(self) -> int:
        """See `LogText.start`."""
        return 0

    def read(self, count: int, offset: int) -> bytes:
        """See `LogText.read`."""
        return self._content[offset : offset + count]

    def index(self) -> TimeIndex:
        """See `LogText.index`."""
        return _OneSample(Sample(self._time, len(self._content)))

    def close(self) -> None:
        """See `LogText.close`."""


class MemoryLogs:
    """The output of all attempts of a run; see `LogSource`."""

    def __init__(self) -> None:
        self._texts: dict[LogFile, MemoryText] = {}

    def add(self, file: LogFile, text: MemoryText) -> None:
        """An attempt has begun."""
        self._texts[file] = text

    def files(self) -> Sequence[LogFile]:
        """See `LogSource.files`."""
        return sorted(
            self._texts, key=lambda f: (f.replicated_job, f.job, f.index, f.label, f.created, f.pod, f.restart)
        )

    def signature(self) -> tuple[int, ...]:
        """See `LogSource.signature`."""
        return (len(self._texts),)

    def open(self, file: LogFile) -> MemoryText:
        """See `LogSource.open`."""
        return self._texts[file]


class FormerJob(NamedTuple):
    """A run that was replaced, and what it wrote."""

    past: PastRun
    logs: MemoryLogs


class MemoryJobLogs:
    """The logs of a run in memory; see `kfrun.observe.logtexts.JobLogs`.

    Args:
        logs: its own.
        before: those of the run that it replaced.
        job: it, where it was not replaced itself.
    """

    def __init__(self, logs: MemoryLogs, before: MemoryLogs | None, job: MemoryJob | None) -> None:
        self._logs, self._before, self._job = logs, before, job

    @property
    def deleted(self) -> bool:
        """See `JobLogs.deleted`."""
        return self._job is not None and self._job.state.is_deleting and self._job.ended

    def run(self) -> MemoryLogs:
        """See `JobLogs.run`."""
        return self._logs

    def replaced(self) -> MemoryLogs | None:
        """See `JobLogs.replaced`."""
        return self._before

    def installer(self) -> MemoryLogs:
        """See `JobLogs.installer`: nothing is installed."""
        return MemoryLogs()

    def ended(self) -> bool:
        """See `JobLogs.ended`."""
        return self._job is None or self._job.ended
