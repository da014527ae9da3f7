"""Processes that lose their parent: taken in, found below, and asked by somebody else how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from kfrun.execute.local.process.attempts.orphan import Orphan, code_of
from kfrun.host import orphans
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDS = pytest.mark.parametrize(
    ("script", "code"), [("exit 37", 37), ("exit 0", 0), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)


def python(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@contextmanager
def waiting(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A shell that goes on when its standard input is closed."""
    with subprocess.Popen(["sh", "-c", f"read x; {script}"], stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def kernel_tells() -> bool:
    """Whether a pidfd tells how a process ended that was waited for (Linux 6.15)."""
    with waiting("exit 0") as process:
        descriptor = host.open_pidfd(process.pid)
        process.kill()
        process.wait()
        try:
            return orphans.exit_status(process.pid, "", descriptor) is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)


# Taking in

_DISOWN = """
import os
from kfrun.host import orphans
print(orphans.become_subreaper(), orphans.is_subreaper())
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        # until whoever disowns it is gone
        os.close(writing)
        os.read(reading, 1)
        os._exit(7)
    os._exit(0)
os.waitpid(pid, 0)
os.close(writing)
try:
    print(os.waitstatus_to_exitcode(os.wait()[1]))
except ChildProcessError:
    print("gone")
"""


def test_a_subreaper_takes_in_what_was_disowned_below_it() -> None:
    assert python(_DISOWN) == ["True", "True", "7"]


def test_where_the_system_has_no_subreapers_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    assert python(_DISOWN) == ["False", "False", "gone"]


def test_a_fork_of_a_subreaper_is_none() -> None:
    code = (
        "import os; from kfrun.host import orphans; orphans.become_subreaper()\n"
        "if os.fork() == 0: os._exit(orphans.is_subreaper())\n"
        "print(os.wait()[1], orphans.is_subreaper())"
    )
    assert python(code) == ["0", "True"]


def test_descendants_are_those_of_every_thread_and_none_below_a_foreign_one() -> None:
    code = (
        "import subprocess, sys, threading, time\n"
        "call = lambda *a, **k: subprocess.Popen(['sh', '-c', 'sleep 60 & sleep 60 & wait'], **k)\n"
        "thread = threading.Thread(target=lambda: (call(env={'MINE': '1'}), call(env={'OTHER': '1'}),"
        " time.sleep(60)))\nthread.start()"
    )
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            eventually(lambda: len(orphans.descendants(process.pid, lambda _: False)) == 6)
            assert len(orphans.descendants(process.pid, lambda item: b"OTHER=1" in item)) == 3
            assert orphans.descendants(process.pid, lambda _: True) == []
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_who_writes_into_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file, waiting("exit 0") as other:
        assert other.pid not in orphans.writers(str(path))
        with (
            subprocess.Popen(["sleep", "60"], stdout=file) as one,
            subprocess.Popen(["sleep", "60"], stderr=file) as two,
        ):
            path.rename(tmp_path / "moved")
            assert {one.pid, two.pid} <= set(orphans.writers(str(tmp_path / "moved")))
            one.kill()
            two.kill()
    assert orphans.writers(str(path)) == []


# How it ended


@ENDS
def test_a_zombie_tells_how_it_ended(script: str, code: int) -> None:
    with waiting(script) as process:
        start = host.start_time(process.pid)
        assert start is not None
        go_on(process)
        eventually(lambda: host.start_time(process.pid) is None, what="it has ended, and nobody has waited for it")
        status = orphans.exit_status(process.pid, start, None)
        assert status is not None
        assert code_of(status) == code
        assert orphans.exit_status(process.pid, "another", None) is None
        process.wait()
        assert orphans.exit_status(process.pid, start, None) is None


@ENDS
def test_a_pidfd_tells_how_a_process_ended_that_was_waited_for(script: str, code: int) -> None:
    if not kernel_tells():
        pytest.skip("this kernel does not tell: Linux 6.15 does")
    with waiting(script) as process:
        descriptor = host.open_pidfd(process.pid)
        assert orphans.exit_status(process.pid, "", descriptor) is None, "it runs"
        go_on(process)
        process.wait()
        status = orphans.exit_status(process.pid, "", descriptor)
        assert status is not None
        assert code_of(status) == code
        assert descriptor is not None
        os.close(descriptor)


_THREADS = """
import ctypes, os, sys, threading
def end():
    sys.stdin.read()
    os._exit(37)
threading.Thread(target=end).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_runs_on_and_ends_with_its_own_code() -> None:
    with subprocess.Popen([sys.executable, "-c", _THREADS], stdin=subprocess.PIPE) as process:
        eventually(lambda: (host.stat(process.pid) or [b""])[0] == b"Z", what="its first thread has ended")
        start = host.start_time(process.pid)
        assert start is not None, "it is no zombie"
        item = Orphan(process.pid, start)
        assert not item.has_ended()
        go_on(process)
        eventually(item.has_ended)
        assert item.code == 37
        item.release()
        process.returncode = 37


def test_an_orphan_is_not_mistaken_for_a_later_process_of_its_pid() -> None:
    with waiting("exit 0") as process:
        other = Orphan(process.pid, "another start")
        assert other.descriptor is None
        assert not other.is_running
        other.send(signal.SIGKILL)
        other.let_go()
        assert process.poll() is None


def test_the_portable_form_sees_an_end_and_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    monkeypatch.delattr(os, "waitid")
    with waiting("exit 5") as process:
        item = Orphan(process.pid, host.start_time(process.pid) or "")
        assert not item.has_ended()
        assert "read x" in host.command_line(process.pid)
        go_on(process)
        eventually(item.has_ended)
        assert item.code is None
