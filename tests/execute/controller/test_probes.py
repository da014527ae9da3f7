"""Probes, lifecycle hooks and the end of single containers, as the kubelet decides about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.controller import pod as pods
from kfrun.execute.controller.facts import Attempt, HookEnded, Probed, Started
from tests import workloads
from tests.execute.controller.machine import COMPLETE, FAILED, NEVER, Machine, grace, inits, workload

if TYPE_CHECKING:
    from kfrun.model.runstate import ContainerState

PROBE: dict[str, Any] = {"exec": {"command": ["true"]}}
HOOK: dict[str, Any] = {"exec": {"command": ["true"]}}
NODE = "job-node-0-0/node"


def machine(*containers: dict[str, Any], pod: dict[str, Any] | None = None, **job: Any) -> Machine:
    return Machine(workload(workloads.replicated(containers=containers, pod=pod, **job)))


def node(**fields: Any) -> dict[str, Any]:
    return {"name": "node", **fields}


def probed(machine: Machine, probe: str, passed: bool | None, message: str = "", container: str = "node") -> None:
    machine.tell(Probed(machine.attempt(0, container), probe, passed, message))


def container(machine: Machine, name: str = "node") -> ContainerState:
    return next(item for item in machine.state.pods[-1].containers if item.name == name)


def test_a_readiness_probe_decides_whether_its_pod_is_ready() -> None:
    it = machine(node(readinessProbe=PROBE))
    assert not it.state.pods[0].ready
    probed(it, "readiness", None, "Readiness probe failed: no")
    assert not it.state.pods[0].ready
    probed(it, "readiness", True)
    assert it.state.pods[0].ready
    probed(it, "readiness", False, "Readiness probe failed: no")
    assert not it.state.pods[0].ready
    assert it.events.count(("Pod", "Unhealthy")) == 2


def test_what_is_found_again_is_as_ready_as_its_probe_said() -> None:
    it = machine(node(readinessProbe=PROBE))
    it.tell(Started(it.attempt(), 0.0))
    assert not container(it).ready
    probed(it, "readiness", True)
    it.tell(Started(it.attempt(), 0.0))
    assert container(it).ready


@pytest.mark.parametrize("also", [{}, {"readinessProbe": PROBE}])
def test_a_container_is_up_when_its_startup_probe_says_so(also: dict[str, Any]) -> None:
    it = machine(node(startupProbe=PROBE, **also))
    assert (container(it).up, container(it).ready) == (False, False)
    probed(it, "startup", True)
    assert (container(it).up, container(it).ready) == (True, not also)


def test_what_fails_its_liveness_probe_is_stopped_and_starts_again_however_it_ends() -> None:
    it = machine(node(livenessProbe=PROBE), pod=grace(5), backoffLimit=4)
    it.taken()
    probed(it, "liveness", None, "Liveness probe failed: no")
    assert it.taken() == []
    probed(it, "liveness", False, "Liveness probe failed: no")
    assert it.taken() == [f"term {NODE}"]
    assert it.messages("Killing") == ["Container node failed liveness probe, will be restarted"]
    it.at(5.0)
    assert it.taken() == [f"kill {NODE}"]
    it.end(0, 0)
    assert it.taken() == [f"start {NODE}"]
    assert container(it).last is not None
    probed(it, "liveness", False)
    it.end(0, 143)
    assert it.state.pods[0].phase == "Running", "it waits for its back-off"
    assert it.state.first_failure is not None, "nobody else wanted it to end"


def test_a_probe_may_have_a_grace_period_of_its_own() -> None:
    probe = {**PROBE, "terminationGracePeriodSeconds": 1}
    it = machine(node(livenessProbe=probe), pod=grace(30), backoffLimit=4)
    it.taken()
    probed(it, "liveness", False)
    it.at(1.0)
    assert it.taken() == [f"term {NODE}", f"kill {NODE}"]


@pytest.mark.parametrize("probe", ["startup", "liveness"])
def test_without_restarts_a_failed_probe_ends_the_whole_pod(probe: str) -> None:
    proxy = {"name": "proxy", "restartPolicy": "Always"}
    it = machine(node(**{f"{probe}Probe": PROBE}), pod={**NEVER, **inits(proxy), **grace(5)})
    it.taken()
    probed(it, probe, False, f"{probe.capitalize()} probe failed: one\ntwo\n  no such file\n")
    assert it.taken() == [f"term {NODE}"]
    it.end(0, 137)
    assert it.taken() == ["term job-node-0-0/proxy"]
    it.end(0, 0, container="proxy")
    assert it.conditions == FAILED
    assert it.state.first_failure is not None
    assert it.state.first_failure.exit_code == 137
    assert it.state.first_failure.cause == f"{probe} probe failed: one … no such file"


def test_a_container_that_ends_well_when_its_probe_fails_tells_why_its_job_failed() -> None:
    it = machine(node(livenessProbe=PROBE), backoffLimit=1)
    probed(it, "liveness", False)
    it.end(0, 0)
    assert it.conditions == FAILED
    assert it.state.first_failure is not None
    assert (it.state.first_failure.exit_code, it.state.first_failure.cause) == (1, "liveness probe failed")


def test_without_restarts_others_of_the_pod_work_on() -> None:
    it = machine(node(livenessProbe=PROBE), {"name": "other"}, pod={**NEVER, **grace(5)})
    it.taken()
    probed(it, "liveness", False)
    assert it.taken() == [f"term {NODE}"]
    assert it.messages("Killing") == ["Container node failed liveness probe"]
    it.end(0, 137)
    assert it.taken() == []
    it.end(0, 0, container="other")
    assert it.conditions == FAILED


def test_sidecars_have_probes_too_and_hold_back_what_follows_until_they_are_up() -> None:
    proxy = {"name": "proxy", "restartPolicy": "Always", "startupProbe": PROBE, "livenessProbe": PROBE}
    it = machine(node(), pod={**inits({**proxy, "readinessProbe": PROBE}), **grace(5), **NEVER})
    assert it.taken() == ["start job-node-0-0/proxy"]
    probed(it, "startup", False, container="proxy")
    assert it.messages("Killing") == ["Init container proxy failed startup probe"]
    it.end(0, 143, container="proxy")
    assert it.taken() == ["term job-node-0-0/proxy", "start job-node-0-0/proxy"]
    probed(it, "startup", True, container="proxy")
    assert it.taken() == [f"start {NODE}"]
    assert not it.state.pods[0].ready, "a sidecar counts"
    probed(it, "readiness", True, container="proxy")
    assert it.state.pods[0].ready
    probed(it, "liveness", False, container="proxy")
    it.end(0, 1, container="proxy")
    assert it.taken() == ["term job-node-0-0/proxy"]
    it.at(10.0)
    assert it.taken() == ["start job-node-0-0/proxy"]


def test_sidecars_end_after_what_was_started_after_them_and_in_reverse() -> None:
    sidecars = [{"name": name, "restartPolicy": "Always"} for name in ("first", "second")]
    it = machine(node(), pod={**inits(*sidecars), **grace(30)})
    it.taken()
    it.ask("cancel")
    assert it.taken() == [f"term {NODE}"]
    assert it.messages("Killing") == [f"Stopping container {name}" for name in ("first", "second", "node")]
    it.end(0, 143)
    assert it.taken() == ["term job-node-0-0/second"]
    it.end(0, 143, container="second")
    assert it.taken() == ["term job-node-0-0/first"]
    it.end(0, 143, container="first")
    assert it.state.pods[0].ended


def test_sidecars_that_waited_for_the_whole_grace_period_get_two_seconds() -> None:
    it = machine(node(), pod={**inits({"name": "proxy", "restartPolicy": "Always"}), **grace(3)})
    it.ask("cancel")
    it.taken()
    it.at(3.0)
    assert it.taken() == ["term job-node-0-0/proxy", f"kill {NODE}"]
    it.at(5.0)
    assert it.taken() == ["kill job-node-0-0/proxy"]


def test_what_runs_shows_when_its_post_start_hook_has_ended_and_others_start_after_it() -> None:
    it = machine(node(lifecycle={"postStart": HOOK}), {"name": "other"})
    assert it.taken() == [f"start {NODE}", f"hook postStart {NODE}"]
    assert (container(it).status, it.state.pods[0].phase) == ("starting", "Pending")
    it.tell(HookEnded(it.attempt(), "postStart"))
    assert it.taken() == ["start job-node-0-0/other"]
    assert it.state.pods[0].ready


def test_a_post_start_hook_that_fails_ends_its_container() -> None:
    it = machine(node(lifecycle={"postStart": HOOK, "preStop": HOOK}), pod=grace(5))
    it.taken()
    it.tell(HookEnded(it.attempt(), "postStart", failed=True, message="command 'x' exited with 3: no"))
    assert it.taken() == [f"hook preStop {NODE}"]
    assert it.messages("FailedPostStartHook") == ["PostStartHook failed: command 'x' exited with 3: no"]
    assert it.messages("Killing") == ["FailedPostStartHook"]
    it.tell(HookEnded(it.attempt(), "preStop"))
    assert it.taken() == [f"term {NODE}"]
    it.end(0, 143)
    assert it.conditions == FAILED
    assert it.state.first_failure is not None
    assert it.state.first_failure.cause == "postStart hook failed: command 'x' exited with 3: no"


def test_a_pre_stop_hook_comes_before_sigterm_within_the_grace_period() -> None:
    it = machine(node(lifecycle={"preStop": HOOK}), pod=grace(10))
    it.taken()
    it.ask("cancel")
    assert it.taken() == [f"hook preStop {NODE}"]
    it.now = 4.0
    it.tell(HookEnded(it.attempt(), "preStop", failed=True))
    assert it.taken() == [f"term {NODE}"]
    assert it.messages("FailedPreStopHook") == ["PreStopHook failed"]
    assert it.wake_at == 10.0
    it.at(10.0)
    assert it.taken() == [f"kill {NODE}"]


def test_sigterm_comes_though_the_pre_stop_hook_takes_longer_than_the_grace_period() -> None:
    it = machine(node(lifecycle={"preStop": HOOK}), pod=grace(3))
    it.ask("cancel")
    it.taken()
    it.at(3.0)
    assert it.taken() == [f"term {NODE}"]
    it.tell(HookEnded(it.attempt(), "preStop"))
    assert it.taken() == []
    it.at(5.0)
    assert it.taken() == [f"kill {NODE}"]


def test_who_wants_it_at_once_waits_for_no_hook() -> None:
    it = machine(node(lifecycle={"preStop": HOOK}), pod=grace(30))
    it.ask("cancel")
    it.taken()
    it.ask("kill")
    assert it.taken() == [f"kill {NODE}"]


def test_what_ended_by_itself_has_no_pre_stop_hook() -> None:
    it = machine(node(lifecycle={"preStop": HOOK}))
    it.taken()
    it.end(0, 0)
    assert (it.taken(), it.conditions) == ([], COMPLETE)


def test_answers_about_an_attempt_that_is_over_change_nothing() -> None:
    it = machine(node(livenessProbe=PROBE), backoffLimit=4)
    first = it.attempt()
    it.end(0, 1)
    it.tell(Probed(first, "liveness", False, "late"), HookEnded(first, "preStop"))
    assert not container(it).stopping
    assert it.attempt() == Attempt(first.pod, "node", 1)


def test_a_pod_that_is_active_for_too_long_fails_whatever_its_containers_say() -> None:
    it = machine(node(), pod={**NEVER, **grace(5), "activeDeadlineSeconds": 3})
    it.taken()
    assert it.wake_at == 3.0
    it.at(3.0)
    assert it.taken() == [f"term {NODE}"]
    it.end(0, 0)
    pod = it.state.pods[0]
    assert (pod.phase, pod.reason) == ("Failed", "DeadlineExceeded")
    assert pod.message == "Pod was active on the node longer than the specified deadline"
    assert it.conditions == FAILED
    assert it.state.first_failure is not None
    assert it.state.first_failure.cause == "was active longer than its pod's activeDeadlineSeconds of 3 s"


def test_a_pod_that_is_evicted_fails_whatever_its_containers_say_and_has_a_second_to_end() -> None:
    it = machine(node(), pod={**NEVER, **grace(5)})
    it.taken()
    pod = it.state.pods[0]
    p = it.begin()
    pods.evict(p, pod, "too much")
    it.turn(p)
    assert it.taken() == [f"term {NODE}"]
    assert pod.kill_at == 1.0
    it.end(0, 0)
    assert (pod.phase, pod.reason, pod.message) == ("Failed", "Evicted", "too much")
    assert ("Pod", "Evicted") in it.events
    assert it.conditions == FAILED


def test_the_deadline_of_a_pod_counts_for_each_pod() -> None:
    it = machine(node(), pod={**NEVER, **grace(5), "activeDeadlineSeconds": 3}, backoffLimit=1)
    it.at(3.0)
    it.end(0, 143)
    it.at(20.0)
    assert [pod.phase for pod in it.state.pods] == ["Failed", "Pending"] or it.state.pods[1].phase == "Running"
    assert it.wake_at == 23.0


def test_a_pod_runs_when_a_main_container_does() -> None:
    it = machine(node(), pod=inits({"name": "prepare"}))
    assert it.state.pods[0].phase == "Pending"
    it.end(0, 0, container="prepare")
    assert it.state.pods[0].phase == "Running"


def test_where_no_grace_is_given_nothing_waits_for_anything() -> None:
    it = machine(
        node(lifecycle={"preStop": HOOK}), pod={**inits({"name": "proxy", "restartPolicy": "Always"}), **grace(0)}
    )
    it.taken()
    it.ask("cancel")
    names = ("job-node-0-0/proxy", NODE)
    assert it.taken() == [f"{verb} {name}" for verb in ("term", "kill") for name in names]


def test_the_code_of_a_sidecar_is_never_that_of_the_job() -> None:
    it = machine(node(), pod={**inits({"name": "proxy", "restartPolicy": "Always"}), **NEVER})
    it.end(0, 7, container="proxy")
    assert it.state.first_failure is None
    it.end(0, 3)
    assert it.state.first_failure is not None
    assert it.state.first_failure.exit_code == 3
