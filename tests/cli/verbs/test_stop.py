"""``kfrun stop`` and what is seen of it, with real processes."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually, manifest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.05; done"


def state(kfrun: Kfrun, name: str = "job") -> str:
    return kfrun.ok("get", "trainjob", name, "--no-headers").split()[1]


def started(kfrun: Kfrun, command: str = "echo up; sleep 60", name: str = "job", **pod: str) -> None:
    kfrun.write(f"{name}.yaml", manifest(name, ["sh", "-c", command], **pod))
    kfrun.ok("apply", "-q", "-f", f"{name}.yaml")
    eventually(lambda: kfrun("logs", name).stdout == "up\n")


@pytest.mark.parametrize("named", [("job",), ("tj", "job"), ("trainjob/job",), ("jobset/job",), ("job/job-node-0",)])
def test_a_job_that_is_stopped_is_cancelled_and_keeps_everything(kfrun: Kfrun, named: tuple[str, ...]) -> None:
    started(kfrun)
    assert kfrun.ok("stop", *named) == "trainjob.trainer.kubeflow.org/job stopped\n"
    assert state(kfrun) == "Cancelled"
    assert kfrun.ok("logs", "job") == "up\n"
    shown = kfrun.ok("describe", "trainjob", "job")
    assert "State:        Cancelled" in shown
    assert "Stopping container node" in shown
    (condition,) = json.loads(kfrun.ok("get", "trainjob", "job", "-o", "json"))["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Failed", "Cancelled")
    assert kfrun("wait", "job").returncode == 130
    assert kfrun("rerun", "-q", "-d", "job").returncode == 0
    kfrun.ok("stop", "job")


def test_whoever_follows_is_told_once(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", manifest("job", ["sh", "-c", "echo up; sleep 60"]))
    process = kfrun.start("run", "-q", "-f", "job.yaml")
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    kfrun.ok("stop", "job")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.decode().count("ancelled") == 2  # the event, and the end
    assert "job: TrainJob was cancelled by the user\njob: Cancelled after " in told.decode()


def test_what_has_ended_is_left_alone(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", manifest("job", ["true"]))
    kfrun.ok("run", "-q", "-f", "job.yaml")
    assert kfrun.ok("stop", "job") == "trainjob.trainer.kubeflow.org/job unchanged: it is Complete\n"
    assert state(kfrun) == "Complete"


def test_a_suspended_job_can_be_stopped(kfrun: Kfrun) -> None:
    started(kfrun)
    kfrun.ok("suspend", "job")
    eventually(lambda: state(kfrun) == "Suspended")
    kfrun.ok("stop", "job")
    assert state(kfrun) == "Cancelled"


def test_now_does_not_wait_for_the_grace_period(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", manifest("job", ["sh", "-c", STUBBORN], grace=300))
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    late = kfrun("stop", "job", "--timeout", "200ms")
    assert (late.returncode, late.stdout) == (124, "")
    began = time.monotonic()
    kfrun.ok("stop", "job", "--now")
    assert time.monotonic() - began < 100


def test_all_are_stopped_and_without_waiting_if_one_wants_so(kfrun: Kfrun) -> None:
    started(kfrun, name="one")
    started(kfrun, name="two")
    assert kfrun.ok("stop", "--all", "--no-wait") == ""
    for name in ("one", "two"):
        assert kfrun("wait", name).returncode == 130
    assert kfrun.ok("stop", "--all") == ""


def test_ctrl_c_leaves_the_job_stopping(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", manifest("job", ["sh", "-c", STUBBORN], grace=300))
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    process = kfrun.start("stop", "job")
    eventually(lambda: "Cancelled" in kfrun("get", "trainjob", "job").stdout)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, b"job is being stopped; kfrun wait job waits for it" in told) == (130, True)
    kfrun.ok("stop", "job", "--now")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "say what to stop"),
        (("a", "--all"), 2, "names cannot be given together with --all"),
        (("job",), 1, 'trainjob "job" not found'),
        (("pod/x",), 1, 'pod "x" not found'),
        (("secret/x",), 2, '"secret/x" is no TrainJob'),
        (("service/x",), 2, 'no resource type "service"'),
        (("a", "--timeout", "soon"), 2, "--timeout"),
    ],
)
def test_what_cannot_be_stopped_is_said(kfrun: Kfrun, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = kfrun("stop", *arguments)
    assert (done.returncode, message in done.stderr) == (code, True)


def test_a_job_that_another_controller_runs_is_not_stopped_here(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", manifest("job", ["true"], spec="  managedBy: kueue.x-k8s.io/multikueue"))
    kfrun.ok("apply", "-q", "-f", "job.yaml")
    done = kfrun("stop", "job")
    assert (done.returncode, "managed by kueue.x-k8s.io/multikueue" in done.stderr) == (3, True)


def test_logs_and_describe_tell_of_earlier_runs(kfrun: Kfrun) -> None:
    for word in ("first", "second"):
        kfrun.write("job.yaml", manifest("job", ["echo", word], nodes=2))
        kfrun.ok("run", "-q", "-f", "job.yaml")
    assert kfrun.ok("logs", "job", "--run", "1", "--node", "1") == "first\n"
    assert kfrun.ok("logs", "job/job-node-0", "--run=1", "--no-prefix") == "first\nfirst\n"
    assert kfrun.ok("logs", "job", "--run", "2", "-c", "node", "--node", "0", "-f") == "second\n"
    assert kfrun.ok("get", "tj", "-o", "wide").split()[-1] == "2"
    shown = kfrun.ok("describe", "tj", "job")
    assert "Run:          2\n" in shown
    assert "Former Runs:\n  RUN   STATE      EXIT   DURATION   AGE\n  1     Complete   0      0s" in shown
    for wrong, code in (("0", 2), ("-1", 2), ("x", 2), ("7", 1)):
        assert kfrun("logs", "job", "--run", wrong).returncode == code
