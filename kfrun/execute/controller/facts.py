"""What whoever runs containers tells of them, and what it makes of the state: the way into the controllers.

A container that was asked to start is ``starting`` until it is told to have started; only then it counts as running,
and as ready when that was told as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import trainjob
from kfrun.execute.controller.pod import container_ended, is_exhausted
from kfrun.model.state import ENGINE_LOST, RECORDER_LOST
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from typing import Self

    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import ContainerState, PodState

NODE_RESTARTED = "NodeRestarted"
START_ERROR = "StartError"
SUPERVISOR_FAILED = "SupervisorFailed"
START_ERROR_CODE = 128


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one container; its number is how often the container was restarted in its pod before."""

    pod: str
    container: str
    restarts: int

    @classmethod
    def of(cls, pod: PodState, container: ContainerState) -> Self:
        """The present one of a container."""
        return cls(pod.name, container.name, container.restarts)


@dataclass(frozen=True, slots=True)
class Waiting:
    """It has not started yet, for a reason like ``ContainerCreating`` or ``ImagePullBackOff``."""

    attempt: Attempt
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """Its main process runs. Told again when it becomes ready or unready, and when it is found after it was lost.

    Attributes:
        at: when it started, seconds since the epoch.
        ready: False while something that decides about it (a probe) says so.
    """

    attempt: Attempt
    at: float
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """It runs no more.

    Attributes:
        exit_code: of the container's main process, 128 + n for signal n; 128 when it could not be started.
        reason: ``Completed``, ``Error``, ``StartError``…; ``RecorderLost`` or ``EngineLost`` when nobody saw how.
        at: seconds since the epoch.
    """

    attempt: Attempt
    exit_code: int
    reason: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Whoever runs it cannot be asked just now. That is no end: `Started` or `Ended` follows once it can be."""

    attempt: Attempt
    reason: str
    message: str


Fact = Waiting | Started | Ended | Lost


def note(p: Pass, fact: Fact) -> None:
    """Take a fact in. What is told of an attempt that is over already is old, and changes nothing."""
    pod, container = p.container(fact.attempt.pod, fact.attempt.container)
    if not container.active or container.restarts != fact.attempt.restarts:
        return
    match fact:
        case Waiting():
            if container.status == "starting":
                container.reason, container.message = fact.reason, fact.message
        case Started():
            pod.phase = "Running"
            container.status, container.started, container.ready = "running", fact.at, fact.ready
            container.reason = container.message = ""
        case Lost():
            if container.reason != fact.reason:
                p.event("Pod", pod.name, fact.reason, f"{container.name}: {fact.message}", warning=True)
            container.reason, container.message, container.ready = fact.reason, fact.message, False
        case Ended():
            _note_end(p, pod, container, fact)


def _note_end(p: Pass, pod: PodState, container: ContainerState, fact: Ended) -> None:
    container_ended(p, pod, container, exit_code=fact.exit_code, reason=fact.reason, message=fact.message, at=fact.at)
    if fact.reason == ENGINE_LOST:
        trainjob.fail(p, fact.reason, f"{pod.name}/{container.name}: {fact.message}")
    elif fact.reason == NODE_RESTARTED and _is_spent(p, pod):
        trainjob.fail(p, NODE_RESTARTED, f"{pod.name}: {fact.message}, and no retry is left")
    elif fact.reason == RECORDER_LOST and _decides(pod, container) and _is_spent(p, pod):
        trainjob.fail(p, RECORDER_LOST, f"{pod.name}/{container.name}: {fact.message}, and no retry is left")


def _decides(pod: PodState, container: ContainerState) -> bool:
    """Whether the end of a container is that of its pod: nobody asked for it, and no other is still at work."""
    at_work = any(item.active and not item.sidecar for item in pod.containers)
    return not (container.stopping or container.sidecar or at_work)


def _is_spent(p: Pass, pod: PodState) -> bool:
    child = p.child(pod.job)
    if child.pod_failure_rules or child.backoff_limit_per_index is not None or p.workload.failure_policy is not None:
        # These decide, as about any other failure.
        return False
    if child.restart_policy != "Never":
        return is_exhausted(pod, child)
    return sum(job.failed for job in p.state.jobs if job.uid == pod.job_uid) + 1 > child.backoff_limit
