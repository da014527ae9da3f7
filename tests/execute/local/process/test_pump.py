"""Logs that are kept at a size: what is dropped, what is said, and who pumps when somebody was killed."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.process.pump import Bounded
from kfrun.observe import segments
from kfrun.observe.logfiles import FileText
from tests.conftest import eventually
from tests.execute.test_misfortune import kill_supervisor, running, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

LIMIT = 20_000


def disk_use(log: Path) -> int:
    return sum(path.stat().st_size for path in log.parent.glob(f"{log.name}*"))


def content(log: Path) -> bytes:
    text = FileText(str(log))
    size, start = text.state()[0], text.start()
    found = text.read(size - start, start)
    text.close()
    return found


@pytest.mark.parametrize("piece", [1, 7, 100, 5000, 100_000])
def test_the_newest_lines_stay_whole_and_what_was_dropped_is_said(tmp_path: Path, piece: int) -> None:
    log = tmp_path / "node.0.log"
    written = b"".join(b"line %06d\n" % number for number in range(10_000))
    bounded = Bounded(str(log), LIMIT)
    for offset in range(0, len(written), piece):
        bounded.write(written[offset : offset + piece])
        assert disk_use(log) <= LIMIT + 200
    bounded.close()
    lines = content(log).decode().splitlines()
    said = [line for line in lines if line.startswith("kfrun: ")]
    numbers = [int(line.removeprefix("line ")) for line in lines if not line.startswith("kfrun: ")]
    assert numbers == list(range(numbers[0], 10_000)), "whole lines, without a gap"
    assert lines[0] in said
    assert "bytes of this log were dropped: its max-size is 20000 bytes" in said[-1]
    assert LIMIT // 4 < disk_use(log) <= LIMIT


def test_what_fits_is_not_touched(tmp_path: Path) -> None:
    log = tmp_path / "node.0.log"
    bounded = Bounded(str(log), LIMIT)
    bounded.write(bytes(range(256)) * 25)
    assert log.read_bytes() == bytes(range(256)) * 25
    bounded.write(bytes(range(256)) * 25)
    bounded.close()
    assert content(log) == bytes(range(256)) * 50


def test_a_line_longer_than_the_limit_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "node.0.log"
    bounded = Bounded(str(log), 2000)
    bounded.write(b"x" * 50_000 + b"\nlast\n")
    bounded.close()
    assert disk_use(log) <= 2200
    assert content(log).endswith(b"x\nlast\n")


def test_a_second_pump_goes_on_where_the_first_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "node.0.log"
    for number in range(5):
        Bounded(str(log), LIMIT).write(b"%d" % number * 6000 + b"\n")
    assert segments.size(str(log)) > 30_000
    assert content(log).endswith(b"4\n")


def test_a_reader_follows_over_the_parts(tmp_path: Path) -> None:
    log = tmp_path / "node.0.log"
    bounded = Bounded(str(log), LIMIT)
    bounded.write(b"begin\n")
    text, read = FileText(str(log)), b""
    for number in range(3000):
        bounded.write(b"line %06d\n" % number)
        size, _ = text.state()
        read += text.read(size - len(read), len(read))
    text.close()
    lines = [line for line in read.decode().splitlines() if not line.startswith("kfrun: ")]
    assert lines == ["begin", *(f"line {number:06d}" for number in range(3000))]


@pytest.fixture
def bounded_kfrun(kfrun: Kfrun) -> Kfrun:
    kfrun.write("kfrun.toml", f'[logs]\nmax-size = "{LIMIT}"\n')
    return kfrun


def log_of(kfrun: Kfrun) -> Path:
    (path,) = kfrun.home.rglob("node.0.log")
    return path


def numbers(text: str) -> list[int]:
    return [int(line) for line in text.splitlines() if line.isdigit()]


def test_a_job_keeps_its_code_and_the_end_of_its_log(bounded_kfrun: Kfrun) -> None:
    code = "for n in range(100_000): print(n)\nraise SystemExit(7)"
    job = bounded_kfrun.job("job", [sys.executable, "-c", code])
    assert bounded_kfrun("apply", "-q", "--wait", "-f", job).returncode == 7
    found = bounded_kfrun.ok("logs", "job")
    assert numbers(found) == list(range(numbers(found)[0], 100_000))
    assert "bytes of this log were dropped" in found
    assert disk_use(log_of(bounded_kfrun)) <= LIMIT + 200
    assert bounded_kfrun.ok("logs", "job", "--tail", "2") == "99998\n99999\n"
    assert numbers(bounded_kfrun.ok("logs", "job", "--since", "1h")) == numbers(found)
    assert bounded_kfrun.ok("logs", "job", "--since", "2099-01-01T00:00:00Z") == ""
    assert "Z 99999\n" in bounded_kfrun.ok("logs", "job", "--timestamps")


def test_whoever_follows_sees_every_line(bounded_kfrun: Kfrun) -> None:
    code = "import time\nfor n in range(6000):\n    print(n)\n    n % 200 or time.sleep(0.05)"
    done = bounded_kfrun("run", "-q", "-f", bounded_kfrun.job("job", [sys.executable, "-c", code]))
    assert (done.returncode, numbers(done.stdout)) == (0, list(range(6000)))


def test_without_the_setting_nothing_lies_between_a_program_and_its_log(kfrun: Kfrun) -> None:
    code = "import os, stat; print(stat.S_ISREG(os.fstat(1).st_mode))"
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", [sys.executable, "-c", code]))
    assert kfrun.ok("logs", "job") == "True\n"


@pytest.mark.parametrize("victims", ["recorder", "recorder and supervisor", "supervisor"])
def test_a_killed_pump_costs_neither_a_line_nor_the_training(bounded_kfrun: Kfrun, victims: str) -> None:
    kfrun = bounded_kfrun
    code = (
        "import os, time\nn = 0\n"
        "while not os.path.exists('go'):\n    print(n)\n    n += 1\n    time.sleep(0.005)\n"
        "for n in range(n, n + 200): print(n)\nprint('last', n)"
    )
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", [sys.executable, "-c", code]))
    (item,) = started(kfrun)
    eventually(lambda: "5\n" in kfrun.ok("logs", "job"))
    if "supervisor" in victims:
        kill_supervisor(kfrun)
    if "recorder" in victims:
        os.kill(item.recorder, signal.SIGKILL)
    kfrun.ok("get", "trainjobs")
    before = log_of(kfrun).stat().st_size
    eventually(lambda: log_of(kfrun).stat().st_size != before, what="somebody pumps again")
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode in (0, 1)
    found = kfrun.ok("logs", "job")
    last = int(found.split("last ")[1])
    assert numbers(found) == list(range(numbers(found)[0], last + 1))
    assert not running(kfrun)


def test_a_disk_that_fails_at_everything_does_not_end_the_pump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    bounded = Bounded(str(tmp_path / "node.0.log"), LIMIT)
    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(os, "ftruncate", fail)
    for number in range(10_000):
        bounded.write(b"line %06d\n" % number)
    bounded.close()
    assert b"line 009999\n" in (tmp_path / "node.0.log").read_bytes()
