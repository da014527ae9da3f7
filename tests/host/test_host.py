"""What differs between systems: the answers of Linux, and of the portable fallback, which must agree."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kfrun import host
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["native", "portable"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "portable":
        monkeypatch.setenv("KFRUN_PORTABLE", "1")
    return str(request.param)


@pytest.fixture
def marked() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a marker, in a session of its own, with a child that has it too."""
    process = subprocess.Popen(
        ["sh", "-c", "sleep 60 & wait"], env={**os.environ, "KFRUN_TEST_MARK": "this/one.0"}, start_new_session=True
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_process_is_identified_by_more_than_its_pid(form: str) -> None:
    me = host.identify(os.getpid())
    assert me is not None
    assert me == host.identify(os.getpid())
    assert host.is_alive(me)
    assert not host.is_alive(me._replace(start_time="another")), form
    assert not host.is_alive(me._replace(boot_id="another"))


def test_a_process_that_ended_is_not_alive_even_while_it_is_a_zombie(form: str) -> None:
    process = subprocess.Popen(["true"])
    eventually(lambda: host.start_time(process.pid) is None, what=f"{form}: a zombie has no start time")
    assert host.start_time(process.pid, zombie=True) is not None
    process.wait()
    assert host.start_time(process.pid, zombie=True) is None
    assert host.identify(process.pid) is None


def test_identity_does_not_depend_on_language_and_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    before = host.start_time(os.getpid())
    monkeypatch.setenv("TZ", "America/Caracas")
    monkeypatch.setenv("LC_TIME", "de_DE.UTF-8")
    assert host.start_time(os.getpid()) == before


def test_a_hidden_process_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    assert host.start_time(1) is None


def test_children_are_found(form: str, marked: subprocess.Popen[bytes]) -> None:
    assert marked.pid in host.children(os.getpid()), form
    eventually(lambda: len(host.children(marked.pid)) == 1)


def test_marked_processes_are_found_wherever_they_fled(form: str, marked: subprocess.Popen[bytes]) -> None:
    eventually(lambda: len(host.marked_processes("KFRUN_TEST_MARK=this/one.0")) == 2, what=form)
    assert host.marked_processes("KFRUN_TEST_MARK=this/one.00", "KFRUN_TEST_MARK=this/one") == []
    assert marked.pid in host.marked_processes("KFRUN_TEST_MARK=no", "KFRUN_TEST_MARK=this/one.0")
    assert host.can_find_marked_processes()


def test_the_end_of_a_process_is_seen_on_its_pidfd() -> None:
    process = subprocess.Popen(["sleep", "60"])
    descriptor = host.open_pidfd(process.pid)
    assert descriptor is not None
    process.kill()
    process.wait()
    assert host.open_pidfd(process.pid) is None
    os.close(descriptor)


def test_no_pidfd_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    assert host.open_pidfd(os.getpid()) is None


def test_usage_is_that_of_the_processes_together() -> None:
    _, memory = host.usage([os.getpid()])
    assert 5_000_000 < memory < 5_000_000_000
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        eventually(lambda: host.usage([busy.pid, 2**22 - 3])[0] >= 1)
        assert host.usage([os.getpid(), busy.pid])[1] > memory
        busy.kill()
    assert host.usage([2**22 - 3]) == (0, 0)


@pytest.mark.parametrize(("text", "seconds"), [("00:00:07", 7), ("1-02:03:04", 93784), ("3:04.56", 184.56)])
def test_times_are_read_as_ps_writes_them(text: str, seconds: float) -> None:
    assert host._seconds(text) == pytest.approx(seconds)


def test_private_folders_are_private_and_those_above_are_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    host.make_private_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    host.make_private_folder(tmp_path / "a" / "b")


def test_file_systems_are_told_apart(tmp_path: Path) -> None:
    assert host.file_system(tmp_path) not in ("", "nfs4")
    assert not host.is_network_file_system(tmp_path)


def test_the_machine_and_the_boot_have_names(form: str) -> None:
    assert host.machine_id() == host.machine_id() != ""
    assert host.boot_id() == host.boot_id() not in ("", "unknown"), form


def test_the_limit_of_open_files_is_raised_and_given_back() -> None:
    code = (
        "import resource as r; from kfrun import host; a = r.getrlimit(r.RLIMIT_NOFILE); host.allow_many_files();"
        " b = r.getrlimit(r.RLIMIT_NOFILE); host.restore_file_limit(); print(a[0], b[0] > a[0], r.getrlimit(7) == a)"
    )
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 300:
        pytest.skip("this machine allows few open files at most")
    done = subprocess.run(["sh", "-c", f'ulimit -Sn 200; exec "{sys.executable}" -c "{code}"'], capture_output=True)
    assert done.stdout == b"200 True True\n", done.stderr


def test_a_process_may_be_named() -> None:
    code = (
        "from kfrun import host; host.set_process_name('kfrun:a-very-long-name'); print(open('/proc/self/comm').read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "kfrun:a-very-lo"


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (("max 100000",), None),
        (("50000 100000",), 1),
        (("150000 100000",), 2),
        (("400000 100000",), 4),
        (("-1", "100000"), None),
        (("200000", "100000"), 2),
        (("nonsense",), None),
        (("1 0",), None),
    ],
)
def test_a_container_s_share_of_the_processors_counts(
    contents: tuple[str, ...], expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content + "\n")
    monkeypatch.setattr(host, "_CPU_QUOTAS", ((str(tmp_path / "missing"),), tuple(map(str, files))))
    assert host._paid_processors() == expected
    assert 1 <= host.processors() <= (os.cpu_count() or 1)
