from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from kfrun import host
from tests.observe.runs import add, trainjob

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024


def checks(done):
    return {check["name"]: check for check in json.loads(done.out)}


@pytest.fixture
def healthy(home, monkeypatch):
    """Enough space, whatever this machine has."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, 1 << 39))
    return home


def test_healthy_machine(healthy):
    done = healthy("doctor", "-o", "json")
    found = checks(done)
    assert done.code == 0
    assert set(found) == {
        "python", "installer", "git", "state folder", "cache folder", "file system", "store", "supervisors", "pidfd",
        "process search", "cgroups", "open files", "processes", "gpu", "docker", "podman",
    }  # fmt: skip
    assert all(check["fix"] for check in found.values() if check["status"] != "ok")
    assert found["store"]["message"] == str(healthy.database)


def test_text_has_a_line_a_check(healthy):
    lines = healthy.ok("doctor").splitlines()
    assert any(line.startswith("ok    python") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_looking_makes_no_store(healthy):
    healthy.store.close()
    shutil.rmtree(healthy.path)
    assert checks(healthy("doctor", "-o", "json"))["store"]["message"].startswith("none yet")
    assert not healthy.path.exists()


@pytest.mark.parametrize("which", ["", "environments"])
def test_a_cache_that_run_refuses_fails(healthy, which):
    cache = healthy.path / "cache" / which
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o777)
    done = healthy("doctor", "-o", "json")
    assert done.code == 3
    found = checks(done)["cache folder"]
    assert (found["status"], "may be written by other users" in found["message"]) == ("fail", True)
    assert f"chmod go-w {cache}" in found["fix"]


def test_damaged_store_fails(healthy):
    healthy.store.close()
    healthy.database.write_bytes(b"SQLite format 3\x00" + os.urandom(8192))
    done = healthy("doctor", "-o", "json")
    assert done.code == 3
    assert checks(done)["store"]["status"] == "fail"


def test_dead_supervisors_are_named(healthy):
    add(healthy.store, trainjob("alive"), healthy.run_folder("alive"), ended=False)
    add(healthy.store, trainjob("dead"), healthy.folder / "dead", ended=False)
    found = checks(healthy("doctor", "-o", "json"))["supervisors"]
    assert (found["status"], found["message"]) == ("warn", "1 of 2 are dead: dead")


@pytest.mark.parametrize(("free", "status", "code"), [(1 << 20, "fail", 3), (1 << 29, "warn", 0)])
def test_full_disk(home, monkeypatch, free, status, code):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, free))
    done = home("doctor", "-o", "json")
    assert (done.code, checks(done)["state folder"]["status"]) == (code, status)


def test_network_file_system_is_told_with_the_place_used_instead(healthy, monkeypatch, tmp_path):
    monkeypatch.setattr(host, "file_system", lambda path: "nfs4" if Path(path).is_relative_to(tmp_path) else "ext4")
    found = checks(healthy("doctor", "-o", "json"))["file system"]
    assert found["status"] == "warn"
    assert "/var/tmp/kfrun-" in found["message"]


def test_portable_fallback_is_told(healthy, monkeypatch):
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    found = checks(healthy("doctor", "-o", "json"))
    assert (found["pidfd"]["status"], found["cgroups"]["status"]) == ("warn", "warn")


def test_wanted_installer_that_is_missing_fails(healthy, monkeypatch):
    monkeypatch.setenv("KFRUN_INSTALLER", "uv")
    monkeypatch.setattr("kfrun.execute.environments.installers.find_uv", lambda _: None)
    found = checks(healthy("doctor", "-o", "json"))["installer"]
    assert (found["status"], found["message"]) == ("fail", "uv was not found")
