"""The probes and lifecycle hooks of a job's containers, at work: which are due, and what they say.

Each runs in a process of its own (`kfrun.execute.local.kubelet.errand`), which ends with its timeout, so that none
holds up the supervisor. What is decided of the answers is the business of `kfrun.execute.controller`; how many make a
result is counted here, as a kubelet does, which forgets it when it is restarted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kfrun.execute.controller.facts import Attempt, HookEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.controller.facts import Fact
    from kfrun.execute.local.kubelet.errand import Errand
    from kfrun.execute.local.kubelet.probes import Prober
    from kfrun.execute.local.runtime import ContainerRuntime
    from kfrun.model.runstate import ContainerState, PodState, RunState
    from kfrun.model.workload import Workload

_PROBES = ("startup", "readiness", "liveness")


def of(workload: Workload, runtime: ContainerRuntime, state: RunState) -> Handlers | None:
    """Those of a workload; None where no container has any, so that nothing is paid for them."""
    containers = [item for job in workload.templates for item in (*job.init_containers, *job.containers)]
    if not any(item.get("lifecycle") or any(f"{name}Probe" in item for name in _PROBES) for item in containers):
        return None
    return Handlers(workload, runtime, state)


class Handlers:
    """Runs them."""

    def __init__(self, workload: Workload, runtime: ContainerRuntime, state: RunState) -> None:
        from kfrun.execute.local.kubelet.calls import Calls

        self._specs = {
            (job.name, item["name"]): item
            for job in workload.jobs
            for item in (*job.job_template.init_containers, *job.job_template.containers)
        }
        self._calls = Calls(runtime)
        self._probers: dict[tuple[Attempt, str], Prober] = {}
        self._hooks: dict[tuple[Attempt, str], Errand] = {}
        self._state = state

    def run_hook(self, attempt: Attempt, hook: str) -> None:
        """Begin a hook, unless it runs."""
        from kfrun.execute.local.kubelet import errand

        if (attempt, hook) not in self._hooks:
            spec = self._spec(attempt)
            call = self._calls.hook(self._pod(attempt), attempt, spec, spec["lifecycle"][hook])
            self._hooks[attempt, hook] = errand.begin(call, None)

    def mind(self, state: RunState, now: float) -> None:
        """Begin what is due, and end what belongs to what has ended."""
        self._state = state
        wanted: dict[tuple[Attempt, str], ContainerState] = {}
        running = set()
        for pod in state.pods:
            if not pod.ended:
                for container in pod.containers:
                    if container.active:
                        attempt = Attempt.of(pod, container)
                        running.add(attempt)
                        wanted |= {(attempt, name): container for name in self._wanted(pod, container)}
        for key in [key for key in self._hooks if key[0] not in running]:
            self._hooks.pop(key).end()
        for key in [key for key in self._probers if key not in wanted]:
            self._probers.pop(key).close()
        for key, container in wanted.items():
            if key not in self._probers:
                age = max(0.0, now - (container.started or now))
                self._probers[key] = self._prober(*key, since=time.monotonic() - age)
            self._probers[key].mind(container, time.monotonic())

    def _wanted(self, pod: PodState, container: ContainerState) -> list[str]:
        """The probes that ask just now."""
        if container.status != "running":
            return []
        spec = self._specs[pod.job, container.name]
        names = ("readiness", "liveness") if container.up else ("startup",)
        is_going = pod.kill_at is not None or container.stopping
        return [name for name in names if f"{name}Probe" in spec and not (is_going and name != "readiness")]

    def _prober(self, attempt: Attempt, name: str, *, since: float) -> Prober:
        from kfrun.execute.local.kubelet.probes import Prober

        spec = self._spec(attempt)
        call = self._calls.probe(self._pod(attempt), attempt, spec, spec[f"{name}Probe"])
        is_first = name == "startup" or "startupProbe" not in spec
        return Prober(attempt, name, spec[f"{name}Probe"], call, since=since, is_first=is_first)

    def _pod(self, attempt: Attempt) -> PodState:
        return next(pod for pod in self._state.pods if pod.name == attempt.pod)

    def _spec(self, attempt: Attempt) -> dict[str, Any]:
        return self._specs[self._pod(attempt).job, attempt.container]

    def descriptors(self) -> Sequence[int]:
        """Descriptors that become readable when `collect` has something."""
        found = [item for prober in self._probers.values() for item in prober.descriptors()]
        return [*found, *(item for acting in self._hooks.values() for item in acting.descriptors())]

    def interval(self) -> float | None:
        """Seconds until something is due; None where nothing is."""
        due = min((at for item in self._probers.values() if (at := item.due()) is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def collect(self) -> list[Fact]:
        """What has been found out since the last call."""
        found: list[Fact] = [fact for item in self._probers.values() for fact in item.collect()]
        for (attempt, hook), acting in self._hooks.items():
            answer = acting.answer()
            if answer is not None:
                found.append(HookEnded(attempt, hook, failed=not answer.passed, message=answer.message))
        return found

    def close(self) -> None:
        """End everything that is under way."""
        for prober in self._probers.values():
            prober.close()
        for acting in self._hooks.values():
            acting.end()
