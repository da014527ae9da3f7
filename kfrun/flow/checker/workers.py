"""The same function of very many things, on all cores.

Workers are forks of this process: they have everything that it has read, and send back results only. Who is done with
his part takes the next one, for nobody knows before how long a part takes: a document that something is wrong with
takes three times as long as a sound one. What a worker cannot deliver, because it was killed, is done here instead: a
result never depends on how many there were.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")

_MOST: Final = 16
_PARTS: Final = 12
"""Of the work, for each process; their numbers fit into a byte."""

_FAILED: Final = 1


def every(
    function: Callable[[Task], Result], tasks: Sequence[Task], weights: Sequence[int], *, least: int
) -> list[Result]:
    """The results of ``function`` for all tasks, in their order; they must be fit to be pickled.

    Args:
        function: depends on nothing that another call of it changes.
        tasks: what it is called with.
        weights: how much work each task is, in any unit.
        least: the work that a process of its own is worth, in the same unit.

    Raises:
        Exception: what the function raises.
    """
    worth = sum(weights) // least
    count = min(_cores(), _MOST, worth) if worth > 1 else 1
    if count == 1:
        return [function(task) for task in tasks]
    parts = [tasks[share] for share in _shares(weights, count * _PARTS)]
    workers: list[_Worker] = []
    results: dict[int, list[Result]] = {}
    queue = _Queue(range(count, len(parts)))
    try:
        for first in range(1, min(count, len(parts))):
            worker = _Worker.start(function, parts, queue, first)
            if worker is None:
                break
            workers.append(worker)
        for number in queue.beginning_with(0):
            results[number] = [function(task) for task in parts[number]]
        for worker in workers:
            results |= worker.results()
    finally:
        queue.close()
        for worker in workers:
            worker.end()
    return [
        result
        for number, part in enumerate(parts)
        for result in (results[number] if number in results else [function(task) for task in part])
    ]


def _cores() -> int:
    """The processors that this process may use; one where it cannot be forked."""
    if not hasattr(os, "fork"):
        return 1
    from kfrun import host

    return host.processors()


def _shares(weights: Sequence[int], count: int) -> list[slice]:
    """``count`` neighbouring parts of about the same weight; the first one is never missing."""
    bounds, done, total = [0], 0, sum(weights)
    for index, weight in enumerate(weights):
        if len(bounds) < count and done >= total * len(bounds) / count:
            bounds.append(index)
        done += weight
    return [slice(start, end) for start, end in zip(bounds, [*bounds[1:], len(weights)], strict=True)]


class _Queue:
    """The numbers of parts that nobody has taken yet: bytes in a pipe, of which each is read by one process only."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._pipe: int | None = None
        with contextlib.suppress(OSError):  # no further pipe: what is left is done at the end
            self._pipe, writing = os.pipe()
            os.write(writing, bytes(numbers))
            os.close(writing)

    def beginning_with(self, number: int) -> Iterator[int]:
        """This part, and then whatever is left."""
        yield number
        while self._pipe is not None and (taken := os.read(self._pipe, 1)):
            yield taken[0]

    def close(self) -> None:
        """Let go of the pipe."""
        if self._pipe is not None:
            os.close(self._pipe)


class _Worker(NamedTuple):
    """A forked process, and the end of the pipe that its results come through."""

    pid: int
    pipe: int

    @classmethod
    def start(
        cls, function: Callable[[Any], Any], parts: Sequence[Sequence[Any]], queue: _Queue, first: int
    ) -> _Worker | None:
        """Start one; None where the system allows no further process, pipe or memory."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        try:
            reading, writing = os.pipe()
        except OSError:
            return None
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            pid = -1
        if pid:
            os.close(writing)
            return cls(pid, reading) if pid > 0 else None
        try:
            os.close(reading)
            _deliver(writing, function, ((number, parts[number]) for number in queue.beginning_with(first)), parent)
        finally:
            # Whatever happened: this process must not go on as if it were its parent.
            os._exit(_FAILED)

    def results(self) -> dict[int, list[Any]]:
        """What the worker found, by the numbers of the parts; nothing when it could not say.

        Raises:
            Exception: what the function raised there.
        """
        import pickle

        with open(self.pipe, "rb", closefd=False) as pipe:
            sent = pipe.read()
        try:
            delivered, raised = pickle.loads(sent)  # noqa: S301 (our own process wrote it)
        except (EOFError, pickle.UnpicklingError):
            return {}
        if raised is not None:
            raise raised
        found: dict[int, list[Any]] = delivered
        return found

    def end(self) -> None:
        """Leave no process behind, whether it is done or not."""
        import signal

        os.close(self.pipe)
        # It is our child and was not waited for: the number is nobody else's.
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _deliver(
    pipe: int, function: Callable[[Any], Any], parts: Iterable[tuple[int, Sequence[Any]]], parent: int
) -> None:
    import pickle

    results: dict[int, list[Any]] = {}
    try:
        for number, tasks in parts:
            found = results[number] = []
            for task in tasks:
                if os.getppid() != parent:
                    os._exit(_FAILED)  # nobody waits for this any more
                found.append(function(task))
        answer: tuple[Any, Any] = (results, None)
    except Exception as error:  # noqa: BLE001 (raised again in the parent)
        answer = (None, error)
    with open(pipe, "wb") as file:
        file.write(pickle.dumps(answer, protocol=5))
    os._exit(0)
