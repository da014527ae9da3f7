"""What observe yields: stored objects, events and what the planner needs to know of a job."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.model.code import SourceCode
    from kfrun.model.source import Document, ObjectKey

HELP = "; help: "
"""In messages of events and containers: behind it stands the way out."""

INSTALLING = "Installing"
"""The condition of a TrainJob whose packages are being installed."""

WAITING = "Waiting"
"""The condition of a TrainJob of which nothing runs, because it waits for something that is not there."""

DEADLINE_EXCEEDED = "DeadlineExceeded"
"""Reason of a pod, a Job or a TrainJob that was active for longer than it may be."""

EVICTED = "Evicted"
"""Reason of a pod that had more in a volume than it may."""

WOULD_HANG = "ClusterWouldHang"
"""Reason of the event that says where a cluster would hang; see `kfrun.plan.hangs`."""

ENGINE_LOST = "EngineLost"
RECORDER_LOST = "RecorderLost"
UNSEEN_ENDS = (ENGINE_LOST, RECORDER_LOST)
"""Reasons of an end that nobody saw."""


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
        code: the code that it was started with; None where that is not known.
        ended: when it finished, seconds since the epoch; None while it has not, or where that is not known.
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
    code: SourceCode | None = None
    ended: float | None = None


class Member(NamedTuple):
    """An object of an apply set; ``uid`` is empty from the moment that it is to be created until it was."""

    key: ObjectKey
    uid: str


class ApplySet(NamedTuple):
    """What was applied together, as the planner sees it.

    Attributes:
        key: of the set itself; a set belongs to a namespace.
        members: as written down when the set was applied last.
        uids: of what is stored now, by key: members that are gone are missing.
        jobs: the stored TrainJobs among the members.
        others: objects of other sets -> the name of the set.
    """

    key: ObjectKey
    members: tuple[Member, ...]
    uids: Mapping[ObjectKey, str]
    jobs: Mapping[ObjectKey, ObservedJob]
    others: Mapping[ObjectKey, str]


class Observed(NamedTuple):
    """What is there: the runtimes applied before, and the jobs and objects that an input speaks of.

    Attributes:
        runtimes: as documents, for the catalogue.
        jobs: stored TrainJobs that the input names.
        objects: stored runtimes and core objects that the input names.
        child_jobs: the Jobs that JobSets have made under names that those of the input begin with, by namespace and
            name, and the TrainJobs that they belong to.
        apply_set: the set that the input is applied as, None without one.
    """

    runtimes: tuple[Document, ...] = ()
    jobs: Mapping[ObjectKey, ObservedJob] = MappingProxyType({})
    objects: Mapping[ObjectKey, dict[str, Any]] = MappingProxyType({})
    child_jobs: Mapping[tuple[str, str], str] = MappingProxyType({})
    apply_set: ApplySet | None = None


class JobRun(NamedTuple):
    """How a stored TrainJob runs.

    Attributes:
        backend: what runs its containers: ``process``.
        runtime: the runtime that it was created with, None where that is not known.
        ended: nothing of it runs any more and nothing will.
        number: counts the runs of this name, from 1; 0 where that is not known.
    """

    uid: str
    backend: str = ""
    runtime: Mapping[str, Any] | None = None
    ended: bool = False
    number: int = 0


class PastRun(NamedTuple):
    """A run that another one of its name has replaced.

    Attributes:
        number: counts the runs of a name, from 1.
        data: the TrainJob at its end, status included.
        exit_code: as people are shown it; empty where that is not known.
        runtime: the runtime that it was created with, None where that is not known.
        digest, run_digest: see `kfrun.model.change.DesiredJob`.
        code: what it was started with; None where that is not known.
    """

    number: int
    uid: str
    data: Mapping[str, Any]
    exit_code: str = ""
    backend: str = ""
    runtime: Mapping[str, Any] | None = None
    digest: str = ""
    run_digest: str = ""
    code: SourceCode | None = None


def true_condition(data: Mapping[str, Any], *kinds: str) -> Mapping[str, Any] | None:
    """The first condition of an object that is of one of these types and True."""
    for item in (data.get("status") or {}).get("conditions") or ():
        if item.get("type") in kinds and item.get("status") == "True":
            found: Mapping[str, Any] = item
            return found
    return None


def is_finished(data: Mapping[str, Any]) -> bool:
    """Whether a TrainJob or a Job is Complete or Failed."""
    return true_condition(data, "Complete", "Failed") is not None
