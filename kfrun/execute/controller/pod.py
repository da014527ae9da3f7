"""The kubelet's part: containers of one pod in order, restarts in place, graceful stop.

Rules: init containers one after another, sidecars (init containers that always restart) beside what follows, then
all main containers at once, but each after the postStart hook of the one before; a pod has ended when all main
containers have (Kubernetes pod lifecycle).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import stops
from kfrun.execute.controller.context import StartContainer
from kfrun.model.runstate import FirstFailure
from kfrun.model.state import DEADLINE_EXCEEDED, EVICTED

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import ContainerState, PodState
    from kfrun.model.workload import ChildJob

_EVICTION_GRACE = 1.0
_MOMENT = 0.1
"""Seconds in which pods that were started together may end together."""


def advance(p: Pass, pod: PodState, job: ChildJob) -> None:
    """Start what is due, stop what has to go, and find out whether the pod has ended."""
    if pod.ended:
        return
    if pod.kill_at is None:
        _check_deadline(p, pod, job)
    if pod.kill_at is not None:
        _finish_stop(p, pod)
        return
    if pod.is_steady:
        return
    stops.advance(p, pod)
    _start_due(p, pod, job)
    conclude(p, pod, job)


def stop(p: Pass, pod: PodState, grace: float) -> None:
    """Remove a pod: SIGTERM to the main process of each container, SIGKILL to everything after ``grace`` seconds."""
    if pod.ended or pod.kill_at is not None:
        return
    pod.deleted = True
    _end(p, pod, grace)


def spare(p: Pass, pod: PodState) -> bool:
    """Whether a pod that others decide to remove has only just begun: it gets a moment to end by itself.

    Pods of one Job begin within milliseconds of each other, and may fail so. On a cluster nobody notices that sooner
    than all have.
    """
    begun = [c.started for c in pod.containers if c.active and c.started is not None]
    if not begun or pod.kill_at is not None or p.now >= max(begun) + _MOMENT:
        return False
    p.wake(max(begun) + _MOMENT)
    return True


def shorten_grace(p: Pass, pod: PodState, kill_at: float) -> None:
    """Bring SIGKILL forward (a second Ctrl-C)."""
    if pod.kill_at is not None and pod.kill_at > kill_at:
        pod.kill_at = kill_at
        stops.shorten(p, pod, kill_at)
        _finish_stop(p, pod)


def fail_probe(p: Pass, pod: PodState, container: ContainerState, probe: str, cause: str) -> None:
    """The startup or liveness probe of a container says that it has to go, and why.

    It is started anew, however it ends then; where nothing is, and no other is at work, its whole pod ends.
    """
    if container.stopping:
        return
    job = p.child(pod.job)
    container.fault, container.cause = "probe", cause
    others = (c for c in pod.containers if c is not container)
    is_alone = not any(c.active and not c.stopping and not c.init for c in others)
    if job.restart_policy == "Never" and not container.sidecar and is_alone:
        _end(p, pod, job.grace)
        return
    grace = job.job_template.container(container.name)[f"{probe}Probe"].get("terminationGracePeriodSeconds", job.grace)
    what, then = ("Init container", "") if container.init else ("Container", ", will be restarted")
    message = f"{what} {container.name} failed {probe} probe{then if job.restart_policy != 'Never' else ''}"
    stops.begin(p, pod, container, grace, message)


def _check_deadline(p: Pass, pod: PodState, job: ChildJob) -> None:
    seconds = job.job_template.pod.get("activeDeadlineSeconds")
    if seconds is None:
        return
    if p.now < pod.created + seconds:
        p.wake(pod.created + seconds)
        return
    message = "Pod was active on the node longer than the specified deadline"
    cause = f"was active longer than its pod's activeDeadlineSeconds of {seconds} s"
    _fail(p, pod, DEADLINE_EXCEEDED, message, cause, job.grace)


def evict(p: Pass, pod: PodState, message: str) -> None:
    """End a pod that takes more than it may; it has failed, whatever its containers say."""
    if not pod.ended and pod.kill_at is None:
        grace = min(_EVICTION_GRACE, p.child(pod.job).grace)
        _fail(p, pod, EVICTED, message, f"was evicted: {message.strip()}", grace)


def _fail(p: Pass, pod: PodState, reason: str, message: str, cause: str, grace: float) -> None:
    pod.reason, pod.message = reason, message
    p.event("Pod", pod.name, reason, message, warning=reason == EVICTED)
    blame(p, pod, reason, cause)
    _end(p, pod, grace)


def blame(p: Pass, pod: PodState, reason: str, cause: str) -> None:
    """A pod has to end for what no container did: unless something else failed before, the job fails for that."""
    if p.state.first_failure is None:
        at_work = next((c for c in pod.containers if c.active and not c.sidecar), pod.containers[-1])
        node = p.child(pod.job).node(pod.index)
        p.state.first_failure = FirstFailure(node, pod.name, at_work.name, 1, reason, cause=cause)


def _end(p: Pass, pod: PodState, grace: float) -> None:
    """Stop everything of a pod that runs."""
    pod.kill_at = p.now + grace
    _finish_stop(p, pod)


def _finish_stop(p: Pass, pod: PodState) -> None:
    active = [c for c in pod.containers if c.active]
    if active:
        assert pod.kill_at is not None
        for container in active:
            stops.begin(p, pod, container, max(0.0, pod.kill_at - p.now))
        stops.advance(p, pod)
        return
    mains = [c for c in pod.containers if not c.init]
    is_done = all(c.exit_code == 0 for c in mains) and pod.reason not in (DEADLINE_EXCEEDED, EVICTED)
    pod.phase = "Succeeded" if is_done else "Failed"


def _start_due(p: Pass, pod: PodState, job: ChildJob) -> None:
    for number, container in enumerate(pod.containers):
        if container.init:
            if container.sidecar:
                _retry_or_start(p, pod, container, job)
                if _holds_back(container, job) and all(later.started is None for later in pod.containers[number + 1 :]):
                    return
                continue
            if container.status == "terminated" and container.exit_code == 0:
                continue
            _retry_or_start(p, pod, container, job)
            return
        _retry_or_start(p, pod, container, job)
        if container.status == "starting" and stops.hook(p, pod, container, "postStart"):
            return


def _holds_back(sidecar: ContainerState, job: ChildJob) -> bool:
    """Whether what comes after it has to wait for it to start; one that ends at once has started all the same."""
    if sidecar.up:
        return False
    return sidecar.restarts == 0 or "startupProbe" in job.job_template.container(sidecar.name)


def _has_failed(container: ContainerState, job: ChildJob) -> bool:
    """Whether it has ended in a way that makes it start again, if anything does."""
    is_restarted = container.fault == "probe" and job.restart_policy != "Never"
    return container.status == "terminated" and (container.exit_code != 0 or is_restarted)


def _retry_or_start(p: Pass, pod: PodState, container: ContainerState, job: ChildJob) -> None:
    is_due = _has_failed(container, job) and job.restart_policy == "OnFailure" and not is_exhausted(pod, job)
    if is_due or (container.sidecar and container.status == "terminated"):
        _restart(p, pod, container, job)
    if container.status == "waiting":
        _start_if_due(p, pod, container)


def _restart(p: Pass, pod: PodState, container: ContainerState, job: ChildJob) -> None:
    # The kubelet restarts at once the first time, then after 10 s, 20 s…
    ended = p.now if container.finished is None else container.finished
    if container.started is not None and p.back_off.is_forgotten(container.started, ended):
        container.crashes = 0
    wait = p.back_off.wait(container.crashes) if container.crashes else 0.0
    not_before = max(p.now, ended + wait)
    wait = not_before - p.now
    if wait and not container.sidecar:
        tell_back_off(p, pod, wait, _restarts(pod) + 2, max(1, job.backoff_limit))
    container.last = container.end
    container.restarts += 1
    container.crashes += 1
    container.not_before = not_before
    container.status, container.reason, container.message = "waiting", "CrashLoopBackOff" if wait else "", ""
    container.stopping = container.told = container.killed = False
    container.kill_at, container.fault, container.cause = None, "", ""


def forget_failure(p: Pass, pod: PodState, container: str = "") -> None:
    """What is tried again decides about nothing: not the failure of a pod, nor that of its one container."""
    first = p.state.first_failure
    if first is not None and first.pod == pod.name and container in ("", first.container):
        p.state.first_failure = None


def _start_if_due(p: Pass, pod: PodState, container: ContainerState) -> None:
    if container.not_before > p.now:
        p.wake(container.not_before)
        return
    forget_failure(p, pod, container.name)
    container.status, container.started, container.reason, container.message = "starting", p.now, "", ""
    p.commands.append(StartContainer(pod.name, container.name))


def tell_back_off(p: Pass, pod: PodState, seconds: float, number: int, limit: int | None) -> None:
    """That there will be another attempt, but not at once; ``limit`` None where there is no end of them."""
    failed = next((c for c in pod.containers if c.status == "terminated" and c.exit_code and not c.sidecar), None)
    how = "ended" if failed is None else f"failed with exit code {failed.exit_code}"
    how += f": {failed.cause}" if failed is not None and failed.cause else ""
    if pod.reason == DEADLINE_EXCEEDED:
        how = "was active longer than it may be"
    of, node = "" if limit is None else f" of {limit}", p.child(pod.job).node(pod.index)
    p.event("Pod", pod.name, "BackOff", f"{node} {how}; attempt {number}{of} in {round(seconds, 1):g} s", warning=True)


def withhold(p: Pass, reason: str, message: str) -> None:
    """Start nothing in this pass after all, because something is not there that it needs."""
    for command in p.commands:
        if isinstance(command, StartContainer):
            _, container = p.container(command.pod, command.container)
            container.status, container.started = "waiting", None
            container.reason, container.message = reason, message
    p.commands = [command for command in p.commands if not isinstance(command, StartContainer)]


def is_exhausted(pod: PodState, job: ChildJob) -> bool:
    """Whether one more restart would reach the limit: max(1, backoffLimit) restarts fail the Job.

    On a cluster that restart has already begun when the Job controller notices; here it is decided at once, so the
    container runs max(1, backoffLimit) times (observed in the scenarios backoff-*).
    """
    return _restarts(pod) + 1 >= max(1, job.backoff_limit)


def _restarts(pod: PodState) -> int:
    return sum(c.restarts for c in pod.containers if not c.sidecar)


def conclude(p: Pass, pod: PodState, job: ChildJob) -> None:
    """Find out whether the pod has ended by itself."""
    if pod.ended or pod.kill_at is not None:
        return
    decisive = [c for c in pod.containers if not c.sidecar]
    failed = [c for c in decisive if _has_failed(c, job)]
    mains = [c for c in decisive if not c.init]
    if failed and job.restart_policy == "OnFailure":
        if is_exhausted(pod, job):
            # Restarts are used up: the Job controller fails the Job and removes the pod.
            pod.reason = "BackoffLimitExceeded"
        return
    init_failed = any(c.init for c in failed)
    if init_failed or all(c.status == "terminated" for c in mains):
        if any(c.active for c in pod.containers):
            _end(p, pod, job.grace)
        else:
            pod.phase = "Failed" if failed else "Succeeded"


def container_ended(
    p: Pass, pod: PodState, container: ContainerState, *, exit_code: int, reason: str, message: str, at: float
) -> None:
    """Take note that the current attempt of a container ended (or could not be started)."""
    if not container.init:
        pod.phase = "Running"
    container.status, container.ready, container.up, container.hook = "terminated", False, False, ""
    container.exit_code, container.reason, container.message, container.finished = exit_code, reason, message, at
    if reason == "StartError":
        p.event("Pod", pod.name, "Failed", f"Error: {message}", warning=True)
    job, is_own = p.child(pod.job), not container.sidecar and (container.fault or not container.stopping)
    if _has_failed(container, job) and p.state.first_failure is None and is_own:
        found = FirstFailure(job.node(pod.index), pod.name, container.name, exit_code or 1, reason, message)
        found.cause = container.cause
        p.state.first_failure = found
