"""What becomes of jobs and commands when the state folder is not what it was: another's, for reading, full, gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun import host, settings
from kfrun.errors import StoreFailed
from kfrun.execute.local import requests
from kfrun.execute.local.backend import LocalBackend
from kfrun.execute.local.process.attempts import record
from kfrun.model.kinds import API_VERSION
from kfrun.model.source import ObjectKey
from kfrun.observe import location
from kfrun.observe.store import Store
from tests.conftest import eventually, manifest
from tests.execute.environments import environment_setup
from tests.execute.test_misfortune import failure, kill_supervisor, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Kfrun

NOBODY = 65534
IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

PLAIN = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: plain}
spec:
  runtimeRef: {name: plain-python}
  trainer: {command: [python, -c, pass]}
"""


# Whose it is


@pytest.fixture
def ended(kfrun: Kfrun) -> Kfrun:
    """With a job that has ended."""
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo hello"))
    eventually(lambda: not kfrun.processes(), what="its supervisor has left")
    return kfrun


def refused(kfrun: Kfrun, *verb: str) -> str:
    done = kfrun(*verb, timeout=20)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "internal error" not in done.stderr
    assert "hint: " in done.stderr
    return done.stderr


PLACES: dict[str, Callable[[Kfrun], Path]] = {
    "home": lambda kfrun: kfrun.home,
    "state": lambda kfrun: kfrun.home / "state",
    "machine": lambda kfrun: kfrun.database.parent,
    "jobs": lambda kfrun: kfrun.database.parent / "jobs",
    "database": lambda kfrun: kfrun.database,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("verb", ["get", "run"])
def test_a_state_that_others_may_write_is_refused(ended: Kfrun, place: str, verb: str) -> None:
    path = PLACES[place](ended)
    before = path.stat().st_mode & 0o7777
    path.chmod(0o777 if path.is_dir() else 0o666)
    arguments = ["get", "trainjobs"] if verb == "get" else ["run", "-q", "-f", str(ended.folder / "job.yaml")]
    error = refused(ended, *arguments)
    assert f"{path} may be written by other users" in error
    assert f"chmod go-w {path}" in error
    subprocess.run(["chmod", "go-w", str(path)], check=True)
    ended.ok("get", "trainjob", "job")
    path.chmod(before)


@IS_ROOT
@pytest.mark.parametrize("place", PLACES)
def test_a_state_of_another_user_is_refused(ended: Kfrun, place: str) -> None:
    path = PLACES[place](ended)
    os.chown(path, NOBODY, NOBODY)
    assert f"{path} belongs to user" in refused(ended, "get", "trainjobs")
    assert f"{path} belongs to user" in refused(ended, "delete", "job")
    os.chown(path, 0, 0)
    ended.ok("get", "trainjob", "job")


@IS_ROOT
def test_a_link_that_another_user_put_in_the_place_of_the_state_is_refused(ended: Kfrun) -> None:
    path, elsewhere = ended.home / "state", ended.folder / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    ended.ok("get", "trainjob", "job")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert "is a symbolic link that user" in refused(ended, "get", "trainjob", "job")
    os.chown(path, 0, 0, follow_symlinks=False)


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nonexistent"])
def test_without_a_place_for_state_manifests_are_checked_all_the_same(kfrun: Kfrun, home: str) -> None:
    del kfrun.env["KFRUN_HOME"]
    for verb in ("validate", "render", "plan"):
        kfrun.ok(verb, "-f", kfrun.write("plain.yaml", PLAIN), HOME=home, XDG_STATE_HOME="")
    kfrun.env["KFRUN_HOME"] = str(kfrun.home)


@IS_ROOT
@pytest.mark.parametrize("wrong", [0o1777, 0o700])
def test_the_substitute_for_a_network_file_system_is_this_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    substitute = tmp_path / "substitute"
    substitute.mkdir(mode=0o700)
    monkeypatch.setattr(host, "file_system", lambda path: "nfs4" if str(path) == str(tmp_path) else "ext4")
    monkeypatch.setattr(location, "_local_substitute", lambda: str(substitute))
    found = settings.load({}, {"HOME": "/root", "KFRUN_HOME": str(tmp_path / "home")}, tmp_path)
    assert location.trusted_database(found).startswith(str(substitute))
    substitute.chmod(wrong)
    if wrong == 0o700:
        os.chown(substitute, NOBODY, NOBODY)
    with pytest.raises(StoreFailed, match=str(substitute)):
        location.trusted_database(found)


def test_a_job_whose_folder_others_may_write_is_not_taken_over(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    kill_supervisor(kfrun)
    (path,) = kfrun.home.rglob("job.json")
    path.parent.chmod(0o777)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 1
    assert failure(kfrun) == ("Failed", "SupervisorFailed")
    assert f"{path.parent} may be written by other users" in kfrun.ok("get", "tj", "job", "-o", "yaml")
    eventually(lambda: not kfrun.processes(), what="nothing of it runs on")


def test_an_environment_that_others_may_write_is_not_used(kfrun: Kfrun) -> None:
    cache = kfrun.home / "cache" / "environments"
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    kfrun.home.chmod(0o700)
    text = manifest("job", ["true"]).replace(
        "kind: TrainJob\nmetadata: {name: job}",
        "kind: TrainJob\nmetadata: {name: job, annotations: {kfrun.dev/packages: six}}",
    )
    assert f"chmod go-w {cache}" in refused(kfrun, "run", "-q", "-f", str(kfrun.write("job.yaml", text)))


# Where nothing can be written


@pytest.fixture
def disk(tmp_path: Path, kfrun: Kfrun) -> Iterator[Path]:
    """A small file system that holds the home."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"CI must be able to mount a small disk: {done.stderr}")
        pytest.skip("only root may mount a small disk")
    kfrun.home, kfrun.env["KFRUN_HOME"] = folder / "home", str(folder / "home")
    yield folder
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    kfrun.clean()
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def test_what_only_reads_works_on_a_disk_for_reading(kfrun: Kfrun, disk: Path) -> None:
    job = kfrun.job("job", "echo hello; exit 7")
    assert kfrun("apply", "-q", "--wait", "-f", job).returncode == 7
    eventually(lambda: not kfrun.processes())
    remount(disk, "ro")
    assert kfrun.ok("logs", "job") == "hello\n"
    assert "Failed" in kfrun.ok("get", "trainjobs")
    assert kfrun("wait", "job", "--timeout", "5s").returncode == 7
    for verb in (["describe", "trainjob", "job"], ["events", "job"], ["get", "all", "-o", "yaml"]):
        kfrun.ok(*verb)
    plain = kfrun.write("plain.yaml", PLAIN)
    for verb in ("validate", "render", "plan"):
        kfrun.ok(verb, "-f", plain)
    assert kfrun("diff", "-f", job).returncode == 0
    for verb in ("get tj -w", "wait job --for=delete", "delete job", f"run -q -f {job}"):
        refused(kfrun, *verb.split())


FILL = "yes 0123456789 | head -c 20000000; exit 7"


def exited(kfrun: Kfrun) -> bool:
    found = [record.read(str(path)) for path in kfrun.home.rglob("*.attempt")]
    return bool(found) and all(item is not None and item.state == "exited" for item in found)


def is_full(disk: Path) -> bool:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize < 65536


def test_the_end_of_a_job_that_filled_the_disk_is_told_and_its_deletion_makes_room(kfrun: Kfrun, disk: Path) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", FILL))
    eventually(lambda: exited(kfrun), what="it has ended")
    assert is_full(disk)
    assert kfrun("wait", "job", "--timeout", "10s").returncode == 7
    assert "Failed" in kfrun.ok("get", "trainjobs")
    assert "exit code 7" in kfrun.ok("describe", "trainjob", "job")
    assert kfrun.ok("logs", "job", "--tail", "2").startswith("0123456789\n")
    kfrun.ok("delete", "job", "--timeout", "20s")
    assert not is_full(disk)
    assert kfrun("run", "-q", "-f", kfrun.job("next", "exit 4")).returncode == 4


def test_run_tells_the_end_of_a_job_that_filled_the_disk(kfrun: Kfrun, disk: Path) -> None:
    done = kfrun("run", "-q", "-f", kfrun.job("job", f"{FILL} 2>/dev/null"), timeout=60)
    assert done.returncode == 7
    assert is_full(disk)


def test_a_job_that_still_fills_the_disk_is_deleted(kfrun: Kfrun, disk: Path) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "trap '' PIPE; while :; do echo 0123456789 2>/dev/null; done"))
    eventually(lambda: is_full(disk), what="the disk is full")
    kfrun.ok("delete", "job", "--timeout", "30s")
    assert not kfrun.processes()
    assert not is_full(disk)


@pytest.mark.parametrize(("size", "fills"), [("100Ki", False), ("100Mi", True)])
def test_a_log_that_is_kept_at_a_size_costs_no_program_its_life_on_a_small_disk(
    kfrun: Kfrun, disk: Path, size: str, fills: bool
) -> None:
    code = "for n in range(1_000_000): print('line', n)\nraise SystemExit(5)"
    job = kfrun.job("job", [sys.executable, "-c", code])
    assert kfrun("apply", "-q", "--wait", "-f", job, KFRUN_LOGS_MAX_SIZE=size).returncode == 5
    assert is_full(disk) is fills
    found = kfrun.ok("logs", "job")
    assert ("bytes of this log were dropped here: the disk did not take them" in found) is fills
    assert found.endswith("line 999999\n") is not fills
    kfrun.ok("delete", "job", "--timeout", "20s")


def test_pruning_makes_room_on_a_full_disk(kfrun: Kfrun, disk: Path) -> None:
    kfrun.ok("apply", "-q", "--apply-set", "team", "-f", kfrun.job("job", FILL))
    eventually(lambda: exited(kfrun), what="it has ended")
    other = kfrun.write("other.yaml", manifest("other", ["true"], spec="  suspend: true"))
    kfrun.ok("apply", "-q", "--apply-set", "team", "--prune", "-f", other)
    eventually(lambda: kfrun("get", "tj", "job").returncode == 1, what="it is gone")
    assert not is_full(disk)


def test_a_full_disk_without_a_supervisor_can_be_looked_at_and_freed(kfrun: Kfrun, disk: Path) -> None:
    assert kfrun("run", "-q", "-f", kfrun.job("job", "echo hello; exit 7")).returncode == 7
    eventually(lambda: not kfrun.processes())
    fill(disk)
    assert kfrun.ok("logs", "job") == "hello\n"
    assert "Failed" in kfrun.ok("get", "trainjobs")
    kfrun.ok("delete", "job", "--timeout", "20s")
    assert kfrun("get", "tj", "job").returncode == 1


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_deleting_a_runtime_on_a_full_disk_keeps_the_logs_of_the_job_of_its_name(kfrun: Kfrun, disk: Path) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo hello"))
    eventually(lambda: not kfrun.processes())
    fill(disk)
    here = settings.load({}, {"KFRUN_HOME": str(kfrun.home)}, kfrun.folder)
    with LocalBackend.open(here) as backend, contextlib.suppress(StoreFailed):
        assert backend.find("TrainingRuntime", "default", "job")
        backend.wish(ObjectKey(API_VERSION, "TrainingRuntime", "default", "job"), "delete")
    assert kfrun.ok("logs", "job") == "hello\n"
    kfrun.ok("delete", "job", "--timeout", "20s")
    assert not list(kfrun.home.rglob("*.log"))


def test_deleting_an_earlier_job_makes_no_room_of_the_later_one_of_its_name(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo hello"))
    eventually(lambda: not kfrun.processes())
    with Store.open(kfrun.database, create=False) as store:
        key = next(item.key for item in store.objects("TrainJob"))
        requests.make_room(store, key, "another")
        assert kfrun.ok("logs", "job") == "hello\n"
        requests.make_room(store, key, store.runs()[0].uid)
    assert not list(kfrun.home.rglob("*.log"))


# A store that is not what it was


def vanish(kfrun: Kfrun, how: str) -> None:
    match how:
        case "removed":
            for path in kfrun.database.parent.glob("kfrun.db*"):
                path.unlink()
        case "cut off":
            os.truncate(kfrun.database, 0)
        case "rubbish":
            for path in kfrun.database.parent.glob("kfrun.db-*"):
                path.unlink()
            kfrun.database.write_bytes(os.urandom(100_003))
        case "replaced":
            kfrun.database.with_name("new").write_bytes(os.urandom(100_003))
            kfrun.database.with_name("new").rename(kfrun.database)
        case "a folder":
            kfrun.database.unlink()
            kfrun.database.mkdir()
        case _:
            kfrun.database.unlink()
            os.mkfifo(kfrun.database, 0o600)


def restore(kfrun: Kfrun) -> None:
    """The way out that every message names: what runs is stopped, and everything begins anew."""
    kfrun.database.parent.rename(kfrun.folder / "away")
    eventually(lambda: not kfrun.processes(), what="what ran was stopped")
    kfrun.ok("get", "trainjobs")
    assert kfrun("run", "-q", "-f", kfrun.job("next", "exit 4")).returncode == 4


def has_opened(process: subprocess.Popen[bytes], kfrun: Kfrun) -> bool:
    """Whether a command has the store open."""
    folder = Path("/proc", str(process.pid), "fd")
    return any(os.path.realpath(item) == str(kfrun.database) for item in folder.iterdir())


HOWS = ["removed", "cut off", "rubbish", "replaced", "a folder", "a FIFO"]


@pytest.mark.parametrize("how", HOWS)
def test_a_store_that_vanished_is_said_with_its_path_and_the_way_out(ended: Kfrun, how: str) -> None:
    vanish(ended, how)
    for verb in (["get", "tj"], ["logs", "job"], ["wait", "job"], ["delete", "job"], ["apply", "-f", "job.yaml"]):
        assert str(ended.database) in refused(ended, *verb)
    assert ended("doctor").returncode == 3
    restore(ended)


@pytest.mark.parametrize("how", ["removed", "cut off", "replaced", "a FIFO"])
def test_who_waits_is_told_that_the_store_vanished(kfrun: Kfrun, how: str) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    verbs = (["wait", "job"], ["logs", "-f", "job"], ["get", "tj", "-w"])
    waiting = [kfrun.start(*verb) for verb in verbs]
    for process in waiting:
        eventually(lambda process=process: has_opened(process, kfrun), what="it waits")
    vanish(kfrun, how)
    for process in waiting:
        _, error = process.communicate(timeout=20)
        assert process.returncode == 3, error
        assert str(kfrun.database).encode() in error
    restore(kfrun)


def test_who_waits_is_told_that_the_state_folder_was_removed(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    started(kfrun)
    waiting = [kfrun.start(*verb) for verb in (["wait", "job"], ["logs", "-f", "job"])]
    for process in waiting:
        eventually(lambda process=process: has_opened(process, kfrun), what="it waits")
    shutil.rmtree(kfrun.home)
    for process in waiting:
        _, error = process.communicate(timeout=20)
        assert process.returncode in (1, 3), error
        assert b"internal error" not in error
    eventually(lambda: not kfrun.processes(), what="what ran was stopped")


# A builder that was killed


@pytest.mark.parametrize("victims", ["builder", "installer", "both", "again and again"])
def test_a_killed_builder_is_tried_again(kfrun: Kfrun, tmp_path: Path, victims: str) -> None:
    wheels = tmp_path / "wheels"
    environment_setup.make_slow_sdist(wheels)
    text = manifest("job", ["python", "-c", "import slowpkg; print(slowpkg.VALUE)"]).replace(
        "kind: TrainJob\nmetadata: {name: job}",
        "kind: TrainJob\nmetadata: {name: job, annotations: {kfrun.dev/packages: slowpkg}}",
    )
    variables = {
        "UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_CACHE_DIR": str(tmp_path / "uv"),
        "KFRUN_TEST_FOLDER": str(tmp_path),
    }  # fmt: skip
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text), **variables)
    rounds = 3 if victims == "again and again" else 1
    for number in range(rounds):
        eventually(lambda number=number: builds(tmp_path) > number, what="the installer is at work")
        for pid, command in kfrun.processes():
            is_builder = "kfrun.execute.environments" in command
            if victims != ("installer" if is_builder else "builder") and (is_builder or "/uv" in command.split()[0]):
                os.kill(pid, signal.SIGKILL)
    if rounds > 1:
        assert kfrun("wait", "job", "--timeout", "20s").returncode == 3
        assert "killed by signal 9 3 times" in kfrun.ok("get", "tj", "job", "-o", "yaml").replace("\n     ", "")
        return
    kfrun.write("../go", "")
    assert kfrun("wait", "job", "--timeout", "60s").returncode == 0
    assert kfrun.ok("logs", "job") == "built\n"
    assert "EnvironmentKilled" in kfrun.ok("events", "job")


def builds(folder: Path) -> int:
    """How often the package's own build was begun."""
    started = folder / "started"
    return len(started.read_text().split()) if started.exists() else 0


# Something else where logs were


@pytest.mark.parametrize("arguments", [["--timestamps"], ["--since", "1h"], ["-f", "--timestamps"], ["--tail", "1"]])
def test_an_index_of_rubbish_is_told_and_the_log_is_shown(ended: Kfrun, arguments: list[str]) -> None:
    (path,) = ended.home.rglob("*.idx")
    path.write_bytes(os.urandom(100_003))
    done = ended("logs", "job", *arguments, timeout=20)
    assert done.returncode == 0
    assert "hello" in done.stdout
    assert ("warning: " in done.stderr) is (arguments != ["--tail", "1"])


@pytest.mark.parametrize("what", ["a FIFO", "a folder", "a socket"])
@pytest.mark.parametrize("suffix", ["log", "idx"])
def test_something_else_in_the_place_of_a_log_is_told_and_not_waited_for(ended: Kfrun, what: str, suffix: str) -> None:
    (path,) = (item for item in ended.home.rglob(f"*.{suffix}") if item.parent.parent.name == "pods")
    path.unlink()
    match what:
        case "a FIFO":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case _:
            import socket

            with socket.socket(socket.AF_UNIX) as server:
                os.chdir(path.parent)
                server.bind(path.name)
                os.chdir("/")
    for arguments in ([], ["--timestamps"], ["-f"]):
        done = ended("logs", "job", *arguments, timeout=20)
        assert "internal error" not in done.stderr
        if suffix == "log":
            assert done.returncode == 3
            assert f"the log {path} cannot be read" in done.stderr
        else:
            assert "hello" in done.stdout


def test_a_pod_that_is_described_by_something_else_is_left_out(ended: Kfrun) -> None:
    (path,) = ended.home.rglob("pod.json")
    for content in (
        '{"name": 1}',
        "[]",
        '{"name":"a","job":"j","replicatedJob":[],"jobIndex":0,"index":0,"created":0}',
    ):
        path.write_text(content)
        assert ended("logs", "job", timeout=20).returncode == 1
    path.unlink()
    os.mkfifo(path)
    assert ended("logs", "job", timeout=20).returncode == 1
