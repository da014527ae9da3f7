"""Failure and success policies of Jobs and JobSets, step by step, with a clock of our own and no process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.controller import failurepolicy
from kfrun.model.runstate import Condition, JobState, RunState
from tests.execute.controller.machine import COMPLETE, FAILED, NEVER, Machine, child, grace, workload

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY = {"failurePolicy": {"maxRestarts": 2}}
FAIL_JOBSET = "FailJobSetFailurePolicyAction"
REACHED = [("Failed", "True", "ReachedMaxRestarts")]


def conditions(machine: Machine) -> list[tuple[str, str, str]]:
    return [(item.type, item.status, item.reason) for item in machine.state.jobset.conditions]


def rules(*items: dict[str, Any], restarts: int = 0) -> dict[str, Any]:
    return {"failurePolicy": {"maxRestarts": restarts, "rules": list(items)}}


# failurePolicy of JobSets


def test_a_jobset_is_restarted_until_no_restart_is_left() -> None:
    machine = Machine(workload(child(nodes=2), spec=POLICY))
    assert len(machine.taken()) == 2
    for restart in (1, 2):
        machine.now += 10
        machine.end(0, 1)
        assert machine.taken() == ["term job-node-0-1/node"], "what runs is stopped first"
        machine.end(1, 143)
        assert machine.taken() == ["start job-node-0-0/node", "start job-node-0-1/node"]
        assert machine.state.jobset.restarts == restart
        assert ("RestartingJobSet", "False", "JobsReady") in conditions(machine)
    assert machine.conditions == []
    machine.now += 10
    machine.end(1, 7)
    machine.end(0, 143)
    assert machine.conditions == REACHED
    assert machine.state.first_failure is not None
    assert machine.state.first_failure.exit_code == 7, "the code of the last attempt is the job's"
    assert [job.restart_attempt for job in machine.state.jobs] == [0, 1, 2]
    assert len({job.uid for job in machine.state.jobs}) == 3


def failed_with(machine: Machine) -> int | None:
    """The exit code that would be the job's."""
    first = machine.state.first_failure
    return first.exit_code if first is not None else None


def test_a_pod_that_was_replaced_does_not_say_why_the_job_failed() -> None:
    machine = Machine(workload(child(nodes=2, pod=NEVER, backoffLimit=1)))
    machine.end(1, 42)
    assert failed_with(machine) == 42
    machine.at(machine.now + 1000)
    assert failed_with(machine) is None
    machine.end(0, 3)
    machine.end(1, 143)
    assert (machine.conditions, failed_with(machine)) == (FAILED, 3)


def test_an_attempt_that_was_repeated_does_not_say_why_the_job_failed() -> None:
    machine = Machine(workload(child(pod={"restartPolicy": "OnFailure"}, backoffLimit=3)))
    machine.end(0, 42)
    assert failed_with(machine) is None
    machine.end(0, 3)
    assert failed_with(machine) == 3
    machine.at(machine.now + 1000)
    machine.end(0, 4)
    assert (machine.conditions, failed_with(machine)) == (FAILED, 4)


def test_a_deadline_of_a_job_is_what_it_failed_for() -> None:
    machine = Machine(workload(child(nodes=2, activeDeadlineSeconds=1_000_000)))
    machine.at(1_000_000)
    machine.end(0, 143)
    machine.end(1, 143)
    first = machine.state.first_failure
    assert first is not None
    assert (first.exit_code, first.cause) == (1, "was active longer than its Job's activeDeadlineSeconds of 1000000 s")


def test_a_restart_that_succeeds_completes_the_job_and_forgets_the_failure() -> None:
    machine = Machine(workload(child(), spec=POLICY))
    machine.end(0, 1)
    assert machine.events[-4:-1] == [
        ("JobSet", "DefaultFailurePolicy"),
        ("JobSet", "RestartJobSetFailurePolicyAction"),
        ("Job", "SuccessfulCreate"),
    ]
    machine.end(0)
    assert machine.conditions == COMPLETE
    assert machine.state.first_failure is None
    assert conditions(machine) == [
        ("RestartingJobSet", "False", "JobSetCompleted"),
        ("Completed", "True", "AllJobsCompleted"),
    ]


def test_all_jobs_are_made_anew_those_that_had_succeeded_too() -> None:
    machine = Machine(workload(child("first"), child("second"), spec=POLICY))
    machine.end(0, container="first")
    machine.taken()
    machine.end(0, 1, container="second")
    assert sorted(machine.taken()) == ["start job-first-0-0/first", "start job-second-0-0/second"]


def test_jobs_that_depend_on_others_wait_again_after_a_restart() -> None:
    second = {**child("second"), "dependsOn": [{"name": "first", "status": "Complete"}]}
    machine = Machine(workload(child("first"), second, spec=POLICY))
    machine.end(0, container="first")
    machine.end(0, 1, container="second")
    assert machine.taken()[-1] == "start job-first-0-0/first"
    machine.end(0, container="first")
    assert machine.taken() == ["start job-second-0-0/second"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"action": "FailJobSet"}, FAIL_JOBSET),
        ({"action": "FailJobSet", "onJobFailureReasons": ["BackoffLimitExceeded"]}, FAIL_JOBSET),
        ({"action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]}, "ReachedMaxRestarts"),
        ({"action": "FailJobSet", "targetReplicatedJobs": ["node"]}, FAIL_JOBSET),
        ({"action": "FailJobSet", "targetReplicatedJobs": ["other"]}, "ReachedMaxRestarts"),
        ({"action": "FailJobSet", "onJobFailureMessagePatterns": ["^Job has .* limit$"]}, FAIL_JOBSET),
        ({"action": "FailJobSet", "onJobFailureMessagePatterns": ["x", "[[:alpha:]]+"]}, FAIL_JOBSET),
        ({"action": "FailJobSet", "onJobFailureMessagePatterns": ["(", "exit code"]}, "ReachedMaxRestarts"),
        ({"action": "RestartJobSet"}, "ReachedMaxRestarts"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_decides(rule: dict[str, Any], reason: str) -> None:
    machine = Machine(workload(child(), spec=rules(rule)))
    machine.end(0, 1)
    assert machine.conditions == [("Failed", "True", reason)]


def test_restarts_that_are_not_counted_have_no_end() -> None:
    rule = {"action": "RestartJobSetAndIgnoreMaxRestarts", "name": "again", "targetReplicatedJobs": ["node"]}
    machine = Machine(workload(child(), spec=rules(rule)))
    for _ in range(200):
        machine.end(0, 1)
    assert machine.state.jobset.restarts == 200
    assert machine.state.jobset.restarts_towards_max == 0
    assert ("JobSet", "FailurePolicy_again") in machine.events
    assert len(machine.state.pods) < 100
    assert len(machine.state.jobs) < 100
    assert len({pod.name for pod in machine.state.pods}) == len(machine.state.pods)
    machine.end(0)
    assert machine.conditions == COMPLETE


def test_one_job_alone_can_be_restarted() -> None:
    rule = {"action": "RestartJob", "targetReplicatedJobs": ["worker"]}
    machine = Machine(workload(child("node"), child("worker"), spec=rules(rule, restarts=1)))
    machine.taken()
    machine.end(0, 1, container="worker")
    assert machine.taken() == ["start job-worker-0-0/worker"]
    assert (machine.state.jobset.restarts, machine.state.jobset.restarts_towards_max) == (0, 1)
    machine.end(0, 1, container="worker")
    machine.at(1)
    machine.end(0, 143, container="node")
    assert machine.conditions == REACHED


@pytest.mark.parametrize("action", ["RestartJobSetAndIgnoreMaxRestarts", "RestartJobAndIgnoreMaxRestarts"])
def test_what_fails_at_once_and_for_ever_does_so_in_steps(action: str) -> None:
    machine = Machine(workload(child(activeDeadlineSeconds=0), spec=rules({"action": action})))
    made = machine.state.jobset.made["job-node-0"]
    assert made == 2
    assert machine.wake_at == machine.now
    machine.turn()
    assert machine.state.jobset.made["job-node-0"] > made


def test_the_earliest_of_the_failed_jobs_is_named() -> None:
    def failed(name: str, since: float) -> JobState:
        found = JobState(name, name, "node", 0, 0.0)
        found.conditions.append(Condition("Failed", "True", "BackoffLimitExceeded", "", since))
        return found

    found = failurepolicy.decide({"maxRestarts": 1}, [failed("b", 2.0), failed("a", 1.0)], 0)
    assert found.message == "applying RestartJobSet failure policy action (first failed job: a)"
    assert failurepolicy.decide(None, [failed("b", 2.0)], 0).reason == "FailedJobs"


def test_a_restart_survives_a_supervisor_that_is_older() -> None:
    machine = Machine(workload(child(), spec=POLICY))
    machine.end(0, 1)
    data = machine.state.to_json()
    for key in ("made", "pods_made", "restarts_towards_max"):
        del data["jobset"][key]
    state = RunState.from_json(data)
    assert (state.jobset.made, state.jobset.pods_made) == ({"job-node-0": 2}, 2)


# startupPolicy


def test_in_order_is_told_by_conditions() -> None:
    machine = Machine(workload(child("first"), child("second"), in_order=True), slow=True)
    assert conditions(machine) == [("StartupPolicyInProgress", "True", "InOrderStartupPolicyInProgress")]
    machine.started(container="first")
    assert machine.taken() == ["start job-first-0-0/first", "start job-second-0-0/second"]
    machine.started(container="second")
    assert conditions(machine) == [
        ("StartupPolicyInProgress", "False", "InOrderStartupPolicyInProgress"),
        ("StartupPolicyCompleted", "True", "InOrderStartupPolicyCompleted"),
    ]


def test_suspended_jobs_are_resumed_in_their_order() -> None:
    machine = Machine(workload(child("first"), child("second"), in_order=True), suspend=True, slow=True)
    assert len(machine.state.jobs) == 2, "all are there, suspended"
    machine.state.suspend = False
    machine.turn()
    assert machine.taken() == ["start job-first-0-0/first"]
    assert ("Suspended", "True", "SuspendedJobs") in conditions(machine)
    machine.started(container="first")
    assert machine.taken() == ["start job-second-0-0/second"]
    machine.started(container="second")
    assert ("Suspended", "False", "ResumeJobs") in conditions(machine)


# policies of Jobs


def pod_rule(action: str, operator: str = "In", values: Sequence[int] = (42,), **more: str) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


def failing(*found: dict[str, Any], limit: int = 3, **job: Any) -> Machine:
    return Machine(workload(child(pod=NEVER, backoffLimit=limit, podFailurePolicy={"rules": list(found)}, **job)))


def test_a_rule_of_exit_codes_fails_the_job_at_once() -> None:
    machine = failing(pod_rule("FailJob"))
    machine.end(0, 42)
    assert machine.job() == [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
    pod = machine.state.pods[0].name
    message = f"Container node for pod default/{pod} failed with exit code 42 matching FailJob rule at index 0"
    assert machine.state.jobs[0].conditions[0].message == message


def test_ignored_failures_do_not_count() -> None:
    machine = failing(pod_rule("Ignore"), limit=0)
    for _ in range(5):
        machine.end(0, 42)
        machine.at(machine.now + 300)
    assert machine.state.jobs[0].failed == 0
    assert machine.messages("BackOff")[4] == "node-0 failed with exit code 42; attempt 6 in 160 s"
    machine.end(0, 1)
    assert machine.conditions == FAILED


@pytest.mark.parametrize(("code", "fails"), [(1, False), (2, False), (3, True)])
def test_not_in_fits_every_other_failure(code: int, fails: bool) -> None:
    machine = failing(pod_rule("FailJob", "NotIn", (1, 2)))
    machine.end(0, code)
    assert (machine.conditions == FAILED) is fails


def test_the_first_rule_of_pods_that_fits_counts_and_names_its_container() -> None:
    machine = failing(pod_rule("FailJob", containerName="other"), pod_rule("Count"), pod_rule("FailJob"))
    machine.end(0, 42)
    assert machine.conditions == []
    assert machine.state.jobs[0].failed == 1


def test_a_restarted_machine_is_a_disruption() -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    machine = failing(rule, limit=0)
    machine.end(0, 137, reason="NodeRestarted")
    assert (machine.conditions, machine.state.jobs[0].failed) == ([], 0)


def test_each_index_has_retries_of_its_own() -> None:
    machine = Machine(workload(child(nodes=2, pod=NEVER, backoffLimitPerIndex=1)))
    machine.end(0, 1)
    machine.end(1)
    machine.at(10)
    machine.end(0, 1)
    assert machine.job() == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    job = machine.state.jobs[0]
    assert (job.completed_indexes, job.failed_indexes, job.failed) == ([1], [0], 2)


def test_the_other_indexes_go_on_where_one_has_failed() -> None:
    machine = Machine(workload(child(nodes=3, pod=NEVER, backoffLimitPerIndex=0, maxFailedIndexes=1)))
    machine.end(0, 1)
    machine.at(1)
    assert [pod.index for pod in machine.state.pods if not pod.ended] == [1, 2]
    machine.end(1, 1)
    assert machine.job() == [("FailureTarget", "MaxFailedIndexesExceeded")]
    machine.at(2)
    machine.end(2, 143)
    assert machine.conditions == FAILED


def test_a_rule_can_fail_one_index() -> None:
    machine = Machine(
        workload(child(nodes=2, pod=NEVER, backoffLimitPerIndex=5, podFailurePolicy={"rules": [pod_rule("FailIndex")]}))
    )
    machine.end(0, 42)
    machine.at(1000)
    assert machine.state.jobs[0].failed_indexes == [0]
    machine.end(1)
    assert machine.conditions == FAILED


@pytest.mark.parametrize(
    ("rule", "ends", "done"),
    [
        ({"succeededIndexes": "0"}, [0], True),
        ({"succeededIndexes": "0"}, [1, 2], False),
        ({"succeededCount": 2}, [1, 2], True),
        ({"succeededIndexes": "0-1", "succeededCount": 1}, [1], True),
        ({"succeededIndexes": "0,2", "succeededCount": 2}, [1, 2], False),
    ],
)
def test_a_job_succeeds_as_its_policy_says(rule: dict[str, Any], ends: list[int], done: bool) -> None:
    machine = Machine(workload(child(nodes=3, pod=grace(5), successPolicy={"rules": [rule]})))
    machine.taken()
    machine.now = 1.0
    for index in ends:
        machine.end(index)
    assert (machine.job()[:1] == [("SuccessCriteriaMet", "SuccessPolicy")]) is done
    if done:
        left = sorted({0, 1, 2} - set(ends))
        assert machine.taken() == [f"term job-node-0-{index}/node" for index in left]
        for index in left:
            machine.end(index, 143)
        assert machine.conditions == COMPLETE
        assert machine.state.jobs[0].conditions[0].message == "Matched rules at index 0"


def test_pods_without_index_are_only_counted() -> None:
    machine = Machine(workload(child(nodes=2, completionMode="NonIndexed")))
    assert machine.taken() == ["start job-node-0/node"] * 2
    machine.end(0)
    machine.end(1)
    assert machine.conditions == COMPLETE
    assert "JOB_COMPLETION_INDEX" not in str(machine.workload.jobs[0].job_template.pod)


# ttl


def test_a_finished_job_with_a_ttl_is_missed_and_made_anew() -> None:
    machine = Machine(workload(child("first", ttlSecondsAfterFinished=5), child("second")))
    machine.end(0, container="first")
    machine.taken()
    assert machine.wake_at == 5
    machine.at(5)
    assert machine.taken() == ["start job-first-0-0/first"]
