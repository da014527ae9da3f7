"""What becomes of jobs whose supervisors are not needed, were stopped, or cannot begin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import host
from tests.conftest import eventually, manifest
from tests.execute.test_misfortune import failure, kill_supervisor, started, supervisors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Kfrun


def test_suspended_jobs_hold_no_process_and_are_resumed(kfrun: Kfrun) -> None:
    paths = [kfrun.write(f"{n}.yaml", manifest(f"job{n}", ["true"], spec="  suspend: true")) for n in range(5)]
    for path in paths:
        kfrun.ok("apply", "-q", "-f", path)
    eventually(lambda: not kfrun.processes(), what="nobody waits for suspended jobs")
    assert kfrun.ok("get", "trainjobs").count("Suspended") == 5
    assert not kfrun.processes(), "looking wakes nobody"
    kfrun.ok("resume", "job1")
    assert kfrun("wait", "job1", "--timeout", "20s").returncode == 0
    kfrun.ok("delete", "job2")
    assert kfrun("get", "tj", "job2").returncode == 1


def test_a_job_that_is_suspended_while_it_runs_holds_no_process_and_goes_on(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "[ -e go ] || exec sleep 60; exit 3"))
    started(kfrun)
    for _ in range(2):
        kfrun.ok("suspend", "job")
        eventually(lambda: not kfrun.processes(), what="nobody waits for a suspended job")
        kfrun.ok("resume", "job")
        started(kfrun)
    kfrun.ok("suspend", "job")
    kfrun.write("go", "")
    kfrun.ok("resume", "job")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3


@pytest.mark.parametrize("now", ["--now", "--wait"])
def test_a_deletion_gets_past_a_stopped_supervisor(kfrun: Kfrun, now: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    (pid,) = supervisors(kfrun)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: host.is_stopped(host.identify(pid) or host.ProcessIdentity(0, "", "")))
    kfrun.ok("delete", "job", now, "--timeout", "20s")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


STOPS_WHILE_IT_WRITES = """
import os, signal, sys
from kfrun.execute.local import supervisors
from kfrun.host import lock
from kfrun.observe.store import Store
supervisors.say_who(lock.take(sys.argv[1] + "/supervisor.lock", wait=True))
with Store.open(sys.argv[2]).writing():
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def labelled(kfrun: Kfrun) -> Path:
    """The manifest of the job that waits, with a label more."""
    text = (
        kfrun.job("job", WAITS)
        .read_text()
        .replace("{name: job}\nspec:\n  runtimeRef", "{name: job, labels: {team: a}}\nspec:\n  runtimeRef")
    )
    return kfrun.write("labelled.yaml", text)


def stored(kfrun: Kfrun) -> dict[str, Any]:
    found = json.loads(kfrun.ok("get", "trainjobs", "-o", "json"))["items"]
    return next((item for item in found if item["metadata"]["name"] == "job"), {})


WAITS = "exec sleep 60"
WRITES: dict[str, tuple[Callable[[Kfrun], tuple[str | Path, ...]], Callable[[dict[str, Any]], bool]]] = {
    "delete": (lambda _: ("delete", "job", "--now", "--timeout", "20s"), lambda job: not job),
    "suspend": (lambda _: ("suspend", "job"), lambda job: job["spec"]["suspend"]),
    "resume": (lambda _: ("resume", "job"), lambda job: not job["spec"]["suspend"]),
    "apply": (lambda kfrun: ("apply", "-q", "-f", labelled(kfrun)), lambda job: "team" in job["metadata"]["labels"]),
}
"""What writes to a job: its command line, and whether it was done."""


@pytest.mark.parametrize("stopped", ["job", "other"])
@pytest.mark.parametrize("verb", WRITES)
def test_a_command_gets_past_a_supervisor_that_was_stopped_while_it_wrote(
    kfrun: Kfrun, verb: str, stopped: str
) -> None:
    spec = "  suspend: true" if verb == "resume" else ""
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", WAITS, spec=spec))
    kfrun.ok("apply", "-q", "-f", kfrun.job("other", WAITS))
    started(kfrun, 1 if spec else 2)
    kill_supervisor(kfrun)
    (folder,) = (path.parent for path in kfrun.home.glob(f"state/*/jobs/default/{stopped}/*/job.json"))
    process = subprocess.Popen([sys.executable, "-c", STOPS_WHILE_IT_WRITES, str(folder), str(kfrun.database)])
    identity = host.identify(process.pid)
    assert identity is not None
    eventually(lambda: host.is_stopped(identity), what="it holds the store and was stopped")
    arguments, is_done = WRITES[verb]
    kfrun.ok(*arguments(kfrun))
    assert process.wait(10) == -signal.SIGKILL
    assert is_done(stored(kfrun))


STATES = ['{"sequence":9,"of":"another version"}', "[]", "5", "rubbish", "null", '{"uid":1}', "[" * 100_000]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
@pytest.mark.parametrize("ends", ["wait", "delete"])
def test_a_job_with_a_state_that_cannot_be_read_ends(kfrun: Kfrun, state: str, ends: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    with kfrun.store() as store:
        (run,) = store.runs()
        store.change_run(run.uid, state=state)
    kfrun.ok("get", "trainjobs")
    if ends == "wait":
        assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
        assert failure(kfrun) == ("Failed", "SupervisorFailed")
        assert str(kfrun.database) in kfrun.ok("get", "tj", "job", "-o", "yaml").replace("\n", "")
        kfrun.ok("describe", "trainjob", "job")
    kfrun.ok("delete", "job", "--now", "--timeout", "20s")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"job":"job-node-0"', '"job":"job-other-0"', "kfrun.db"),
        ('"completed_indexes":[]', '"completed_indexes":7', "supervisor.log"),
    ],
)
def test_a_state_that_a_supervisor_stumbles_over_later_ends_the_job(
    kfrun: Kfrun, old: str, new: str, named: str
) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    with kfrun.store() as store:
        (run,) = store.runs()
        whole = json.dumps(store.state(run.uid), separators=(",", ":"))
        assert old in whole
        store.change_run(run.uid, state=whole.replace(old, new))
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert failure(kfrun) == ("Failed", "SupervisorFailed")
    assert named in kfrun.ok("get", "tj", "job", "-o", "jsonpath={.status.conditions}")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


@pytest.mark.parametrize("part", ["wake", "reserve", "supervisor.lock", "supervisor.log"])
@pytest.mark.parametrize("what", ["missing", "a file", "a folder", "a FIFO"])
def test_missing_parts_of_a_job_are_made_again_and_it_goes_on(kfrun: Kfrun, part: str, what: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "while [ ! -e go ]; do sleep 0.02; done; exit 5"))
    started(kfrun)
    kill_supervisor(kfrun)
    path = next(kfrun.home.rglob("job.json")).parent / part
    path.unlink()
    match what:
        case "a file":
            path.write_bytes(b"rubbish")
        case "a folder":
            path.mkdir()
        case "a FIFO":
            os.mkfifo(path, 0o600)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 5


@pytest.mark.parametrize("what", ["a FIFO", "a folder"])
def test_a_job_whose_own_file_is_something_else_ends(kfrun: Kfrun, what: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    (path,) = kfrun.home.rglob("job.json")
    path.unlink()
    os.mkfifo(path, 0o600) if what == "a FIFO" else path.mkdir()
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert failure(kfrun) == ("Failed", "SupervisorFailed")
    assert str(path) in kfrun.ok("get", "tj", "job", "-o", "yaml")
    kfrun.ok("delete", "job")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")
