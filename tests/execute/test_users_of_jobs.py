"""Volumes of containers that run as another user than the one who runs kfrun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.execute.test_volumes_of_jobs import EMPTY, container, manifest, mount, run

if TYPE_CHECKING:
    from tests.conftest import Kfrun

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start programs as another user")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="nothing here takes rights away")
def test_another_user_has_volumes_of_a_root_that_may_mount_nothing_itself(kfrun: Kfrun) -> None:
    """As the root of a container has it, in which a CI job runs."""
    asks = {"exec": {"command": ["sh", "-c", "test $(id -u) = 1234 && test -e /v/a"]}}
    script = "id -u; echo x > /v/a; until test -e /v/b; do sleep 0.05; done; stat -c %u /v/a /v/b"
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "until test -e /v/a; do :; done; touch /v/b"]}}}
    one = container(script, mount("/v"), securityContext={"runAsUser": 1234}, readinessProbe=asks, lifecycle=hooks)
    path = kfrun.write("manifest.yaml", manifest(one, volumes=EMPTY))
    less = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    command = [*less, sys.executable, "-m", "kfrun", "run", "-q", "-f", path]
    done = subprocess.run(command, cwd=kfrun.folder, env=kfrun.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["1234", "1234", "1234"]), done.stderr


def test_another_user_is_told_that_it_cannot_get_to_a_volume(kfrun: Kfrun) -> None:
    it = container("echo x > /v/a; stat -c %u /v/a", mount("/v"), securityContext={"runAsUser": 1234})
    path = kfrun.write("manifest.yaml", manifest(it, volumes=EMPTY))
    done = kfrun("run", "-q", "-f", path, KFRUN_PORTABLE="1")
    assert done.returncode == 128
    assert "user 1234 cannot get to the volume at /v: this system mounts nothing for a process" in done.stderr
    with tempfile.TemporaryDirectory(dir="/tmp") as reached:
        os.chmod(reached, 0o777)
        open_to_all = [{"name": "v", "hostPath": {"path": reached}}]
        path = kfrun.write("manifest.yaml", manifest(it, volumes=open_to_all))
        assert kfrun("run", "-q", "-f", path, KFRUN_PORTABLE="1").stdout == "1234\n"


def test_another_user_may_open_its_streams_and_write_its_volumes(kfrun: Kfrun) -> None:
    script = "id -u; echo said > /dev/stdout; echo x > /v/a; stat -c %u /v/a"
    text = manifest(container(script, mount("/v"), securityContext={"runAsUser": 1234}), volumes=EMPTY)
    assert run(kfrun, text).split() == ["1234", "said", "1234"]


def test_a_nul_character_is_a_start_error_of_another_user_too(kfrun: Kfrun) -> None:
    text = manifest(container("echo a\0b", securityContext={"runAsUser": 1234}))
    done = kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert done.returncode == 128
    assert "null byte" in done.stderr
