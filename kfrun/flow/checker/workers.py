"""The same function of very many things, on all cores.

Workers are forks of this process: they have everything that it has read, and send back results only. What a worker
cannot deliver, because it was killed, is done here instead: a result never depends on how many there were.
"""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")

_MOST: Final = 16
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
    shares = _shares(weights, min(_cores(), _MOST, max(sum(weights) // least, 1)))
    workers: list[_Worker] = []
    try:
        for share in shares[1:]:
            worker = _Worker.start(function, tasks[share])
            if worker is None:
                break
            workers.append(worker)
        results = [function(task) for task in tasks[shares[0]]]
        for worker, share in zip_longest(workers, shares[1:]):
            delivered = worker.results() if worker is not None else None
            results += [function(task) for task in tasks[share]] if delivered is None else delivered
    finally:
        for worker in workers:
            worker.end()
    return results


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


class _Worker(NamedTuple):
    """A forked process, and the end of the pipe that its results come through."""

    pid: int
    pipe: int

    @classmethod
    def start(cls, function: Callable[[Any], Any], tasks: Sequence[Any]) -> _Worker | None:
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
            _deliver(writing, function, tasks, parent)
        finally:
            # Whatever happened: this process must not go on as if it were its parent.
            os._exit(_FAILED)

    def results(self) -> list[Any] | None:
        """What the worker found, None when it could not say.

        Raises:
            Exception: what the function raised there.
        """
        import pickle

        with open(self.pipe, "rb", closefd=False) as pipe:
            sent = pipe.read()
        try:
            delivered, raised = pickle.loads(sent)  # noqa: S301 (our own process wrote it)
        except (EOFError, pickle.UnpicklingError):
            return None
        if raised is not None:
            raise raised
        found: list[Any] = delivered
        return found

    def end(self) -> None:
        """Leave no process behind, whether it is done or not."""
        import signal

        os.close(self.pipe)
        # It is our child and was not waited for: the number is nobody else's.
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _deliver(pipe: int, function: Callable[[Any], Any], tasks: Sequence[Any], parent: int) -> None:
    import pickle

    results = []
    try:
        for task in tasks:
            if os.getppid() != parent:
                os._exit(_FAILED)  # nobody waits for this any more
            results.append(function(task))
        answer: tuple[Any, Any] = (results, None)
    except Exception as error:  # noqa: BLE001 (raised again in the parent)
        answer = (None, error)
    with open(pipe, "wb") as file:
        file.write(pickle.dumps(answer, protocol=5))
    os._exit(0)
