"""Waiting for jobs: for their end, for what was asked for, and until they are gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from kfrun.errors import KfrunError, NotFound, Refused, WaitTimeout
from kfrun.model import kinds
from kfrun.model.state import is_finished
from kfrun.observe import selection
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.flow.conditions import Awaited
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome


class EndedJob(NamedTuple):
    """A job that was waited for, and how it ended."""

    job: StoredObject
    outcome: Outcome


class Waits:
    """Waits at one place; all waits of one object share its time.

    Args:
        backend: the place.
        timeout: seconds; None for no limit.
    """

    def __init__(self, backend: Backend, timeout: float | None = None) -> None:
        self._backend = backend
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def states(self, key: ObjectKey) -> Iterator[StoredObject | None]:
        """The object as it is and whenever it changed, None while there is none; ends when the time is up."""
        found: StoredObject | None = None
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        for changes in self._backend.watch(Selection(key.kind, key.namespace, key.name), timeout=left):
            for change in changes:
                found = None if change.type == "DELETED" else change.object
            yield found

    def until(self, key: ObjectKey, what: Awaited) -> None:
        """Wait for one thing of one job.

        Raises:
            NotFound: there is no such job, or it was deleted, and it has to be there.
            Refused: nothing can happen any more by itself.
            WaitTimeout: the time is up.
        """
        needs_object, first = what.kind not in ("delete", "create"), None
        for number, found in enumerate(self.states(key)):
            first = found if number == 0 else first
            if found is None and needs_object:
                raise self._missing(key) if number == 0 else _deleted(key)
            # Deleted and made anew in between.
            is_another = first is not None and found is not None and found.uid != first.uid
            if (what.kind == "delete" and is_another) or what.holds(None if found is None else found.data):
                return
        raise self._late(key, what.text)

    def end(self, job: StoredObject) -> EndedJob:
        """Wait for the end of a stored TrainJob.

        Raises:
            NotFound: it was deleted, or replaced.
            Refused: nothing can happen any more by itself.
            WaitTimeout: the time is up.
        """
        for found in self.states(job.key):
            if found is None or found.uid != job.uid:
                what = "deleted" if found is None else "replaced"
                raise NotFound(f"trainjob {job.key.name} was {what} while it was waited for")
            if is_finished(found.data):
                end = self._backend.outcome(found)
                assert end is not None
                return EndedJob(found, end)
        raise self._late(job.key, "its end")

    def gone(self, key: ObjectKey, uid: str) -> bool:
        """Wait until a deleted object is gone; False when the time is up before."""
        return any(found is None or found.uid != uid for found in self.states(key))

    def _missing(self, key: ObjectKey) -> NotFound:
        return selection.missing(self._backend, key.kind, key.namespace, key.name)

    def _late(self, key: ObjectKey, what: str) -> KfrunError:
        from kfrun.report import columns

        found = self._backend.find(kinds.TRAIN_JOB, key.namespace, key.name)
        state = "not there" if found is None else columns.trainjob_state(found.data)
        if self._deadline is None:
            return Refused(
                f"waited in vain for {what} of {key.name}: it is {state}, and nothing happens by itself here"
            )
        return WaitTimeout(f"timed out waiting for {what} of {key.name}: it is {state}")


def _deleted(key: ObjectKey) -> NotFound:
    return NotFound(f"trainjob {key.name} was deleted while it was waited for")


def settled(backend: Backend, key: ObjectKey) -> None:
    """Wait until nothing of a finished job runs any more: its pods may still have their grace period."""
    found = backend.find(key.kind, key.namespace, key.name)
    if found is None or not is_finished(found.data) or found.uid not in backend.runs([found.uid]):
        return
    logs = backend.logs(found)
    while not logs.ended() and backend.pause(0.02):
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
