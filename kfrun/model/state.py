"""What observe yields: stored objects, events and what the planner needs to know of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from kfrun.model.source import ObjectKey


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the store in its Kubernetes form, status included.

    ``owner`` is the uid of the TrainJob that it belongs to, empty for the TrainJob itself and for runtimes.
    """

    key: ObjectKey
    uid: str
    resource_version: int
    owner: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object, as Kubernetes events tell it.

    Times are seconds since the epoch (float). ``type`` is ``Normal`` or ``Warning``.
    """

    object: ObjectKey
    type: str
    reason: str
    message: str
    first_time: float
    last_time: float
    count: int = 1
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """A stored TrainJob as the planner sees it.

    Attributes:
        data: the stored TrainJob, spec as applied (defaults filled in), status included.
        runtime: the runtime object that the job was resolved with when it was created (the snapshot).
        digest: of the desired object as applied last.
        run_digest: of what runs.
        finished: Complete or Failed is True.
        deleting: a delete was asked for and is under way.
    """

    key: ObjectKey
    uid: str
    resource_version: int
    data: dict[str, Any]
    runtime: dict[str, Any] | None
    digest: str
    run_digest: str
    finished: bool
    suspended: bool
    deleting: bool = False
