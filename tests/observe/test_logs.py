from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import NotFound
from kfrun.observe import logs
from kfrun.observe.logfiles import FolderLogs
from kfrun.observe.logs import LogOptions, LogReader
from tests.observe.runs import START, RunFolder, write_log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def read(run: RunFolder, **options: object) -> bytes:
    parts: list[bytes] = []
    with LogReader(FolderLogs(str(run.path)), LogOptions(**options), parts.append) as reader:  # type: ignore[arg-type]
        reader.backlog()
        reader.finish()
    return b"".join(parts)


# One source


@pytest.mark.parametrize(
    "content",
    [b"", b"a\n", b"no end", b"a\n\n\nb\n", b"bad \xff\xfe utf-8\n", b"\x00\x1b[31mred\r\x07\n", os.urandom(700_000)],
    ids=["empty", "line", "partial", "blank lines", "not utf-8", "control", "random"],
)
def test_single_source_passes_through_byte_by_byte(run: RunFolder, content: bytes) -> None:
    write_log(run.pod(), content)
    assert read(run) == content


def test_nothing_there_yet_is_no_output(run: RunFolder, tmp_path: Path) -> None:
    assert read(run) == b""
    assert read(RunFolder(tmp_path / "other")) == b""


def test_prefix_can_be_asked_for(run: RunFolder) -> None:
    write_log(run.pod(), b"a\n\nb")
    assert read(run, prefix=True) == b"[node-0] a\n[node-0] \n[node-0] b"


def test_prefix_stands_once_a_line_across_chunks(run: RunFolder) -> None:
    lines = [b"%07d" % number for number in range(100_000)]
    write_log(run.pod(), b"\n".join(lines) + b"\n")
    assert read(run, prefix=True).splitlines() == [b"[node-0] " + line for line in lines]


def test_the_last_line_is_finished_on_a_terminal(run: RunFolder) -> None:
    write_log(run.pod(), b"a\nb")
    assert read(run, terminal=True) == b"a\nb\n"


@pytest.mark.parametrize(
    ("tail", "expected"), [(0, b""), (1, b"d"), (2, b"c\nd"), (3, b"\nc\nd"), (4, b"a\n\nc\nd"), (99, b"a\n\nc\nd")]
)
def test_tail_counts_lines_from_the_end(run: RunFolder, tail: int, expected: bytes) -> None:
    write_log(run.pod(), b"a\n\nc\nd")
    assert read(run, tail=tail) == expected


def test_tail_of_a_finished_last_line(run: RunFolder) -> None:
    write_log(run.pod(), b"a\nb\nc\n")
    assert read(run, tail=1) == b"c\n"


def test_tail_reaches_across_blocks(run: RunFolder) -> None:
    long = b"x" * 600_000
    write_log(run.pod(), b"a\n" + long + b"\nb\n")
    assert read(run, tail=2) == long + b"\nb\n"


# Time


SAMPLES = [(0.0, 4), (10.0, 6), (20.0, 12)]
"""Of ``a0\\nb10\\nc20\\n``: the second sample was taken in the middle of a line."""
CONTENT = b"a0\nb10\nc20\n\n"


@pytest.mark.parametrize(
    ("since", "expected"),
    [(-5.0, CONTENT), (0.0, CONTENT), (5.0, b"b10\nc20\n\n"), (15.0, b"b10\nc20\n\n"), (20.0, b"b10\nc20\n\n")],
)
def test_since_keeps_lines_finished_later(run: RunFolder, since: float, expected: bytes) -> None:
    write_log(run.pod(), CONTENT, samples=SAMPLES)
    assert read(run, since=START + since) == expected


def test_since_without_index_asks_the_file(run: RunFolder) -> None:
    path = write_log(run.pod(), b"a\n")
    os.utime(path, (START, START))
    assert read(run, since=START - 1) == b"a\n"
    assert read(run, since=START + 1) == b""


def test_since_after_the_last_sample(run: RunFolder) -> None:
    path = write_log(run.pod(), b"a\nb\n", samples=[(0.0, 2)])
    os.utime(path, (START + 50, START + 50))
    assert read(run, since=START + 10) == b"b\n"


def test_timestamps_are_those_of_the_index(run: RunFolder) -> None:
    path = write_log(run.pod(), b"a\nb\nc\n", samples=[(0.0, 2), (1.5, 4)])
    os.utime(path, (START + 3, START + 3))
    assert read(run, timestamps=True) == (
        b"2027-01-15T08:00:00.000000000Z a\n2027-01-15T08:00:01.500000000Z b\n2027-01-15T08:00:03.000000000Z c\n"
    )


@pytest.mark.parametrize("size", [0, 7, 16, 20])
def test_cut_index_serves_its_whole_records(run: RunFolder, size: int) -> None:
    path = write_log(run.pod(), b"a\nb\n", samples=[(0.0, 2), (1.0, 4)])
    os.truncate(path.with_suffix(".idx"), size)
    assert [line[-1:] for line in read(run, timestamps=True).splitlines()] == [b"a", b"b"]


def test_clock_set_back_keeps_the_order_of_lines(run: RunFolder) -> None:
    write_log(run.pod(), b"a\nb\nc\n", samples=[(5.0, 2), (1.0, 4), (6.0, 6)])
    assert [line[-1:] for line in read(run, timestamps=True).splitlines()] == [b"a", b"b", b"c"]


# Several nodes


def test_nodes_are_interleaved_by_time(run: RunFolder) -> None:
    write_log(run.pod(0), b"a0\na2\n", samples=[(0.0, 3), (2.0, 6)])
    write_log(run.pod(1), b"b1\nb3\n", samples=[(1.0, 3), (3.0, 6)])
    assert read(run) == b"[node-0] a0\n[node-1] b1\n[node-0] a2\n[node-1] b3\n"


def test_lines_of_nodes_never_mix_and_none_is_lost(run: RunFolder) -> None:
    """Samples fall anywhere, mostly into the middle of lines."""
    wanted = {}
    for index in range(3):
        lines = [b"%d:%d:" % (index, number) + b"x" * (number % 97) for number in range(5_000)]
        content = b"\n".join(lines) + b"\n"
        samples = [(float(step) + index / 3, step * 997) for step in range(1, len(content) // 997)]
        write_log(run.pod(index), content, samples=samples)
        wanted[b"[node-%d]" % index] = lines
    found: dict[bytes, list[bytes]] = {key: [] for key in wanted}
    for line in read(run).splitlines():
        prefix, _, text = line.partition(b" ")
        found[prefix].append(text)
    assert found == wanted


def test_unfinished_last_line_of_a_node_is_finished(run: RunFolder) -> None:
    write_log(run.pod(0), b"a", samples=[(0.0, 1)])
    write_log(run.pod(1), b"b\nc", samples=[(1.0, 3)])
    assert sorted(read(run).splitlines(keepends=True)) == [b"[node-0] a\n", b"[node-1] b\n", b"[node-1] c\n"]


def test_no_prefix_still_keeps_lines_whole(run: RunFolder) -> None:
    write_log(run.pod(0), b"aa", samples=[(0.0, 1), (2.0, 2)])
    write_log(run.pod(1), b"bb\n", samples=[(1.0, 3)])
    assert sorted(read(run, prefix=False).splitlines()) == [b"aa", b"bb"]


def test_colour_is_in_the_prefix_alone(run: RunFolder) -> None:
    write_log(run.pod(0), b"a\n")
    write_log(run.pod(1), b"b\n")
    text = read(run, colour=True)
    assert re.sub(rb"\x1b\[\d*m", b"", text) in (b"[node-0] a\n[node-1] b\n", b"[node-1] b\n[node-0] a\n")
    assert len(set(re.findall(rb"\x1b\[3\dm", text))) == 2


def test_labels_name_job_and_sidecar(run: RunFolder) -> None:
    pod = run.pod(0)
    write_log(pod, b"main\n")
    write_log(pod, b"side\n", container="proxy")
    write_log(run.pod(3, group="worker", job_index=2), b"worker\n")
    assert set(read(run).splitlines()) == {b"[node-0] main", b"[node-0/proxy] side", b"[worker-2-3] worker"}


def test_names_that_the_pod_gives_itself_win(run: RunFolder) -> None:
    pod = run.pod(0, node="worker-0-0", main="trainer")
    write_log(pod, b"main\n", container="trainer")
    write_log(pod, b"side\n", container="aide")
    assert set(read(run).splitlines()) == {b"[worker-0-0] main", b"[worker-0-0/aide] side"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"nodes": ("node-1",)}, b"one\n"),
        ({"nodes": ("1",)}, b"one\n"),
        ({"nodes": ("mnist-node-0-1-a",)}, b"one\n"),
        ({"nodes": ("dataset-initializer-0",)}, b"data\n"),
        ({"containers": ("dataset-initializer",)}, b"data\n"),
        ({"nodes": ("0",)}, b"zero\n"),
        ({"nodes": ("7",)}, b""),
        ({"nodes": ("1",), "containers": ("other",)}, b""),
    ],
)
def test_nodes_and_containers_are_chosen(run: RunFolder, options: dict[str, object], expected: bytes) -> None:
    write_log(run.pod(0, group="dataset-initializer"), b"data\n", container="dataset-initializer")
    write_log(run.pod(0), b"zero\n")
    write_log(run.pod(1), b"one\n")
    assert read(run, **options) == expected


def test_pod_without_its_facts_is_left_out(run: RunFolder) -> None:
    for text in ("", "{", "[]", '{"name": "x"}'):
        folder = run.pod(len(text))
        (folder / "pod.json").write_text(text)
        write_log(folder, b"lost\n")
    write_log(run.pod(9), b"kept\n")
    assert read(run) == b"kept\n"


# Attempts


@pytest.fixture
def retried(run: RunFolder) -> RunFolder:
    """Node 0: one pod with two runs of its container, replaced by a second pod. Node 1: one attempt."""
    first = run.pod(0, created=START)
    write_log(first, b"first\n", restart=0, samples=[(0.0, 6)])
    write_log(first, b"second\n", restart=1, samples=[(1.0, 7)])
    write_log(run.pod(0, created=START + 5, suffix="b"), b"third\n", samples=[(6.0, 6)])
    write_log(run.pod(1), b"only\n", samples=[(7.0, 5)])
    return run


def test_current_attempt_is_shown(retried: RunFolder) -> None:
    assert read(retried) == b"[node-0] third\n[node-1] only\n"


def test_all_attempts_in_order(retried: RunFolder) -> None:
    assert read(retried, attempts="all") == b"[node-0] first\n[node-0] second\n[node-0] third\n[node-1] only\n"


def test_previous_is_the_attempt_before(retried: RunFolder) -> None:
    found = Kept(retried)
    source, options = logs.previous(found, LogOptions())
    assert source is found.run()
    assert read(retried, attempts=options.attempts) == b"second\n"


def test_previous_falls_back_to_the_replaced_run(run: RunFolder, tmp_path: Path) -> None:
    replaced = RunFolder(tmp_path / "old")
    write_log(replaced.pod(), b"old\n")
    write_log(run.pod(), b"new\n")
    found = Kept(run, replaced)
    source, options = logs.previous(found, LogOptions())
    assert (source, options.attempts) == (found.replaced(), "current")


def test_previous_of_a_first_attempt_is_not_found(run: RunFolder) -> None:
    write_log(run.pod(), b"new\n")
    with pytest.raises(NotFound, match="no previous logs"):
        logs.previous(Kept(run), LogOptions())


class Kept:
    """The logs of a job that is over, and of the run that it replaced."""

    deleted = False

    def __init__(self, run: RunFolder, replaced: RunFolder | None = None) -> None:
        self._run = FolderLogs(str(run.path))
        self._replaced = None if replaced is None else FolderLogs(str(replaced.path))

    def run(self) -> FolderLogs:
        return self._run

    def replaced(self) -> FolderLogs | None:
        return self._replaced


# Following


class Following:
    """A reader that is asked by hand, as `follow` and `run` do."""

    def __init__(self, run: RunFolder, **options: object) -> None:
        self.parts: list[bytes] = []
        self.reader = LogReader(FolderLogs(str(run.path)), LogOptions(**options), self.parts.append)  # type: ignore[arg-type]
        self.reader.backlog()

    def text(self) -> bytes:
        text = b"".join(self.parts)
        self.parts.clear()
        return text

    def advance(self) -> bytes:
        self.reader.advance()
        return self.text()

    def finish(self) -> bytes:
        self.reader.finish()
        self.reader.close()
        return self.text()


def test_follow_shows_half_lines_of_a_single_node_at_once(run: RunFolder) -> None:
    path = write_log(run.pod(), b"a")
    following = Following(run)
    assert following.text() == b"a"
    with path.open("ab") as file:
        file.write(b"b\nc")
    assert following.advance() == b"b\nc"
    assert following.advance() == b""
    assert following.finish() == b""


def test_follow_holds_half_lines_of_several_nodes_back(run: RunFolder) -> None:
    first, second = write_log(run.pod(0), b"a"), write_log(run.pod(1), b"b\n")
    following = Following(run)
    assert following.text() == b"[node-1] b\n"
    with second.open("ab") as file:
        file.write(b"c\n")
    assert following.advance() == b"[node-1] c\n"
    with first.open("ab") as file:
        file.write(b"a\nrest")
    assert following.advance() == b"[node-0] aa\n"
    assert following.finish() == b"[node-0] rest\n"


def test_follow_picks_new_nodes_up(run: RunFolder) -> None:
    following = Following(run)
    write_log(run.pod(0), b"a\n")
    assert following.advance() == b"a\n"
    write_log(run.pod(1), b"b\n")
    assert following.advance() == b"[node-1] b\n"
    assert following.finish() == b""


def test_follow_picks_retries_up_and_finishes_the_old_line(run: RunFolder) -> None:
    pod = run.pod(0)
    path = write_log(pod, b"a")
    following = Following(run)
    with path.open("ab") as file:
        file.write(b"b")
    write_log(pod, b"again\n", restart=1)
    write_log(run.pod(0, created=START + 9, suffix="b"), b"third\n")
    assert following.text() + following.advance() == b"ab\nagain\nthird\n"
    assert following.finish() == b""


def test_follow_starts_with_the_latest_attempt_only(retried: RunFolder) -> None:
    following = Following(retried, tail=1)
    assert following.text() == b"[node-0] third\n[node-1] only\n"
    assert following.finish() == b""


def test_follow_of_a_deleted_job_keeps_its_last_lines(run: RunFolder) -> None:
    path = write_log(run.pod(), b"a\n")
    following = Following(run)
    with path.open("ab") as file:
        file.write(b"last\n")
    for item in sorted(run.path.rglob("*"), reverse=True):
        item.rmdir() if item.is_dir() else item.unlink()
    assert following.text() + following.finish() == b"a\nlast\n"


def test_follow_survives_truncation(run: RunFolder) -> None:
    path = write_log(run.pod(), b"long line\n")
    following = Following(run)
    following.text()
    os.truncate(path, 0)
    assert following.advance() == b""
    path.write_bytes(b"new\n")
    assert following.finish() == b"new\n"


def test_timestamps_of_followed_lines_are_the_files(run: RunFolder) -> None:
    path = write_log(run.pod(), b"")
    following = Following(run, timestamps=True)
    path.write_bytes(b"x\n")
    os.utime(path, (START, START))
    assert following.advance() == b"2027-01-15T08:00:00.000000000Z x\n"
    following.finish()


def test_follow_sees_lines_soon_and_ends(run: RunFolder) -> None:
    """A writer stamps its lines; what is measured is the time until they are shown."""
    path = write_log(run.pod(), b"")
    over = threading.Event()

    def work() -> None:
        with path.open("ab", buffering=0) as file:
            for _ in range(40):
                file.write(b"%.6f\n" % time.time())
                time.sleep(0.007)
        over.set()

    late: list[float] = []
    worker = threading.Thread(target=work)

    def write(chunk: bytes) -> None:
        late.extend(time.time() - float(line) for line in chunk.split())

    with LogReader(FolderLogs(str(run.path)), LogOptions(), write) as reader:
        worker.start()
        logs.follow(reader, over.is_set)
    worker.join()
    assert len(late) == 40
    assert sorted(late)[len(late) // 2] < 0.5


def test_follow_loses_nothing_written_before_the_end(run: RunFolder) -> None:
    path = write_log(run.pod(), b"")
    asked = iter([False, False, True])

    def until() -> bool:
        with path.open("ab") as file:
            file.write(b"x\n")
        return next(asked)

    parts: list[bytes] = []
    with LogReader(FolderLogs(str(run.path)), LogOptions(), parts.append) as reader:
        logs.follow(reader, until, pause=lambda _: None)
    assert b"".join(parts) == b"x\n" * 3


# Size


MEASURE = """
import resource, sys
from kfrun.observe.logfiles import FolderLogs
from kfrun.observe.logs import LogOptions, LogReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = 0
def write(chunk):
    global count
    count += len(chunk)
with LogReader(FolderLogs(sys.argv[1]), LogOptions(prefix=sys.argv[2] == "prefix"), write) as reader:
    reader.backlog()
    reader.finish()
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("form", ["plain", "prefix"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_line_of_50_mb_takes_little_memory(run: RunFolder, form: str, nodes: int) -> None:
    size = 50_000_000
    for index in range(nodes):
        step = size // 100
        write_log(run.pod(index), b"x" * size + b"\n", samples=[(n / 10, n * step) for n in range(1, 100)])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(run.path), form], capture_output=True, text=True, check=True
    )
    count, memory = map(int, done.stdout.split())
    assert count == nodes * (size + 1 + (9 if form == "prefix" else 0))
    assert memory * (1 if sys.platform == "darwin" else 1024) < 8_000_000


def test_a_million_lines_come_back_whole(run: RunFolder) -> None:
    write_log(run.pod(), (b"y" * 99 + b"\n") * 1_000_000)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(run.path), "prefix"], capture_output=True, text=True)
    assert int(done.stdout.split()[0]) == 109 * 1_000_000


def test_files_are_closed(run: RunFolder) -> None:
    for index in range(20):
        write_log(run.pod(index), b"x\n")
    before = len(os.listdir("/dev/fd"))
    read(run)
    assert len(os.listdir("/dev/fd")) == before
