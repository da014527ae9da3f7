"""A real Docker engine for tests: the one that ``DOCKER_HOST`` names, or one of our own for the session.

Called by the fixture ``docker_engine`` and by ``python -m tests.engines``. Our own needs root and, the first time,
apt-get; nothing of it is left when the session ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.engines import enclosure, packages
from tests.engines.enclosure import Enclosure
from tests.engines.packages import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = {
    **enclosure.PACKAGES,
    "dockerd": "docker.io",
    "/usr/bin/docker": "docker.io",
    "iptables": "iptables",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers: where (``unix://…``, as in ``DOCKER_HOST``), and the client that asks it."""

    address: str
    client: str

    def ask(
        self, *args: str | Path, stdin: bytes | None = None, timeout: float = 240, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGS`` to its end, whatever its exit code."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(
            [self.client, *map(str, args)],
            **given,
            capture_output=True,
            timeout=timeout,
            env={**kept, "DOCKER_HOST": self.address, **environ},
        )
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def docker(self, *args: str | Path, **options: object) -> str:
        """What ``docker ARGS`` prints; it must succeed."""
        done = self.ask(*args, **options)
        assert done.returncode == 0, f"docker {' '.join(map(str, args))}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@contextmanager
def engine() -> Iterator[Engine]:
    """A Docker engine that answers; ours is gone afterwards.

    Raises:
        EngineUnavailable: there is none and none can be started.
    """
    given = os.environ.get("DOCKER_HOST")
    if given:
        yield _given(given)
        return
    if os.geteuid() != 0:
        raise EngineUnavailable("no Docker: set DOCKER_HOST, or run the tests as root, which start one of their own")
    packages.ensure(PACKAGES)
    home = Enclosure()
    try:
        yield _start(home)
    finally:
        home.stop()


def _given(address: str) -> Engine:
    client = packages.find("docker")
    if not client:
        raise EngineUnavailable(f"DOCKER_HOST is {address}, but there is no program docker to reach it with")
    found = Engine(address, client)
    answer = found.ask("version", timeout=30)
    if answer.returncode:
        raise EngineUnavailable(f"DOCKER_HOST is {address}, which does not answer: {answer.stderr.strip()}")
    return found


def _start(home: Enclosure) -> Engine:
    """The daemon of Debian with everything that it writes in the folder of the enclosure."""
    address = f"unix://{home.folder}/docker.sock"
    home.start(
        *("dockerd", "--host", address, "--storage-driver", "overlay2", "--shutdown-timeout", "2"),
        *("--data-root", f"{home.folder}/data", "--exec-root", f"{home.folder}/exec"),
        *("--pidfile", f"{home.folder}/dockerd.pid"),
        # systemd, where there is one, is out of reach inside
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{home.cgroup}"),
    )
    # the package's own: a docker that somebody put into PATH may lack one of the two builders
    started = Engine(address, "/usr/bin/docker")
    deadline = time.monotonic() + 30
    while started.ask("version", timeout=30).returncode:
        if not home.is_running() or time.monotonic() > deadline:
            raise EngineUnavailable(f"dockerd does not start: {home.log()}")
        time.sleep(0.05)
    return started
