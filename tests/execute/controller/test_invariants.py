"""Random workloads meet random ends: whatever happens, the controllers keep to their own rules."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.controller.facts import Ended, HookEnded, Lost, Probed, Started, Waiting
from tests.execute.controller.machine import NEVER, Machine, attempt, child, inits, workload

if TYPE_CHECKING:
    from kfrun.model.runstate import ContainerState, PodState

_STEPS = 60
_ACTIONS = ("FailJob", "Ignore", "Count")
_PROBES = ("startup", "readiness", "liveness")
_PROBE: dict[str, Any] = {"exec": {"command": ["true"]}}
_JOBSET_ACTIONS = ("FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts", "RestartJob")


def _job(rng: random.Random, name: str, before: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"backoffLimit": rng.choice((0, 1, 3))}
    pod: dict[str, Any] = {"terminationGracePeriodSeconds": rng.choice((0, 5))}
    if rng.random() < 0.5:
        pod |= NEVER
        if rng.random() < 0.4:
            fields |= {"backoffLimitPerIndex": rng.choice((0, 2)), "backoffLimit": 100}
            if rng.random() < 0.5:
                fields["maxFailedIndexes"] = rng.choice((0, 1))
        if rng.random() < 0.5:
            codes = {"operator": rng.choice(("In", "NotIn")), "values": [rng.choice((1, 42))]}
            fields["podFailurePolicy"] = {"rules": [{"action": rng.choice(_ACTIONS), "onExitCodes": codes}]}
    if rng.random() < 0.2:
        fields["successPolicy"] = {"rules": [{"succeededCount": 1}]}
    if rng.random() < 0.2:
        fields["activeDeadlineSeconds"] = rng.choice((1, 50))
    if rng.random() < 0.3:
        sidecar = {"restartPolicy": "Always"} if rng.random() < 0.5 else {}
        pod |= inits({"name": f"{name}-init", **sidecar})
    found = child(name, nodes=rng.randint(1, 3), containers=rng.randint(1, 2), pod=pod, **fields)
    found["replicas"] = rng.randint(1, 2)
    spec = found["template"]["spec"]["template"]["spec"]
    if rng.random() < 0.2:
        spec["activeDeadlineSeconds"] = rng.choice((1, 50))
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        container.update({f"{probe}Probe": _PROBE for probe in _PROBES if rng.random() < 0.2})
        hooks = {hook: {"sleep": {"seconds": 1}} for hook in ("postStart", "preStop") if rng.random() < 0.2}
        container.update({"lifecycle": hooks} if hooks else {})
    if before and rng.random() < 0.5:
        found["dependsOn"] = [{"name": rng.choice(before), "status": rng.choice(("Ready", "Complete"))}]
    return found


def _machine(rng: random.Random) -> Machine:
    names: list[str] = []
    found = []
    for name in ("first", "second", "third")[: rng.randint(1, 3)]:
        found.append(_job(rng, name, names))
        names.append(name)
    spec: dict[str, Any] = {}
    if rng.random() < 0.6:
        rule = {"action": rng.choice(_JOBSET_ACTIONS), "targetReplicatedJobs": [rng.choice(names)]}
        spec["failurePolicy"] = {"maxRestarts": rng.choice((0, 2)), "rules": [rule] * rng.randint(0, 1)}
    return Machine(
        workload(*found, spec=spec, in_order=rng.random() < 0.3, success_operator=rng.choice(("All", "Any"))),
        suspend=rng.random() < 0.2,
        slow=True,
    )


class Watch:
    """Looks at a machine after each of its turns."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ended: dict[str, str] = {}
        self.terminal: list[tuple[str, str, str]] = []
        self.restarts = 0

    def look(self) -> None:
        state = self.machine.state
        self._pods()
        assert state.jobset.restarts >= self.restarts
        self.restarts = state.jobset.restarts
        policy = self.machine.workload.failure_policy
        assert state.jobset.restarts_towards_max <= (policy["maxRestarts"] if policy else 0)
        if state.finished:
            final = [
                item for item in self.machine.conditions if item[0] in ("Complete", "Failed") and item[1] == "True"
            ]
            assert len(final) == 1
            assert self.terminal in ([], final), "a terminal state is final"
            self.terminal = final

    def _pods(self) -> None:
        """No index has two pods that run, no pod that has ended comes back, none is there without its Job."""
        state = self.machine.state
        at_work: Counter[tuple[str, int]] = Counter()
        uids = {job.uid: job for job in state.jobs}
        assert len({pod.name for pod in state.pods}) == len(state.pods)
        for pod in state.pods:
            assert pod.job_uid in uids
            for item in (item for item in pod.containers if item.active):
                assert item.stopping or not (item.told or item.killed or item.hook == "preStop")
                assert item.told or not item.killed, "nothing is killed that was not asked to end"
                assert not (item.told and item.hook == "preStop"), "SIGTERM ends the hook's time"
                assert item.status == "running" or not (item.up or item.ready)
                assert item.up or not item.ready
            assert self.ended.get(pod.name, pod.phase) == pod.phase, "an end is final"
            if pod.ended:
                assert not any(item.active for item in pod.containers)
                self.ended[pod.name] = pod.phase
            elif pod.kill_at is None:
                at_work[pod.job, pod.index] += 1
                assert not uids[pod.job_uid].deleted, "what a removed Job left is being stopped"
        assert all(number == 1 for number in at_work.values()), at_work
        for job in (job for job in state.jobs if job.finished):
            assert all(pod.ended for pod in state.pods if pod.job_uid == job.uid)


def _happen(rng: random.Random, machine: Machine) -> None:
    """Something happens to a container, to the job, or time passes."""
    active = [(pod, item) for pod in machine.state.pods for item in pod.containers if item.active]
    word = rng.choice(("time", "end", "end", "end", "start", "start", "suspend", "lost", "hook", "probe", "probe"))
    if word == "suspend" and rng.random() < 0.3 and not machine.state.finished:
        machine.state.suspend = not machine.state.suspend
        machine.turn()
    elif word == "time" or not active:
        machine.at(machine.wake_at if machine.wake_at is not None else machine.now + rng.choice((0.01, 1, 30)))
    else:
        pod, item = rng.choice(active)
        one = attempt(pod, item)
        code = rng.choice((0, 0, 0, 1, 42))
        told = {
            "end": Ended(one, code, "Error" if code else "Completed", "", machine.now),
            "start": Started(one, machine.now),
            "suspend": Waiting(one, "ContainerCreating"),
            "lost": Lost(one, "EngineLost", "gone"),
            "hook": HookEnded(one, item.hook or "preStop", failed=code != 0),
            "probe": _probed(rng, machine, pod, item),
        }
        machine.tell(told[word])


def _probed(rng: random.Random, machine: Machine, pod: PodState, item: ContainerState) -> Probed:
    """What a probe says that the container has and that asks now; of others nothing."""
    spec = next(job for job in machine.workload.jobs if job.name == pod.job).job_template.container(item.name)
    asking = [name for name in _PROBES if f"{name}Probe" in spec and item.status == "running"]
    asking = [name for name in asking if (name == "startup") != item.up]
    if not asking:
        return Probed(attempt(pod, item), "readiness", None)
    return Probed(attempt(pod, item), rng.choice(asking), rng.choice((True, True, False, None)), "no")


def _bring_to_an_end(rng: random.Random, machine: Machine, watch: Watch) -> None:
    """Everything succeeds from now on, and what is asked to stop does."""
    machine.state.suspend = False
    for _ in range(3000):
        active = [(pod, item) for pod in machine.state.pods for item in pod.containers if item.active]
        ending = [(pod, item) for pod, item in active if item.stopping or not item.sidecar]
        starting = [(pod, item) for pod, item in active if item.status == "starting" and not item.hook]
        hooked = [(pod, item) for pod, item in active if item.hook]
        unprobed = [(pod, item) for pod, item in active if item.status == "running" and not (item.up and item.ready)]
        if hooked:
            machine.tell(*(HookEnded(attempt(*one), one[1].hook) for one in hooked))
        elif unprobed and rng.random() < 0.5:
            probes = ("startup", "readiness")
            machine.tell(*(Probed(attempt(*one), probe, True) for one in unprobed for probe in probes))
        elif starting:
            machine.tell(*(Started(attempt(*one), machine.now) for one in starting))
        elif ending:
            machine.tell(*(Ended(attempt(*one), 0, "Completed", "", machine.now) for one in ending))
        else:
            machine.at(max(machine.now, machine.wake_at) if machine.wake_at is not None else machine.now)
        watch.look()
        if machine.state.finished and all(pod.ended for pod in machine.state.pods):
            return
    raise AssertionError(f"it never ends: {machine.state}")


@pytest.mark.parametrize("seed", range(400))
def test_whatever_happens_the_rules_hold_and_there_is_an_end(seed: int) -> None:
    rng = random.Random(seed)
    machine = _machine(rng)
    watch = Watch(machine)
    watch.look()
    for _ in range(_STEPS):
        _happen(rng, machine)
        watch.look()
    _bring_to_an_end(rng, machine, watch)
    watch.look()
