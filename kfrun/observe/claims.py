"""Which pods use a claim, as their objects tell. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kfrun.model.state import StoredObject


def users(pods: Iterable[StoredObject], claim: str) -> list[str]:
    """The pods of the claim's namespace that use it: those that have not ended, and wait for nothing to begin."""
    found = (pod for pod in pods if claim in claimed(pod.data.get("spec", {})))
    return [pod.key.name for pod in found if not (has_ended(pod) or _is_held(pod))]


def has_ended(pod: StoredObject) -> bool:
    """Whether nothing of a pod runs, or will."""
    return pod.data.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _is_held(pod: StoredObject) -> bool:
    """Whether nothing of a pod has started, for want of something."""
    status = pod.data.get("status", {})
    rows = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    if any(row.get("lastState") or "waiting" not in row["state"] for row in rows):
        return False
    return any(row["state"]["waiting"].get("message") for row in rows)


def claimed(spec: Mapping[str, Any]) -> list[str]:
    """The claims that a pod names."""
    sources = (volume.get("persistentVolumeClaim") for volume in spec.get("volumes") or ())
    return [source["claimName"] for source in sources if source]
