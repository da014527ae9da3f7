"""A JobSet as those see it who run it here: its Jobs by name, and once for all of them what their pods are like.

What the manifest says stays as it was resolved, plain and whole, so that every field reaches whoever honours it. Pods
are counted, not copied: a pod is its Job and its index.
"""

from __future__ import annotations

from typing import Any

from kfrun.model.values import NamedTuple, dataclass, field

_RESTART = "jobset.sigs.k8s.io/restart-attempt"
_INDEX = "batch.kubernetes.io/job-completion-index"


class NotEnforced(NamedTuple):
    """A field of the resolved JobSet that a backend cannot honour.

    ``path`` is the field as the API server writes it, ``why`` one clause.
    """

    path: str
    why: str


class Hang(NamedTuple):
    """Words about what a cluster would do instead of kfrun, and when they are to be said: ``start`` or ``resume``."""

    moment: str
    message: str


class Dependency(NamedTuple):
    """A replicatedJob that must be ``Ready`` or ``Complete`` first."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """What all Jobs of one replicatedJob have in common.

    Attributes:
        name: of the replicatedJob.
        replicas: how many Jobs it gets.
        labels, annotations: of its Jobs, without those that JobSet adds.
        spec: the Job's spec with the pod template, as the JobSet controller writes it.
        pod: the spec of its pods, as the Job controller writes it; only the hostname differs from pod to pod.
        injected: by container, the variables that the ML policy put there: their addresses may be replaced by others.
    """

    name: str
    replicas: int
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: dict[str, Any]
    pod: dict[str, Any]
    depends_on: tuple[Dependency, ...] = ()
    injected: dict[str, list[str]] = field(default_factory=dict)

    @property
    def init_containers(self) -> list[dict[str, Any]]:
        """The init containers of a pod, sidecars included."""
        found: list[dict[str, Any]] = self.pod.get("initContainers", [])
        return found

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The main containers of a pod."""
        found: list[dict[str, Any]] = self.pod.get("containers", [])
        return found

    def container(self, name: str) -> dict[str, Any]:
        """The container or init container of that name."""
        return next(item for item in (*self.init_containers, *self.containers) if item["name"] == name)


@dataclass(frozen=True, slots=True)
class ChildJob:
    """One Job of the JobSet: ``<trainjob>-<replicatedJob>-<index>``.

    Attributes:
        job_template: what it has in common with the other Jobs of its replicatedJob.
        added: what JobSet writes on it and on its pods, as labels and as annotations.
    """

    name: str
    index: int
    job_template: JobTemplate
    added: dict[str, str] = field(default_factory=dict)

    @property
    def replicated_job(self) -> str:
        """The name of its replicatedJob."""
        return self.job_template.name

    @property
    def depends_on(self) -> tuple[Dependency, ...]:
        """What has to be ready or complete before it is created."""
        return self.job_template.depends_on

    @property
    def completions(self) -> int:
        """How many pods it has; all of them run at once."""
        number: int = self.job_template.spec["completions"]
        return number

    @property
    def backoff_limit(self) -> int:
        """Retries; locally 0 where the manifest sets none."""
        limit: int = self.job_template.spec["backoffLimit"]
        return limit

    @property
    def is_indexed(self) -> bool:
        """Whether its pods are told their index; the others are only counted by theirs."""
        return bool(self.job_template.spec["completionMode"] == "Indexed")

    @property
    def backoff_limit_per_index(self) -> int | None:
        """Retries of each index, None where they are counted for the Job alone."""
        return self.job_template.spec.get("backoffLimitPerIndex")

    @property
    def max_failed_indexes(self) -> int | None:
        """How many indexes may fail before the Job does, None for all."""
        return self.job_template.spec.get("maxFailedIndexes")

    @property
    def pod_failure_rules(self) -> list[dict[str, Any]]:
        """What is to be done about pods that failed in a certain way; the first rule that fits counts."""
        rules: list[dict[str, Any]] = self.job_template.spec.get("podFailurePolicy", {}).get("rules", [])
        return rules

    @property
    def success_rules(self) -> list[dict[str, Any]]:
        """What is enough for success before all pods have succeeded."""
        rules: list[dict[str, Any]] = self.job_template.spec.get("successPolicy", {}).get("rules", [])
        return rules

    @property
    def active_deadline(self) -> int | None:
        """Seconds, None for no limit."""
        return self.job_template.spec.get("activeDeadlineSeconds")

    @property
    def ttl(self) -> int | None:
        """Seconds that the Job stays after its end, None for ever."""
        return self.job_template.spec.get("ttlSecondsAfterFinished")

    @property
    def restart_policy(self) -> str:
        """``OnFailure`` or ``Never``."""
        policy: str = self.job_template.pod["restartPolicy"]
        return policy

    @property
    def grace(self) -> int:
        """Seconds between SIGTERM and SIGKILL."""
        seconds: int = self.job_template.pod["terminationGracePeriodSeconds"]
        return seconds

    def hostname(self, index: int) -> str:
        """The hostname of a pod, with which its name begins."""
        return f"{self.name}-{index}" if self.is_indexed else self.name

    def node(self, index: int) -> str:
        """How users name a pod: ``node-0``, or ``worker-2-0`` where the replicatedJob has several Jobs."""
        job = self.job_template
        return f"{job.name}-{index}" if job.replicas == 1 else f"{job.name}-{self.index}-{index}"

    def added_by(self, restart: int) -> dict[str, str]:
        """What JobSet writes on it after that many restarts of the JobSet."""
        return {**self.added, _RESTART: str(restart)}

    def template_metadata(self, restart: int) -> dict[str, dict[str, str]]:
        """Labels and annotations of its pod template."""
        own = self.job_template.spec["template"].get("metadata", {})
        return {key: {**own.get(key, {}), **self.added_by(restart)} for key in ("labels", "annotations")}

    def pod_metadata(self, index: int, restart: int) -> dict[str, dict[str, str]]:
        """Labels and annotations of a pod."""
        found = self.template_metadata(restart)
        found["labels"] |= {"batch.kubernetes.io/job-name": self.name, "job-name": self.name}
        if self.is_indexed:
            found["labels"][_INDEX] = found["annotations"][_INDEX] = str(index)
        return found


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that is needed to run one TrainJob.

    Attributes:
        jobset: the JobSet, as resolved.
        templates: its replicatedJobs, in their order.
        jobs: the Jobs of all of them.
        subdomain: of the pods' names, empty when they have none.
        success_operator: ``All`` or ``Any``.
        success_targets: replicatedJobs that count for success; empty means all.
        in_order: one replicatedJob starts after another.
        backoff_limit: retries of Jobs whose manifest sets none.
        active_deadline: TrainJob's activeDeadlineSeconds, None for no limit.
        own_images: somebody chose the images; those of shipped runtimes only say what a cluster would run.
        hangs: where a cluster would hang, and kfrun goes on.
    """

    jobset: dict[str, Any]
    templates: tuple[JobTemplate, ...] = ()
    jobs: tuple[ChildJob, ...] = ()
    subdomain: str = ""
    success_operator: str = "All"
    success_targets: tuple[str, ...] = ()
    in_order: bool = False
    backoff_limit: int = 0
    active_deadline: int | None = None
    own_images: bool = True
    hangs: tuple[Hang, ...] = ()

    @property
    def namespace(self) -> str:
        """The namespace of all its objects."""
        namespace: str = self.jobset["metadata"]["namespace"]
        return namespace

    @property
    def jobset_name(self) -> str:
        """Name of the JobSet, which is the TrainJob's."""
        name: str = self.jobset["metadata"]["name"]
        return name

    @property
    def failure_policy(self) -> dict[str, Any] | None:
        """What JobSet does when a Job has failed; None: it fails."""
        policy: dict[str, Any] | None = self.jobset["spec"].get("failurePolicy")
        return policy

    @property
    def ttl(self) -> int | None:
        """Seconds that the JobSet stays after its end, None for ever."""
        seconds: int | None = self.jobset["spec"].get("ttlSecondsAfterFinished")
        return seconds

    @property
    def replicated_jobs(self) -> tuple[tuple[str, int], ...]:
        """Name and replicas of each replicatedJob."""
        return tuple((item.name, item.replicas) for item in self.templates)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: the JobSet and what it does not say. `kfrun.resolve.pods.expand` makes the rest of it."""
        return {
            "jobset": self.jobset,
            "injected": {item.name: item.injected for item in self.templates if item.injected},
            "backoff_limit": self.backoff_limit,
            "active_deadline": self.active_deadline,
            "own_images": self.own_images,
            # nothing where there is none, so that earlier releases can read it
            **({"hangs": self.hangs} if self.hangs else {}),
        }
