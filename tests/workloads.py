"""Workloads for tests, made of a JobSet as those of users are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.resolve.pods import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.workload import Workload


def replicated(
    name: str = "node",
    *,
    nodes: int = 1,
    replicas: int = 1,
    containers: Sequence[dict[str, Any]] = ({"name": "node"},),
    pod: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **job: Any,
) -> dict[str, Any]:
    """A replicatedJob; ``pod`` and ``job`` are further fields of the specs of its pods and Jobs."""
    template = {"metadata": metadata or {}, "spec": {"containers": list(containers), **(pod or {})}}
    spec = {"parallelism": nodes, "completions": nodes, **job, "template": template}
    return {"name": name, "replicas": replicas, "template": {"metadata": {}, "spec": spec}}


def workload(
    *replicated_jobs: dict[str, Any],
    name: str = "tj",
    namespace: str = "default",
    injected: dict[str, dict[str, list[str]]] | None = None,
    **spec: Any,
) -> Workload:
    """The workload of a JobSet."""
    jobset = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicatedJobs": list(replicated_jobs), "suspend": False, **spec},
    }
    return expand.of_jobset(jobset, injected=injected or {}, backoff_limit=0, active_deadline=None, own_images=True)
