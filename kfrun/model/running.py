"""The state of a running TrainJob: what the controller decides on and the supervisor stores.

These values change as the job runs, so they are not frozen; only the controller changes them. Times are seconds
since the epoch. `RunState.to_json`/`from_json` carry them across the death of a supervisor.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any

from kfrun.model.values import dataclass


@dataclass(slots=True)
class Condition:
    """A Kubernetes condition."""

    type: str
    status: str
    reason: str
    message: str
    since: float


@dataclass(slots=True)
class ContainerState:
    """One container of a pod and its current attempt.

    Attributes:
        status: ``waiting``, ``running`` or ``terminated``.
        restarts: how often it was started anew in this pod; also the number of its log file.
        not_before: earliest time of the next start (back-off), 0 for at once.
        reason: of the status: ``Completed``, ``Error``, ``StartError``, ``RecorderLost``, ``CrashLoopBackOff``…
        stopping: SIGTERM was sent.
    """

    name: str
    init: bool = False
    sidecar: bool = False
    status: str = "waiting"
    restarts: int = 0
    not_before: float = 0.0
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started: float | None = None
    finished: float | None = None
    stopping: bool = False


@dataclass(slots=True)
class PodState:
    """One pod: one try at one completion index.

    Attributes:
        job: name of the child Job.
        attempt: 0 for the first pod of its index within its Job, and so on.
        phase: ``Pending``, ``Running``, ``Succeeded`` or ``Failed``.
        kill_at: when SIGKILL follows SIGTERM; None while the pod is not being stopped.
        deleted: stopped and removed before it ended by itself; its log is kept.
        counted: its end has been counted by its Job.
    """

    name: str
    job: str
    index: int
    attempt: int
    created: float
    containers: list[ContainerState]
    phase: str = "Pending"
    kill_at: float | None = None
    killed: bool = False
    deleted: bool = False
    counted: bool = False
    reason: str = ""

    @property
    def ready(self) -> bool:
        """All main containers run and none is being stopped."""
        mains = [c for c in self.containers if not c.init]
        return self.phase == "Running" and self.kill_at is None and all(c.status == "running" for c in mains)

    @property
    def ended(self) -> bool:
        """Nothing of it runs and nothing of it will."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(slots=True)
class JobState:
    """One child Job.

    Attributes:
        failing: reason and message of the FailureTarget condition, once it is certain to fail.
        deleted: the JobSet removed it.
        next_try: earliest creation of a replacement, by index.
    """

    name: str
    replicated_job: str
    index: int
    created: float
    restart_attempt: int = 0
    started: float | None = None
    completed: float | None = None
    conditions: list[Condition] = field(default_factory=list)
    failed: int = 0
    tries: dict[str, int] = field(default_factory=dict)
    next_try: dict[str, float] = field(default_factory=dict)
    completed_indexes: list[int] = field(default_factory=list)
    deleted: bool = False

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, whatever its status."""
        return next((item for item in self.conditions if item.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Whether the condition of that type is True."""
        found = self.condition(kind)
        return found is not None and found.status == "True"

    @property
    def finished(self) -> bool:
        """Complete or Failed."""
        return self.is_true("Complete") or self.is_true("Failed")


@dataclass(slots=True)
class JobSetState:
    """The JobSet. ``created`` None means that it does not exist yet."""

    created: float | None = None
    deleted: bool = False
    restarts: int = 0
    conditions: list[Condition] = field(default_factory=list)

    @property
    def terminal_state(self) -> str:
        """``Completed``, ``Failed`` or empty."""
        return next((c.type for c in self.conditions if c.type in ("Completed", "Failed") and c.status == "True"), "")


@dataclass(slots=True)
class FirstFailure:
    """The container that failed first: whose exit code is the job's."""

    node: str
    pod: str
    container: str
    exit_code: int
    reason: str
    message: str = ""


@dataclass(slots=True)
class RunState:
    """Everything a supervisor must remember of its TrainJob.

    Attributes:
        uid: of the TrainJob.
        created: when the TrainJob was.
        resumed: when it was resumed last, None if it never was suspended.
        suspend: what the TrainJob wants.
        request: empty, ``cancel``, ``kill``, ``delete`` or ``delete now``.
        environment: ``""`` while not decided, ``building``, ``ready`` or ``failed``.
        ports: local ports by ``<host>:<port>`` of the cluster.
        pods: every pod that ever was, in order of creation.
        sequence: raised with every stored change, so that the reserve file and the store can be compared.
    """

    uid: str
    created: float
    suspend: bool = False
    request: str = ""
    environment: str = ""
    resumed: float | None = None
    conditions: list[Condition] = field(default_factory=list)
    jobset: JobSetState = field(default_factory=JobSetState)
    jobs: list[JobState] = field(default_factory=list)
    pods: list[PodState] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    first_failure: FirstFailure | None = None
    sequence: int = 0

    @property
    def is_deleting(self) -> bool:
        """The TrainJob is to be removed with everything of it."""
        return self.request.startswith("delete")

    @property
    def finished(self) -> bool:
        """The TrainJob is Complete or Failed."""
        return any(c.type in ("Complete", "Failed") and c.status == "True" for c in self.conditions)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunState:
        """Read what `to_json` wrote."""
        failure = data["first_failure"]
        jobset = {**data["jobset"], "conditions": _conditions(data["jobset"])}
        return cls(
            **{
                **data,
                "conditions": _conditions(data),
                "jobset": JobSetState(**jobset),
                "jobs": [JobState(**{**job, "conditions": _conditions(job)}) for job in data["jobs"]],
                "pods": [
                    PodState(**{**pod, "containers": [ContainerState(**item) for item in pod["containers"]]})
                    for pod in data["pods"]
                ],
                "first_failure": FirstFailure(**failure) if failure else None,
            }
        )


def _conditions(data: dict[str, Any]) -> list[Condition]:
    return [Condition(**item) for item in data["conditions"]]
