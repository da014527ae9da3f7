"""What all tests share: the kfrun of this checkout as users run it, in a home of its own that must end up empty."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.observe.store import Store
from tests.engines import docker, images
from tests.engines.packages import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engines.docker import Engine

_TIMEOUT = 120

LONGEST = (
    *("execute/test_requirements_of_jobs.py", "examples/test_examples.py", "execute/test_supervisors.py"),
    *("scenarios/test_scenarios.py", "test_image.py", "execute/test_state_folder.py", "test_readme.py"),
    *("execute/test_lost_helpers.py", "execute/environments/test_guards.py", "test_docs.py"),
)
"""Files of a minute and more: they come first, so that no process is left with one when the others are done."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", metavar="DIR", help="a folder of further scenario cases to run instead of our own")
    parser.addoption("--jobs", metavar="FILE", help="a file of Jobs and the API server's answers to them")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: half as many again as there are cores, since most tests wait for a job now and then."""
    return max(1, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; each file is one process's, as are its fixtures (``--dist=loadfile``)."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def eventually(check: Callable[[], object], timeout: float = 20.0, what: str = "") -> object:
    """The first true answer of ``check``; fails when none comes in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {timeout} s: {what or check}")
        time.sleep(0.01)


class Kfrun:
    """kfrun with a home of its own, as a user runs it in a terminal."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KFRUN_", "PET_", "MASTER_")) and name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        }
        self.env["KFRUN_HOME"] = str(home)

    def __call__(
        self, *args: str | Path, stdin: str = "", timeout: float = _TIMEOUT, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end."""
        return subprocess.run(
            [sys.executable, "-m", "kfrun", *map(str, args)],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=self.folder,
            env={**self.env, **env},
        )

    def ok(self, *args: str | Path, **kwargs: str) -> str:
        """Run a command line that must succeed; its standard output."""
        done = self(*args, **kwargs)
        assert done.returncode == 0, (
            f"kfrun {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def start(self, *args: str | Path, **env: str) -> subprocess.Popen[bytes]:
        """Start a command line and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "kfrun", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={**self.env, **env},
        )

    @property
    def database(self) -> Path:
        return self.home / "state" / host.machine_id() / "kfrun.db"

    def store(self) -> Store:
        return Store.open(self.database, create=False)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def job(self, name: str, command: str | list[str], *, nodes: int = 1, spec: str = "", **pod: str) -> Path:
        """A manifest with a runtime of its own: ``command`` is a shell script or an argv."""
        argv = ["sh", "-c", command] if isinstance(command, str) else command
        return self.write(f"{name}.yaml", manifest(name, argv, nodes=nodes, spec=spec, **pod))

    def processes(self) -> list[tuple[int, str]]:
        """Everything alive that belongs to this home: supervisors, recorders, jobs and their children."""
        me = os.getpid()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == me:
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environ = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            except OSError:
                continue
            marked = f"KFRUN_HOME={self.home}".encode() in environ
            if state != "Z" and (str(self.home) in command or marked):
                found.append((int(entry.name), command))
        return found

    def clean(self) -> None:
        """End every job, and fail when a process is left over."""
        # most tests have seen their jobs end: nothing is left to remove, and a program not started is 0.1 s won
        if self.processes():
            self("delete", "--all", "--now", timeout=60)
        try:
            eventually(lambda: not self.processes(), 10, "no process of the home is left")
        finally:
            for pid, _ in self.processes():
                os.kill(pid, signal.SIGKILL)


def manifest(name: str, argv: list[str], *, nodes: int = 1, spec: str = "", grace: int = 1, **pod: str) -> str:
    """A TrainJob with a TrainingRuntime of its own. ``spec`` is further YAML of the TrainJob's spec."""
    import json

    policy = pod.get("policy", "OnFailure")
    limit = f"backoffLimit: {pod['backoff']}" if "backoff" in pod else "parallelism: 1"
    ml = "torch: {}" if pod.get("ml") == "torch" else f"numNodes: {nodes}"
    return f"""\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {{name: {name}}}
spec:
  mlPolicy:
    {ml}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec:
            {limit}
            template:
              spec:
                restartPolicy: {policy}
                terminationGracePeriodSeconds: {grace}
                containers:
                - name: node
                  command: {json.dumps(argv)}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: {name}}}
spec:
  runtimeRef: {{kind: TrainingRuntime, name: {name}}}
  trainer: {{numNodes: {nodes}}}
{spec}
"""


@pytest.fixture
def kfrun(tmp_path: Path) -> Iterator[Kfrun]:
    """kfrun in a fresh home; afterwards no process of it may be left."""
    folder = tmp_path / "work"
    folder.mkdir()
    runner = Kfrun(tmp_path / "home", folder)
    yield runner
    runner.clean()


def _unavailable(error: EngineUnavailable) -> None:
    """Engines are not optional where everything is to be tested."""
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A real Docker engine for the session: its socket's address, and a client that asks it."""
    try:
        with docker.engine() as engine:
            yield engine
    except EngineUnavailable as error:
        _unavailable(error)


@pytest.fixture(scope="session")
def base_image(docker_engine: Engine) -> Iterator[str]:
    """The name of an image with Python in the engine, made without a registry."""
    try:
        with images.base_image(docker_engine) as name:
            yield name
    except EngineUnavailable as error:
        _unavailable(error)
