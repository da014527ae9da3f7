"""Attempts whose recorder is killed, at every instant of its life: real processes, and no supervisor around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.execute.controller.facts import Ended, Started
from kfrun.execute.local import jobfiles
from kfrun.execute.local.process import runtime
from kfrun.execute.local.process.attempts import leftovers, record, recorder, remains
from kfrun.execute.local.runtime import JOB_MARKER
from tests import style_metrics
from tests.conftest import eventually
from tests.execute.local.process.test_runtime import ATTEMPT, Machine
from tests.host.test_orphans import kernel_tells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNTIL_GO = "while [ ! -e go ]; do sleep 0.01; done"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    leftovers.end_job(str(tmp_path), 0)


def kill_recorder(machine: Machine) -> record.Record:
    """Its parent, this process, is no subreaper: the program goes to init, as when a supervisor dies too."""
    found = machine.running()
    os.kill(found.recorder, signal.SIGKILL)
    return found


def dies_once(monkeypatch: pytest.MonkeyPatch, folder: Path, when: Callable[[record.Record], bool]) -> None:
    """The first recorder is killed when it is about to write a record of that kind."""
    write = record.write

    def deadly(descriptor: int, item: record.Record) -> None:
        if when(item) and not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        write(descriptor, item)

    monkeypatch.setattr(recorder.records, "write", deadly)


# At every instant


def test_a_program_goes_on_without_its_recorder(folder: Path) -> None:
    if not kernel_tells():
        pytest.skip("Linux 6.15 tells the code")
    machine = Machine(folder, "sh", "-c", f"{UNTIL_GO}; exit 4")
    machine.start()
    machine.fact(Started)
    found = kill_recorder(machine)
    eventually(lambda: not record.is_held(str(machine.pod_folder / "node.0.attempt")))
    assert machine.runtime.collect() == []
    assert machine.runtime.poll_interval() is None, "its end is told by a descriptor"
    (folder / "go").touch()
    ended = machine.exit()
    assert (ended.exit_code, ended.reason) == (4, "Error")
    written = machine.record()
    assert written is not None
    assert (written.state, written.exit_code, written.pid) == ("exited", 4, found.pid), "for whoever comes next"


def test_a_program_that_cleared_its_environment_is_adopted_by_its_pid(folder: Path) -> None:
    machine = Machine(folder, "env", "-i", "/bin/sleep", "60")
    machine.start()
    found = kill_recorder(machine)
    os.waitpid(found.recorder, 0)
    machine.runtime = machine.make()
    assert machine.runtime.adopt(ATTEMPT, machine.given())
    machine.fact(Started)
    machine.runtime.kill([ATTEMPT])
    assert machine.exit().exit_code == 137
    assert host.start_time(found.pid) is None


def test_a_pid_of_somebody_else_is_not_adopted(folder: Path) -> None:
    """It was used again meanwhile, or the machine was started anew."""
    for change in ({"start": "1"}, {"boot": "another"}):
        machine = Machine(folder, "true")
        jobfiles.write_pod(str(folder), machine.workload, machine.pod)
        with subprocess.Popen(["sleep", "60"]) as other:
            known = {"start": host.start_time(other.pid) or "", "boot": host.boot_id(), **change}
            os.close(record.create(str(machine.pod_folder / "node.0.attempt")))
            running = record.Record("running", pid=other.pid, at=time.time(), **known)
            record.rewrite(str(machine.pod_folder / "node.0.attempt"), running)
            assert machine.runtime.adopt(ATTEMPT, machine.given())
            machine.runtime.kill([ATTEMPT])
            assert machine.exit().reason == "RecorderLost"
            assert other.poll() is None, "it was not killed for it"
            other.kill()


def test_a_recorder_killed_before_it_starts_anything_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies_once(monkeypatch, folder, lambda item: item.state == "starting")
    machine = Machine(folder, "sh", "-c", "echo once; exit 3")
    machine.start()
    assert machine.exit().exit_code == 3
    assert (machine.pod_folder / "node.0.log").read_text() == "once\n"


def test_a_recorder_killed_between_start_and_record_leaves_a_program_that_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_once(monkeypatch, folder, lambda item: item.state == "running")
    machine = Machine(folder, "sh", "-c", f"echo once; setsid sleep 60 & {UNTIL_GO}; exit 3")
    machine.start()
    machine.fact(Started)
    assert (folder / "died").exists()
    (folder / "go").touch()
    ended = machine.exit()
    assert (ended.exit_code, ended.reason) in ((3, "Error"), (137, "RecorderLost"))
    assert (ended.exit_code == 3) == kernel_tells()
    assert (machine.pod_folder / "node.0.log").read_text() == "once\n", "it was not started a second time"


def test_a_program_that_was_told_to_stop_before_it_was_found_is_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_once(monkeypatch, folder, lambda item: item.state == "running")
    machine = Machine(folder, "sleep", "60")
    machine.start()
    machine.runtime.terminate(ATTEMPT)
    ended = machine.exit()
    assert ended.exit_code in (143, 137)


def test_what_wrote_something_and_cannot_be_found_is_not_started_a_second_time(folder: Path) -> None:
    machine = Machine(folder, "true")
    jobfiles.write_pod(str(folder), machine.workload, machine.pod)
    os.close(record.create(str(machine.pod_folder / "node.0.attempt")))
    record.rewrite(str(machine.pod_folder / "node.0.attempt"), record.Record("starting"))
    (machine.pod_folder / "node.0.log").write_text("it ran\n")
    assert machine.runtime.adopt(ATTEMPT, machine.given())
    assert machine.exit().reason == "RecorderLost"


def test_what_left_no_trace_of_a_start_is_started(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", "exit 3")
    jobfiles.write_pod(str(folder), machine.workload, machine.pod)
    machine.runtime.prepare_pod(machine.pod)
    os.close(record.create(str(machine.pod_folder / "node.0.attempt")))
    record.rewrite(str(machine.pod_folder / "node.0.attempt"), record.Record("starting"))
    assert machine.runtime.adopt(ATTEMPT, machine.given())
    assert machine.exit().exit_code == 3


def test_a_recorder_killed_after_the_end_has_written_it_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies_once(monkeypatch, folder, lambda item: item.swept)
    machine = Machine(folder, "sh", "-c", "setsid sleep 60 & exit 3")
    machine.start()
    assert machine.exit().exit_code == 3
    assert (folder / "died").exists()
    assert host.marked_processes(f"{JOB_MARKER}={folder}") == []


def test_an_end_in_the_instant_of_the_recorders_death_is_still_there_to_see(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left a zombie until its code is written down, so that whoever gets it can tell."""
    dies_once(monkeypatch, folder, lambda item: item.state == "exited")
    machine = Machine(folder, "sh", "-c", f"{UNTIL_GO}; exit 3")
    machine.start()
    first = machine.fact(Started)
    assert isinstance(first, Started)
    machine.runtime = machine.make()
    assert machine.runtime.adopt(ATTEMPT, machine.given())
    machine.facts.clear()
    machine.fact(Started)
    (folder / "go").touch()
    ended = machine.exit()
    assert (ended.exit_code == 3) == kernel_tells()


_SUPERVISOR = """
import os, pathlib, sys
from kfrun.host import orphans
from tests.execute.local.process import test_watch
when, script, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])

class Patch:
    setattr = staticmethod(setattr)

assert orphans.become_subreaper()
test_watch.dies_once(Patch, folder, lambda item: item.state == when)
machine = test_watch.Machine(folder, "sh", "-c", script)
machine.start()
ended = machine.exit()
print(ended.exit_code, ended.reason, (folder / "died").exists(), (machine.pod_folder / "node.0.log").read_text())
left = machine.runtime.collect()
print(left, len(os.listdir("/proc/self/task")), open("/proc/thread-self/children").read())
"""


@pytest.mark.parametrize("script", ["echo once; exit 3", "echo once; sleep 0.1; (setsid sleep 60 &); exit 3"])
@pytest.mark.parametrize("when", ["starting", "running", "exited"])
def test_a_supervisor_in_the_place_of_its_recorder_sees_the_true_end(folder: Path, when: str, script: str) -> None:
    """Whatever kernel: the program becomes its child, also one that had ended in the same moment."""
    command = [sys.executable, "-c", _SUPERVISOR, when, script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=style_metrics.ROOT)
    assert done.stdout.split() == ["3", "Error", "True", "once", "[]", "1"], done.stderr


# What it leaves


def test_where_nothing_is_left_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains.time, "sleep", lambda seconds: pytest.fail(f"waits for {seconds} s"))
    remains.end(list)


def test_what_is_left_has_a_moment_and_then_it_is_killed() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0.05"]) as quick, subprocess.Popen(["sleep", "60"]) as slow:
        remains.end(lambda: [item.pid for item in (quick, slow) if item.poll() is None])
        assert (quick.wait(), slow.wait()) == (0, -signal.SIGKILL)


def test_who_tidies_up_is_killed_last() -> None:
    """A resource tracker waits for the end of everybody who holds its pipe."""
    code = "import os, sys; sys.stdin.read(); os._exit(5)  # resource_tracker"
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as holder:
        tracker = subprocess.Popen([sys.executable, "-c", code], stdin=holder.stdout)
        assert holder.stdout is not None
        holder.stdout.close()
        remains.end(lambda: [item.pid for item in (holder, tracker) if item.poll() is None])
        assert (holder.wait(), tracker.wait()) == (-signal.SIGKILL, 5)


@pytest.mark.parametrize(
    ("environment", "foreign", "marked"),
    [
        ([], False, False),
        ([b"A=1"], False, False),
        ([b"KFRUN_JOB_UID=mine", b"KFRUN_ATTEMPT=mine/pod/node.0"], False, True),
        ([b"KFRUN_JOB_UID=other"], True, True),
        ([b"KFRUN_HELPER=1"], True, True),
        ([b"KFRUN_HOME=/home"], False, False),
    ],
)
def test_a_job_ends_what_it_started_but_no_other_job(environment: list[bytes], foreign: bool, marked: bool) -> None:
    assert remains.is_foreign(environment, "mine") == foreign
    assert remains.is_marked(environment) == marked


def test_the_end_of_an_attempt_is_told_once(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", "exit 0")
    machine.start()
    machine.exit()
    assert machine.runtime.collect() == []
    assert machine.runtime.descriptors() == []
    assert [type(item) for item in machine.facts].count(Ended) == 1


def test_nobody_waits_for_a_recorder_that_has_said_everything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = recorder.Reports.tell_end

    def tell_and_stop(descriptor: int, at: float) -> None:
        tell(descriptor, at)
        os.kill(os.getpid(), signal.SIGSTOP)

    monkeypatch.setattr(recorder.Reports, "tell_end", tell_and_stop)
    machine = Machine(folder, "sh", "-c", "exit 7")
    machine.start()
    assert machine.exit().exit_code == 7
    found = machine.record()
    assert found is not None
    assert host.start_time(found.recorder) == found.recorder_start
    assert machine.runtime.poll_interval() == runtime._REAP_SECONDS
    os.kill(found.recorder, signal.SIGCONT)
    eventually(lambda: not machine.runtime.collect() and machine.runtime.poll_interval() is None, what="it is reaped")
    with pytest.raises(ChildProcessError):
        os.waitpid(found.recorder, 0)
