from __future__ import annotations

import fcntl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.cli import main
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What a command line left."""

    code: int
    out: str
    err: str
    raw: bytes


class Home:
    """A home with a store that the test fills, and command lines that read it, all in this process."""

    def __init__(self, path: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.path = path
        self.folder = path / "state" / host.machine_id()
        self.database = self.folder / "kfrun.db"
        self.store = Store.open(self.database)
        self._capture = capture
        self._locks: list[object] = []

    def __call__(self, *arguments: str) -> Done:
        self._capture.readouterr()
        code = main.run(arguments)
        found = self._capture.readouterr()
        return Done(code, found.out.decode(errors="replace"), found.err.decode(errors="replace"), found.out)

    def ok(self, *arguments: str) -> str:
        done = self(*arguments)
        assert (done.code, done.err) == (0, "")
        return done.out

    def run_folder(self, name: str = "mnist") -> Path:
        """The folder for a run; it looks supervised, so that nobody starts a real supervisor for it."""
        folder = self.folder / "jobs" / "default" / name / f"uid-default-{name}"
        folder.mkdir(parents=True)
        lock = (folder / "supervisor.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._locks.append(lock)
        return folder

    def close(self) -> None:
        self.store.close()
        for lock in self._locks:
            lock.close()  # type: ignore[attr-defined]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Home]:
    """A home to fill by hand."""
    for name in ("KFRUN_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KFRUN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = Home(tmp_path / "home", capfdbinary)
    yield found
    found.close()


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that does not exist yet; the current folder is an empty one."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("KFRUN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
