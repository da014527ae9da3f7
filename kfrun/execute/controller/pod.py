"""The kubelet's part: containers of one pod in order, restarts in place, graceful stop.

Rules: init containers one after another, sidecars (init containers that always restart) beside what follows, then
all main containers at once; a pod has ended when all main containers have (Kubernetes pod lifecycle).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller.context import KillPod, StartContainer, TerminateContainer
from kfrun.model.runstate import FirstFailure

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import ContainerState, PodState
    from kfrun.model.workload import ChildJob

_MOMENT = 0.1
"""Seconds in which pods that were started together may end together."""


def advance(p: Pass, pod: PodState, job: ChildJob) -> None:
    """Start what is due, stop what has to go, and find out whether the pod has ended."""
    if pod.ended:
        return
    if pod.kill_at is not None:
        _finish_stop(p, pod)
        return
    _start_due(p, pod, job)
    conclude(p, pod, job)


def stop(p: Pass, pod: PodState, grace: float) -> None:
    """Remove a pod: SIGTERM to the main process of each container, SIGKILL to everything after ``grace`` seconds."""
    if pod.ended or pod.kill_at is not None:
        return
    pod.kill_at = p.now + grace
    pod.deleted = True
    _terminate(p, pod, [c for c in pod.containers if c.active])
    _finish_stop(p, pod)


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
        _finish_stop(p, pod)


def _terminate(p: Pass, pod: PodState, containers: list[ContainerState]) -> None:
    for container in containers:
        if not container.stopping:
            container.stopping = True
            p.event("Pod", pod.name, "Killing", f"Stopping container {container.name}")
            p.commands.append(TerminateContainer(pod.name, container.name))


def _finish_stop(p: Pass, pod: PodState) -> None:
    if any(c.active for c in pod.containers):
        assert pod.kill_at is not None
        if p.now >= pod.kill_at and not pod.killed:
            pod.killed = True
            p.commands.append(KillPod(pod.name))
        elif not pod.killed:
            p.wake(pod.kill_at)
        return
    mains = [c for c in pod.containers if not c.init]
    pod.phase = "Succeeded" if all(c.exit_code == 0 for c in mains) else "Failed"


def _start_due(p: Pass, pod: PodState, job: ChildJob) -> None:
    for container in pod.containers:
        if container.init:
            if container.sidecar:
                _start_if_due(p, pod, container)
                if container.status in ("waiting", "starting") and container.restarts == 0:
                    return
                continue
            if container.status == "terminated" and container.exit_code == 0:
                continue
            _retry_or_start(p, pod, container, job)
            return
        _retry_or_start(p, pod, container, job)


def _retry_or_start(p: Pass, pod: PodState, container: ContainerState, job: ChildJob) -> None:
    failed = container.status == "terminated" and container.exit_code != 0
    if failed and job.restart_policy == "OnFailure" and not is_exhausted(pod, job):
        container.restarts += 1
        # The kubelet restarts at once the first time, then after 10 s, 20 s…
        wait = 0.0 if container.restarts == 1 else p.back_off.wait(container.restarts - 1)
        container.not_before = p.now + wait
        container.status, container.reason, container.message = "waiting", "CrashLoopBackOff" if wait else "", ""
        container.stopping = False
    if container.status == "waiting":
        _start_if_due(p, pod, container)


def _start_if_due(p: Pass, pod: PodState, container: ContainerState) -> None:
    if container.sidecar and container.status == "terminated":
        container.restarts += 1
        container.status, container.not_before = "waiting", p.now + p.back_off.wait(container.restarts)
    if container.status != "waiting":
        return
    if container.not_before > p.now:
        p.wake(container.not_before)
        return
    container.status, container.started, container.reason, container.message = "starting", p.now, "", ""
    p.commands.append(StartContainer(pod.name, container.name))


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
    restarts = sum(c.restarts for c in pod.containers if not c.sidecar)
    return restarts + 1 >= max(1, job.backoff_limit)


def conclude(p: Pass, pod: PodState, job: ChildJob) -> None:
    """Find out whether the pod has ended by itself."""
    if pod.ended or pod.kill_at is not None:
        return
    decisive = [c for c in pod.containers if not c.sidecar]
    failed = [c for c in decisive if c.status == "terminated" and c.exit_code != 0]
    mains = [c for c in decisive if not c.init]
    if failed and job.restart_policy == "OnFailure":
        if is_exhausted(pod, job):
            # Restarts are used up: the Job controller fails the Job and removes the pod.
            pod.reason = "BackoffLimitExceeded"
        return
    init_failed = any(c.init for c in failed)
    if init_failed or all(c.status == "terminated" for c in mains):
        _end_sidecars(p, pod, job)
        if not any(c.active for c in pod.containers):
            pod.phase = "Failed" if failed else "Succeeded"


def _end_sidecars(p: Pass, pod: PodState, job: ChildJob) -> None:
    running = [c for c in pod.containers if c.active]
    if running and pod.kill_at is None:
        _terminate(p, pod, running)
        pod.kill_at = p.now + job.grace
        p.wake(pod.kill_at)


def container_ended(
    p: Pass, pod: PodState, container: ContainerState, *, exit_code: int, reason: str, message: str, at: float
) -> None:
    """Take note that the current attempt of a container ended (or could not be started)."""
    pod.phase = "Running"
    container.status, container.ready = "terminated", False
    container.exit_code, container.reason, container.message, container.finished = exit_code, reason, message, at
    if reason == "StartError":
        p.event("Pod", pod.name, "Failed", f"Error: {message}", warning=True)
    if exit_code != 0 and p.state.first_failure is None and not container.stopping:
        node = p.child(pod.job).node(pod.index)
        p.state.first_failure = FirstFailure(node, pod.name, container.name, exit_code, reason, message)
