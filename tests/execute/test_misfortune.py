"""What jobs, users and disks do to supervisors, for real: each a thing that went wrong once, or easily would."""

from __future__ import annotations

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.execute.local import jobfiles
from kfrun.execute.local.process.attempts import record
from kfrun.resolve.pods import expand
from tests.conftest import eventually, manifest

if TYPE_CHECKING:
    from tests.conftest import Kfrun


def running(kfrun: Kfrun) -> list[record.Record]:
    records = [record.read(path) for path in sorted(glob.glob(f"{kfrun.home}/**/*.attempt", recursive=True))]
    return [item for item in records if item is not None and item.state == "running"]


def supervisors(kfrun: Kfrun) -> list[int]:
    recorders = {item.recorder for item in running(kfrun)}
    return [pid for pid, command in kfrun.processes() if "nursery import main" in command and pid not in recorders]


def kill_supervisor(kfrun: Kfrun) -> None:
    for pid in supervisors(kfrun):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not supervisors(kfrun), what="the supervisor is dead")


def failure(kfrun: Kfrun, name: str = "job") -> tuple[str, str]:
    last = json.loads(kfrun.ok("get", "trainjob", name, "-o", "json"))["status"]["conditions"][-1]
    return last["type"], last["reason"]


def started(kfrun: Kfrun, count: int = 1) -> list[record.Record]:
    eventually(lambda: len(running(kfrun)) == count, what=f"{count} processes run")
    return running(kfrun)


@pytest.mark.parametrize("where", ["command", "env"])
def test_a_nul_character_is_a_start_error(kfrun: Kfrun, where: str) -> None:
    text = manifest("job", ["sh", "-c", "echo a\0b" if where == "command" else "true"])
    if where == "env":
        text = text.replace("command:", 'env: [{name: Q, value: "a\\0b"}]\n                  command:')
    done = kfrun("run", "-q", "-f", kfrun.write("job.yaml", text))
    assert done.returncode == 128
    assert "null byte" in done.stderr


def test_a_job_that_removes_its_own_files_keeps_its_exit_code(kfrun: Kfrun) -> None:
    script = f"rm -rf {kfrun.home}/state/*/jobs/default/job/*/pods; exit 5"
    assert kfrun("run", "-q", "-f", kfrun.job("job", script)).returncode == 5


def test_a_job_that_stops_itself_can_be_deleted(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "kill -STOP $$$$; sleep 60"))
    (item,) = started(kfrun)
    eventually(lambda: "T" in subprocess.check_output(["ps", "-o", "stat=", "-p", str(item.pid)], text=True))
    kfrun.ok("delete", "job")
    assert not kfrun.processes()


def test_a_job_started_by_a_job_lives_its_own_life(kfrun: Kfrun) -> None:
    inner = kfrun.job("inner", "while [ ! -e go ]; do sleep 0.02; done; echo inner done")
    outer = kfrun.job("outer", f"{sys.executable} -m kfrun apply -q -f {inner}")
    assert kfrun("run", "-q", "-f", outer).returncode == 0
    kfrun.ok("delete", "outer")
    started(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "inner", "--timeout", "20s").returncode == 0
    assert kfrun.ok("logs", "inner") == "inner done\n"


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_a_job_whose_own_files_are_damaged_ends_and_can_be_deleted(kfrun: Kfrun, content: str | None) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    (path,) = kfrun.home.rglob("job.json")
    path.unlink() if content is None else path.write_text(content)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert failure(kfrun) == ("Failed", "SupervisorFailed")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")
    kfrun.ok("delete", "job")


def test_a_damaged_job_that_is_being_deleted_goes(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    (path,) = kfrun.home.rglob("job.json")
    path.unlink()
    with kfrun.store() as store:
        (run,) = store.runs()
        store.change_run(run.uid, request="delete")
    kfrun.ok("get", "tj")
    eventually(lambda: kfrun("get", "tj", "job").returncode == 1, what="it is deleted")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


def test_a_removed_state_folder_ends_jobs_that_have_nothing_to_say(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    shutil.rmtree(kfrun.home)
    eventually(lambda: not kfrun.processes(), what="a job that nobody can see must not run on")


def test_nobody_who_looks_waits_for_a_program_that_ignores_its_end_when_its_folder_was_removed(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "trap '' TERM; echo $$$$ > pid; while :; do sleep 0.1; done"))
    started(kfrun)
    eventually(lambda: (kfrun.folder / "pid").exists() and (kfrun.folder / "pid").read_text().endswith("\n"))
    kill_supervisor(kfrun)
    (path,) = kfrun.home.rglob("job.json")
    shutil.rmtree(path.parent)
    start = time.monotonic()
    assert "job" in kfrun.ok("get", "tj")
    assert kfrun("wait", "job", "--timeout", "3s").returncode not in (0, 3)
    assert time.monotonic() - start < 15, "its grace period takes 30 s"
    assert "deletionTimestamp" in kfrun.ok("get", "tj", "job", "-o", "yaml")
    os.kill(int((kfrun.folder / "pid").read_text()), signal.SIGKILL)
    eventually(lambda: kfrun("get", "tj", "job").returncode == 1, what="it is forgotten")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


def test_a_supervisor_keeps_neither_the_callers_folder_nor_its_limits(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "ulimit -Sn; exec sleep 60", nodes=120)
    command = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", sys.executable, "-m", "kfrun", "apply", "-q", "-f"]
    subprocess.run([*command, str(path)], env=kfrun.env, cwd=kfrun.folder, check=True, timeout=60, capture_output=True)
    started(kfrun, 120)
    (pid,) = supervisors(kfrun)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert set(kfrun.ok("logs", "--no-prefix", "job").split()) == {"100"}
    kfrun.ok("delete", "--now", "job")


def test_an_exit_code_that_only_the_recorders_own_code_tells_is_taken(kfrun: Kfrun) -> None:
    """The record cannot be written (a file system that copies on write is full): the parent learns it all the same."""
    path = kfrun.job("job", "while [ ! -e go ]; do sleep 0.02; done; exit 6")
    kfrun.ok("apply", "-q", "-f", path)
    (item,) = started(kfrun)
    (attempt,) = kfrun.home.rglob("*.attempt")
    # The recorder writes into a file that nobody sees any more.
    content = attempt.read_bytes()
    attempt.unlink()
    attempt.write_bytes(content)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 6
    assert host.start_time(item.pid) is None


def test_an_apply_killed_between_file_and_store_changes_nothing(kfrun: Kfrun) -> None:
    """The manifest of a suspended job is replaced: the file is there already, the store still says the old one."""
    text = manifest("job", ["sh", "-c", "echo old"], spec="  suspend: true")
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text))
    eventually(lambda: not kfrun.processes(), what="the job rests")
    with kfrun.store() as store:
        (run,) = store.runs()
    job = jobfiles.read(run.folder)
    changed = json.loads(json.dumps(job.workload.to_json()).replace("echo old", "echo new"))
    from dataclasses import replace

    jobfiles.replace(run.folder, replace(job, workload=expand.of_jobset(**changed)), "another-digest")
    kfrun.ok("resume", "job")
    assert kfrun("wait", "job").returncode == 0
    assert kfrun.ok("logs", "job") == "old\n"


def test_an_environment_that_cannot_even_be_begun_fails_the_job(kfrun: Kfrun) -> None:
    text = manifest("job", ["true"], spec="  suspend: true").replace(
        "kind: TrainJob\nmetadata: {name: job}",
        "kind: TrainJob\nmetadata: {name: job, annotations: {kfrun.dev/packages: six}}",
    )
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text))
    with kfrun.store() as store:
        (run,) = store.runs()
    os.mkdir(f"{run.folder}/environment.json")
    kfrun.ok("resume", "job")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3
    assert failure(kfrun) == ("Failed", "EnvironmentFailed")


def test_commands_at_once_on_one_name_neither_hang_nor_leave_anything(kfrun: Kfrun) -> None:
    """apply, delete and get of one name in parallel: folders come and go under each other's hands."""
    path = kfrun.job("job", "sleep 0.05")
    deadline = time.monotonic() + 6
    waiting: list[subprocess.Popen[bytes]] = []
    verbs = [["apply", "-q", "-f", path], ["delete", "job", "--ignore-not-found", "--now"], ["get", "tj"]]
    number = 0
    while time.monotonic() < deadline:
        waiting.append(kfrun.start(*verbs[number % 3]))
        number += 1
        if len(waiting) >= 5:
            _, error = waiting.pop(0).communicate(timeout=30)
            assert b"internal error" not in error
            assert b"Traceback" not in error
    for process in waiting:
        process.communicate(timeout=30)
    kfrun.ok("delete", "--all", "--now")
    eventually(lambda: not kfrun.processes(), what="no process is left")
    assert os.listdir(kfrun.database.parent / "jobs") == []


def test_many_nodes_start_and_end(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", ["true"], nodes=300))
    assert len(list(kfrun.home.rglob("*.attempt"))) == 300


def test_another_user_may_not_look_into_the_state(kfrun: Kfrun, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo hi"))
    code = f"import os; os.setuid(65534); print(os.access({str(kfrun.home)!r}, os.R_OK))"
    tmp_path.chmod(0o755)
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_a_job_that_runs_while_kfrun_is_replaced_is_adopted(kfrun: Kfrun) -> None:
    """Its files are those that the version before wrote."""
    former = json.loads((Path(__file__).parent / "local" / "data" / "former_job.json").read_text())
    (spec,) = (item["template"]["spec"] for item in former["jobset"]["spec"]["replicatedJobs"])
    command = spec["template"]["spec"]["containers"][0]["command"]
    text = manifest("job", command, nodes=2, ml="torch").replace("torch: {}", "numNodes: 2\n    torch: {}")
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text))
    started(kfrun, 2)
    (path,) = kfrun.home.rglob("job.json")
    settings = json.loads(path.read_text())["settings"]
    kill_supervisor(kfrun)
    path.write_text(json.dumps({**former, "settings": settings}))
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 6
    text = kfrun.ok("describe", "trainjob", "job")
    assert "containers[0].resources (CPU, memory and devices are neither limited nor allocated)" in text
    template = json.loads(kfrun.ok("get", "job", "job-node-0", "-o", "json"))["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}
