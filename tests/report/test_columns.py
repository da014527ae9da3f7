from __future__ import annotations

import pytest

from kfrun.report import columns
from kfrun.report.table import epoch
from tests.observe.runs import condition, pod, terminated, trainjob

NOW = epoch("2026-11-21T08:02:00Z")


def counts(**numbers):
    return [{"name": "node", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0, **numbers}]


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (trainjob("a"), "Pending"),
        (trainjob("a", jobsStatus=counts()), "Pending"),
        (trainjob("a", jobsStatus=counts(active=1)), "Running"),
        (trainjob("a", condition("Waiting", "FailedMount"), jobsStatus=counts(active=1)), "Pending"),
        (trainjob("a", condition("Suspended", "Suspended"), jobsStatus=counts(suspended=1)), "Suspended"),
        (trainjob("a", condition("Suspended", "Resumed", status="False"), jobsStatus=counts(ready=1)), "Running"),
        (trainjob("a", condition("Complete", "AllJobsCompleted")), "Complete"),
        (trainjob("a", condition("Suspended", "x", status="False"), condition("Failed", "FailedJobs")), "Failed"),
        (trainjob("a", condition("Failed", "Cancelled")), "Cancelled"),
        (trainjob("a", metadata={"deletionTimestamp": "2026-11-21T08:00:00Z"}), "Terminating"),
    ],
)
def test_state_of_a_trainjob(job, state):
    assert columns.trainjob_state(job) == state


def test_trainjob_row():
    job = trainjob("a", condition("Failed", "FailedJobs"))
    facts = columns.JobFacts("4", "3", "process", "7")
    assert columns.of("TrainJob").row(job, NOW, facts, wide=False) == ("a", "Failed", "2", "torch-distributed", "2m")
    assert columns.of("TrainJob").row(job, NOW, facts, wide=True)[5:] == ("FailedJobs", "3", "90s", "process", "7")


def test_nodes_of_the_runtime_where_the_job_names_none():
    job = trainjob("a", spec={"trainer": {}})
    assert columns.of("TrainJob").row(job, NOW, columns.JobFacts("4"), wide=False)[2] == "4"
    assert columns.of("TrainJob").row(job, NOW, wide=False)[2] == "<none>"


def waiting(reason):
    return {"waiting": {"reason": reason}}


@pytest.mark.parametrize(
    ("item", "status"),
    [
        (pod(), "Running"),
        (pod(state=waiting("ContainerCreating")), "ContainerCreating"),
        (pod(state=waiting("CrashLoopBackOff")), "CrashLoopBackOff"),
        (pod(state=terminated(0, "Completed")), "Completed"),
        (pod(state=terminated(1)), "Error"),
        (pod(state=terminated(137, "OOMKilled")), "OOMKilled"),
    ],
)
def test_status_of_a_pod(item, status):
    assert columns.pod_status(item) == status


def test_status_of_a_pod_that_is_stopped():
    item = pod()
    item["metadata"]["deletionGracePeriodSeconds"] = 30
    assert columns.pod_status(item) == "Terminating"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([{"running": {}}, waiting("PodInitializing")], "Init:0/2"),
        ([terminated(0, "Completed"), {"running": {}}], "Init:1/2"),
        ([terminated(1)], "Init:Error"),
        ([waiting("CrashLoopBackOff")], "Init:CrashLoopBackOff"),
    ],
)
def test_status_of_a_pod_in_its_init_containers(states, status):
    item = pod(state=waiting("PodInitializing"))
    item["status"] |= {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": state} for state in states]}
    assert columns.pod_status(item) == status


def test_how_a_sidecar_ends_after_the_others_does_not_matter():
    item = pod(state=terminated(0, "Completed"))
    item["status"] |= {"phase": "Succeeded", "initContainerStatuses": [{"name": "i", "state": terminated(143)}]}
    assert columns.pod_status(item) == "Completed"


def test_pod_row():
    item = pod(index=3, state=terminated(7), restartCount=2)
    row = columns.of("Pod").row(item, NOW, wide=True)
    assert row == ("mnist-node-0-3-a", "0/1", "Error", "2", "2m", "3", "7")


def test_job_and_jobset_rows():
    meta = {"name": "j", "creationTimestamp": "2026-11-21T08:00:00Z"}
    job = {
        "metadata": meta,
        "spec": {"completions": 2},
        "status": {"succeeded": 1, "startTime": "2026-11-21T08:01:00Z", "conditions": [condition("Failed", "x")]},
    }
    assert columns.of("Job").row(job, NOW, wide=False) == ("j", "Failed", "1/2", "60s", "2m")
    jobset = {"metadata": meta, "spec": {"suspend": True}, "status": {"restarts": 1, "terminalState": "Failed"}}
    assert columns.of("JobSet").row(jobset, NOW, wide=False) == ("j", "Failed", "1", "False", "true", "2m")


def test_repeated_event_tells_how_often():
    event = {
        "metadata": {"name": "e"}, "type": "Warning", "reason": "BackOff", "message": "again", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p"},
        "firstTimestamp": "2026-11-21T08:00:00Z", "lastTimestamp": "2026-11-21T08:01:50Z",
    }  # fmt: skip
    row = columns.of("Event").row(event, NOW, wide=False)
    assert row == ("10s (x3 over 2m)", "Warning", "BackOff", "pod/p", "again")


def test_kinds_without_columns_have_name_and_age():
    item = {"metadata": {"name": "x", "creationTimestamp": "2026-11-21T08:00:00Z"}}
    assert (columns.of("Namespace").header(wide=True), columns.of("Namespace").row(item, NOW, wide=True)) == (
        ("NAME", "AGE"),
        ("x", "2m"),
    )
