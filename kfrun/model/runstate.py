"""The state of a running TrainJob: what the controller decides on and the supervisor stores.

These values change as the job runs, so they are not frozen; only the controller changes them. Times are seconds
since the epoch. `RunState.to_json`/`from_json` carry them across the death of a supervisor.
"""

from __future__ import annotations

from typing import Any

from kfrun.model.values import asdict, dataclass, field, replace


@dataclass(slots=True)
class Condition:
    """A Kubernetes condition."""

    type: str
    status: str
    reason: str
    message: str
    since: float


def is_true(conditions: list[Condition], *kinds: str) -> bool:
    """Whether a condition of one of these types is True."""
    return any(item.type in kinds and item.status == "True" for item in conditions)


def job_uid(trainjob_uid: str, name: str, number: int) -> str:
    """The uid of a child Job: another one for each that was made of that name, by restarts."""
    # Names of child Jobs end with a number of digits alone: none is another one's with this behind it.
    return f"{trainjob_uid}-{name}" + (f"-r{number}" if number else "")


@dataclass(slots=True)
class ContainerState:
    """One container of a pod and its current attempt.

    Attributes:
        status: ``waiting``, ``starting`` (asked to, not told yet to have), ``running`` or ``terminated``.
        ready: it runs and nothing says that it is not ready.
        up: it runs, and its startup probe has succeeded if it has one.
        restarts: how often it was started anew in this pod; also the number of its log file.
        crashes: how many of its ends count towards its back-off; see `kfrun.execute.controller.context.BackOff`.
        not_before: earliest time of the next start (back-off), 0 for at once.
        reason: of the status: ``Completed``, ``StartError``, ``CrashLoopBackOff``, ``ErrImagePull``…; of one that
            runs, why nothing is known of it just now (``EngineLost``).
        stopping: it is being stopped.
        told: SIGTERM was sent; before that its preStop hook runs, or others have to end first.
        kill_at: when SIGKILL follows; ``killed`` once it has.
        hook: the lifecycle hook that is running: ``postStart``, before it counts as running, or ``preStop``.
        fault: why it is being stopped though nobody wants its pod to end: ``probe`` or ``hook``.
        cause: what failed then, in words.
        last: how the attempt before this one ended, as `end` tells it.
    """

    name: str
    init: bool = False
    sidecar: bool = False
    status: str = "waiting"
    restarts: int = 0
    crashes: int = 0
    not_before: float = 0.0
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started: float | None = None
    finished: float | None = None
    stopping: bool = False
    ready: bool = False
    up: bool = False
    told: bool = False
    kill_at: float | None = None
    killed: bool = False
    hook: str = ""
    fault: str = ""
    cause: str = ""
    last: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """It was asked to start, and has not ended."""
        return self.status in ("starting", "running")

    @property
    def end(self) -> dict[str, Any]:
        """How it ended."""
        return {key: getattr(self, key) for key in ("exit_code", "reason", "message", "started", "finished")}


@dataclass(slots=True)
class PodState:
    """One pod: one try at one completion index.

    Attributes:
        job, job_uid: name of the child Job, and which of that name it belongs to.
        attempt: 0 for the first pod of its index within its Job, and so on.
        phase: ``Pending``, ``Running``, ``Succeeded`` or ``Failed``.
        kill_at: until when its containers have to end; None while the pod is not being stopped.
        deleted: stopped and removed before it ended by itself; its log is kept.
        counted: its end has been counted by its Job.
        reason, message: of the pod itself, where it did not end by its containers.
        restart_attempt: how often the JobSet had been restarted before.
    """

    name: str
    job: str
    job_uid: str
    index: int
    attempt: int
    created: float
    containers: list[ContainerState]
    phase: str = "Pending"
    kill_at: float | None = None
    deleted: bool = False
    counted: bool = False
    reason: str = ""
    message: str = ""
    restart_attempt: int = 0

    @property
    def ready(self) -> bool:
        """All main containers and all sidecars are ready and it is not being stopped."""
        if self.phase != "Running" or self.kill_at is not None:
            return False
        # A loop: of a thousand pods this is asked several times a turn.
        for container in self.containers:
            if not container.ready and (container.sidecar or not container.init):
                return False
        return True

    @property
    def is_steady(self) -> bool:
        """All containers run, and none is being stopped: as long as nothing happens, there is nothing to do."""
        return all(container.status == "running" and not container.stopping for container in self.containers)

    @property
    def ended(self) -> bool:
        """Nothing of it runs and nothing of it will."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(slots=True)
class JobState:
    """One child Job. After a restart of the JobSet there is another one of the same name.

    Attributes:
        uid: of `job_uid`.
        deleted: the JobSet removed it.
        failures: how many pods failed since the last success, or of an index where each has its own limit: by that
            index, else by "".
        next_try: earliest creation of a replacement, by the same keys.
        index_failures: how often each index has failed, where that is limited.
    """

    name: str
    uid: str
    replicated_job: str
    index: int
    created: float
    restart_attempt: int = 0
    started: float | None = None
    completed: float | None = None
    conditions: list[Condition] = field(default_factory=list)
    failed: int = 0
    tries: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    next_try: dict[str, float] = field(default_factory=dict)
    completed_indexes: list[int] = field(default_factory=list)
    failed_indexes: list[int] = field(default_factory=list)
    index_failures: dict[str, int] = field(default_factory=dict)
    deleted: bool = False

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, whatever its status."""
        return next((item for item in self.conditions if item.type == kind), None)

    def is_true(self, kind: str) -> bool:
        """Whether the condition of that type is True."""
        return is_true(self.conditions, kind)

    @property
    def finished(self) -> bool:
        """Complete or Failed."""
        return is_true(self.conditions, "Complete", "Failed")


@dataclass(slots=True)
class JobSetState:
    """The JobSet. ``created`` None means that it does not exist yet.

    Attributes:
        restarts: of all its Jobs together.
        restarts_towards_max: those that count, and those of single Jobs.
        made: how many Jobs of each name there have been.
        pods_made: how many pods.
    """

    created: float | None = None
    deleted: bool = False
    restarts: int = 0
    restarts_towards_max: int = 0
    made: dict[str, int] = field(default_factory=dict)
    pods_made: int = 0
    conditions: list[Condition] = field(default_factory=list)

    @property
    def terminal_state(self) -> str:
        """``Completed``, ``Failed`` or empty."""
        return next((kind for kind in ("Completed", "Failed") if is_true(self.conditions, kind)), "")


@dataclass(slots=True)
class FirstFailure:
    """The container that failed first: whose exit code is the job's.

    Attributes:
        exit_code: never 0: 1 where it is not the container's own code that tells of the failure.
        cause: in words, where it did not fail by itself.
    """

    node: str
    pod: str
    container: str
    exit_code: int
    reason: str
    message: str = ""
    cause: str = ""


@dataclass(slots=True)
class RunState:
    """Everything a supervisor must remember of its TrainJob.

    Attributes:
        uid: of the TrainJob.
        created: when the TrainJob was.
        resumed: when it was resumed last, None if it never was suspended.
        suspend: what the TrainJob wants.
        request: empty, ``cancel``, ``kill``, ``delete``, ``delete by TIME`` or ``delete now``.
        needs: what must be there before anything starts is ``ready`` or ``failed``; ``waiting`` while it is being
            made, ``""`` before that.
        ports: local ports by ``<host>:<port>`` of the cluster.
        pods: every pod that ever was, in order of creation.
        sequence: raised with every stored change, so that the reserve file and the store can be compared.
    """

    uid: str
    created: float
    suspend: bool = False
    request: str = ""
    needs: str = ""
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
    def delete_by(self) -> float | None:
        """When the TrainJob is to be gone, where its deletion has a grace period of its own."""
        _, by, at = self.request.partition("delete by ")
        return float(at) if by else None

    @property
    def finished(self) -> bool:
        """The TrainJob is Complete or Failed."""
        return is_true(self.conditions, "Complete", "Failed")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `from_json` reads it back."""
        return asdict(self)

    def without_pods(self) -> dict[str, Any]:
        """The same without its pods, of which there may be thousands; a version that looks for them there fails."""
        return {**asdict(replace(self, pods=[])), "pods": None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunState:
        """Read what `to_json` wrote, in this version or in 0.1 (which had no uids and no readiness).

        What an earlier version did not write yet has its default.

        Raises:
            ValueError: it is damaged, or of a later version.
        """
        try:
            return cls(**_read(data))
        except (TypeError, KeyError, AttributeError) as error:
            message = f"the state of the job is damaged, or another version of kfrun wrote it: {error}"
            raise ValueError(message) from error


def _read(data: dict[str, Any]) -> dict[str, Any]:
    uid, failure = data["uid"], data.get("first_failure")
    if "environment" in data:
        data = {**data, "needs": "waiting" if data["environment"] == "building" else data["environment"]}
        del data["environment"]
    return {
        **data,
        "conditions": _conditions(data),
        "jobset": _jobset(data),
        "jobs": [_job(uid, job) for job in data.get("jobs", ())],
        "pods": [_pod(uid, pod) for pod in data.get("pods", ())],
        "first_failure": FirstFailure(**failure) if failure else None,
    }


def _jobset(data: dict[str, Any]) -> JobSetState:
    known, made = data.get("jobset", {}), dict[str, int]()
    for job in data.get("jobs", ()):
        made[job["name"]] = made.get(job["name"], 0) + 1
    counted = {"made": made, "pods_made": len(data.get("pods", ()))}
    return JobSetState(**{**counted, **known, "conditions": _conditions(known)})


def _job(uid: str, data: dict[str, Any]) -> JobState:
    return JobState(**{"uid": job_uid(uid, data["name"], 0), **data, "conditions": _conditions(data)})


def _pod(uid: str, data: dict[str, Any]) -> PodState:
    containers = [_container(item, data["kill_at"]) for item in data["containers"]]
    known = {key: value for key, value in data.items() if key != "killed"}
    return PodState(**{"job_uid": job_uid(uid, data["job"], 0), **known, "containers": containers})


def _container(data: dict[str, Any], kill_at: float | None) -> ContainerState:
    """What earlier versions kept for the whole pod counts for each container that is being stopped."""
    runs, stopping = data["status"] == "running", data["stopping"]
    earlier = {"ready": runs, "up": runs, "told": stopping, "kill_at": kill_at if stopping else None}
    earlier["crashes"] = data["restarts"]
    return ContainerState(**{**earlier, **data})


def _conditions(data: dict[str, Any]) -> list[Condition]:
    return [Condition(**item) for item in data.get("conditions", ())]
