"""Waiting for jobs: for their end, for what was asked for, and until they are gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kfrun.errors import KfrunError, NotFound, Refused, Unavailable, WaitTimeout
from kfrun.model import kinds
from kfrun.model.state import is_finished
from kfrun.model.values import NamedTuple
from kfrun.observe import selection
from kfrun.observe.selection import Selection
from kfrun.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.flow.waits.conditions import Awaited
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome


class EndedJob(NamedTuple):
    """A job that was waited for, and how it ended."""

    job: StoredObject
    outcome: Outcome


class Vain(NamedTuple):
    """What was waited for and cannot come any more: the job is over."""

    job: StoredObject
    outcome: Outcome
    what: Awaited


class Waits:
    """Waits at one place; all waits of one object share its time.

    Args:
        backend: the place.
        timeout: seconds; None for no limit.
    """

    def __init__(self, backend: Backend, timeout: float | None = None) -> None:
        self._backend = backend
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def states(self, *keys: ObjectKey) -> Iterator[dict[ObjectKey, StoredObject | None]]:
        """The objects as they are and whenever one changed, None where there is none; ends when the time is up."""
        found: dict[ObjectKey, StoredObject | None] = dict.fromkeys(keys)
        by_name = {key[1:]: key for key in keys}
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        wanted = [Selection(key.kind, key.namespace, key.name) for key in keys]
        for changes in self._backend.watch(*wanted, timeout=left):
            for change in changes:
                found[by_name[change.object.key[1:]]] = None if change.type == "DELETED" else change.object
            yield found

    def until(
        self, keys: Sequence[ObjectKey], awaited: Sequence[Awaited], came: Callable[[ObjectKey, Awaited], object]
    ) -> Vain | None:
        """Wait for several things of several jobs at once, those of one job in their order; ``came`` is told of each.

        Returns:
            The first that cannot come any more, because its job is over; None when all came.

        Raises:
            NotFound: there is no such job, or it was deleted, and it has to be there.
            Refused: nothing can happen any more by itself.
            Unavailable: a job does not run here, and only running brings what is waited for.
            WaitTimeout: the time is up.
        """
        hopes = [_Hope(key, list(awaited)) for key in keys]
        for found in self.states(*keys):
            for hope in hopes:
                vain = self._look(hope, found[hope.key], came)
                if vain is not None:
                    return vain
            if not any(hope.left for hope in hopes):
                return None
        late = next(hope for hope in hopes if hope.left)
        raise self._late(late.key, late.left[0].text)

    def _look(self, hope: _Hope, job: StoredObject | None, came: Callable[[ObjectKey, Awaited], object]) -> Vain | None:
        for what in hope.fulfilled(self._backend, job):
            came(hope.key, what)
        if job is None or not hope.is_vain(job):
            return None
        if hope.left[0].kind != "condition":
            # The conditions are final, the rest of the status is when nothing of the job runs any more.
            settled(self._backend, job.key, self._deadline)
            last = self._backend.find(*job.key[1:])
            for what in hope.fulfilled(self._backend, last):
                came(hope.key, what)
            if last is None or last.uid != job.uid or not hope.is_vain(last):
                return None
        end = self._backend.outcome(job)
        assert end is not None
        return Vain(job, end, hope.left[0])

    def end(self, job: StoredObject) -> EndedJob:
        """Wait for the end of a stored TrainJob.

        Raises:
            NotFound: it was deleted, or replaced.
            Refused: nothing can happen any more by itself.
            WaitTimeout: the time is up.
        """
        for states in self.states(job.key):
            found = states[job.key]
            if found is None or found.uid != job.uid:
                what = "deleted" if found is None else "replaced"
                raise NotFound(f"trainjob {job.key.name} was {what} while it was waited for")
            if is_finished(found.data):
                end = self._backend.outcome(found)
                assert end is not None
                return EndedJob(found, end)
        raise self._late(job.key, "its end")

    def stopped(self, job: StoredObject) -> EndedJob:
        """Wait until a stored TrainJob has ended and nothing of it runs any more.

        Raises:
            NotFound, Refused, WaitTimeout: see `end`.
        """
        ended = self.end(job)
        settled(self._backend, job.key, self._deadline)
        if not self._backend.logs(ended.job).ended():
            raise self._late(job.key, "the last process")
        return ended

    def gone(self, key: ObjectKey, uid: str) -> bool:
        """Wait until a deleted object is gone; False when the time is up before."""
        return any((found := states[key]) is None or found.uid != uid for states in self.states(key))

    def _late(self, key: ObjectKey, what: str) -> KfrunError:
        from kfrun.report import columns

        found = self._backend.find(kinds.TRAIN_JOB, key.namespace, key.name)
        state = "not there" if found is None else columns.trainjob_state(found.data)
        if found is not None and (why := columns.waits_for(found.data)):
            state += f", {clean(why)}"
        if self._deadline is None:
            return Refused(
                f"waited in vain for {what} of {key.name}: it is {state}, and nothing happens by itself here"
            )
        return WaitTimeout(f"timed out waiting for {what} of {key.name}: it is {state}")


class _Hope:
    """What is still to come of one job, in order."""

    def __init__(self, key: ObjectKey, left: list[Awaited]) -> None:
        self.key, self.left = key, left
        self._first: StoredObject | None = None
        self._is_first_look = True

    def fulfilled(self, backend: Backend, found: StoredObject | None) -> Iterator[Awaited]:
        """What came, now that the job is as it was found.

        Raises:
            NotFound, Unavailable: see `Waits.until`.
        """
        while self.left:
            what, is_first_look = self.left[0], self._is_first_look
            self._first, self._is_first_look = found if is_first_look else self._first, False
            # Deleted and made anew in between.
            is_another = self._first is not None and found is not None and found.uid != self._first.uid
            if not (what.kind == "delete" and is_another) and not what.holds(None if found is None else found.data):
                self._require(backend, found, is_first_look=is_first_look)
                return
            del self.left[0]
            self._is_first_look = True
            yield what

    def is_vain(self, job: StoredObject) -> bool:
        """Whether what is next can only come of a job that runs, and this one is over."""
        return bool(self.left) and self.left[0].comes_of_running and is_finished(job.data)

    def _require(self, backend: Backend, found: StoredObject | None, *, is_first_look: bool) -> None:
        what = self.left[0]
        if found is None and what.kind not in ("delete", "create"):
            if is_first_look:
                raise selection.missing(backend, self.key.kind, self.key.namespace, self.key.name)
            raise NotFound(f"trainjob {self.key.name} was deleted while it was waited for")
        if found is not None and is_first_look and what.comes_of_running:
            require_run(backend, found)


def require_run(backend: Backend, job: StoredObject) -> None:
    """Refuse to wait for a job that nobody runs here.

    Raises:
        Unavailable: it is another controller's.
    """
    if not is_finished(job.data) and job.uid not in backend.runs([job.uid]):
        manager = job.data["spec"].get("managedBy")
        why = f": it is managed by {manager}" if manager else ""
        raise Unavailable(f"{job.key.name} does not run on this machine{why}")


def settled(backend: Backend, key: ObjectKey, deadline: float | None = None) -> None:
    """Wait until nothing of a finished job runs any more: its pods may still have their grace period."""
    found = backend.find(key.kind, key.namespace, key.name)
    if found is None or not is_finished(found.data) or found.uid not in backend.runs([found.uid]):
        return
    logs = backend.logs(found)
    while not logs.ended() and (deadline is None or time.monotonic() < deadline) and backend.pause(0.02):
        pass


def exit_codes(backend: Backend, jobs: Sequence[StoredObject], timeout: float | None) -> list[int] | None:
    """The exit codes of jobs once all have ended, 1 for those that were deleted; None when the time is up before."""
    waits, found = Waits(backend, timeout), []
    for job in jobs:
        try:
            found.append(waits.end(job).outcome.exit_code)
        except NotFound:
            found.append(1)
        except WaitTimeout:
            return None
    return found
