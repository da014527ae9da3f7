"""What whoever runs containers tells of them, and what it makes of the state: the way into the controllers.

A container that was asked to start is ``starting`` until it is told to have started; only then it counts as running,
and as ready when that was told as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import pod as pods
from kfrun.execute.controller import stops, trainjob
from kfrun.execute.controller.context import RunHook
from kfrun.execute.controller.pod import container_ended, is_exhausted
from kfrun.model.state import ENGINE_LOST, RECORDER_LOST
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from typing import Self

    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import ContainerState, PodState

NODE_RESTARTED = "NodeRestarted"
START_ERROR = "StartError"
CONFIG_ERROR = "CreateContainerConfigError"
SUPERVISOR_FAILED = "SupervisorFailed"
START_ERROR_CODE = 128
_LONGEST_LINE = 200


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
    """It has not started yet, for a reason like ``ContainerCreating`` or ``ImagePullBackOff``.

    Attributes:
        event: reason of the event that tells the message; none without one.
    """

    attempt: Attempt
    reason: str
    message: str = ""
    event: str = ""


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
class Probed:
    """What a probe has found.

    Attributes:
        probe: ``startup``, ``readiness`` or ``liveness``.
        passed: what is known now of the container, None where that did not change.
        message: for an event, of ``reason``; empty for none.
    """

    attempt: Attempt
    probe: str
    passed: bool | None
    message: str = ""
    reason: str = "Unhealthy"


@dataclass(frozen=True, slots=True)
class HookEnded:
    """A lifecycle hook has ended: ``postStart`` or ``preStop``; of one that has failed, why."""

    attempt: Attempt
    hook: str
    failed: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Whoever runs it cannot be asked just now. That is no end: `Started` or `Ended` follows once it can be."""

    attempt: Attempt
    reason: str
    message: str


Fact = Waiting | Started | Ended | Lost | Probed | HookEnded


def note(p: Pass, fact: Fact) -> None:
    """Take a fact in. What is told of an attempt that is over already is old, and changes nothing."""
    pod, container = p.container(fact.attempt.pod, fact.attempt.container)
    if not container.active or container.restarts != fact.attempt.restarts:
        return
    match fact:
        case Waiting():
            _note_wait(p, pod, container, fact)
        case Started():
            _note_start(p, pod, container, fact)
        case Probed():
            _note_probe(p, pod, container, fact)
        case HookEnded():
            _note_hook(p, pod, container, fact)
        case Lost():
            if container.reason != fact.reason:
                p.event("Pod", pod.name, fact.reason, f"{container.name}: {fact.message}", warning=True)
            container.reason, container.message, container.ready = fact.reason, fact.message, False
        case Ended():
            _note_end(p, pod, container, fact)


def _note_wait(p: Pass, pod: PodState, container: ContainerState, fact: Waiting) -> None:
    if container.status != "starting":
        return
    if fact.reason == CONFIG_ERROR != container.reason:
        p.event("Pod", pod.name, "Failed", f"Error: {fact.message}", warning=True)
    if fact.event and container.message != fact.message:
        p.event("Pod", pod.name, fact.event, fact.message, warning=True)
    container.reason, container.message = fact.reason, fact.message


def _note_start(p: Pass, pod: PodState, container: ContainerState, fact: Started) -> None:
    container.started, container.message = fact.at, ""
    if container.status == "starting" and not container.stopping and stops.hook(p, pod, container, "postStart"):
        # Nobody sees it run before its hook has ended. Of a hook whose supervisor was killed, nobody knows: once more.
        container.hook = "postStart"
        p.commands.append(RunHook(pod.name, container.name, "postStart"))
        return
    _run(p, pod, container, is_ready=fact.ready)


def _run(p: Pass, pod: PodState, container: ContainerState, *, is_ready: bool) -> None:
    spec = p.child(pod.job).job_template.container(container.name)
    if container.status != "running":
        container.up = "startupProbe" not in spec
    if not container.init:
        pod.phase = "Running"
    container.status, container.reason, container.message = "running", "", ""
    # Where there is a probe, it decides.
    container.ready = container.ready if "readinessProbe" in spec else is_ready and container.up


def _note_probe(p: Pass, pod: PodState, container: ContainerState, fact: Probed) -> None:
    if fact.message:
        p.event("Pod", pod.name, fact.reason, fact.message, warning=True)
    if fact.probe == "readiness":
        container.ready = container.ready if fact.passed is None else fact.passed
    elif fact.passed is False:
        pods.fail_probe(p, pod, container, fact.probe, _cause(fact.message or f"{fact.probe} probe failed"))
    elif fact.passed and fact.probe == "startup":
        container.up = True
        _run(p, pod, container, is_ready=True)


def _note_hook(p: Pass, pod: PodState, container: ContainerState, fact: HookEnded) -> None:
    if container.hook != fact.hook:
        # The grace period was over before.
        return
    container.hook = ""
    word, why = fact.hook[0].upper() + fact.hook[1:], f": {fact.message}" if fact.message else ""
    if fact.failed:
        p.event("Pod", pod.name, f"Failed{word}Hook", f"{word}Hook failed{why}", warning=True)
    if fact.hook == "postStart" and fact.failed:
        container.fault, container.status = "hook", "running"
        container.cause = _cause(f"postStart hook failed{why}")
        stops.begin(p, pod, container, p.grace(p.child(pod.job)), "FailedPostStartHook")
    elif fact.hook == "postStart":
        _run(p, pod, container, is_ready=True)


def _cause(message: str) -> str:
    """What failed, on one line: the first one of a message, and the last, where programs tell what went wrong."""
    first, *others = [line.strip()[:_LONGEST_LINE] for line in message.splitlines() if line.strip()]
    return " … ".join((first[0].lower() + first[1:], *others[-1:]))


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
