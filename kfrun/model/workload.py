"""A resolved JobSet expanded into pods: what local executors run.

A `Workload` holds one `Pod` per completion index. It travels to the supervisor as JSON, hence `to_json`/`from_json`.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any, NamedTuple

from kfrun.model.values import dataclass


class NotEnforced(NamedTuple):
    """A field of the resolved JobSet that a backend cannot honour.

    ``path`` is the field as the API server writes it, ``why`` one clause.
    """

    path: str
    why: str

    def __str__(self) -> str:
        return f"not enforced: {self.path} ({self.why})"


@dataclass(frozen=True, slots=True)
class EnvVar:
    """One environment variable, in the order in which Kubernetes defines them.

    Attributes:
        value: the text before ``$(VAR)`` expansion; None when ``field`` gives it.
        field: a downward-API field path (``metadata.name``) filled in when the container starts.
        injected: the ML policy put it there, so its address and port may be replaced by local ones.
    """

    name: str
    value: str | None = None
    field: str | None = None
    injected: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod. Command and args are as in the pod: ``$(VAR)`` is not expanded yet."""

    name: str
    image: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str | None = None
    ports: tuple[int, ...] = ()
    restart_always: bool = False
    """An init container with restartPolicy Always: a sidecar."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod index of a child Job.

    Attributes:
        index: the completion index.
        hostname: ``<job>-<index>``.
        host: the cluster's name of it: ``<hostname>.<subdomain>``.
    """

    index: int
    hostname: str
    host: str
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()


class Dependency(NamedTuple):
    """A replicatedJob that must be ``Ready`` or ``Complete`` first."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class ChildJob:
    """One Job of the JobSet: ``<trainjob>-<replicatedJob>-<index>``.

    Attributes:
        backoff_limit: retries; locally 0 where the manifest sets none (design section 5).
        restart_policy: ``OnFailure`` or ``Never``.
        active_deadline: seconds, None for no limit.
        grace: terminationGracePeriodSeconds, 30 when unset.
        labels, annotations: of the pod template, plus those that JobSet adds.
    """

    name: str
    replicated_job: str
    index: int
    pods: tuple[Pod, ...]
    backoff_limit: int = 0
    restart_policy: str = "OnFailure"
    active_deadline: int | None = None
    grace: int = 30
    depends_on: tuple[Dependency, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything a local executor needs to run one TrainJob.

    Attributes:
        jobset_name: name of the JobSet, which is the TrainJob's.
        replicated_jobs: name and replicas of each, in the JobSet's order.
        success_operator: ``All`` or ``Any``.
        success_targets: replicatedJobs that count for success; empty means all.
        active_deadline: TrainJob's activeDeadlineSeconds, None for no limit.
        suspend: TrainJob's suspend.
        not_enforced: what this executor does not honour of the manifest.
    """

    namespace: str
    jobset_name: str
    jobs: tuple[ChildJob, ...]
    replicated_jobs: tuple[tuple[str, int], ...]
    success_operator: str = "All"
    success_targets: tuple[str, ...] = ()
    active_deadline: int | None = None
    suspend: bool = False
    in_order: bool = False
    not_enforced: tuple[NotEnforced, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Workload:
        """Read what `to_json` wrote."""
        return cls(
            **{
                **data,
                "jobs": tuple(_child_job(job) for job in data["jobs"]),
                "replicated_jobs": tuple((name, count) for name, count in data["replicated_jobs"]),
                "success_targets": tuple(data["success_targets"]),
                "not_enforced": tuple(NotEnforced(*item) for item in data["not_enforced"]),
            }
        )


def node_name(workload: Workload, job: ChildJob, index: int) -> str:
    """How users name a pod: ``node-0``, or ``worker-2-0`` where the replicatedJob has several Jobs."""
    single = dict(workload.replicated_jobs).get(job.replicated_job, 1) == 1
    return f"{job.replicated_job}-{index}" if single else f"{job.replicated_job}-{job.index}-{index}"


def _child_job(data: dict[str, Any]) -> ChildJob:
    return ChildJob(
        **{
            **data,
            "pods": tuple(_pod(pod) for pod in data["pods"]),
            "depends_on": tuple(Dependency(*item) for item in data["depends_on"]),
        }
    )


def _pod(data: dict[str, Any]) -> Pod:
    return Pod(
        **{
            **data,
            "init_containers": tuple(_container(item) for item in data["init_containers"]),
            "containers": tuple(_container(item) for item in data["containers"]),
        }
    )


def _container(data: dict[str, Any]) -> Container:
    return Container(
        **{
            **data,
            "command": tuple(data["command"]),
            "args": tuple(data["args"]),
            "ports": tuple(data["ports"]),
            "env": tuple(EnvVar(**item) for item in data["env"]),
        }
    )
