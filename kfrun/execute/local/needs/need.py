"""What a job must have before anything of it starts: one interface for all of it, and all needs of a job together.

They are asked before the first start of a job, and again before a start when nothing of it runs (a retry, a resume).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.controller.context import Pass

_POLL_SECONDS = 0.1
_PROGRESS_SECONDS = 1.0


class Met(NamedTuple):
    """It is there. With a reason, that is told as an event, once after it was waited for."""

    reason: str = ""
    message: str = ""


class Unmet(NamedTuple):
    """It is not there yet; the reason is shown, and told as an event when there is a message.

    ``progress`` is how far it is, where that is known: it changes often, and is no event.
    """

    reason: str
    message: str = ""
    progress: str = ""


class Denied(NamedTuple):
    """It will not be there: the job fails for this reason."""

    reason: str
    message: str


Answer = Met | Unmet | Denied


class Need(Protocol):
    """One thing that a job must have. None of the calls blocks for long."""

    def advance(self) -> Answer:
        """Do what can be done for it now, and say how it stands."""

    def stop(self) -> None:
        """Give up what is under way: the job will not start. What is there stays."""

    def release(self) -> None:
        """Nothing of the job runs any more: give back what it had.

        Raises:
            StoreFailed: the store does not take it; try again.
        """

    @property
    def descriptor(self) -> int | None:
        """Readable when `advance` should be called again; None where the system cannot tell."""


class Needs:
    """The needs of one job, in order: each is asked for when those before it are met."""

    def __init__(self, needs: Sequence[Need]) -> None:
        self._needs = needs
        self._waiting: Need | None = None
        self._told = ""

    @property
    def is_waiting(self) -> bool:
        """Whether one of them is being waited for."""
        return self._waiting is not None

    def advance(self, p: Pass) -> Answer:
        """How the first need stands that is not met, `Met` when all are; what is worth telling becomes an event."""
        waited_for, self._waiting = self._waiting, None
        for need in self._needs:
            answer = need.advance()
            if isinstance(answer, Unmet):
                self._waiting = need
            if not isinstance(answer, Denied) and (waited_for is need or isinstance(answer, Unmet)):
                self._tell(p, answer)
            if not isinstance(answer, Met):
                return answer
        return Met()

    def _tell(self, p: Pass, answer: Met | Unmet) -> None:
        if answer.message and answer.reason != self._told:
            p.event(TRAIN_JOB, p.workload.jobset_name, answer.reason, answer.message)
        self._told = answer.reason

    def stop(self) -> None:
        """Give up what is under way."""
        for need in self._needs:
            need.stop()
        self._waiting = None

    def release(self) -> None:
        """Give back everything.

        Raises:
            StoreFailed: the store does not take it; try again.
        """
        for need in self._needs:
            need.release()

    def descriptors(self) -> list[int]:
        """What becomes readable when a need should be asked again."""
        return [need.descriptor for need in self._needs if need.descriptor is not None]

    def poll_interval(self) -> float | None:
        """Seconds until a need should be asked again that no descriptor tells of, or that may have come further."""
        if self._waiting is None:
            return None
        return _POLL_SECONDS if self._waiting.descriptor is None else _PROGRESS_SECONDS
