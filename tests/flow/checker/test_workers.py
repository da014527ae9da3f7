"""Processes that share work: whatever becomes of them, the results are the same and none of them stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.flow.checker import workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TASKS = range(40)
DEADLINE = 20.0


def descriptors() -> set[str]:
    return set(os.listdir("/dev/fd"))


def failing_after(count: int, function: Callable[[], object]) -> Callable[[], object]:
    """The function, that fails as at the limit of processes or files when it was called ``count`` times."""
    left = iter(range(count))

    def called() -> object:
        if next(left, None) is None:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return function()

    return called


@pytest.mark.parametrize("name", ["fork", "pipe"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_as_many_processes_as_the_system_allows(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 4)
    monkeypatch.setattr(os, name, failing_after(count, getattr(os, name)))
    before, children = descriptors(), host.children(os.getpid())
    found = workers.every(lambda task: (task, os.getpid()), TASKS, [1] * len(TASKS), least=1)
    assert [task for task, _ in found] == list(TASKS)
    # one of the pipes holds the parts that nobody has taken yet
    assert len({pid for _, pid in found}) == 1 + (count if name == "fork" else max(count - 1, 0))
    assert descriptors() == before
    assert host.children(os.getpid()) == children


def test_who_is_done_takes_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    done = tmp_path / "done"

    def work(task: int) -> int:
        if task == 0:  # takes longer than what would be its neighbours in half of the work
            end = time.monotonic() + DEADLINE
            while not done.exists() and time.monotonic() < end:
                time.sleep(0.01)
        elif task == 10:
            done.touch()
        return os.getpid()

    found = workers.every(work, TASKS, [1] * len(TASKS), least=1)
    assert found[0] == os.getpid()
    assert found[10] != os.getpid()


ORPHANED = """
import os, sys, time
from kfrun.flow.checker import workers

workers._cores = lambda: 2
parent = os.getpid()

def work(task):
    if os.getpid() == parent:
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        os._exit(0)
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()} ")
    time.sleep(0.05)

workers.every(work, range(10_000), [1] * 10_000, least=1)
"""


def test_a_worker_stops_when_nobody_waits_for_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    subprocess.run([sys.executable, "-c", ORPHANED, notes], check=True, timeout=DEADLINE)
    pid = int(notes.read_text().split()[0])
    end = time.monotonic() + DEADLINE
    while _runs(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether the process lives; init may not have taken note of its end yet."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")
