"""Supervisors, recorders and processes, for real: what survives what."""

from __future__ import annotations

import glob
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.process.attempts import record
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.observe.store import Run
    from tests.conftest import Kfrun

FORM = pytest.mark.parametrize("form", ["native", "portable"])


@pytest.fixture
def form(request: pytest.FixtureRequest, kfrun: Kfrun) -> str:
    """The platform module as it is here, or its portable fallback, forced."""
    if request.param == "portable":
        kfrun.env["KFRUN_PORTABLE"] = "1"
    return str(request.param)


def job(kfrun: Kfrun, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kfrun.ok("get", "trainjob", name, "-o", "json"))
    return found


def condition(kfrun: Kfrun, name: str) -> tuple[str, str]:
    last = job(kfrun, name)["status"]["conditions"][-1]
    return last["type"], last["reason"]


def run_of(kfrun: Kfrun, name: str) -> Run:
    with kfrun.store() as store:
        found = store.find("TrainJob", "default", name)
        assert found is not None
        run = store.run(found.uid)
    assert run is not None
    return run


def running(kfrun: Kfrun) -> list[record.Record]:
    records = [record.read(path) for path in sorted(glob.glob(f"{kfrun.home}/**/*.attempt", recursive=True))]
    return [item for item in records if item is not None and item.state == "running"]


def supervisors(kfrun: Kfrun) -> list[int]:
    recorders = {item.recorder for item in running(kfrun)}
    return [pid for pid, command in kfrun.processes() if "nursery import main" in command and pid not in recorders]


def started(kfrun: Kfrun, count: int = 1) -> list[record.Record]:
    eventually(lambda: len(running(kfrun)) == count, what=f"{count} processes run")
    return running(kfrun)


def kill_supervisor(kfrun: Kfrun) -> None:
    for pid in supervisors(kfrun):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not supervisors(kfrun), what="the supervisor is dead")


@pytest.mark.parametrize("form", ["native", "portable"], indirect=True)
@pytest.mark.parametrize("code", [0, 7])
def test_a_killed_supervisor_is_replaced_and_the_exit_code_is_true(kfrun: Kfrun, form: str, code: int) -> None:
    path = kfrun.job("job", f"while [ ! -e go ]; do sleep 0.02; done; exit {code}")
    kfrun.ok("apply", "-q", "-f", path)
    started(kfrun)
    kill_supervisor(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == code


@pytest.mark.parametrize("form", ["native", "portable"], indirect=True)
def test_a_job_that_ended_while_nobody_looked_keeps_its_exit_code(kfrun: Kfrun, form: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "while [ ! -e go ]; do sleep 0.02; done; echo last words; exit 9"))
    started(kfrun)
    kill_supervisor(kfrun)
    kfrun.write("go", "")
    eventually(lambda: not running(kfrun), what="the process has ended")
    assert kfrun("wait", "job").returncode == 9
    assert kfrun.ok("logs", "job") == "last words\n"


def test_sigterm_goes_to_the_main_process_only_and_sigkill_to_all(kfrun: Kfrun) -> None:
    child = "trap 'echo child got TERM' TERM; while :; do sleep 0.05; done"
    script = f"trap 'echo main got TERM' TERM; sh -c \"{child}\" & echo ready; while :; do sleep 0.05; done"
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script))
    started(kfrun)
    eventually(lambda: "ready" in kfrun.ok("logs", "job"))
    before = time.monotonic()
    kfrun.ok("suspend", "job")
    eventually(lambda: not running(kfrun), what="killed after the grace period")
    assert time.monotonic() - before >= 0.9
    log = kfrun.ok("logs", "job")
    assert "main got TERM" in log
    assert "child got TERM" not in log
    eventually(lambda: not kfrun.processes(), what="a suspended job holds no process")


def test_a_process_that_fled_to_a_session_of_its_own_ends_with_its_container(kfrun: Kfrun) -> None:
    script = "setsid sh -c 'exec sleep 61' & (setsid -f sleep 62); echo fled; exit 0"
    done = kfrun("run", "-q", "-f", kfrun.job("job", script))
    assert done.returncode == 0, done.stderr
    assert not kfrun.processes()
    assert not [line for line in subprocess.check_output(["ps", "ax"], text=True).splitlines() if "sleep 61" in line]


def test_what_a_job_writes_comes_back_byte_by_byte(kfrun: Kfrun) -> None:
    code = "import os; os.write(1, bytes(range(256)) * 300 + b'\\n'); os.write(2, b'\\xff\\xfe no end')"
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", [sys.executable, "-c", code]))
    logs = subprocess.run(
        [sys.executable, "-m", "kfrun", "logs", "job"], capture_output=True, env=kfrun.env, check=True
    )
    assert logs.stdout == bytes(range(256)) * 300 + b"\n\xff\xfe no end"


def test_a_line_of_fifty_megabytes_is_kept_whole(kfrun: Kfrun) -> None:
    code = "import sys\nfor _ in range(50): sys.stdout.write('x' * 1_000_000)\nprint()"
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", [sys.executable, "-c", code]))
    logs = subprocess.run(
        [sys.executable, "-m", "kfrun", "logs", "job"], capture_output=True, env=kfrun.env, check=True
    )
    assert len(logs.stdout) == 50_000_001
    assert logs.stdout.count(b"x") == 50_000_000


def test_a_reboot_fails_what_ran_and_has_no_retry(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "sleep 60"))
    (item,) = started(kfrun)
    reboot(kfrun, "job", item)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert condition(kfrun, "job") == ("Failed", "NodeRestarted")


def test_a_reboot_counts_one_failed_attempt_and_retries_when_there_are_more(kfrun: Kfrun) -> None:
    script = "if [ -e second ]; then echo again; exit 0; fi; touch second; exec sleep 60"
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script, policy="Never", backoff="1"), KFRUN_RETRY_DELAY="0.1")
    (item,) = started(kfrun)
    eventually((kfrun.folder / "second").exists)
    reboot(kfrun, "job", item)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    assert "again" in kfrun.ok("logs", "job")


def reboot(kfrun: Kfrun, name: str, item: record.Record) -> None:
    """What a reboot leaves: nothing runs, and the boot id is another one."""
    kill_supervisor(kfrun)
    os.kill(item.recorder, signal.SIGKILL)
    os.killpg(item.pid, signal.SIGKILL)
    eventually(lambda: not kfrun.processes(), what="the machine is off")
    with kfrun.store() as store:
        store.change_run(run_of(kfrun, name).uid, boot="another boot")


_SIMPLE = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: job}}
spec:
  runtimeRef: {{name: plain-python}}
  trainer: {{command: [sh, -c, "{script}"]}}
"""


def test_two_applies_of_one_name_at_once_make_one_job(kfrun: Kfrun) -> None:
    paths = []
    for number in range(4):
        text = _SIMPLE.format(script=f"echo number {number}; sleep 0.5")
        paths.append(kfrun.write(f"{number}.yaml", text))
    processes = [kfrun.start("apply", "-q", "-f", path) for path in paths]
    answers = [(process.communicate(), process.returncode) for process in processes]
    winners = [number for number, (_, code) in enumerate(answers) if code == 0]
    assert len(winners) == 1, answers
    for (_, error), code in answers:
        assert code in (0, 1)
        assert code == 0 or b"another kfrun" in error or b"immutable" in error or b"running" in error
    assert kfrun("wait", "job").returncode == 0
    assert kfrun.ok("logs", "job") == f"number {winners[0]}\n"


def test_retries_wait_longer_each_time_and_count_as_on_a_cluster(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "date +%s.%N >> times; exit 1", policy="Never", backoff="2")
    assert kfrun("apply", "-q", "--wait", "-f", path, KFRUN_RETRY_DELAY="0.2").returncode == 1
    times = [float(line) for line in (kfrun.folder / "times").read_text().split()]
    assert len(times) == 3
    assert 0.2 <= times[1] - times[0] < times[2] - times[1]
    assert times[2] - times[1] >= 0.4


def test_jobs_that_run_at_once_get_ports_of_their_own(kfrun: Kfrun) -> None:
    code = (
        "import os, socket, time; s = socket.socket(); s.bind((os.environ['PET_MASTER_ADDR'],"
        " int(os.environ['PET_MASTER_PORT']))); print(os.environ['PET_MASTER_ADDR'], os.environ['PET_MASTER_PORT'],"
        " flush=True); time.sleep(60)"
    )
    for name in ("one", "two"):
        kfrun.ok("apply", "-q", "-f", kfrun.job(name, [sys.executable, "-c", code], ml="torch"))
    started(kfrun, 2)
    found = [str(eventually(lambda name=name: kfrun.ok("logs", name))).split() for name in ("one", "two")]
    assert found[0][0] == found[1][0] == "127.0.0.1"
    assert found[0][1] != found[1][1]
    with socket.socket() as probe, pytest.raises(OSError, match="in use"):
        probe.bind(("127.0.0.1", int(found[0][1])))


def test_a_full_disk_is_the_jobs_own_failure_and_loses_no_status(kfrun: Kfrun, small_disk: Path) -> None:
    kfrun.home, kfrun.env["KFRUN_HOME"] = small_disk / "home", str(small_disk / "home")
    code = (
        "import sys, time\nblock = 'x' * 65536\n"
        "try:\n    while True:\n        sys.stdout.write(block)\n        sys.stdout.flush()\n"
        "except OSError as error:\n    sys.stderr = None\n    time.sleep(1)\n    import os\n    os._exit(error.errno)"
    )
    path = kfrun.job("job", [sys.executable, "-c", code])
    kfrun.ok("apply", "-q", "-f", path)
    eventually(lambda: _is_full(small_disk), what="the disk is full")
    folder = run_of_quietly(kfrun)
    eventually(lambda: not running(kfrun), what="the job has failed of ENOSPC")
    kill_supervisor(kfrun)
    log = max(folder.rglob("*.log"), key=lambda item: item.stat().st_size)
    with log.open("r+b") as file:
        file.truncate(1000)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 28
    assert condition(kfrun, "job")[0] == "Failed"


def run_of_quietly(kfrun: Kfrun) -> Path:
    """The job's folder, without asking a store that may be full."""
    return next((kfrun.database.parent / "jobs" / "default" / "job").iterdir())


def _is_full(folder: Path) -> bool:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize < 65536


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"CI must be able to mount a small disk: {done.stderr}")
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_supervisor_is_small(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "sleep 60"))
    started(kfrun)
    (pid,) = supervisors(kfrun)
    rss = int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)]))
    assert rss < 20 * 1024


def test_a_removed_state_folder_ends_its_jobs(kfrun: Kfrun) -> None:
    import shutil

    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "while [ ! -e go ]; do sleep 0.02; done"))
    started(kfrun)
    shutil.rmtree(kfrun.home)
    kfrun.write("go", "")
    eventually(lambda: not kfrun.processes(), what="no process is left")


def test_processes_find_what_was_promised(kfrun: Kfrun) -> None:
    code = (
        "import os, signal, sys; print(os.getcwd()); print(os.environ['HELLO'], os.environ['PYTHONUNBUFFERED']);"
        " print([n for n in ('RANK', 'MASTER_ADDR', 'PYTHONPATH', 'VIRTUAL_ENV') if n in os.environ]);"
        " print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.getsignal(signal.SIGINT) is not None);"
        " print(os.getpid() == os.getsid(0), sys.stdin.read() == '');"
        " print(sorted(os.listdir('/proc/self/fd'))[:4] == ['0', '1', '2', '3'], len(os.listdir('/proc/self/fd')))"
    )
    path = kfrun.job("job", [sys.executable, "-c", code])
    env = {"HELLO": "world", "RANK": "3", "MASTER_ADDR": "x", "PYTHONPATH": "/nowhere"}
    if sys.prefix != sys.base_prefix:
        env["VIRTUAL_ENV"] = sys.prefix
    kfrun.ok("apply", "-q", "--wait", "-f", path, **env)
    lines = kfrun.ok("logs", "job").splitlines()
    assert lines == [str(kfrun.folder), "world 1", "[]", "True True", "True True", "True 4"]


def test_a_clean_environment_keeps_the_callers_variables_away(kfrun: Kfrun) -> None:
    path = kfrun.job("job", 'echo ${HELLO-nothing}; [ -n "$PATH" ]')
    kfrun.ok("apply", "-q", "--wait", "--clean-env", "-f", path, HELLO="world")
    assert kfrun.ok("logs", "job") == "nothing\n"


def test_secrets_of_the_caller_lie_in_private_files_only(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "sleep 60"), MY_TOKEN="hunter2")
    started(kfrun)
    for path in kfrun.home.rglob("*"):
        mode = path.stat(follow_symlinks=False).st_mode & 0o777
        assert mode & 0o077 == 0, f"{path} is open to others: {mode:o}"
    shown = kfrun.ok("describe", "trainjob", "job") + kfrun.ok("get", "all", "-o", "yaml") + kfrun.ok("events")
    assert "hunter2" not in shown
    assert not [command for _, command in kfrun.processes() if "hunter2" in command]
