"""kfrun as the benchmarks run it: a program with a state of its own, and a view of its store and processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import installations
from tests.bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_TIMEOUT = 600


class Program:
    """kfrun with a state folder of its own.

    Args:
        command: what starts kfrun.
        folder: for state, manifests and outputs.
        cache: holds kfrun's environments and outlives the benchmark.
    """

    def __init__(self, command: Sequence[str], folder: Path, cache: Path) -> None:
        self.command = tuple(command)
        self.folder = folder
        self.cache = cache
        self.env = {
            **installations.environment(),
            "KFRUN_STATE_DIR": str(folder / "state"),
            "KFRUN_CACHE_DIR": str(cache),
            "NO_COLOR": "1",
        }
        self._names = 0

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command line that must succeed; its standard output."""
        done = subprocess.run(
            self._line(arguments), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=_TIMEOUT,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"kfrun {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a command line and leave it running, its output dropped."""
        return subprocess.Popen(
            self._line(arguments), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def seconds(self, *arguments: str | Path, output: Path | None = None) -> float:
        """How long a command line takes from before its process starts until it has ended."""
        with (output or Path(os.devnull)).open("wb") as file:
            started = time.perf_counter()
            done = subprocess.run(
                self._line(arguments), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.PIPE, timeout=_TIMEOUT,
            )  # fmt: skip
            taken = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"kfrun {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr!r}")
        return taken

    def _line(self, arguments: Iterable[str | Path]) -> list[str]:
        return [*self.command, *map(str, arguments)]

    def name(self, stem: str) -> str:
        """A name that no job here had before."""
        self._names += 1
        return f"{stem}-{self._names}"

    def write(self, name: str, text: str) -> Path:
        """A file in the program's folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The program's store, read from here."""
        (path,) = (self.folder / "state").glob("*/kfrun.db")
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
            yield Store(database)

    def running(self) -> int:
        """How many pods run, says the program."""
        pods = json.loads(self("get", "pods", "-o", "json"))["items"]
        return sum(pod.get("status", {}).get("phase") == "Running" for pod in pods)

    def supervisors(self) -> list[int]:
        """Pids of the supervisors: of whoever holds the lock of one of the jobs."""
        processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [int(entry.name) for entry in processes if any(self._is_lock(path) for path in _open_files(entry))]

    def workers(self) -> list[int]:
        """Pids of the jobs' own processes: what recorders, which supervisors start, have started."""
        recorders = [pid for parent in self.supervisors() for pid in children(parent)]
        return [pid for parent in recorders for pid in children(parent)]

    def _is_lock(self, path: str) -> bool:
        return path.startswith(f"{self.folder}/state/") and path.endswith("/supervisor.lock")

    def clear(self) -> None:
        """Remove every job and wait until its supervisors are gone."""
        self("delete", "--all", "--now")
        until(lambda: not self.supervisors(), 30, "the supervisors leave")


def children(pid: int) -> list[int]:
    """Pids of the processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield os.readlink(descriptor)
    except OSError:
        # It has ended meanwhile, or is not ours.
        return


def until(check: Callable[[], bool], timeout: float, what: str, *, interval: float = 0.01) -> None:
    """Wait for something; raises TimeoutError when it does not come."""
    deadline = time.monotonic() + timeout
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(interval)


def manifest(
    name: str, command: Sequence[str], *, nodes: int = 1, runtime: str = "plain-python", packages: Sequence[str] = ()
) -> str:
    """A TrainJob for a runtime that kfrun ships."""
    lines = json.dumps("\n".join(packages))
    annotations = f"{{kfrun.dev/packages: {lines}}}" if packages else "{}"
    return f"""\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: {name}
  annotations: {annotations}
spec:
  runtimeRef:
    name: {runtime}
  trainer:
    numNodes: {nodes}
    command: {json.dumps(list(command))}
"""
