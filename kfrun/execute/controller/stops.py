"""How one container is stopped: its preStop hook, then SIGTERM, then SIGKILL; sidecars after what they serve.

Rules of the kubelet: the hook runs within the grace period. What had to wait, for its hook or for others, gets SIGTERM
when that is over, and two seconds at least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller.context import KillContainer, RunHook, TerminateContainer

if TYPE_CHECKING:
    from typing import Any

    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import ContainerState, PodState

_LEAST = 2.0


def hook(p: Pass, pod: PodState, container: ContainerState, name: str) -> dict[str, Any] | None:
    """The lifecycle hook of that name that a container has."""
    spec = p.child(pod.job).job_template.container(container.name)
    found: dict[str, Any] | None = (spec.get("lifecycle") or {}).get(name)
    return found


def begin(p: Pass, pod: PodState, container: ContainerState, grace: float, message: str = "") -> None:
    """Stop a container that was started; nothing if that has begun. Afterwards `advance` goes on with it."""
    if container.stopping:
        return
    container.stopping, container.kill_at = True, p.now + grace
    if not (container.status == "starting" and container.message):
        # What is held was never there.
        p.event("Pod", pod.name, "Killing", message or f"Stopping container {container.name}")
    has_started = container.status == "running" or container.hook == "postStart"
    container.hook = ""
    if has_started and grace > 0 and hook(p, pod, container, "preStop"):
        container.hook = "preStop"
        p.commands.append(RunHook(pod.name, container.name, "preStop"))
    elif grace <= 0 or not _waits_for_others(pod, container):
        _tell(p, pod, container)


def advance(p: Pass, pod: PodState) -> None:
    """Bring every container of a pod that is being stopped a step further."""
    for container in pod.containers:
        if container.active and container.stopping and not container.killed:
            _advance(p, pod, container)


def shorten(p: Pass, pod: PodState, kill_at: float) -> None:
    """Bring the end of a pod that is being stopped forward; what is due at once is not told any more."""
    for container in pod.containers:
        if container.active and container.kill_at is not None:
            container.kill_at = min(container.kill_at, kill_at)
            if p.now >= kill_at:
                container.told, container.hook = True, ""


def _advance(p: Pass, pod: PodState, container: ContainerState) -> None:
    assert container.kill_at is not None
    if not container.told and (p.now >= container.kill_at or not _is_held(pod, container)):
        container.hook, container.kill_at = "", max(container.kill_at, p.now + _LEAST)
        _tell(p, pod, container)
    if p.now < container.kill_at:
        p.wake(container.kill_at)
    else:
        container.killed = True
        p.commands.append(KillContainer(pod.name, container.name))


def _is_held(pod: PodState, container: ContainerState) -> bool:
    return bool(container.hook) or _waits_for_others(pod, container)


def _waits_for_others(pod: PodState, container: ContainerState) -> bool:
    """Sidecars end after all that was started after them, in reverse order."""
    if not container.sidecar or pod.kill_at is None:
        return False
    return any(later.active for later in pod.containers[pod.containers.index(container) + 1 :])


def _tell(p: Pass, pod: PodState, container: ContainerState) -> None:
    container.told = True
    p.commands.append(TerminateContainer(pod.name, container.name))
