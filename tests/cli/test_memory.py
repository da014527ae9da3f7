"""The verbs at another place than this machine: they know nothing but the interface, so memory will do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import settings
from kfrun.cli import main
from kfrun.execute import choice, memory
from kfrun.execute.memory import Act, Call, MemoryBackend
from tests.conftest import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal:
    """Command lines of one process, and what they print."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], folder: Path) -> None:
        self._capture = capture
        self.folder = folder

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capture.readouterr()
        code = main.run(arguments)
        found = self._capture.readouterr()
        return code, found.out.decode(), found.err.decode()

    def ok(self, *arguments: str) -> str:
        code, out, err = self(*arguments)
        assert code == 0, err
        return out

    def job(self, name: str = "job", **more: Any) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(manifest(name, ["python", "train.py"], **more))
        return str(path)


@pytest.fixture
def acts() -> dict[str, Act]:
    """What each node does; those that are not named end at once and well."""
    return {}


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], acts: dict[str, Act]
) -> Iterator[Terminal]:
    monkeypatch.setenv("KFRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KFRUN_BACKEND", "memory")
    monkeypatch.chdir(tmp_path)

    def play(call: Call) -> Act:
        return acts.get(call.node, Act(f"hello from {call.node}\n".encode()))

    place = MemoryBackend(play)
    monkeypatch.setattr(memory, "shared", lambda: place)
    yield Terminal(capfdbinary, tmp_path)
    # What fingerprints of slow files are kept in is a cache.
    assert {path.name for path in (tmp_path / "home").glob("*")} <= {"cache"}, "nothing is written"


def test_run_shows_the_plan_the_output_and_the_end(terminal: Terminal) -> None:
    code, out, err = terminal("run", "-f", terminal.job())
    assert (code, out) == (0, "hello from node-0\n")
    assert "Plan: 1 to create." in err
    assert "job: Complete after " in err


def test_run_ends_with_the_code_of_the_job(terminal: Terminal, acts: dict[str, Act]) -> None:
    acts["node-1"] = Act(b"oh\n", 7)
    code, out, err = terminal("run", "-q", "-f", terminal.job(backoff="0", nodes=2))
    assert code == 7
    assert "[node-1] oh" in out
    assert "node-1 failed with exit code 7" in err


def test_what_was_applied_can_be_looked_at_in_every_way(terminal: Terminal) -> None:
    out = terminal.ok("apply", "-q", "-f", terminal.job(), "--wait")
    assert "trainjob.trainer.kubeflow.org/job created" in out
    assert "job" in terminal.ok("get", "trainjobs")
    assert "memory" in terminal.ok("get", "tj", "-o", "wide")
    (pod,) = json.loads(terminal.ok("get", "pods", "-o", "json"))["items"]
    assert pod["status"]["phase"] == "Succeeded"
    assert "hello from node-0" in terminal.ok("logs", "job")
    assert "Completed" in terminal.ok("events", "job")
    shown = terminal.ok("describe", "trainjob", "job")
    assert "Backend:" in shown
    assert "Not Enforced" in shown
    assert terminal.ok("wait", "job").endswith("Complete: jobset completed successfully\n")
    assert terminal.ok("wait", "job", "--for", "jsonpath={.status.conditions[0].type}=Complete")
    assert "memory" in terminal.ok("doctor")


def test_a_job_is_suspended_resumed_and_deleted(terminal: Terminal, acts: dict[str, Act]) -> None:
    acts["node-0"] = Act(b"up\n", seconds=60)
    terminal.ok("apply", "-q", "-f", terminal.job())
    assert "Running" in terminal.ok("get", "tj")
    assert terminal.ok("suspend", "job") == "trainjob.trainer.kubeflow.org/job suspended\n"
    assert "Suspended" in terminal.ok("get", "tj")
    assert terminal.ok("resume", "job") == "trainjob.trainer.kubeflow.org/job resumed\n"
    assert terminal.ok("logs", "-f", "job", "--all-attempts").count("up\n") == 2
    assert terminal("delete", "job")[:2] == (0, 'trainjob.trainer.kubeflow.org "job" deleted\n')
    assert terminal("get", "tj", "job")[0] == 1


def test_waiting_takes_no_time_here(terminal: Terminal, acts: dict[str, Act]) -> None:
    acts["node-0"] = Act(seconds=86_400)
    terminal.ok("apply", "-q", "-f", terminal.job())
    code, _, err = terminal("wait", "job", "--timeout", "1h")
    assert code == 124
    assert "timed out" in err
    assert terminal("wait", "job", "--timeout", "24h")[0] == 0


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
@pytest.mark.parametrize("spec", ["  suspend: true", "  managedBy: kueue.x-k8s.io/multikueue"])
def test_what_nobody_moves_is_not_waited_for(terminal: Terminal, flag: str, spec: str) -> None:
    code, _, err = terminal("apply", "-q", flag, "-f", terminal.job("job", spec=spec))
    if flag == "--follow" and "managedBy" in spec:
        assert code == 0, "it does not run here: there is nothing to follow"
        return
    assert code == 1
    assert "nothing happens by itself here" in err


def test_a_container_that_never_ends_is_not_followed_for_ever(terminal: Terminal, acts: dict[str, Act]) -> None:
    acts["node-0"] = Act(b"up\n", seconds=None)
    terminal.ok("apply", "-q", "-f", terminal.job())
    code, out, err = terminal("logs", "-f", "job")
    assert (code, out) == (1, "up\n")
    assert "job has not ended" in err
    assert terminal("wait", "job")[0] == 1
    assert terminal("wait", "job", "--timeout", "1h")[0] == 124


def test_what_nobody_installs_and_no_interpreter_that_nobody_uses_are_told(terminal: Terminal) -> None:
    path = Path(terminal.job())
    path.write_text(path.read_text().replace("{name: job}\nspec:\n  runtimeRef", "{name: job, annotations: "
        "{kfrun.dev/packages: numpy}}\nspec:\n  runtimeRef"))  # fmt: skip
    code, out, err = terminal("plan", "-f", str(path))
    assert (code, "environment to prepare" in out) == (0, False), err
    assert "not enforced by memory: " in out
    assert "packages" in terminal("validate", "--backend", "memory", str(path))[1]
    assert terminal("run", "-q", "--python", "/nowhere/python", "-f", str(path))[0] == 2


def test_a_plan_that_was_saved_is_carried_out(terminal: Terminal) -> None:
    path = terminal.job()
    terminal.ok("plan", "-f", path, "--out", "job.plan")
    assert "created" in terminal.ok("apply", "-q", "job.plan")
    code, out, _ = terminal("plan", "-f", path, "--detailed-exitcode")
    assert code == 0, out
    assert terminal("diff", "-f", path)[0] == 0


def test_an_apply_set_loses_what_left_it(terminal: Terminal) -> None:
    terminal.ok("apply", "-q", "-f", terminal.job("one"), "-f", terminal.job("two"), "--apply-set", "team")
    out = terminal.ok("apply", "-q", "-f", terminal.job("one"), "--apply-set", "team", "--prune")
    assert "trainjob.trainer.kubeflow.org/two deleted" in out
    assert "two" not in terminal.ok("get", "tj")


def test_another_backend_is_not_available_here(terminal: Terminal) -> None:
    path = terminal.job()
    text, mark = Path(path).read_text(), "kind: TrainJob\nmetadata: {name: job"
    Path(path).write_text(text.replace(mark, f"{mark}, annotations: {{kfrun.dev/backend: process}}"))
    code, _, err = terminal("apply", "-f", path)
    assert code == 1
    assert 'backend "process" is not available' in err
    assert "available: memory" in err


def test_the_flag_names_it_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFRUN_BACKEND")
    assert terminal.ok("run", "-q", "--backend", "memory", "-f", terminal.job()) == "hello from node-0\n"


def test_there_is_one_in_a_process(tmp_path: Path) -> None:
    found = settings.load({"backend": "memory"}, {"HOME": str(tmp_path)}, tmp_path)
    assert choice.open_backend(found) is choice.open_backend(found)
