"""The controllers' rules, step by step, with a clock of our own and no process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kfrun.execute.controller import trainjob
from kfrun.execute.controller.context import Pass
from kfrun.execute.controller.facts import Ended, Lost, Started, Waiting
from kfrun.model.runstate import RunState, job_uid
from tests.execute.controller.machine import (
    COMPLETE,
    FAILED,
    NEVER,
    PROXY,
    Machine,
    child,
    grace,
    inits,
    workload,
)


def test_all_nodes_start_at_once_and_all_must_succeed() -> None:
    machine = Machine(workload(child(nodes=3)))
    assert machine.taken() == [f"start job-node-0-{number}/node" for number in range(3)]
    machine.end(1)
    machine.end(0)
    assert machine.conditions == []
    machine.end(2)
    assert machine.conditions == COMPLETE
    assert trainjob.is_over(machine.state)


def test_a_failed_node_stops_the_others_and_the_end_waits_for_them() -> None:
    machine = Machine(workload(child(nodes=2, pod=grace(5))))
    machine.taken()
    machine.end(1, 5)
    assert machine.taken() == []
    machine.at(0.1)
    assert machine.taken() == ["term job-node-0-0/node"]
    assert machine.job() == [("FailureTarget", "BackoffLimitExceeded")]
    assert machine.conditions == []
    machine.at(4.9)
    assert machine.taken() == []
    machine.at(5.1)
    assert machine.taken() == ["kill job-node-0-0/node"]
    machine.end(0, 137)
    assert machine.conditions == FAILED
    assert machine.state.first_failure is not None
    assert (machine.state.first_failure.node, machine.state.first_failure.exit_code) == ("node-1", 5)
    assert machine.state.jobs[0].failed == 2


@pytest.mark.parametrize(("limit", "runs"), [(0, 1), (1, 1), (2, 2), (4, 4)])
def test_on_failure_a_container_runs_as_often_as_the_limit_says(limit: int, runs: int) -> None:
    machine = Machine(workload(child(backoffLimit=limit)))
    for _ in range(runs):
        assert machine.taken() == ["start job-node-0-0/node"]
        machine.end(0, 3)
        machine.at(machine.now + 1000)
    assert machine.conditions == FAILED
    assert len(machine.state.pods) == 1


def test_what_ran_well_for_long_is_started_again_at_once() -> None:
    """Twice the longest wait, as the kubelet has it."""
    machine = Machine(workload(child(backoffLimit=99, pod={"restartPolicy": "OnFailure"})))
    waits: list[float] = []
    for ran in (0, 0, 0, 600, 601, 0, 601):
        machine.at(machine.now + ran)
        machine.end(0, 1)
        waits.append((machine.wake_at or machine.now) - machine.now)
        machine.at(machine.now + waits[-1])
    assert waits == [0, 10, 20, 40, 0, 10, 0]


def test_on_failure_waits_are_none_then_ten_then_twenty_seconds() -> None:
    machine = Machine(workload(child(backoffLimit=9)))
    waits = []
    for _ in range(8):
        machine.taken()
        before = machine.now
        machine.end(0, 3)
        if machine.wake_at is not None:
            machine.at(machine.wake_at)
        waits.append(machine.now - before)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    told = machine.messages("BackOff")
    assert told[0] == "node-0 failed with exit code 3; attempt 3 of 9 in 10 s"
    assert told[-1] == "node-0 failed with exit code 3; attempt 9 of 9 in 300 s"


@pytest.mark.parametrize(("limit", "pods"), [(0, 1), (1, 2), (3, 4)])
def test_never_makes_one_pod_more_than_the_limit(limit: int, pods: int) -> None:
    machine = Machine(workload(child(backoffLimit=limit, pod=NEVER)))
    for _ in range(pods):
        assert machine.taken() == ["start job-node-0-0/node"]
        machine.end(0, 3)
        machine.at(machine.now + 1000)
    assert machine.conditions == FAILED
    assert [pod.attempt for pod in machine.state.pods] == list(range(pods))
    assert len({pod.name for pod in machine.state.pods}) == pods
    waits = [10 * 2**number for number in range(limit)]
    assert machine.messages("BackOff") == [
        f"node-0 failed with exit code 3; attempt {number} of {limit + 1} in {wait} s"
        for number, wait in enumerate(waits, 2)
    ]


def test_a_retry_that_succeeds_makes_the_job_complete() -> None:
    machine = Machine(workload(child(backoffLimit=1, pod=NEVER)))
    machine.end(0, 3)
    machine.at(9.9)
    assert len(machine.state.pods) == 1
    machine.at(10)
    machine.end(0)
    assert machine.conditions == COMPLETE
    assert machine.state.jobs[0].failed == 1


def test_the_deadline_of_the_job_template() -> None:
    machine = Machine(workload(child(activeDeadlineSeconds=3)))
    machine.taken()
    assert machine.wake_at == 3
    machine.at(3)
    assert machine.taken() == ["term job-node-0-0/node"]
    machine.end(0, 143)
    assert machine.job() == [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")]
    assert machine.conditions == FAILED


def test_the_deadline_of_the_trainjob_fails_it_at_once_and_deletes_the_jobset() -> None:
    machine = Machine(workload(child(), active_deadline=4))
    machine.at(4)
    assert machine.conditions == [("Failed", "True", "DeadlineExceeded")]
    assert machine.state.jobset.deleted
    assert not trainjob.is_over(machine.state)
    machine.end(0, 0)
    assert trainjob.is_over(machine.state)


def test_the_deadline_counts_anew_after_a_resume() -> None:
    machine = Machine(workload(child(), active_deadline=4), suspend=True)
    machine.at(100)
    assert machine.conditions == [("Suspended", "True", "Suspended")]
    machine.state.suspend = False
    machine.at(101)
    assert machine.wake_at == 105
    machine.at(105)
    assert machine.conditions[-1] == ("Failed", "True", "DeadlineExceeded")


def test_suspending_stops_pods_without_counting_them_and_resuming_starts_new_ones() -> None:
    machine = Machine(workload(child(nodes=2)))
    machine.end(0)
    machine.taken()
    machine.state.suspend = True
    machine.at(1)
    assert machine.taken() == ["term job-node-0-1/node"]
    machine.end(1, 143)
    assert machine.state.jobs[0].failed == 0
    machine.state.suspend = False
    machine.at(2)
    assert machine.taken() == ["start job-node-0-1/node"]
    machine.end(1)
    assert machine.conditions == [("Suspended", "False", "Resumed"), *COMPLETE]


def test_after_a_quick_resume_new_pods_wait_for_the_old_ones_to_be_gone() -> None:
    machine = Machine(workload(child(nodes=2, pod=grace(30))))
    machine.state.suspend = True
    machine.at(1)
    machine.state.suspend = False
    machine.at(2)
    machine.taken()
    machine.end(0, 143)
    assert machine.taken() == [], "the other old pod still has its port"
    machine.at(31)
    assert machine.taken() == ["kill job-node-0-1/node"]
    machine.end(1, 137)
    assert machine.taken() == ["start job-node-0-0/node", "start job-node-0-1/node"]


def test_when_the_clock_is_set_waits_last_as_long_as_they_would_have() -> None:
    machine = Machine(workload(child(pod={**NEVER, **grace(30)}, backoffLimit=5)))
    machine.end(0, 1)
    assert machine.wake_at == 10
    trainjob.shift_waits(machine.state, 3600)
    machine.at(3605)
    assert machine.wake_at == 3610
    machine.at(3610)
    machine.state.request = "delete"
    machine.at(3611)
    trainjob.shift_waits(machine.state, -3000)
    machine.taken()
    machine.at(640)
    assert machine.taken() == []
    machine.at(641)
    assert machine.taken() == ["kill job-node-0-0/node"]


def test_a_node_that_succeeded_in_the_moment_of_suspension_stays_done() -> None:
    machine = Machine(workload(child(nodes=2)))
    machine.state.suspend = True
    machine.end(0)
    assert machine.state.jobs[0].completed_indexes == [0]


def test_a_failure_with_retries_left_in_the_moment_of_suspension_fails_nothing() -> None:
    machine = Machine(workload(child(backoffLimit=3)))
    machine.state.suspend = True
    machine.end(0, 1)
    assert machine.job() == [("Suspended", "JobSuspended")]
    machine.state.suspend = False
    machine.at(1)
    machine.end(0)
    assert machine.conditions[-1:] == COMPLETE


@pytest.mark.parametrize("request_", ["cancel", "kill"])
def test_a_cancelled_job_fails_as_cancelled(request_: str) -> None:
    machine = Machine(workload(child(pod=grace(30))))
    machine.taken()
    machine.state.request = request_
    machine.turn()
    kill = ["kill job-node-0-0/node"] if request_ == "kill" else []
    assert machine.taken() == ["term job-node-0-0/node", *kill]
    assert machine.conditions == [("Failed", "True", "Cancelled")]


def test_deletion_stops_gracefully_and_writes_no_condition() -> None:
    machine = Machine(workload(child(pod=grace(3))))
    machine.taken()
    machine.state.request = "delete"
    machine.turn()
    assert machine.taken() == ["term job-node-0-0/node"]
    machine.at(3)
    assert machine.taken() == ["kill job-node-0-0/node"]
    machine.end(0, 137)
    assert machine.conditions == []
    assert trainjob.is_over(machine.state)


@pytest.mark.parametrize(("manifests", "asked"), [(30, 4.0), (1, 9.0)])
def test_a_deletion_may_have_a_grace_period_of_its_own(manifests: int, asked: float) -> None:
    machine = Machine(workload(child(nodes=2, pod=grace(manifests))))
    machine.taken()
    machine.state.request = f"delete by {asked}"
    machine.turn()
    assert machine.taken() == ["term job-node-0-0/node", "term job-node-0-1/node"]
    machine.at(asked - 0.1)
    assert machine.taken() == []
    machine.at(asked)
    assert machine.taken() == ["kill job-node-0-0/node", "kill job-node-0-1/node"]


def test_a_second_deletion_only_makes_the_grace_period_shorter() -> None:
    machine = Machine(workload(child(pod=grace(30))))
    machine.state.request = "delete"
    machine.turn()
    machine.taken()
    machine.state.request = "delete by 5.0"
    machine.at(5)
    assert machine.taken() == ["kill job-node-0-0/node"]


def test_init_containers_run_one_after_another_before_the_main_ones() -> None:
    machine = Machine(workload(child(containers=2, pod=inits({"name": "one"}, {"name": "two"}))))
    assert machine.taken() == ["start job-node-0-0/one"]
    machine.end(0, container="one")
    assert machine.taken() == ["start job-node-0-0/two"]
    machine.end(0, container="two")
    assert machine.taken() == ["start job-node-0-0/node", "start job-node-0-0/side1"]
    machine.end(0)
    assert machine.conditions == []
    machine.end(0, container="side1")
    assert machine.conditions == COMPLETE


def test_a_failed_init_container_keeps_the_main_ones_from_starting() -> None:
    machine = Machine(workload(child(pod={**NEVER, **inits({"name": "one"})})))
    machine.end(0, 4, container="one")
    assert machine.taken() == ["start job-node-0-0/one"]
    assert machine.conditions == FAILED


def test_a_sidecar_runs_beside_the_main_container_and_ends_with_it() -> None:
    machine = Machine(workload(child(pod={**grace(2), **inits(PROXY)})))
    assert machine.taken() == ["start job-node-0-0/proxy", "start job-node-0-0/node"]
    machine.end(0)
    assert machine.taken() == ["term job-node-0-0/proxy"]
    assert machine.conditions == []
    machine.end(0, 143, container="proxy")
    assert machine.conditions == COMPLETE


def test_a_sidecar_that_dies_is_started_again() -> None:
    machine = Machine(workload(child(pod=inits(PROXY))))
    machine.taken()
    machine.end(0, 1, container="proxy")
    machine.at(10)
    assert machine.taken() == ["start job-node-0-0/proxy"]
    assert machine.conditions == []


def test_a_job_waits_for_what_it_depends_on() -> None:
    second = {**child("node"), "dependsOn": [{"name": "prepare", "status": "Complete"}]}
    machine = Machine(workload(child("prepare"), second))
    assert machine.taken() == ["start job-prepare-0-0/prepare"]
    machine.end(0, container="prepare")
    assert machine.taken() == ["start job-node-0-0/node"]
    machine.end(0)
    assert machine.conditions == COMPLETE


def test_a_job_may_wait_for_readiness_only() -> None:
    second = {**child("node"), "dependsOn": [{"name": "server", "status": "Ready"}]}
    machine = Machine(workload(child("server"), second))
    assert machine.taken() == ["start job-server-0-0/server", "start job-node-0-0/node"]


def test_in_order_starts_one_replicated_job_after_another() -> None:
    machine = Machine(workload(child("first", nodes=2), child("second"), in_order=True))
    assert machine.taken() == [
        "start job-first-0-0/first",
        "start job-first-0-1/first",
        "start job-second-0-0/second",
    ]


def test_any_success_ends_the_rest() -> None:
    machine = Machine(workload(child("node"), child("worker"), success_operator="Any", success_targets=("node",)))
    machine.taken()
    machine.end(0)
    assert machine.conditions == COMPLETE
    assert machine.taken() == ["term job-worker-0-0/worker"]


def test_a_failed_job_wins_over_a_successful_one() -> None:
    machine = Machine(workload(child("node"), child("worker"), success_targets=("node",)))
    machine.tell(*(Ended(machine.attempt(0, name), code, "", "", 0) for name, code in (("node", 0), ("worker", 1))))
    assert machine.conditions == FAILED


def test_a_job_that_cannot_start_fails_like_one_that_did() -> None:
    machine = Machine(workload(child(pod=NEVER)))
    machine.end(0, 128, reason="StartError")
    assert machine.conditions == FAILED
    assert ("Pod", "Failed") in machine.events


def test_nothing_starts_before_the_environment_is_there() -> None:
    p = Pass(workload(child(), active_deadline=5), RunState("uid", 0.0, needs="waiting"), 1.0)
    trainjob.step(p)
    assert p.commands == []
    assert p.wake_at == 5
    p.state.needs = "ready"
    trainjob.step(p)
    assert len(p.commands) == 1


def test_no_node_at_all_is_complete_at_once() -> None:
    assert Machine(workload(child(nodes=0))).conditions == COMPLETE


# What is told of containers


def test_what_was_asked_to_start_waits_until_it_is_told_to_have_started() -> None:
    machine = Machine(workload(child()), slow=True)
    pod, container = machine.running(0)
    assert (pod.phase, container.status, container.ready) == ("Pending", "starting", False)
    machine.tell(Waiting(machine.attempt(), "ErrImagePull", "no such image"))
    assert (container.status, container.reason, container.message) == ("starting", "ErrImagePull", "no such image")
    machine.now = 7
    machine.tell(Started(machine.attempt(), 6.5))
    assert (pod.phase, container.status, container.started, container.reason) == ("Running", "running", 6.5, "")
    assert pod.ready


def test_a_job_of_which_nothing_runs_says_what_it_waits_for() -> None:
    machine = Machine(workload(child(nodes=2, pod=NEVER, backoffLimit=1)), slow=True)
    machine.tell(Waiting(machine.attempt(0), "ContainerCreating"))
    assert machine.conditions == []
    machine.tell(Waiting(machine.attempt(0), "CreateContainerConfigError", 'configmap "a" not found'))
    machine.tell(Waiting(machine.attempt(1), "", "0/1 nodes are available"))
    assert machine.conditions == [("Waiting", "True", "CreateContainerConfigError")]
    machine.started(0)
    assert machine.conditions == []
    machine.end(0, 3)
    assert machine.conditions == [("Waiting", "True", "Unschedulable")]
    machine.ask("cancel")
    assert machine.conditions == [("Failed", "True", "Cancelled")]
    assert machine.messages("Killing") == [], "what was never there is not killed"


def test_readiness_is_waited_for_through_slow_starts_and_probes() -> None:
    second = {**child("node"), "dependsOn": [{"name": "server", "status": "Ready"}]}
    machine = Machine(workload(child("server"), second), slow=True)
    assert machine.taken() == ["start job-server-0-0/server"]
    machine.tell(Waiting(machine.attempt(container="server"), "ContainerCreating"))
    machine.tell(Started(machine.attempt(container="server"), 1.0, ready=False))
    assert machine.taken() == []
    machine.tell(Started(machine.attempt(container="server"), 1.0))
    assert machine.taken() == ["start job-node-0-0/node"]


def test_in_order_waits_until_the_first_have_started() -> None:
    machine = Machine(workload(child("first", nodes=2), child("second"), in_order=True), slow=True)
    machine.taken()
    machine.tell(Started(machine.attempt(0, "first"), 1.0))
    assert machine.taken() == []
    machine.tell(Started(machine.attempt(1, "first"), 1.0))
    assert machine.taken() == ["start job-second-0-0/second"]


def test_a_sidecar_has_started_before_the_main_container_is_asked_to() -> None:
    machine = Machine(workload(child(pod=inits(PROXY))), slow=True)
    assert machine.taken() == ["start job-node-0-0/proxy"]
    machine.tell(Started(machine.attempt(container="proxy"), 1.0))
    assert machine.taken() == ["start job-node-0-0/node"]


def test_what_is_lost_runs_on_and_is_not_ready() -> None:
    machine = Machine(workload(child(pod=NEVER)))
    pod, container = machine.running(0)
    lost = Lost(machine.attempt(), "EngineLost", "it does not answer")
    machine.tell(lost)
    machine.tell(lost)
    assert (container.status, container.reason, pod.ready) == ("running", "EngineLost", False)
    assert machine.events.count(("Pod", "EngineLost")) == 1
    assert machine.conditions == []
    machine.tell(Started(machine.attempt(), 0.0))
    assert (container.reason, pod.ready) == ("", True)
    machine.tell(lost)
    machine.end(0, 137, reason="EngineLost")
    assert machine.conditions == [("Failed", "True", "EngineLost")]


def test_what_ended_while_the_engine_was_away_is_a_failure_like_any_other() -> None:
    machine = Machine(workload(child(pod=NEVER, backoffLimit=1)))
    machine.tell(Lost(machine.attempt(), "EngineLost", "it does not answer"))
    machine.end(0, 143, reason="EngineRestarted")
    machine.at(10)
    machine.end(0)
    assert machine.conditions == COMPLETE


def test_an_end_that_nobody_saw_fails_a_job_without_retries() -> None:
    machine = Machine(workload(child(pod=NEVER)))
    machine.end(0, 137, reason="RecorderLost")
    assert machine.conditions == [("Failed", "True", "RecorderLost")]


def test_an_end_that_nobody_saw_counts_as_one_failed_attempt() -> None:
    machine = Machine(workload(child(pod=NEVER, backoffLimit=1)))
    machine.end(0, 137, reason="RecorderLost")
    machine.at(10)
    machine.end(0)
    assert machine.conditions == COMPLETE
    again = Machine(workload(child(backoffLimit=3)))
    again.end(0, 137, reason="RecorderLost")
    again.end(0)
    assert again.conditions == COMPLETE


def test_an_end_that_nobody_saw_and_that_was_asked_for_fails_nothing() -> None:
    machine = Machine(workload(child(pod=NEVER)))
    machine.state.suspend = True
    machine.turn()
    machine.end(0, 137, reason="RecorderLost")
    assert [item for item in machine.conditions if item[0] == "Failed"] == []
    machine.state.suspend = False
    machine.turn()
    machine.end(0)
    assert [item for item in machine.conditions if item[0] == "Complete"]


def test_a_sidecar_whose_end_nobody_saw_is_started_again() -> None:
    machine = Machine(workload(child(pod=inits(PROXY))))
    machine.end(0, 137, container="proxy", reason="RecorderLost")
    assert machine.conditions == []
    machine.at(10)
    machine.running(0, "proxy")
    machine.end(0)
    machine.end(0, 143, container="proxy")
    assert machine.conditions == COMPLETE


def test_what_is_told_of_an_earlier_attempt_changes_nothing() -> None:
    machine = Machine(workload(child(backoffLimit=3)))
    old = machine.attempt()
    machine.end(0, 1)
    _, container = machine.running(0)
    before = replace(container)
    machine.tell(Started(old, 9.0), Lost(old, "EngineLost", ""), Ended(old, 0, "Completed", "", 9.0))
    assert container == before
    machine.end(0)
    machine.tell(Started(replace(old, restarts=1), 9.0))
    assert machine.conditions == COMPLETE


# Identity


def test_a_restarted_job_does_not_count_the_pods_of_the_one_before_it() -> None:
    machine = Machine(
        workload(child(nodes=2, pod=NEVER), {**child("peer"), "dependsOn": [{"name": "node", "status": "Ready"}]})
    )
    machine.end(0)
    machine.end(1, 1)
    machine.end(0, 143, container="peer")
    before = machine.state.jobs[0]
    assert (before.completed_indexes, before.failed) == ([0], 1)
    machine.taken()
    # What a restart of the JobSet comes to: its Jobs are gone, and are made again under the same names.
    machine.slow = True
    machine.state.conditions.clear()
    machine.state.jobset.conditions.clear()
    machine.state.jobset.restarts = 1
    for job in machine.state.jobs:
        job.deleted = True
    machine.at(1)
    after = machine.state.jobs[-1]
    assert (after.name, after.uid) == (before.name, f"{before.uid}-r1")
    assert (after.completed_indexes, after.failed) == ([], 0)
    assert machine.taken() == ["start job-node-0-0/node", "start job-node-0-1/node"]
    machine.tell(Started(machine.attempt(0), 1.0))
    assert machine.taken() == [], "one of two is ready; that one of the first generation succeeded is nothing"
    machine.tell(Started(machine.attempt(1), 1.0))
    assert machine.taken() == ["start job-peer-0-0/peer"]
    machine.end(0)
    machine.end(1)
    machine.end(0, container="peer")
    assert machine.conditions == COMPLETE
    assert len({pod.name for pod in machine.state.pods}) == 6


def test_no_two_jobs_have_one_uid() -> None:
    names = ("job-node-0", "job-node-0-1", "job-node-1")
    assert len({job_uid("uid", name, restart) for name in names for restart in range(3)}) == 9
