"""The process backend's runtime by itself: real recorders and programs, without a supervisor around them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.execute.local.process import launch, record, runtime
from kfrun.execute.local.runtime import Attempt, Exit
from kfrun.model.running import ContainerState, PodState
from kfrun.model.workload import ChildJob, Container, EnvVar, Pod, Workload
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTEMPT = Attempt("tj-node-0-0-abcde", "node", 0)


class Machine:
    """A runtime for one container, and another one after it, as a new supervisor would make it."""

    def __init__(self, folder: Path, *command: str, env: tuple[EnvVar, ...] = ()) -> None:
        self.folder = folder
        pod = Pod(0, "tj-node-0-0", "tj-node-0-0.tj", (), (Container("node", command=command, env=env),))
        self.workload = Workload("default", "tj", (ChildJob("tj-node-0", "node", 0, (pod,)),), (("node", 1),))
        self.pod = PodState(ATTEMPT.pod, "tj-node-0", 0, 0, time.time(), [ContainerState("node")])
        self.runtime = self.make()

    def make(self) -> runtime.ProcessRuntime:
        settings = launch.Settings(dict(os.environ), str(self.folder))
        return runtime.ProcessRuntime(str(self.folder), str(self.folder), self.workload, settings, lambda _: self.pod)

    def start(self) -> None:
        self.runtime.start(ATTEMPT, {})

    def exit(self) -> Exit:
        found: list[Exit] = []
        eventually(lambda: found.extend(self.runtime.collect()) or found, what="the container ends")
        return found[0]

    @property
    def pod_folder(self) -> Path:
        return self.folder / "pods" / ATTEMPT.pod

    def record(self) -> record.Record | None:
        return record.read(str(self.pod_folder / "node.0.attempt"))

    def running(self) -> record.Record:
        eventually(lambda: (found := self.record()) is not None and found.state == "running")
        found = self.record()
        assert found is not None
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    host.kill_marked(f"{launch.JOB_MARKER}={tmp_path}")


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$$$", 137), ("kill -TERM $$$$", 143)]
)
def test_exit_codes_are_those_of_the_program(folder: Path, script: str, code: int) -> None:
    machine = Machine(folder, "sh", "-c", script)
    machine.start()
    found = machine.exit()
    assert (found.exit_code, found.reason) == (code, "Error" if code else "Completed")


@pytest.mark.parametrize(
    ("command", "env"),
    [(("sh", "-c", "a\0b"), ()), (("sh", "-c", "true"), (EnvVar("A", "b\0c"),)), (("true", "x" * 2_000_000), ())],
)
def test_what_no_system_call_can_carry_is_a_start_error(
    folder: Path, command: tuple[str, ...], env: tuple[EnvVar, ...]
) -> None:
    machine = Machine(folder, *command, env=env)
    machine.start()
    found = machine.exit()
    assert (found.exit_code, found.reason) == (128, "StartError")
    assert found.message


def test_no_process_to_spare_is_a_start_error_and_leaves_no_descriptor(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(folder, "true")

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        machine.start()
    assert (machine.exit().reason, len(os.listdir("/proc/self/fd"))) == ("StartError", before)
    assert not record.is_held(str(machine.pod_folder / "node.0.attempt"))


def test_a_job_that_removes_its_own_record_keeps_its_exit_code(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", f"rm -r {folder}/pods; exit 5")
    machine.start()
    found = machine.exit()
    assert (found.exit_code, found.reason) == (5, "Error")


def test_what_a_lost_recorder_left_running_is_ended_when_nobody_looked(folder: Path) -> None:
    # It has no marker any more: only the record tells of it.
    machine = Machine(folder, "env", "-i", "/bin/sleep", "60")
    machine.start()
    item = machine.running()
    os.kill(item.recorder, signal.SIGKILL)
    os.waitpid(item.recorder, 0)
    machine.runtime = machine.make()
    assert machine.runtime.adopt(ATTEMPT)
    assert machine.exit().reason == "RecorderLost"
    eventually(lambda: host.start_time(item.pid) is None, what="the program was ended")


def test_an_adopted_container_ends_with_its_own_code(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 4")
    machine.start()
    recorder = machine.running().recorder
    machine.runtime = machine.make()
    assert machine.runtime.adopt(ATTEMPT)
    (folder / "go").touch()
    assert machine.exit().exit_code == 4
    os.waitpid(recorder, 0)


def test_what_was_never_started_cannot_be_adopted(folder: Path) -> None:
    machine = Machine(folder, "true")
    assert not machine.runtime.adopt(ATTEMPT)
    machine.pod_folder.mkdir(parents=True)
    os.close(record.create(str(machine.pod_folder / "node.0.attempt")))
    assert not machine.runtime.adopt(ATTEMPT)


def test_a_pod_folder_that_was_left_half_made_is_completed(folder: Path) -> None:
    machine = Machine(folder, "true")
    machine.pod_folder.mkdir(parents=True)
    machine.start()
    machine.exit()
    assert (machine.pod_folder / "pod.json").exists()


def test_the_marker_of_an_attempt_names_its_job(folder: Path) -> None:
    """Two homes, or namespaces, may run jobs of one name: what is killed here must not die there."""
    machine = Machine(folder, "sleep", "60")
    machine.start()
    item = machine.running()
    assert host.marked_processes(f"{launch.ATTEMPT_MARKER}={ATTEMPT.pod}/node.0") == []
    assert host.marked_processes(f"{launch.ATTEMPT_MARKER}={folder}/{ATTEMPT.pod}/node.0") == [item.pid]
    machine.runtime.kill([ATTEMPT])
    assert machine.exit().exit_code == 137


def test_nothing_of_the_callers_signals_reaches_the_program(folder: Path) -> None:
    machine = Machine(folder, "grep", "Sig[BI]", "/proc/self/status")
    previous = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        machine.start()
        assert machine.exit().exit_code == 0
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
        signal.signal(signal.SIGALRM, previous)
    lines = dict(line.split() for line in (machine.pod_folder / "node.0.log").read_text().splitlines())
    # Signals 32 and 33 belong to the C library.
    assert int(lines["SigBlk:"], 16) == int(lines["SigIgn:"], 16) & ~(3 << 31) == 0
