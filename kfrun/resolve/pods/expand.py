"""A resolved JobSet becomes the Jobs that run here, and what the pods of each are like.

Rules of JobSet v0.12 (defaults of its webhook, names, labels) and of Kubernetes' Indexed Jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun import digests
from kfrun.errors import InvalidInput
from kfrun.model.source import Stage
from kfrun.model.workload import ChildJob, Dependency, Hang, JobTemplate, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding

    Node = dict[str, Any]

MAX_PODS: Final = 10_000
"""More local pods than any machine runs; a slip of the pen in numNodes must not eat the memory."""

_NO_LIMIT: Final = 2**31 - 1
_CLUSTER_BACKOFF: Final = 6
_GRACE: Final = 30
_PREFIX: Final = "jobset.sigs.k8s.io/"
_INDEX: Final[Node] = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}},
}
"""The variable that the Job controller gives every container that has none of its name."""


def expand(resolution: Resolution, *, cluster_defaults: bool = False) -> Workload:
    """Expand a resolution that has a JobSet.

    Where the manifest sets neither backoffLimit nor backoffLimitPerIndex a failed pod is not retried, unlike on a
    cluster: a wrong script fails now. With ``cluster_defaults`` it is, six times.

    Raises:
        InvalidInput: the resolution has no JobSet, or asks for more than `MAX_PODS` pods.
    """
    findings = resolution.findings if resolution.jobset is None else too_many(resolution)
    if resolution.jobset is None or findings:
        raise InvalidInput(findings)
    return of_jobset(
        resolution.jobset,
        injected=dict(_injected(resolution)),
        backoff_limit=_CLUSTER_BACKOFF if cluster_defaults else 0,
        active_deadline=_deadline(resolution),
        own_images=own_images(resolution),
        hangs=resolution.hangs,
    )


def of_jobset(
    jobset: Node,
    *,
    injected: dict[str, dict[str, list[str]]],
    backoff_limit: int,
    active_deadline: int | None,
    own_images: bool,
    hangs: Iterable[Sequence[str]] = (),
) -> Workload:
    """Expand a JobSet; what it does not say is what `Workload` says of it.

    Args:
        jobset: as resolved.
        injected: by replicatedJob and container, the variables that the ML policy put there.
        backoff_limit: retries of Jobs whose manifest sets none.
        active_deadline: of the TrainJob.
        own_images: see `Workload`.
        hangs: see `Workload`.
    """
    spec: Node = jobset["spec"]
    subdomain = _subdomain(spec, jobset["metadata"]["name"])
    claims = _claims(jobset)
    templates = tuple(
        _job_template(item, subdomain, backoff_limit, injected.get(item["name"], {}), claims)
        for item in spec.get("replicatedJobs", [])
    )
    success = spec.get("successPolicy", {})
    return Workload(
        jobset=jobset,
        templates=templates,
        jobs=tuple(_jobs(jobset, templates, subdomain)),
        subdomain=subdomain,
        success_operator=success.get("operator") or "All",
        success_targets=tuple(success.get("targetReplicatedJobs", ())),
        in_order=spec.get("startupPolicy", {}).get("startupPolicyOrder") == "InOrder",
        backoff_limit=backoff_limit,
        active_deadline=active_deadline,
        own_images=own_images,
        hangs=tuple(Hang(*one) for one in hangs),
    )


def too_many(resolution: Resolution) -> list[Finding]:
    """Whether a resolution with a JobSet asks for more pods than one machine is asked for."""
    assert resolution.jobset is not None
    jobs = resolution.jobset["spec"].get("replicatedJobs", [])
    total = sum(max(0, _replicas(job)) * max(0, job["template"]["spec"]["parallelism"]) for job in jobs)
    if total <= MAX_PODS:
        return []
    from kfrun.resolve.findings import finding

    path: FieldPath = ("spec", "trainer", "numNodes") if "numNodes" in _trainer(resolution) else ("spec",)
    message = f"asks for {total} pods; at most {MAX_PODS} can be run on one machine"
    return [finding("KF421", message, resolution.job, path, stage=Stage.BACKEND)]


def own_images(resolution: Resolution) -> bool:
    """Whether somebody chose the images; those of shipped runtimes only say what a cluster would run."""
    from kfrun.model.resolution import SHIPPED

    is_shipped = resolution.runtime is not None and resolution.runtime.found_in == SHIPPED
    return not is_shipped or "image" in _trainer(resolution)


def _injected(resolution: Resolution) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """By replicatedJob and container, the names of the variables that the ML policy put there."""
    assert resolution.jobset is not None
    for number, replicated_job in enumerate(resolution.jobset["spec"].get("replicatedJobs", [])):
        path = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod: Node = replicated_job["template"]["spec"]["template"]["spec"]
        found = {}
        for key in ("initContainers", "containers"):
            for index, container in enumerate(pod.get(key, [])):
                places = enumerate(container.get("env", []))
                below = (*path, key, index, "env")
                names = [entry["name"] for place, entry in places if _is_injected(resolution, (*below, place))]
                if names:
                    found[container["name"]] = names
        if found:
            yield replicated_job["name"], found


def _is_injected(resolution: Resolution, path: FieldPath) -> bool:
    origin = resolution.origins.get(path)
    return origin is not None and origin.layer == "policy"


def _at(data: Any, *path: str) -> Any:
    """The value at ``path`` of a document that was not validated, None when there is none."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _trainer(resolution: Resolution) -> Node:
    trainer = _at(resolution.job.data, "spec", "trainer")
    return trainer if isinstance(trainer, dict) else {}


def _deadline(resolution: Resolution) -> int | None:
    seconds = _at(resolution.job.data, "spec", "activeDeadlineSeconds")
    return int(seconds) if isinstance(seconds, int | float) else None


def _replicas(replicated_job: Node) -> int:
    replicas: int = replicated_job.get("replicas", 1)
    return replicas


def _subdomain(spec: Node, jobset: str) -> str:
    """The subdomain of the pods' names; empty when they get none."""
    network = spec.get("network", {})
    if not network.get("enableDNSHostnames", True):
        return ""
    subdomain: str = network.get("subdomain") or jobset
    return subdomain


def _job_template(
    replicated_job: Node, subdomain: str, backoff_limit: int, injected: dict[str, list[str]], claims: dict[str, str]
) -> JobTemplate:
    template: Node = replicated_job["template"]
    metadata: Node = template.get("metadata", {})
    spec = _job_spec(template["spec"], subdomain, backoff_limit, claims)
    return JobTemplate(
        name=replicated_job["name"],
        replicas=_replicas(replicated_job),
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
        spec=spec,
        pod=_pod(spec["template"]["spec"], is_indexed=spec["completionMode"] == "Indexed"),
        depends_on=tuple(Dependency(item["name"], item["status"]) for item in replicated_job.get("dependsOn", [])),
        injected=injected,
    )


def _claims(jobset: Node) -> dict[str, str]:
    """By volume, the claims of the JobSet's volumeClaimPolicies."""
    name = jobset["metadata"]["name"]
    policies = jobset["spec"].get("volumeClaimPolicies", [])
    volumes = [template["metadata"]["name"] for policy in policies for template in policy.get("templates", [])]
    return {volume: f"{volume}-{name}" for volume in volumes}


def _with_claims(pod: Node, claims: dict[str, str]) -> Node:
    """A pod's spec with the volumes that JobSet adds: those claims that a container of it mounts by name."""
    containers = (*pod.get("initContainers", ()), *pod.get("containers", ()))
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    added = [
        {"name": volume, "persistentVolumeClaim": {"claimName": claim}}
        for volume, claim in claims.items()
        if volume in mounted
    ]
    return {**pod, "volumes": [*pod.get("volumes", ()), *added]} if added else pod


def _job_spec(spec: Node, subdomain: str, backoff_limit: int, claims: dict[str, str]) -> Node:
    """A Job's spec with what JobSet fills in, and the limit of retries."""
    pod = _with_claims({"restartPolicy": "OnFailure", **spec["template"]["spec"]}, claims)
    if subdomain:
        pod["subdomain"] = subdomain
    limit = _NO_LIMIT if "backoffLimitPerIndex" in spec else backoff_limit
    template = {**spec["template"], "spec": pod}
    return {"completionMode": "Indexed", "backoffLimit": limit, **spec, "template": template}


def _pod(spec: Node, *, is_indexed: bool) -> Node:
    """The spec of a pod as the Job controller makes it of its template."""
    pod = {"terminationGracePeriodSeconds": _GRACE, **spec}
    for key in ("initContainers", "containers"):
        if key in pod and is_indexed:
            pod[key] = [_with_index(container) for container in pod[key]]
    return pod


def _with_index(container: Node) -> Node:
    env: list[Node] = container.get("env", [])
    return container if any(entry["name"] == _INDEX["name"] for entry in env) else {**container, "env": [*env, _INDEX]}


def _jobs(jobset: Node, templates: tuple[JobTemplate, ...], subdomain: str) -> Iterator[ChildJob]:
    """The child Jobs in the JobSet's order, numbered as JobSet does."""
    namespace, jobset_name = jobset["metadata"]["namespace"], jobset["metadata"]["name"]
    shared = _labels(jobset, subdomain)
    number = 0
    in_group: dict[str, int] = {}
    for template in templates:
        group = shared[template.name]["group-name"]
        for index in range(template.replicas):
            name = f"{jobset_name}-{template.name}-{index}"
            added = {
                **shared[template.name],
                "job-index": str(index),
                "job-key": digests.sha1(f"{namespace}/{name}".encode()),
                "job-global-index": str(number),
                "job-group-index": str(in_group.get(group, 0)),
            }
            yield ChildJob(name, index, template, {_PREFIX + key: value for key, value in added.items()})
            number += 1
            in_group[group] = in_group.get(group, 0) + 1


def _labels(jobset: Node, subdomain: str) -> dict[str, dict[str, str]]:
    """By replicatedJob, what JobSet writes on all of its Jobs and pods, as labels and as annotations."""
    name, spec = jobset["metadata"]["name"], jobset["spec"]
    jobs: list[Node] = spec.get("replicatedJobs", [])
    sizes: dict[str, int] = {}
    for job in jobs:
        group = job.get("groupName", "default")
        sizes[group] = sizes.get(group, 0) + _replicas(job)
    coordinator = _coordinator(spec, name, subdomain)
    return {
        job["name"]: {
            "jobset-name": name,
            "replicatedjob-name": job["name"],
            "replicatedjob-replicas": str(_replicas(job)),
            "global-replicas": str(sum(sizes.values())),
            "group-name": job.get("groupName", "default"),
            "group-replicas": str(sizes[job.get("groupName", "default")]),
            **({"coordinator": coordinator} if coordinator else {}),
        }
        for job in jobs
    }


def _coordinator(spec: Node, jobset: str, subdomain: str) -> str:
    chosen: Node | None = spec.get("coordinator")
    if chosen is None:
        return ""
    job = f"{jobset}-{chosen['replicatedJob']}-{chosen.get('jobIndex', 0)}"
    return f"{job}-{chosen.get('podIndex', 0)}.{subdomain or jobset}"
