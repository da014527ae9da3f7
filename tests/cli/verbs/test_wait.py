from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from kfrun.errors import UsageProblem
from kfrun.flow.waits import conditions
from kfrun.observe.store import Store
from tests.observe.runs import add, condition, pod, terminated, trainjob

COMPLETE = condition("Complete", "AllJobsCompleted", "jobset completed successfully")
FAILED = condition("Failed", "FailedJobs", "jobset failed")
SUSPENDED = condition("Suspended", "Suspended")


@pytest.fixture
def running(home):
    add(home.store, trainjob("mnist"), home.run_folder(), ended=False)
    return home


def later(home, change):
    """Change the store from another connection soon after the command has begun to wait."""

    def work():
        with Store.open(home.database) as store:
            change(store)

    timer = threading.Timer(0.15, work)
    timer.start()
    return timer


def test_complete_is_zero(home):
    add(home.store, trainjob("mnist", COMPLETE), home.run_folder())
    assert home.ok("wait", "mnist") == "trainjob.trainer.kubeflow.org/mnist Complete: jobset completed successfully\n"


def test_failure_ends_the_wait_with_the_jobs_own_code(running):
    def fail(store):
        store.create(pod(index=1, state=terminated(42)), owner="uid-default-mnist")
        store.update(trainjob("mnist", FAILED))

    timer = later(running, fail)
    done = running("wait", "mnist", "--timeout", "20s")
    timer.join()
    assert (done.code, done.out) == (
        42,
        "trainjob.trainer.kubeflow.org/mnist Failed: node-1 failed with exit code 42\n",
    )


def test_code_of_a_removed_pod_is_remembered(home):
    state = {
        "first_failure": {
            "node": "node-2",
            "pod": "p",
            "container": "node",
            "exit_code": 5,
            "reason": "Error",
            "message": "",
        }
    }
    add(home.store, trainjob("mnist", FAILED), home.run_folder(), state=json.dumps(state))
    done = home("wait", "mnist")
    assert (done.code, done.out) == (5, "trainjob.trainer.kubeflow.org/mnist Failed: node-2 failed with exit code 5\n")


@pytest.mark.parametrize(("reason", "code"), [("DeadlineExceeded", 1), ("Cancelled", 130), ("EnvironmentFailed", 3)])
def test_reasons_with_codes_of_kfruns_own(home, reason, code):
    add(home.store, trainjob("mnist", condition("Failed", reason, "why")), home.run_folder())
    assert home("wait", "mnist").code == code


def test_several_jobs_give_the_first_failure(home):
    add(home.store, trainjob("a", COMPLETE), home.run_folder("a"))
    add(home.store, trainjob("b", FAILED), home.run_folder("b"), pod("b", state=terminated(4)))
    add(home.store, trainjob("c", FAILED), home.run_folder("c"), pod("c", state=terminated(5)))
    done = home("wait", "a", "tj/b", "c")
    assert (done.code, len(done.out.splitlines())) == (4, 3)


def test_time_out_tells_the_state(running):
    done = running("wait", "mnist", "--timeout=100ms")
    assert (done.code, done.err) == (124, "error: timed out waiting for its end of mnist: it is Pending\n")


@pytest.mark.parametrize(
    "what", ["condition=Complete", "condition=Suspended=False", "delete", "jsonpath={.status.x}=1"]
)
def test_time_out_of_what_does_not_come(running, what):
    assert running("wait", "mnist", "--for", what, "--timeout=50ms").code == 124


def test_a_condition_that_cannot_come_any_more_ends_the_wait_with_the_jobs_own_code(home):
    add(home.store, trainjob("mnist", FAILED), home.run_folder(), pod(state=terminated(3)))
    done = home("wait", "mnist", "--for=condition=Complete")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "error: condition=Complete of mnist cannot come any more: it is Failed: node-0 failed with exit code 3\n"
        "hint: kfrun wait mnist waits for the end, however it comes\n"
    )


def test_a_job_that_fails_meanwhile_ends_the_wait(running):
    def fail(store):
        store.create(pod(index=1, state=terminated(42)), owner="uid-default-mnist")
        store.update(trainjob("mnist", FAILED))

    timer = later(running, fail)
    done = running("wait", "mnist", "--for=condition=Complete", "--timeout", "20s")
    timer.join()
    assert (done.code, done.out) == (42, "")


@pytest.mark.parametrize(
    "what",
    [
        "condition=Failed",
        "condition=Suspended",
        "condition=Suspended=False",
        "condition=Complete=False",
        "jsonpath={.status.conditions[0].reason}=Other",
        "jsonpath={.status.jobsStatus[0].failed}",
        "jsonpath=.status.x=1",
    ],
)
def test_what_a_complete_job_will_never_have_is_code_1(home, what):
    add(home.store, trainjob("mnist", COMPLETE), home.run_folder())
    done = home("wait", "mnist", "--for", what)
    assert (done.code, done.out) == (1, "")
    assert f"{what} of mnist cannot come any more: it is Complete" in done.err


@pytest.mark.parametrize("what", ["jsonpath={.metadata.labels.a}=b", "jsonpath={.spec.suspend}=true", "delete"])
def test_what_somebody_may_still_do_to_a_job_that_is_over_is_waited_for(home, what):
    add(home.store, trainjob("mnist", COMPLETE), home.run_folder())
    assert home("wait", "mnist", "--for", what, "--timeout=50ms").code == 124


def test_a_status_may_change_until_nothing_of_the_job_runs_any_more(home):
    add(home.store, trainjob("mnist", COMPLETE), home.run_folder(), ended=False)

    def end(store):
        store.update(trainjob("mnist", COMPLETE, jobsStatus=[{"name": "node", "active": 0}]))
        store.change_run("uid-default-mnist", ended=1)

    timer = later(home, end)
    done = home("wait", "mnist", "--for=jsonpath={.status.jobsStatus[0].active}=0", "--timeout=20s")
    timer.join()
    assert (done.code, done.out) == (0, "trainjob.trainer.kubeflow.org/mnist condition met\n")


def test_of_several_jobs_the_first_that_is_in_vain_ends_the_wait(home):
    add(home.store, trainjob("a"), home.run_folder("a"), ended=False)
    add(home.store, trainjob("b", COMPLETE), home.run_folder("b"))
    add(home.store, trainjob("c"), home.run_folder("c"), pod("c", state=terminated(5)), ended=False)
    timer = later(home, lambda store: store.update(trainjob("c", FAILED)))
    done = home("wait", "a", "b", "c", "--for=condition=Complete", "--timeout=20s")
    timer.join()
    assert (done.code, done.out) == (5, "trainjob.trainer.kubeflow.org/b condition met\n")
    assert "condition=Complete of c cannot come" in done.err


def test_several_things_are_waited_for_in_their_order(home):
    def work(store):
        add(store, trainjob("new", COMPLETE), home.path / "new")

    timer = later(home, work)
    done = home("wait", "new", "--for=create", "--for=condition=Complete", "--timeout=20s")
    timer.join()
    names = [line.split("/")[1] for line in done.out.splitlines()]
    assert (done.code, names) == (0, ["new created", "new condition met"])


def test_a_suspended_job_is_not_over_and_that_is_told(home):
    add(home.store, trainjob("mnist", SUSPENDED), home.run_folder(), ended=False)
    done = home("wait", "mnist", "--for=condition=Complete", "--timeout=50ms")
    assert done.code == 124
    assert done.err.startswith("mnist is suspended: kfrun resume mnist starts it\n")
    assert home("wait", "mnist", "--for=condition=Suspended").err == ""


def test_a_condition_of_a_job_that_another_controller_runs_is_not_waited_for(home):
    home.store.create(trainjob("mnist", spec={"managedBy": "kueue.x-k8s.io/multikueue"}))
    assert home("wait", "mnist", "--for=condition=Complete").code == 3
    assert home("wait", "mnist", "--for=jsonpath={.spec.trainer.numNodes}=2").code == 0


def test_for_conditions_are_an_or(running):
    timer = later(running, lambda store: store.update(trainjob("mnist", FAILED)))
    done = running("wait", "trainjob", "mnist", "--for=condition=Complete,Failed", "--timeout=20s")
    timer.join()
    assert (done.code, done.out) == (0, "trainjob.trainer.kubeflow.org/mnist condition met\n")


def test_for_delete(running):
    timer = later(running, lambda store: store.forget("uid-default-mnist"))
    done = running("wait", "mnist", "--for=delete", "--timeout=20s")
    timer.join()
    assert (done.code, done.out) == (0, "trainjob.trainer.kubeflow.org/mnist deleted\n")
    assert running("wait", "mnist", "--for=delete").code == 0


def test_for_create(home):
    timer = later(home, lambda store: store.create(trainjob("new")))
    assert home.ok("wait", "new", "--for=create", "--timeout=20s").endswith("/new created\n")
    timer.join()


def test_for_a_value(home):
    add(home.store, trainjob("mnist", COMPLETE), home.run_folder())
    assert home("wait", "mnist", "--for=jsonpath={.spec.trainer.numNodes}=2").code == 0
    assert home("wait", "mnist", "--for=jsonpath={.status.conditions[0].reason}").code == 0


def test_job_deleted_meanwhile(running):
    timer = later(running, lambda store: store.forget("uid-default-mnist"))
    done = running("wait", "mnist", "--timeout=20s")
    timer.join()
    assert (done.code, done.err) == (1, "error: trainjob mnist was deleted while it was waited for\n")


def test_suspended_job_is_told(home):
    add(home.store, trainjob("mnist", SUSPENDED), home.run_folder(), ended=False)
    done = home("wait", "mnist", "--timeout=50ms")
    assert done.err.startswith("mnist is suspended: kfrun resume mnist starts it\n")
    assert "it is Suspended" in done.err


def test_job_of_another_controller_is_not_waited_for(home):
    home.store.create(trainjob("mnist", spec={"managedBy": "kueue.x-k8s.io/multikueue"}))
    done = home("wait", "mnist")
    assert (done.code, done.err) == (
        3,
        "error: mnist does not run on this machine: it is managed by kueue.x-k8s.io/multikueue\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["mnits"], 1, "did you mean mnist?"),
        (["pod/x"], 2, "is no TrainJob"),
        (["mnist", "--for=condition=Completed"], 2, 'did you mean "Complete"?'),
        (["mnist", "--for=success"], 2, "expected condition="),
        (["mnist", "--timeout=soon"], 2, '--timeout: "soon" is no duration'),
    ],
)
def test_wrong_command_lines(running, arguments, code, message):
    done = running("wait", *arguments)
    assert done.code == code
    assert message in done.err


def test_ctrl_c_leaves_the_job_alone(home):
    add(home.store, trainjob("mnist", SUSPENDED), home.run_folder(), ended=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "kfrun", "wait", "mnist"],
        stderr=subprocess.PIPE, env={**os.environ, "KFRUN_HOME": str(home.path)},
    )  # fmt: skip
    assert b"is suspended" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"detached: mnist goes on" in err
    assert b"kfrun stop mnist" in err


@pytest.mark.parametrize(
    ("text", "held", "not_held"),
    [
        ("condition=complete", trainjob("a", COMPLETE), trainjob("a", FAILED)),
        ("condition=Complete,Failed", trainjob("a", FAILED), trainjob("a", SUSPENDED)),
        (
            "condition=Suspended=false",
            trainjob("a", condition("Suspended", "x", status="False")),
            trainjob("a", SUSPENDED),
        ),
        ("create", trainjob("a"), None),
        ("delete", None, trainjob("a")),
        ("jsonpath='{.metadata.name}'=a", trainjob("a"), trainjob("b")),
        (
            'jsonpath=.status.conditions[?(@.type=="Failed")].status=True',
            trainjob("a", FAILED),
            trainjob("a", COMPLETE),
        ),
    ],
)
def test_what_can_be_awaited(text, held, not_held):
    wanted = conditions.parse(text)
    assert wanted.holds(held)
    assert not wanted.holds(not_held)


@pytest.mark.parametrize("text", ["", "condition=", "jsonpath=", "jsonpath={.a", "deleted"])
def test_wrong_awaited(text):
    with pytest.raises(UsageProblem):
        conditions.parse(text)
