"""Locks between processes: one holder, askers that disturb nobody, and nothing left when the holder is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kfrun.host import lock
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path


def test_one_process_holds_it_and_others_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not lock.is_held(path)
    assert not path.exists(), "asking makes nothing"
    descriptor = lock.take(path)
    assert descriptor is not None
    assert lock.take(path) is None
    assert lock.is_held(path)
    os.close(descriptor)
    assert not lock.is_held(path)
    assert path.stat().st_mode & 0o077 == 0


def test_holding_ends_with_the_block_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with pytest.raises(KeyError), lock.hold(path):
        {}[lock.is_held(path)]
    assert not lock.is_held(path)


def test_whoever_is_killed_lets_go_and_whoever_waited_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = "import sys, time; from kfrun.host import lock; lock.take(sys.argv[1]); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock.is_held(path)
        os.kill(holder.pid, signal.SIGKILL)
        with lock.hold(path):
            assert lock.take(path) is None
    assert eventually(lambda: not lock.is_held(path))
