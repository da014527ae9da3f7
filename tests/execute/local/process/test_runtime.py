"""The process backend's runtime by itself: real recorders and programs, without a supervisor around them."""

from __future__ import annotations

import os
import select
import signal
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.errors import Refused
from kfrun.execute.controller.facts import Attempt, Ended, Started
from kfrun.execute.local import jobfiles
from kfrun.execute.local.pods import configs
from kfrun.execute.local.process import launch, programs, runtime
from kfrun.execute.local.process.addresses import LOOPBACK
from kfrun.execute.local.process.attempts import leftovers, record
from kfrun.execute.local.supply.inputs import Inputs
from kfrun.model.runstate import ContainerState, PodState
from tests import workloads
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kfrun.execute.local.supply.inputs import Supplies

ATTEMPT = Attempt("tj-node-0-0-abcde", "node", 0)


class Machine:
    """A runtime for one container, and another one after it, as a new supervisor would make it."""

    def __init__(self, folder: Path, *command: str, env: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = folder
        container = {"name": "node", "command": list(command), "env": [{"name": n, "value": v} for n, v in env.items()]}
        self.workload = workloads.workload(workloads.replicated(containers=[container]))
        self.pod = PodState(ATTEMPT.pod, "tj-node-0", "job-uid", 0, 0, time.time(), [ContainerState("node")])
        self.facts: list[Started | Ended] = []
        self.runtime = self.make()

    def make(self) -> runtime.ProcessRuntime:
        settings = launch.ProcessSettings(dict(os.environ), str(self.folder))
        own = programs.Programs(str(self.folder), str(self.folder), self.workload, settings, {})
        return runtime.ProcessRuntime(own)

    def start(self) -> None:
        """As a supervisor starts it."""
        jobfiles.write_pod(str(self.folder), self.workload, self.pod)
        self.runtime.prepare_pod(self.pod)
        self.runtime.start(ATTEMPT, self.given())

    def given(self) -> Supplies:
        uid = str(self.folder)
        found = Inputs(uid, uid, self.workload, configs.none)
        return found.give(self.workload.jobs[0], self.pod, LOOPBACK)

    def fact(self, kind: type) -> Started | Ended:
        """The first fact of that kind, which must come, and be told by a descriptor or soon."""

        def found() -> list[Started | Ended]:
            self.facts += self.runtime.collect()
            return [fact for fact in self.facts if isinstance(fact, kind)]

        eventually(found, what=f"{kind.__name__} is told")
        return found()[0]

    def exit(self) -> Ended:
        found = self.fact(Ended)
        assert isinstance(found, Ended)
        return found

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
    leftovers.end_job(str(tmp_path), 0)


def test_a_start_is_told_as_soon_as_the_program_runs(folder: Path) -> None:
    machine = Machine(folder, "sleep", "60")
    before = time.time()
    machine.start()
    poller = select.poll()
    for descriptor in machine.runtime.descriptors():
        poller.register(descriptor, select.POLLIN)
    assert poller.poll(20_000), "nobody has to ask again and again"
    (found,) = machine.runtime.collect()
    assert isinstance(found, Started)
    assert (found.attempt, found.at) == (ATTEMPT, machine.running().at)
    assert before <= found.at <= time.time()
    assert len(machine.runtime.descriptors()) == 2, "both tell of the end"
    machine.runtime.kill([ATTEMPT])
    assert machine.exit().exit_code == 137


def test_what_ends_at_once_has_started_before(folder: Path) -> None:
    machine = Machine(folder, "true")
    machine.start()
    machine.exit()
    assert [type(fact) for fact in machine.facts] == [Started, Ended]


@pytest.mark.parametrize("command", [("no-such-program",), ("true", "x" * 2_000_000)])
def test_what_cannot_start_never_started(folder: Path, command: tuple[str, ...]) -> None:
    machine = Machine(folder, *command)
    before = len(os.listdir("/proc/self/fd"))
    machine.start()
    assert machine.exit().reason == "StartError"
    assert [type(fact) for fact in machine.facts] == [Ended]
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_probes_and_hooks_run_is_given_what_the_container_is_but_nobody_gets_a_terminal(folder: Path) -> None:
    machine = Machine(folder, "true", env={"X": "7"})
    machine.start()
    with pytest.raises(Refused, match="tj-node-0-0-abcde/node is a process of this machine"):
        machine.runtime.execute(ATTEMPT, ["sh"], (0, 1, 2), terminal=True)
    with pytest.raises(FileNotFoundError, match='exec: "not-there": executable file not found in'):
        machine.runtime.execute(ATTEMPT, ["not-there"], (0, 1, 2))
    assert os.WEXITSTATUS(_forked(lambda: machine.runtime.execute(ATTEMPT, ["sh", "-c", "exit $X"], (0, 1, 2)))) == 7


def test_ports_are_reached_where_the_pod_was_told_to_listen(folder: Path) -> None:
    machine = Machine(folder, "true")
    machine.runtime.prepare_pod(machine.pod)
    machine.runtime._programs.ports["tj-node-0-0.tj:29500"] = 20001
    assert machine.runtime.address(machine.pod, 29500) == ("127.0.0.1", 20001)
    assert machine.runtime.address(machine.pod, 8080) == ("127.0.0.1", 8080)
    assert machine.runtime.address(machine.pod, 29500, "tj-node-0-0.tj") == ("127.0.0.1", 20001)
    assert machine.runtime.address(machine.pod, 29500, "example.com") == ("example.com", 29500)


def _forked(call: Callable[[], int]) -> int:
    pid = os.fork()
    if not pid:
        os._exit(call())
    return os.waitpid(pid, 0)[1]


def test_usage_counts_what_fled_too(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", "setsid sleep 60 & exec sleep 61")
    assert machine.runtime.usage(ATTEMPT) is None
    machine.start()
    marker = f"{launch.ATTEMPT_MARKER}={folder}/{ATTEMPT.pod}/node.0"
    eventually(lambda: len(host.marked_processes(marker)) == 2)
    found = machine.runtime.usage(ATTEMPT)
    assert found is not None
    assert found.memory > host.usage([machine.running().pid])[1] > 0
    machine.runtime.kill([ATTEMPT])
    machine.exit()


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
    [(("sh", "-c", "a\0b"), {}), (("sh", "-c", "true"), {"A": "b\0c"}), (("true", "x" * 2_000_000), {})],
)
def test_what_no_system_call_can_carry_is_a_start_error(
    folder: Path, command: tuple[str, ...], env: dict[str, str]
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


def test_an_adopted_container_ends_with_its_own_code(folder: Path) -> None:
    machine = Machine(folder, "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 4")
    machine.start()
    recorder = machine.running().recorder
    machine.runtime = machine.make()
    assert machine.runtime.adopt(ATTEMPT, machine.given())
    assert machine.fact(Started).at == machine.running().at
    (folder / "go").touch()
    assert machine.exit().exit_code == 4
    os.waitpid(recorder, 0)


def test_what_was_never_started_cannot_be_adopted(folder: Path) -> None:
    machine = Machine(folder, "true")
    assert not machine.runtime.adopt(ATTEMPT, machine.given())
    jobfiles.write_pod(str(folder), machine.workload, machine.pod)
    os.close(record.create(str(machine.pod_folder / "node.0.attempt")))
    assert not machine.runtime.adopt(ATTEMPT, machine.given())


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
