"""What logs are, wherever they come from: attempts of containers, their bytes, and when these were written.

A place where jobs run is a `LogSource`: files of this machine (`kfrun.observe.logfiles`), the memory of the shipped
in-memory backend, later what an API server streams. `kfrun.observe.logs` merges and follows any of them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    class LogText(Protocol):
        """The output of one attempt, while it is read."""

        def state(self) -> tuple[int, float]:
            """How many bytes there are now, and when the last ones came."""

        def start(self) -> int:
            """How many bytes at the beginning were dropped since they were written."""

        def read(self, count: int, offset: int) -> bytes:
            """Up to ``count`` bytes from ``offset`` on; NUL in the place of those that were dropped."""

        def index(self) -> TimeIndex:
            """When there were how many bytes."""

        def close(self) -> None:
            """It is not read any more."""

    class LogSource(Protocol):
        """The output of every container of a run."""

        def files(self) -> Sequence[LogFile]:
            """What was written by each attempt, by label and then in order of the attempts."""

        def signature(self) -> tuple[int, ...]:
            """A value that changes when one is added: cheap enough to be asked 50 times a second.

            Times in nanoseconds; the largest is that of the latest change.
            """

        def open(self, file: LogFile) -> LogText:
            """Begin to read one.

            Raises:
                FileNotFoundError: it was removed.
                OSError: it cannot be read, or something else lies in its place.
            """

    class JobLogs(Protocol):
        """The logs of a TrainJob."""

        @property
        def deleted(self) -> bool:
            """Whether the job is gone, as `ended` found out."""

        def run(self) -> LogSource:
            """The logs of its containers."""

        def replaced(self) -> LogSource | None:
            """Those of the run that this one replaced; None where there is none."""

        def installer(self) -> LogSource:
            """What the installer of its packages said."""

        def ended(self) -> bool:
            """Whether nothing writes any more; also when the job was deleted. Cheap: call it as often as you like."""


_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class LogFile:
    """The output of one attempt of one container.

    Attributes:
        name: what its source finds it by: a path.
        node: how users name the pod: ``node-0``, ``worker-2-0`` where a replicatedJob has several Jobs.
        label: ``node`` for the pod's main container, ``node-0/sidecar`` for the others.
        replicated_job, job, index: where the pod belongs; ``index`` is the completion index.
        created: when the pod was made, seconds since the epoch.
        restart: how often the container had been restarted in its pod before.
    """

    name: str
    node: str
    label: str
    pod: str
    replicated_job: str
    job: str
    index: int
    container: str
    created: float
    restart: int

    @property
    def place(self) -> tuple[str, int, str]:
        """What stays the same over all attempts: name of the child Job, completion index, container.

        Not the Job's uid: the logs of a Job that was made anew under its name follow those of the one before.
        """
        return (self.job, self.index, self.container)


class Sample(NamedTuple):
    """At ``time`` (seconds since the epoch) the log had ``size`` bytes."""

    time: float
    size: int


class TimeIndex:
    """When a text had how many bytes, oldest sample first. Subclasses give ``len``, one sample, and all from one on."""

    damage = ""
    """What is wrong with it, and what that means; empty when it is sound. A damaged one has no samples."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, number: int) -> Sample:
        raise NotImplementedError

    def _from(self, number: int) -> Iterator[tuple[float, int]]:
        raise NotImplementedError

    def size_at(self, time: float) -> int | None:
        """How many bytes there were just before ``time``, as far as is known; None when all samples are older."""
        number = bisect_left(self, time, key=lambda sample: sample.time)
        if number == len(self):
            return None
        return self[number - 1].size if number else 0

    def after(self, size: int) -> Iterator[Sample]:
        """The samples taken when there were more than ``size`` bytes, oldest first; times never run backwards."""
        latest = 0.0
        for time, length in self._from(bisect_left(self, size + 1, key=lambda sample: sample.size)):
            latest = max(latest, time)
            yield Sample(latest, length)


def line_end(read: Callable[[int, int], bytes], low: int, high: int) -> int:
    """The offset behind the last line break within ``low``..``high``, or ``low`` when there is none."""
    while high > low:
        start = max(low, high - _BLOCK)
        found = read(high - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        high = start
    return low


def update_end(read: Callable[[int, int], bytes], low: int, high: int) -> int:
    """The offset behind the last line, or the last update of a progress bar, within ``low``..``high``; else ``low``.

    A carriage return ends an update. One that is the very last byte does not: a line break may follow.
    """
    while high > low:
        start = max(low, high - _BLOCK)
        block = read(high - start, start)
        line = block.rfind(b"\n")
        found = max(line, block.rfind(b"\r", line + 1, len(block) - 1))
        if found >= 0:
            return start + found + 1
        # What ends a block is looked at again: it is not the very last byte.
        high = start + 1 if start > low else start
    return low


def tail_start(read: Callable[[int, int], bytes], size: int, lines: int) -> int:
    """Where the last ``lines`` lines of the first ``size`` bytes begin; an unfinished last line is one of them."""
    if lines <= 0:
        return size
    high = size
    # The line break that ends the very last line begins no further line.
    missing = lines + (1 if size and read(1, size - 1) == b"\n" else 0)
    while high > 0:
        start = max(0, high - _BLOCK)
        block = read(high - start, start)
        count = block.count(b"\n")
        if count >= missing:
            return start + _nth_last(block, missing) + 1
        missing -= count
        high = start
    return 0


def _nth_last(block: bytes, number: int) -> int:
    position = len(block)
    for _ in range(number):
        position = block.rfind(b"\n", 0, position)
    return position
