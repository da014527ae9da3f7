"""What the controllers share during one pass: the job, its state, the time, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.kinds import API_VERSION, TRAIN_JOB
from kfrun.model.runstate import Condition
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event
from kfrun.model.values import dataclass, field

if TYPE_CHECKING:
    from kfrun.model.runstate import ContainerState, JobState, PodState, RunState
    from kfrun.model.workload import ChildJob, Workload

_API_VERSIONS = {
    TRAIN_JOB: API_VERSION,
    "JobSet": "jobset.x-k8s.io/v1alpha2",
    "Job": "batch/v1",
    "Pod": "v1",
}


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits between tries: doubled from ``base`` up to ``limit`` seconds (the kubelet's 10 and 300).

    The Job controller waits twice as long at most before it replaces a pod (its 600).
    """

    base: float = 10.0
    limit: float = 300.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after that many failures (1 or more)."""
        return float(min(self.base * 2 ** min(failures - 1, 30), self.limit))

    def wait_for_pod(self, failures: int) -> float:
        """Seconds to wait with the pod that replaces one, after that many failures (1 or more) in a row."""
        return BackOff(self.base, 2 * self.limit).wait(failures)

    def is_forgotten(self, started: float, ended: float) -> bool:
        """Whether what ran for that long counts as sound: what failed before it makes nobody wait any more.

        The kubelet's back-off of a container ends twice its limit after it was last asked for, which is at each start.
        """
        return ended - started > 2 * self.limit


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start the current attempt of a container."""

    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class TerminateContainer:
    """SIGTERM, or the stop signal that it has, to the main process of a container."""

    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class KillContainer:
    """SIGKILL to everything of a container."""

    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a lifecycle hook of a container: ``postStart`` or ``preStop``; `kfrun.execute.controller.facts.HookEnded`."""

    pod: str
    container: str
    hook: str


Command = StartContainer | TerminateContainer | KillContainer | RunHook


@dataclass(slots=True)
class Pass:
    """One pass over a job: read the state, change it, collect commands and events.

    Attributes:
        wake_at: when the next pass is due even if nothing happens; None for never.
    """

    workload: Workload
    state: RunState
    now: float
    back_off: BackOff = BackOff()
    commands: list[Command] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    wake_at: float | None = None
    _pods: dict[str, PodState] = field(default_factory=dict)
    _by_job: dict[str, list[PodState]] = field(default_factory=dict)
    _children: dict[str, ChildJob] = field(default_factory=dict)

    def child(self, name: str) -> ChildJob:
        """The child Job of that name as the manifest wants it."""
        if not self._children:
            self._children = {job.name: job for job in self.workload.jobs}
        return self._children[name]

    def grace(self, child: ChildJob) -> float:
        """How long pods of a child Job have to end by themselves: as the manifest says, or whoever deletes them."""
        by = self.state.delete_by
        return child.grace if by is None else max(0.0, by - self.now)

    def pods_of(self, job: JobState) -> list[PodState]:
        """The pods of a child Job, all of them, in order of creation; none of an earlier Job of its name."""
        if not self._by_job:
            for pod in self.state.pods:
                self._by_job.setdefault(pod.job_uid, []).append(pod)
        return self._by_job.get(job.uid, [])

    def add(self, pod: PodState) -> None:
        """A pod that is new."""
        self.state.pods.append(pod)
        self.state.jobset.pods_made += 1
        self._pods[pod.name] = pod
        if self._by_job:
            self._by_job.setdefault(pod.job_uid, []).append(pod)

    def pod(self, name: str) -> PodState:
        """The pod of that name."""
        if name not in self._pods:
            self._pods = {pod.name: pod for pod in self.state.pods}
        return self._pods[name]

    def container(self, pod: str, name: str) -> tuple[PodState, ContainerState]:
        """A container, and the pod of that name that it belongs to."""
        found = self.pod(pod)
        return found, next(item for item in found.containers if item.name == name)

    def wake(self, at: float) -> None:
        """Ask for another pass at that time at the latest."""
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def event(self, kind: str, name: str, reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event on an object of this job."""
        key = ObjectKey(_API_VERSIONS[kind], kind, self.workload.namespace, name)
        level = "Warning" if warning else "Normal"
        self.events.append(Event(key, level, reason, message, self.now, self.now, owner=self.state.uid))


def set_condition(
    conditions: list[Condition], kind: str, reason: str, message: str, now: float, *, status: str = "True"
) -> bool:
    """Set a condition in place, appended when new; the time moves only when the status does. True if it changed."""
    for item in conditions:
        if item.type == kind:
            if (item.status, item.reason, item.message) == (status, reason, message):
                return False
            item.since = now if item.status != status else item.since
            item.status, item.reason, item.message = status, reason, message
            return True
    conditions.append(Condition(kind, status, reason, message, now))
    return True
