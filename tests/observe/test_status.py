"""Status as a cluster's controllers write it, from the state of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.model.runstate import Condition, ContainerState, JobSetState, JobState, PodState, RunState
from kfrun.observe import status
from tests import workloads

if TYPE_CHECKING:
    from kfrun.model.workload import Workload


CONTAINER = {
    "name": "node",
    "image": "img",
    "command": ["true"],
    "env": [{"name": "A", "value": "b"}],
    "resources": {"limits": {"cpu": "1"}},
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}


def workload(nodes: int = 2) -> Workload:
    group = workloads.replicated(
        nodes=nodes,
        containers=[CONTAINER],
        pod={"terminationGracePeriodSeconds": 7, "volumes": [{"name": "data", "emptyDir": {}}]},
        metadata={"labels": {"team": "a"}},
        activeDeadlineSeconds=60,
        podFailurePolicy={"rules": []},
    )
    return workloads.workload(group)


def pod(index: int, phase: str = "Running", container: str = "running", **more: Any) -> PodState:
    values = {"exit_code": more.pop("exit_code", None), "reason": more.pop("reason", "")}
    state = ContainerState("node", status=container, ready=container == "running", started=1.0, finished=2.0, **values)
    name, job_uid = f"tj-node-0-{index}-abcde", more.pop("job_uid", "uid-tj-node-0")
    return PodState(name, "tj-node-0", job_uid, index, 0, 1.0, [state], phase=phase, **more)


def run(*pods: PodState, **job: Any) -> RunState:
    state = RunState("uid", 0.0, jobset=JobSetState(created=1.0))
    state.jobs = [JobState("tj-node-0", "uid-tj-node-0", "node", 0, 1.0, **job)]
    state.pods = list(pods)
    return state


@pytest.mark.parametrize(
    ("indexes", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([0, 1], "0,1"),
        ([0, 1, 2], "0-2"),
        ([0, 2, 3, 4, 6, 7], "0,2-4,6,7"),
    ],
)
def test_completed_indexes_are_written_as_ranges(indexes: list[int], text: str) -> None:
    assert status.index_ranges(indexes) == text


def counts(**changed: int) -> dict[str, Any]:
    return {"name": "node", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0, **changed}


COMPLETE = Condition("Complete", "True", "CompletionsReached", "m", 1.0)
FAILED = Condition("Failed", "True", "BackoffLimitExceeded", "m", 1.0)
SUSPENDED = Condition("Suspended", "True", "JobSuspended", "m", 1.0)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (run(), counts()),
        (run(pod(0), pod(1)), counts(ready=1, active=1)),
        (run(pod(0), pod(1, "Pending", "waiting")), counts(active=1)),
        (run(pod(0), pod(1, "Succeeded", "terminated"), completed_indexes=[1]), counts(ready=1, active=1)),
        (run(pod(0, kill_at=9.0), pod(1, kill_at=9.0)), counts()),
        (run(pod(0, "Failed", "terminated"), conditions=[FAILED]), counts(failed=1)),
        (run(completed_indexes=[0, 1], conditions=[COMPLETE]), counts(succeeded=1)),
        (run(conditions=[SUSPENDED]), counts(suspended=1)),
        (run(deleted=True), counts()),
    ],
)
def test_child_jobs_are_counted_as_the_controller_counts_them(state: RunState, expected: dict[str, Any]) -> None:
    assert status.replicated_jobs_status(workload(), state) == [expected]


def test_a_trainjob_without_a_jobset_has_no_status_yet() -> None:
    assert status.trainjob_status(workload(), RunState("uid", 0.0)) == {}


def test_conditions_are_written_with_times() -> None:
    state = run()
    state.conditions = [Condition("Suspended", "False", "Resumed", "TrainJob is resumed", 1_800_000_000.9)]
    assert status.trainjob_status(workload(), state)["conditions"] == [
        {
            "type": "Suspended",
            "status": "False",
            "reason": "Resumed",
            "message": "TrainJob is resumed",
            "lastTransitionTime": "2027-01-15T08:00:00Z",
        }
    ]


def test_a_job_is_shown_as_kubectl_would() -> None:
    state = run(pod(0), pod(1, "Succeeded", "terminated"), completed_indexes=[1], started=1.0, failed=3)
    shown = status.job_object(workload(), state, state.jobs[0], workload().jobs[0])
    assert shown["status"] == {
        "active": 1,
        "failed": 3,
        "ready": 1,
        "succeeded": 1,
        "completedIndexes": "1",
        "startTime": "1970-01-01T00:00:01Z",
    }
    spec = shown["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"], spec["backoffLimit"]) == (
        2,
        2,
        "Indexed",
        0,
    )
    assert (spec["activeDeadlineSeconds"], spec["podFailurePolicy"], spec["suspend"]) == (60, {"rules": []}, False)
    assert spec["template"]["spec"]["containers"] == [CONTAINER]
    assert spec["template"]["metadata"]["labels"]["team"] == "a"
    assert "team" not in shown["metadata"]["labels"], "the Job has labels of its own"
    assert shown["metadata"]["ownerReferences"][0]["name"] == "tj"


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (pod(0, "Pending", "waiting"), {"waiting": {"reason": "ContainerCreating"}}),
        (pod(0, container="waiting", reason="CrashLoopBackOff"), {"waiting": {"reason": "CrashLoopBackOff"}}),
        (pod(0), {"running": {"startedAt": "1970-01-01T00:00:01Z"}}),
    ],
)
def test_containers_are_shown_in_their_state(state: PodState, shown: dict[str, Any]) -> None:
    found = status.pod_object(workload(), run(state), state, workload().jobs[0])
    assert found["status"]["containerStatuses"][0]["state"] == shown


@pytest.mark.parametrize(
    ("code", "reason", "number"),
    [
        (0, "Completed", None),
        (7, "Error", None),
        (137, "Error", 9),
        (143, "Error", 15),
        (200, "Error", None),
        (128, "StartError", None),
    ],
)
def test_a_signal_is_named_where_one_ended_the_container(code: int, reason: str, number: int | None) -> None:
    state = pod(0, "Failed", "terminated", exit_code=code, reason=reason)
    found = status.pod_object(workload(), run(state), state, workload().jobs[0])
    ended = found["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended.get("signal")) == (code, reason, number)


def test_a_pod_that_is_being_removed_says_how_long_it_may_take() -> None:
    state = pod(0, kill_at=9.0)
    found = status.pod_object(workload(), run(state), state, workload().jobs[0])
    assert found["metadata"]["deletionGracePeriodSeconds"] == 7
    assert found["metadata"]["labels"]["team"] == "a"


def test_a_pod_is_shown_with_everything_of_its_template() -> None:
    state = pod(1)
    found = status.pod_object(workload(), run(state), state, workload().jobs[0])
    index = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": index}}}
    assert found["spec"] == {
        "containers": [{**CONTAINER, "env": [{"name": "A", "value": "b"}, variable]}],
        "hostname": "tj-node-0-1",
        "restartPolicy": "OnFailure",
        "subdomain": "tj",
        "terminationGracePeriodSeconds": 7,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    assert found["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "tj-node-0"
    assert found["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "1"
