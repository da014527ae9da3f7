"""An engine of our own leaves nothing behind, however the tests end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import eventually

# The first run installs Docker and makes the base image.
pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[2]
SESSION = """
import sys
from tests.engines import docker, images
with docker.engine() as engine:
    name = engine.docker("import", images.archive()).strip()
    engine.docker("run", "--detach", "--init", "--memory=100m", name, "/bin/sleep", "1000")
    print(engine.address, flush=True)
    sys.stdin.read()
"""


def left(folder: Path) -> list[str]:
    """What there still is of an engine: files, mounts, cgroups, processes."""
    found = [str(path) for path in (folder, *Path("/sys/fs/cgroup").glob(f"*/{folder.name}")) if path.exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if folder.name in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if folder.name in command:
            found.append(command)
    return found


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_nothing_is_left_of_our_own_engine(docker_engine, end):
    if os.geteuid() != 0:
        pytest.skip("an engine of our own needs root")
    before = links()
    environ = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION], cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        folder = Path(session.stdout.readline().strip().removeprefix("unix://")).parent
        assert folder.name.startswith("kfrun-engine-")
        assert [line for line in left(folder) if line.startswith("dockerd ")]
        assert links() == before
    finally:
        if end == "killed":
            session.send_signal(signal.SIGKILL)
        session.communicate()
    eventually(lambda: not left(folder), 10, "nothing is left of the engine")
    assert session.returncode == (-signal.SIGKILL if end == "killed" else 0)
    assert links() == before


def test_it_says_why_there_is_no_engine():
    environ = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.engines"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: DOCKER_HOST is unix:///nowhere/docker.sock, ")
