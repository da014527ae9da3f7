from __future__ import annotations

import pytest

from kfrun.observe.outcome import node_of, outcome
from tests.observe.runs import condition, pod, terminated, trainjob

FAILED = condition("Failed", "FailedJobs", "jobset failed")
FIRST = {"node": "node-1", "pod": "p", "container": "node", "exit_code": 9, "reason": "Error"}


@pytest.mark.parametrize(
    "conditions", [(), (condition("Suspended", "Suspended"),), (condition("Failed", "x", status="False"),)]
)
def test_unfinished_job_has_no_outcome(conditions):
    assert outcome(trainjob("a", *conditions), []) is None


def test_complete_is_zero_whatever_failed_before():
    job = trainjob("a", condition("Suspended", "Resumed", status="False"), condition("Complete", "AllJobsCompleted"))
    end = outcome(job, [pod(state=terminated(3))], FIRST)
    assert (end.succeeded, end.exit_code, end.reason) == (True, 0, "AllJobsCompleted")


def test_code_is_that_of_the_container_that_ended_first():
    pods = [
        pod(index=0, state=terminated(0, "Completed", "2026-11-21T08:00:01Z")),
        pod(index=1, state=terminated(7, finished="2026-11-21T08:00:09Z")),
        pod(index=2, state=terminated(3, finished="2026-11-21T08:00:05Z")),
        pod(index=3),
    ]
    end = outcome(trainjob("a", FAILED), pods)
    assert (end.exit_code, end.node, end.message) == (3, "node-2", "node-2 failed with exit code 3")


def test_noted_first_failure_wins_over_pods_that_are_left():
    end = outcome(trainjob("a", FAILED), [pod(state=terminated(3))], FIRST)
    assert (end.exit_code, end.node) == (9, "node-1")


def test_code_of_an_attempt_before_a_restart_counts():
    status = {"lastState": terminated(5), "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    assert outcome(trainjob("a", FAILED), [pod(**status)]).exit_code == 5


def test_reason_is_told_when_it_says_more_than_error():
    end = outcome(trainjob("a", FAILED), [pod(state=terminated(137, "OOMKilled"))])
    assert (end.exit_code, end.message) == (137, "node-0 failed with exit code 137 (OOMKilled)")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Error", "node-1 failed with exit code 143: the\\x1b cause"),
        ("Completed", "node-1 failed: the\\x1b cause"),
        ("DeadlineExceeded", "node-1 the\\x1b cause"),
    ],
)
def test_the_cause_is_told_where_a_container_did_not_end_by_itself(reason, message):
    end = outcome(trainjob("a", FAILED), [], {**FIRST, "exit_code": 143, "reason": reason, "cause": "the\x1b cause"})
    assert (end.exit_code, end.node, end.message) == (143, "node-1", message)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("DeadlineExceeded", 1), ("Cancelled", 130), ("EnvironmentFailed", 3), ("NodeRestarted", 1), ("RecorderLost", 1)],
)
def test_reasons_that_decide_the_code(reason, code):
    end = outcome(trainjob("a", condition("Failed", reason, "why")), [pod(state=terminated(3))], FIRST)
    assert (end.exit_code, end.reason, end.message, end.node) == (code, reason, "why", "")


@pytest.mark.parametrize("first", [None, {**FIRST, "reason": "RecorderLost"}])
def test_failure_without_a_code_of_its_own_is_one(first):
    assert outcome(trainjob("a", FAILED), [], first).exit_code == 1


def test_a_code_that_nobody_saw_is_not_shown_as_one():
    end = outcome(trainjob("a", FAILED), [], {**FIRST, "reason": "RecorderLost"})
    assert (end.exit_code, end.shown_code) == (1, "unknown")
    assert end.message == "node-1 ended, and nobody saw how: its exit code is unknown"
    assert outcome(trainjob("a", condition("Failed", "RecorderLost", "why")), []).shown_code == "unknown"
    assert outcome(trainjob("a", FAILED), [], FIRST).shown_code == "9"
    assert outcome(trainjob("a", condition("Failed", "DeadlineExceeded", "why")), []).shown_code == "1"


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, "node-0"),
        ({"jobset.sigs.k8s.io/job-index": "2", "jobset.sigs.k8s.io/replicatedjob-replicas": "3"}, "node-2-0"),
        ({"jobset.sigs.k8s.io/replicatedjob-replicas": "3"}, "node-0-0"),
        ({"batch.kubernetes.io/job-completion-index": "4"}, "node-4"),
    ],
)
def test_nodes_are_named_after_their_job_where_there_are_several(labels, name):
    item = pod()
    item["metadata"]["labels"] |= labels
    assert node_of(item) == name


def test_pod_of_no_jobset_is_named_by_itself():
    item = pod()
    item["metadata"]["labels"] = {}
    assert node_of(item) == item["metadata"]["name"]
