"""What is left of a finished JobSet or Job whose ``ttlSecondsAfterFinished`` is over: nothing, as on a cluster.

Nobody has to run for that: what is over is not shown. The TrainJob stays, with its status and its logs, and takes all
of it along when it is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kfrun.model.state import StoredObject

_ENDS = ("Completed", "Complete", "Failed")


def is_over(data: Mapping[str, Any], now: float) -> bool:
    """Whether a JobSet or a Job has ended and its time since then is over; ``now`` in seconds since the epoch."""
    ttl = data["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return False
    from datetime import datetime

    ends = [one for one in data.get("status", {}).get("conditions", ()) if one["type"] in _ENDS]
    return any(
        one["status"] == "True" and datetime.fromisoformat(one["lastTransitionTime"]).timestamp() + ttl <= now
        for one in ends
    )


def left(found: Iterable[StoredObject], limited: Iterable[StoredObject], now: float) -> list[StoredObject]:
    """Those objects that are still there; ``limited`` are the JobSets and Jobs that have a ttl."""
    over = [item for item in limited if is_over(item.data, now)]
    owners = {item.owner for item in over if item.key.kind == "JobSet"}
    jobs = {item.uid for item in over if item.key.kind == "Job"}
    return [item for item in found if item.owner not in owners and jobs.isdisjoint({item.uid, *_parents(item.data)})]


def _parents(data: Mapping[str, Any]) -> Iterable[str]:
    return (one["uid"] for one in data["metadata"].get("ownerReferences", ()))
