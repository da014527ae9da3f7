"""What an API server does to objects that are written: uid, times and generation. For places that have none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kfrun.errors import Conflict, NotFound, Refused
from kfrun.model.state import ObservedJob, is_finished
from kfrun.observe.status import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.code import SourceCode
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject

_SERVER_OWNED = frozenset(
    {"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
     "resourceVersion", "selfLink", "uid"}
)  # fmt: skip
"""Metadata that a manifest may hold, as one made by ``get -o yaml`` does, and that means nothing there."""

_MOST_RUNS = 20
_REQUESTS = ("", "cancel", "kill", "delete", "delete by", "delete now")
"""The weakest first."""


def new_uid() -> str:
    """A random UUID (version 4), without importing uuid and what it imports."""
    value = bytearray(os.urandom(16))
    value[6], value[8] = value[6] & 0x0F | 0x40, value[8] & 0x3F | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def created(data: Mapping[str, Any], key: ObjectKey, uid: str, now: float) -> dict[str, Any]:
    """A new object, with what is filled in on creation; ``now`` is in seconds since the epoch. It has no status yet."""
    given = {name: value for name, value in data.get("metadata", {}).items() if name not in _SERVER_OWNED}
    metadata = {**given, "name": key.name, "uid": uid, "generation": 1}
    if key.namespace:
        metadata["namespace"] = key.namespace
    written = {field: value for field, value in data.items() if field != "status"}
    return {**written, "metadata": {**metadata, "creationTimestamp": timestamp(now)}}


def updated(data: Mapping[str, Any], before: Mapping[str, Any], key: ObjectKey) -> dict[str, Any]:
    """An object in the place of what it was ``before``: its generation counts changes of the spec, its status stays."""
    old = before["metadata"]
    made = created(data, key, old["uid"], 0)
    made["metadata"]["creationTimestamp"] = old["creationTimestamp"]
    made["metadata"]["generation"] = old.get("generation", 1) + int(data.get("spec") != before.get("spec"))
    return {**made, "status": before["status"]} if "status" in before else made


def with_suspend(data: Mapping[str, Any], *, suspend: bool) -> dict[str, Any]:
    """A stored TrainJob with ``spec.suspend`` set."""
    metadata = {**data["metadata"], "generation": data["metadata"].get("generation", 1) + 1}
    return {**data, "metadata": metadata, "spec": {**data["spec"], "suspend": suspend}}


def being_deleted(data: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A stored object whose deletion has begun."""
    return {**data, "metadata": {"deletionTimestamp": timestamp(now), **data["metadata"]}}


def observed_job(
    job: StoredObject,
    *,
    runtime: dict[str, Any] | None,
    digest: str,
    run_digest: str,
    deleting: bool,
    code: SourceCode | None = None,
    ended: float | None = None,
) -> ObservedJob:
    """A stored TrainJob as the planner sees it, with what the place knows of its run."""
    return ObservedJob(
        key=job.key,
        uid=job.uid,
        resource_version=job.resource_version,
        data=job.data,
        runtime=runtime,
        digest=digest,
        run_digest=run_digest,
        finished=is_finished(job.data),
        suspended=bool(job.data["spec"].get("suspend", False)),
        deleting=deleting,
        code=code,
        ended=ended,
    )


def created_meanwhile(key: ObjectKey) -> Conflict:
    """Why a TrainJob cannot be created any more."""
    message = f"{key.resource} was created by another kfrun at the same time"
    return Conflict(message, f"look at it with `kfrun get trainjob {key.name}`, or try again")


def deleted_meanwhile(key: ObjectKey) -> Conflict:
    """Why a TrainJob cannot be changed any more."""
    return Conflict(f"{key.resource} was deleted by another kfrun meanwhile", "apply it again")


def no_run(job: StoredObject, number: int, there: Sequence[int]) -> NotFound:
    """Why nothing of a run can be told; ``there`` are the numbers of those that are known, the latest first."""
    name = job.key.name
    if not there:
        return NotFound(f"{name} does not run here: there are no logs")
    known = ", ".join(map(str, there[:_MOST_RUNS])) + (", …" if len(there) > _MOST_RUNS else "")
    return NotFound(
        f"{name} has no run {number}, or it is not kept any more", f"there are {known}; [runs] keep says how many"
    )


def refuse_changed(found: StoredObject, planned: tuple[str, int] | None) -> None:
    """The plan must have been made for this object as it is: for the uid and generation that it ``planned`` with.

    Raises:
        Refused: it is another one, or has changed.
    """
    if planned not in (None, (found.uid, int(found.data["metadata"].get("generation", 1)))):
        raise Refused(f"{found.key.resource} was changed by another kfrun meanwhile", "try again")


def asked(wish: str, *, now: bool = False, grace: float | None = None, at: float = 0.0) -> str:
    """A wish as a request to a supervisor: ``delete by 1800000000.0`` for a deletion with a grace period of its own."""
    if grace is not None and grace > 0:
        return f"{wish} by {at + grace}"
    return f"{wish} now" if now or grace is not None else wish


def stronger(old: str, new: str) -> str:
    """What two requests to a supervisor come to: nobody's deletion is taken back by somebody else's Ctrl-C.

    Of two deletions with times of their own the earlier counts.
    """
    kinds = {_kind(old), _kind(new)}
    if "kill" in kinds and len(kinds) == 2 and kinds & {"delete", "delete by"}:
        return "delete now"
    if kinds == {"delete by"}:
        return min(old, new, key=lambda one: float(one.rpartition(" ")[2]))
    return max(old, new, key=lambda one: _REQUESTS.index(_kind(one)))


def _kind(request: str) -> str:
    """A request without its time."""
    head, by, _ = request.partition(" by ")
    return f"{head}{by}".rstrip()
