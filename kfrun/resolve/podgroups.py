"""Gang scheduling: the PodGroup of a job, and what its pods need to belong to it.

Both schedulers may be asked for at once; each gets its own. Source: upstream's CoScheduling and Volcano plugins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.resolve import requests
from kfrun.resolve.podsets import pod_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.resolve.podsets import Build

    Node = dict[str, Any]

_QUEUE: Final = "scheduling.volcano.sh/queue-name"


def enforce(build: Build) -> None:
    """Mark the pods and add the PodGroups. Init containers and env of ML policies do not count, their pods do."""
    for kind, policy in build.pod_group_policy.items():
        POD_GROUPS[kind](build, policy)


def _coscheduling(build: Build, policy: Node) -> None:
    for pods in build.pod_sets:
        pods.labels["scheduling.x-k8s.io/pod-group"] = build.name
    timeout = policy.get("scheduleTimeoutSeconds", 60)
    spec = {**_members(build), "scheduleTimeoutSeconds": timeout}
    build.add_object("scheduling.x-k8s.io/v1alpha1", "PodGroup", build.name, spec=spec)


def _volcano(build: Build, policy: Node) -> None:
    for pods in build.pod_sets:
        pods.annotations["scheduling.k8s.io/group-name"] = build.name
    spec = _members(build)
    annotations = build.template["metadata"].get("annotations", {})
    if _QUEUE in annotations:
        spec["queue"] = annotations[_QUEUE]
    classes = [pod_spec(item).get("priorityClassName") for item in build.replicated_jobs]
    chosen = [name for name in classes if name]
    if chosen:
        spec["priorityClassName"] = chosen[-1]
    if "networkTopology" in policy:
        spec["networkTopology"] = dict(policy["networkTopology"])
    build.add_object("scheduling.volcano.sh/v1beta1", "PodGroup", build.name, spec=spec)


def _members(build: Build) -> Node:
    """All pods of the job at once, initializers included, although these end before the others start."""
    parts = []
    for replicated_job, pods in zip(build.replicated_jobs, build.pod_sets, strict=True):
        of_one = requests.of_pod(pod_spec(replicated_job))
        parts.append({name: amount.times(pods.count) for name, amount in of_one.items()})
    resources = {name: str(amount) for name, amount in requests.total(parts).items()}
    return {"minMember": sum(pods.count for pods in build.pod_sets), "minResources": resources}


POD_GROUPS: Mapping[str, Callable[[Build, Node], None]] = {"coscheduling": _coscheduling, "volcano": _volcano}
"""What to do for each field of ``podGroupPolicy``."""
