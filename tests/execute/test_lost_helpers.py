"""kfrun's own processes are killed, one, two or all of them, and the training goes on to its true end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import host
from kfrun.execute.local.process.attempts import record
from tests.chaos import held
from tests.conftest import eventually
from tests.host.test_orphans import kernel_tells

if TYPE_CHECKING:
    from tests.conftest import Kfrun

UNTIL_GO = "n=0; while [ ! -e go ]; do n=$((n+1)); echo line $n; sleep 0.02; done"
BOTH = pytest.mark.parametrize("helpers", ["recorder", "recorder and supervisor"])


def records(kfrun: Kfrun) -> list[record.Record]:
    found = [record.read(str(path)) for path in sorted(kfrun.home.rglob("*.attempt"))]
    return [item for item in found if item is not None]


def running(kfrun: Kfrun) -> list[record.Record]:
    return [item for item in records(kfrun) if item.state == "running"]


def started(kfrun: Kfrun, count: int = 1) -> list[record.Record]:
    eventually(lambda: len(running(kfrun)) == count, what=f"{count} processes run")
    return running(kfrun)


def helpers_of(kfrun: Kfrun) -> list[int]:
    """Supervisors and recorders: they, and nothing of a job, have loaded what kfrun's own processes need."""
    return [pid for pid, _ in kfrun.processes() if b"KFRUN_HELPER=1" in host.environment(pid)]


def kill(kfrun: Kfrun, helpers: str) -> None:
    """At one moment, as far as one process can."""
    pids = helpers_of(kfrun) if "supervisor" in helpers else [item.recorder for item in running(kfrun)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not [pid for pid in pids if host.start_time(pid)], what="they are dead")


def look(kfrun: Kfrun) -> None:
    """Whoever looks has a supervisor started that adopts; back when it has, so that no end can be missed any more."""
    kfrun.ok("get", "trainjobs")
    programs = {item.pid for item in running(kfrun)}

    def watched() -> bool:
        return programs <= {pid for helper in helpers_of(kfrun) for pid in (*held(helper), *host.children(helper))}

    eventually(watched, what="somebody holds on to it again")


def trainjob(kfrun: Kfrun, name: str = "job") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kfrun.ok("get", "trainjob", name, "-o", "json"))
    return found


def last_condition(kfrun: Kfrun) -> tuple[str, str]:
    last = trainjob(kfrun)["status"]["conditions"][-1]
    return last["type"], last["reason"]


def needs_the_kernels_word(helpers: str) -> None:
    if "supervisor" in helpers and not kernel_tells():
        pytest.skip("this kernel tells the exit code to the parent alone: Linux 6.15 tells others")


# The exit code


@BOTH
@pytest.mark.parametrize("code", [0, 37])
def test_the_training_goes_on_and_ends_with_its_own_code(kfrun: Kfrun, helpers: str, code: int) -> None:
    needs_the_kernels_word(helpers)
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", f"{UNTIL_GO}; echo last line; exit {code}"))
    started(kfrun)
    kill(kfrun, helpers)
    look(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == code
    lines = kfrun.ok("logs", "job").splitlines()
    assert lines == [*(f"line {number + 1}" for number in range(len(lines) - 1)), "last line"]


def test_a_signal_that_ended_it_is_told_too(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", f"{UNTIL_GO}; kill -SEGV $$$$"))
    started(kfrun)
    kill(kfrun, "recorder")
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 139


def test_all_helpers_of_several_nodes_are_killed_again_and_again(kfrun: Kfrun) -> None:
    needs_the_kernels_word("recorder and supervisor")
    script = f'{UNTIL_GO}; [ "$JOB_COMPLETION_INDEX" != 2 ] || exit 7'
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script, nodes=3))
    started(kfrun, 3)
    for helpers in ("recorder", "recorder and supervisor", "supervisor"):
        kill(kfrun, helpers)
        look(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 7
    assert trainjob(kfrun)["status"]["conditions"][-1]["reason"] == "FailedJobs"


def test_a_job_that_kills_its_own_recorder_goes_on(kfrun: Kfrun) -> None:
    done = kfrun("run", "-q", "-f", kfrun.job("job", "kill -9 $PPID; sleep 0.1; echo still here; exit 6"))
    assert done.returncode == 6, done.stderr
    assert done.stdout == "still here\n"


@BOTH
def test_what_ended_truly_is_retried_as_often_as_it_says(kfrun: Kfrun, helpers: str) -> None:
    needs_the_kernels_word(helpers)
    script = f"if [ -e go ]; then echo again; exit 0; fi; {UNTIL_GO}; exit 9"
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script, policy="Never", backoff="1"), KFRUN_RETRY_DELAY="0.1")
    started(kfrun)
    kill(kfrun, helpers)
    look(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    assert kfrun.ok("logs", "job").endswith("again\n")


# Where nobody can tell the code


def lost(kfrun: Kfrun, script: str, **spec: str) -> None:
    """A job whose end nobody saw: all helpers are killed, and it ends before anybody looks."""
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script, **spec), KFRUN_RETRY_DELAY="0.1")
    (item,) = started(kfrun)
    kill(kfrun, "recorder and supervisor")
    kfrun.write("go", "")
    eventually(lambda: host.stat(item.pid) is None, what="it has ended, and the system has taken note")


def test_an_end_that_nobody_saw_is_told_as_such(kfrun: Kfrun) -> None:
    lost(kfrun, f"{UNTIL_GO}; echo last line; exit 0")
    waited = kfrun("wait", "job", "--timeout", "20s")
    assert waited.returncode == 1
    assert "The exit code is unknown" in waited.stdout
    assert last_condition(kfrun) == ("Failed", "RecorderLost")
    assert kfrun.ok("get", "tj", "job", "-o", "wide").splitlines()[1].split().count("unknown") == 1
    told = kfrun.ok("describe", "trainjob", "job")
    assert [line.split() for line in told.splitlines() if line.startswith("Exit Code")] == [
        ["Exit", "Code:", "unknown"]
    ]
    assert kfrun.ok("logs", "job").endswith("last line\n")
    pods = json.loads(kfrun.ok("get", "events", "-o", "json"))["items"]
    assert "RecorderLost" in {event["reason"] for event in pods}


def test_an_end_that_nobody_saw_counts_as_one_failed_attempt(kfrun: Kfrun) -> None:
    lost(kfrun, f"if [ -e go ]; then echo again; exit 0; fi; {UNTIL_GO}", policy="Never", backoff="1")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    assert kfrun.ok("logs", "job").endswith("again\n")


def test_the_portable_form_lets_it_go_on_to_its_end_and_knows_no_code(kfrun: Kfrun) -> None:
    kfrun.env["KFRUN_PORTABLE"] = "1"
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", f"{UNTIL_GO}; echo last line; exit 0"))
    started(kfrun)
    kill(kfrun, "recorder")
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "30s").returncode == 1
    assert last_condition(kfrun) == ("Failed", "RecorderLost")
    assert kfrun.ok("logs", "job").endswith("last line\n")


# Ending what has no recorder

SAVES = "trap 'echo asked; sleep 0.3; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.02; done"


def asked(kfrun: Kfrun) -> None:
    def log() -> str:
        return "".join(path.read_text() for path in kfrun.home.rglob("node.0.log"))

    eventually(lambda: "ready" in log())


@BOTH
def test_an_orphan_has_its_grace_period(kfrun: Kfrun, helpers: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", SAVES))
    started(kfrun)
    asked(kfrun)
    kill(kfrun, helpers)
    kfrun.ok("suspend", "job")
    eventually(lambda: not running(kfrun), what="it is stopped")
    assert kfrun.ok("logs", "job").splitlines() == ["ready", "asked", "saved"]
    assert last_condition(kfrun) == ("Suspended", "Suspended")


@BOTH
def test_helpers_killed_during_the_grace_period_do_not_shorten_it(kfrun: Kfrun, helpers: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", SAVES))
    (item,) = started(kfrun)
    asked(kfrun)
    kfrun.ok("suspend", "job")
    eventually(lambda: "asked" in kfrun.ok("logs", "job"))
    kill(kfrun, helpers)
    eventually(lambda: kfrun.ok("get", "tj") and host.stat(item.pid) is None)
    # Whoever takes over does not know whether it was asked already, and asks again.
    first, *asks, last = kfrun.ok("logs", "job").splitlines()
    assert (first, {*asks}, last) == ("ready", {"asked"}, "saved")
    kfrun.ok("delete", "job")


@BOTH
def test_an_orphan_that_does_not_listen_is_killed_when_its_grace_period_is_over(kfrun: Kfrun, helpers: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "trap '' TERM; sleep 61 & while :; do sleep 0.02; done"))
    started(kfrun)
    kill(kfrun, helpers)
    begin = time.monotonic()
    kfrun.ok("delete", "job")
    assert time.monotonic() - begin >= 1.0
    eventually(lambda: not kfrun.processes(), what="not even the process from which the last supervisor was forked")


def test_an_orphan_whose_job_cannot_be_read_has_its_grace_period(kfrun: Kfrun) -> None:
    """Nobody knows any more how long that was to be: what a cluster takes where a pod says nothing."""
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", SAVES.replace("echo saved", "echo saved > saved")))
    started(kfrun)
    asked(kfrun)
    kill(kfrun, "recorder and supervisor")
    (path,) = kfrun.home.rglob("job.json")
    path.unlink()
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert (kfrun.folder / "saved").exists()


def test_a_stopped_recorder_keeps_no_job_from_being_deleted(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    (item,) = started(kfrun)
    os.kill(item.recorder, signal.SIGSTOP)
    kfrun.ok("delete", "job", "--timeout", "20s")
    assert not kfrun.processes()


# Nothing is left

DAEMON = "setsid env -i /bin/sh -c '(exec sleep 61) &'; {then}"


def daemon(kfrun: Kfrun) -> int:
    def found() -> list[int]:
        return [int(entry.name) for entry in Path("/proc").iterdir() if is_daemon(entry, str(kfrun.folder))]

    eventually(found)
    (pid,) = found()
    return pid


def is_daemon(entry: Path, folder: str) -> bool:
    try:
        words, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        return (words, os.readlink(entry / "cwd"), b"KFRUN" in environment) == (b"sleep\x0061\0", folder, False)
    except OSError:
        return False


@pytest.mark.parametrize("helpers", ["none", "recorder", "recorder and supervisor"])
@pytest.mark.parametrize("end", ["by itself", "delete"])
def test_what_forked_twice_and_cleared_its_environment_ends_with_its_job(kfrun: Kfrun, helpers: str, end: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", DAEMON.format(then="while [ ! -e go ]; do sleep 0.02; done")))
    started(kfrun)
    pid = daemon(kfrun)
    if helpers != "none":
        kill(kfrun, helpers)
    if end == "delete":
        kfrun.ok("delete", "job")
    else:
        kfrun.write("go", "")
        assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
        eventually(lambda: not kfrun.processes())
    assert host.start_time(pid) is None


def test_a_job_with_nothing_but_disowned_processes_leaves_no_zombies(kfrun: Kfrun) -> None:
    script = f"for i in 1 2 3 4 5; do (sleep 0.01 &); done; echo done; {UNTIL_GO}"
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", script))
    (item,) = started(kfrun)
    eventually(lambda: "done" in kfrun.ok("logs", "job"))
    eventually(lambda: host.children(item.recorder) == [item.pid], what="it takes note of their end")
    kfrun.ok("delete", "job")


# Those that tidy up behind others

SHARED = """
import os, signal, sys, time
from multiprocessing import Process, shared_memory
block = shared_memory.SharedMemory(create=True, size=1_000_000)
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "workers" in sys.argv:
    Process(target=time.sleep, args=(60,)).start()
with open("name.new", "w") as file:
    file.write(block.name)
os.replace("name.new", "name")
if "end" in sys.argv:
    os._exit(0)
time.sleep(60)
"""


def shared_memory(kfrun: Kfrun) -> Path:
    path = kfrun.folder / "name"
    eventually(path.exists)
    return Path("/dev/shm", path.read_text())


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="shared memory is no folder here")
@pytest.mark.parametrize(
    "words", [[], ["workers"], ["deaf"], ["deaf", "workers"], ["end"], ["end", "workers"]], ids=" ".join
)
def test_no_shared_memory_is_left(kfrun: Kfrun, words: list[str]) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", [sys.executable, "-c", SHARED, *words]))
    path = shared_memory(kfrun)
    if "end" in words:
        assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    else:
        assert path.exists()
        kfrun.ok("delete", "job")
    eventually(lambda: not kfrun.processes())
    assert not path.exists()


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="shared memory is no folder here")
@BOTH
def test_no_shared_memory_is_left_when_helpers_were_killed(kfrun: Kfrun, helpers: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", [sys.executable, "-c", SHARED, "workers"]))
    path = shared_memory(kfrun)
    kill(kfrun, helpers)
    kfrun.ok("delete", "job")
    assert not path.exists()


def test_a_killed_nursery_leaves_its_supervisors_at_work(kfrun: Kfrun) -> None:
    """`kfrun run` keeps none: it is there between the start of a command and its last job."""
    process = kfrun.start("run", "-q", "-f", kfrun.job("job", f"{UNTIL_GO}; exit 5"))
    (item,) = started(kfrun)
    keepers = {item.recorder, *(pid for pid in helpers_of(kfrun) if item.recorder in host.children(pid))}
    for pid in set(helpers_of(kfrun)) - keepers:
        os.kill(pid, signal.SIGKILL)
    kfrun.write("go", "")
    process.communicate(timeout=30)
    assert process.returncode == 5


def test_helpers_are_known_by_a_variable_that_no_job_has(kfrun: Kfrun) -> None:
    done = kfrun("run", "-q", "-f", kfrun.job("job", "env"), KFRUN_HELPER="1")
    assert "KFRUN_ATTEMPT=" in done.stdout
    assert "KFRUN_HELPER" not in done.stdout


def test_a_process_started_by_a_job_with_a_terminal_multiplexer_s_ways_ends_too(kfrun: Kfrun) -> None:
    """Sessions, groups and double forks in a row, with the environment kept."""
    script = "(setsid sh -c '(setsid sleep 7361 &) ; (sleep 7362 &)' &); sleep 0.2"
    done = kfrun("run", "-q", "-f", kfrun.job("job", script))
    assert done.returncode == 0
    assert not kfrun.processes()
    lines = subprocess.check_output(["ps", "ax", "-o", "args"], text=True).splitlines()
    assert not {"sleep 7361", "sleep 7362"} & set(lines)
