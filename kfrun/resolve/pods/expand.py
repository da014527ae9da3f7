"""A resolved JobSet becomes the pods that a local executor runs. Called by plan's callers and execute.

Rules of JobSet v0.12 (defaults of its webhook, names, labels) and of Kubernetes' Indexed Jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import InvalidInput
from kfrun.model.source import Stage
from kfrun.model.workload import ChildJob, Dependency, Pod, Workload
from kfrun.resolve import enforcement
from kfrun.resolve.catalogue import SHIPPED
from kfrun.resolve.findings import finding
from kfrun.resolve.pods.containers import PodFacts, containers
from kfrun.resolve.podsets import NODE, TRAINER, all_containers, ancestor, pod_spec

try:
    # hashlib would load OpenSSL: 2 ms and 3.6 MB for the same function.
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1

if TYPE_CHECKING:
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding

    Node = dict[str, Any]

MAX_PODS: Final = 10_000
"""More local pods than any machine runs; a slip of the pen in numNodes must not eat the memory."""

_NEEDS: Final = {
    "mpi": "the launcher reaches the nodes through sshd, with a key and a hostfile that are mounted as volumes",
    "flux": "Flux is brought by an init container, its scripts and its certificate are mounted as volumes",
}
_NO_LIMIT: Final = 2**31 - 1
_CLUSTER_BACKOFF: Final = 6
_PREFIX: Final = "jobset.sigs.k8s.io/"


def expand(resolution: Resolution, *, cluster_defaults: bool = False, uid: str = "") -> Workload:
    """Expand a resolution that has a JobSet.

    Where the manifest sets neither backoffLimit nor backoffLimitPerIndex a failed pod is not retried, unlike on a
    cluster: a wrong script fails now.

    Args:
        resolution: the TrainJob, resolved.
        cluster_defaults: keep the cluster's backoffLimit of 6 all the same.
        uid: the JobSet's uid for the labels that hold it; without one these labels are left out.

    Raises:
        InvalidInput: the resolution has no JobSet, or asks for more than `MAX_PODS` pods.
    """
    if resolution.jobset is None:
        raise InvalidInput(resolution.findings)
    too_many = _too_many(resolution)
    if too_many is not None:
        raise InvalidInput([too_many])
    spec: Node = resolution.jobset["spec"]
    success = spec.get("successPolicy", {})
    own_image = resolution.runtime is None or resolution.runtime.found_in != SHIPPED
    own_image = own_image or "image" in _trainer(resolution)
    return Workload(
        namespace=resolution.trainjob.namespace,
        jobset_name=resolution.trainjob.name,
        jobs=tuple(_Expansion(resolution, uid=uid, cluster_defaults=cluster_defaults).jobs()),
        replicated_jobs=tuple((item["name"], _replicas(item)) for item in spec.get("replicatedJobs", [])),
        success_operator=success.get("operator") or "All",
        success_targets=tuple(success.get("targetReplicatedJobs", ())),
        active_deadline=_deadline(resolution),
        suspend=spec["suspend"],
        in_order=spec.get("startupPolicy", {}).get("startupPolicyOrder") == "InOrder",
        not_enforced=enforcement.not_enforced(resolution.jobset, name_images=own_image),
    )


def expand_findings(resolution: Resolution) -> list[Finding]:
    """Why the process backend cannot run a resolution: its policy, containers without a command, too many pods.

    Empty for a resolution without a JobSet: its own findings say why.
    """
    if resolution.jobset is None:
        return []
    unable = _unable(resolution)
    if unable is not None:
        return [unable]
    too_many = _too_many(resolution)
    findings = [] if too_many is None else [too_many]
    for index, replicated_job in enumerate(resolution.jobset["spec"].get("replicatedJobs", [])):
        below: FieldPath = ("spec", "replicatedJobs", index, "template", "spec", "template", "spec")
        for key, number, container in all_containers(pod_spec(replicated_job)):
            if not container.get("command"):
                findings.append(_no_command(resolution, replicated_job, container, (*below, key, number)))
    return findings


def _unable(resolution: Resolution) -> Finding | None:
    """The ML policy, where its jobs need more than processes of this machine."""
    assert resolution.runtime is not None
    runtime = resolution.runtime.document
    for kind, needs in _NEEDS.items():
        if _at(runtime.data, "spec", "mlPolicy", kind) is not None:
            message = f"jobs of the ML policy {kind} cannot run as local processes: {needs}"
            hint = "`kfrun validate` and `kfrun render` do work; run it on a cluster, or use another policy's runtime"
            path = ("spec", "mlPolicy", kind)
            return finding("KF422", message, runtime, path, stage=Stage.BACKEND, hint=hint)
    return None


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


def _too_many(resolution: Resolution) -> Finding | None:
    assert resolution.jobset is not None
    jobs = resolution.jobset["spec"].get("replicatedJobs", [])
    total = sum(max(0, _replicas(job)) * max(0, job["template"]["spec"]["parallelism"]) for job in jobs)
    if total <= MAX_PODS:
        return None
    path = ("spec", "trainer", "numNodes") if "numNodes" in _trainer(resolution) else ("spec",)
    message = f"asks for {total} pods; at most {MAX_PODS} can be run on one machine"
    return finding("KF421", message, resolution.job, path, stage=Stage.BACKEND)


def _no_command(resolution: Resolution, replicated_job: Node, container: Node, path: FieldPath) -> Finding:
    message = f'container "{container["name"]}" has no command: a process has no image whose entrypoint it could run'
    if ancestor(replicated_job) == TRAINER and container["name"] == NODE:
        hint = "set spec.trainer.command, for instance [python, train.py]"
        return finding("KF420", message, resolution.job, ("spec", "trainer"), stage=Stage.BACKEND, hint=hint)
    hint = "give it a command in the runtime, or use a container backend"
    runtime = resolution.runtime
    if runtime is None:
        return finding("KF420", message, resolution.job, ("spec",), stage=Stage.BACKEND, hint=hint)
    return finding("KF420", message, runtime.document, ("spec", "template", *path), stage=Stage.BACKEND, hint=hint)


class _Expansion:
    """One pass over a JobSet: numbers Jobs as JobSet does."""

    def __init__(self, resolution: Resolution, *, uid: str, cluster_defaults: bool) -> None:
        assert resolution.jobset is not None
        self._resolution = resolution
        self._spec: Node = resolution.jobset["spec"]
        self._name = resolution.trainjob.name
        self._namespace = resolution.trainjob.namespace
        self._uid = uid
        self._cluster_defaults = cluster_defaults
        self._subdomain = _subdomain(self._spec, self._name)

    def jobs(self) -> list[ChildJob]:
        """The child Jobs in the JobSet's order."""
        jobs: list[ChildJob] = []
        in_group: dict[str, int] = {}
        for number, replicated_job in enumerate(self._spec.get("replicatedJobs", [])):
            group = replicated_job.get("groupName", "default")
            for index in range(_replicas(replicated_job)):
                place = {"job-global-index": str(len(jobs)), "job-group-index": str(in_group.get(group, 0))}
                jobs.append(self._job(number, replicated_job, index, place))
                in_group[group] = in_group.get(group, 0) + 1
        return jobs

    def _job(self, number: int, replicated_job: Node, index: int, place: dict[str, str]) -> ChildJob:
        name = f"{self._name}-{replicated_job['name']}-{index}"
        spec: Node = replicated_job["template"]["spec"]
        metadata: Node = spec["template"]["metadata"]
        added = self._labels(replicated_job, index, name) | {_PREFIX + key: value for key, value in place.items()}
        labels = {**metadata.get("labels", {}), **added}
        annotations = {**metadata.get("annotations", {}), **added}
        pods = [self._pod(number, spec, name, labels, annotations, i) for i in range(spec["completions"])]
        return ChildJob(
            name=name,
            replicated_job=replicated_job["name"],
            index=index,
            pods=tuple(pods),
            backoff_limit=self._backoff_limit(spec),
            restart_policy=spec["template"]["spec"].get("restartPolicy", "OnFailure"),
            active_deadline=spec.get("activeDeadlineSeconds"),
            grace=spec["template"]["spec"].get("terminationGracePeriodSeconds", 30),
            depends_on=tuple(Dependency(item["name"], item["status"]) for item in replicated_job.get("dependsOn", [])),
            labels=labels,
            annotations=annotations,
        )

    def _backoff_limit(self, spec: Node) -> int:
        if "backoffLimit" in spec:
            limit: int = spec["backoffLimit"]
            return limit
        if "backoffLimitPerIndex" in spec:
            return _NO_LIMIT
        return _CLUSTER_BACKOFF if self._cluster_defaults else 0

    def _labels(self, replicated_job: Node, index: int, name: str) -> dict[str, str]:
        """What JobSet writes on the pods of a Job, as labels and as annotations; indexes among Jobs apart."""
        jobs = self._spec["replicatedJobs"]
        group = replicated_job.get("groupName", "default")
        values = {
            "jobset-name": self._name,
            "jobset-uid": self._uid,
            "replicatedjob-name": replicated_job["name"],
            "restart-attempt": "0",
            "replicatedjob-replicas": str(_replicas(replicated_job)),
            "global-replicas": str(sum(_replicas(item) for item in jobs)),
            "job-index": str(index),
            "job-key": sha1(f"{self._namespace}/{name}".encode(), usedforsecurity=False).hexdigest(),
            "group-name": group,
            "group-replicas": str(sum(_replicas(item) for item in jobs if item.get("groupName", "default") == group)),
            "coordinator": self._coordinator(),
        }
        return {_PREFIX + key: value for key, value in values.items() if value}

    def _coordinator(self) -> str:
        chosen: Node | None = self._spec.get("coordinator")
        if chosen is None:
            return ""
        job = f"{self._name}-{chosen['replicatedJob']}-{chosen.get('jobIndex', 0)}"
        return f"{job}-{chosen.get('podIndex', 0)}.{self._subdomain or self._name}"

    def _pod(
        self, number: int, spec: Node, job: str, labels: dict[str, str], annotations: dict[str, str], index: int
    ) -> Pod:
        hostname = f"{job}-{index}"
        facts = PodFacts(
            namespace=self._namespace,
            job=job,
            index=index,
            labels=labels,
            annotations=annotations,
            service_account=spec["template"]["spec"].get("serviceAccountName", "default"),
        )
        path = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod: Node = spec["template"]["spec"]
        return Pod(
            index=index,
            hostname=hostname,
            host=f"{hostname}.{self._subdomain}" if self._subdomain else hostname,
            init_containers=containers(pod, "initContainers", path, facts, self._resolution.origins),
            containers=containers(pod, "containers", path, facts, self._resolution.origins),
        )


def _subdomain(spec: Node, jobset: str) -> str:
    """The subdomain of the pods' names; empty when they get none."""
    network = spec.get("network", {})
    if not network.get("enableDNSHostnames", True):
        return ""
    subdomain: str = network.get("subdomain") or jobset
    return subdomain
