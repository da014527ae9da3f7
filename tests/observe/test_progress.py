"""Progress bars in logs: what ends with a carriage return, or with nothing yet."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.observe import logs
from kfrun.observe.logtexts import update_end
from tests.conftest import eventually
from tests.observe.runs import RunFolder, write_log
from tests.observe.test_logs import Following, read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def grow(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def shown(text: bytes) -> list[bytes]:
    """Lines and updates, as a reader of a file tells them apart."""
    return [part for part in re.split(rb"[\r\n]+", text) if part]


class Screen:
    """What a terminal shows of bytes: a carriage return begins the line anew."""

    def __init__(self, text: bytes) -> None:
        self.lines = [b""]
        column = 0
        for part in re.findall(rb"[\r\n]|[^\r\n]+", text):
            if part == b"\n":
                self.lines.append(b"")
            if part in b"\r\n":
                column = 0
                continue
            line = self.lines[-1]
            self.lines[-1] = line[:column] + part + line[column + len(part) :]
            column += len(part)


def test_bars_of_several_nodes_are_shown_while_they_grow(run: RunFolder) -> None:
    first, second = write_log(run.pod(0), b"\r  0%"), write_log(run.pod(1), b"\r  0%")
    following = Following(run)
    assert following.text() == b"", "nobody knows yet that they are whole"
    grow(first, b"\r 10%")
    assert shown(following.advance()) == [b"[node-0]   0%"]
    grow(second, b"\r 20%")
    assert shown(following.advance()) == [b"[node-1]   0%"]
    grow(first, b"\r 30%\r 40%")
    assert shown(following.advance()) == [b"[node-0]  10%", b"[node-0]  30%"]
    grow(first, b"\n")
    grow(second, b"\n")
    assert shown(following.finish()) == [b"[node-0]  40%", b"[node-1]  20%"]


def test_the_last_update_is_shown_when_nothing_follows_it_for_a_while(run: RunFolder) -> None:
    write_log(run.pod(0), b"\r 10%")
    write_log(run.pod(1), b"20%\r")
    write_log(run.pod(2), b"a line that is not finished")
    following, text = Following(run), b""

    def both() -> bool:
        nonlocal text
        text += following.advance()
        return {b"[node-0]  10%", b"[node-1] 20%"} <= set(shown(text))

    eventually(both)
    assert b"finished" not in text
    assert shown(following.finish()) == [b"[node-2] a line that is not finished"]


def test_no_update_is_lost_and_none_is_shown_twice(run: RunFolder) -> None:
    """Whatever the pieces in which they come."""
    paths = [write_log(run.pod(number), b"") for number in range(3)]
    texts = [b"".join(b"\rnode %d %4d" % (number, step) for step in range(200)) + b"\n" for number in range(3)]
    following, text = Following(run), b""
    for start in range(0, len(texts[0]), 7):
        for number, path in enumerate(paths):
            grow(path, texts[number][start : start + 7])
            text += following.advance() if (start + number) % 3 else b""
    text += following.finish()
    found = shown(text)
    for number in range(3):
        of_node = [part for part in found if part.startswith(b"[node-%d] " % number)]
        assert of_node == [b"[node-%d] node %d %4d" % (number, number, step) for step in range(200)]
    assert not re.search(rb"\n[\r]*\n", text), "no line is empty"


def test_a_bar_that_another_node_interrupted_ends_without_an_empty_line(run: RunFolder) -> None:
    first, second = write_log(run.pod(0), b"\r 50%\r 99%\r"), write_log(run.pod(1), b"")
    following = Following(run)
    text = following.text()
    grow(second, b"a line\n")
    text += following.advance()
    eventually(lambda: b" 99%" in (text := text_of(following)) or text)
    grow(first, b"\n")
    grow(second, b"another\n")
    text += following.finish()
    assert b"[node-0] \n" not in text


def text_of(following: Following) -> bytes:
    following.reader.advance()
    return b"".join(following.parts)


@pytest.mark.parametrize("prefix", [None, False])
def test_line_ends_of_windows_end_lines(run: RunFolder, prefix: bool | None) -> None:
    write_log(run.pod(0), b"one\r\n\r\ntwo\r\n", samples=[(0.0, 4), (2.0, 5), (3.0, 12)])
    write_log(run.pod(1), b"three\r\n", samples=[(1.0, 7)])
    lines = sorted(read(run, prefix=prefix).split(b"\n"))
    head = b"" if prefix is False else b"[node-0] "
    assert lines.count(head + b"\r") == 1
    assert head + b"one\r" in lines
    assert head + b"two\r" in lines


def test_one_node_with_a_prefix_keeps_its_bar_in_place(run: RunFolder) -> None:
    write_log(run.pod(), b"\r 10%\r 20%\ndone\r\n")
    text = read(run, prefix=True)
    assert text == b"\r[node-0]  10%\r[node-0]  20%\n[node-0] done\r\n"
    assert Screen(text).lines == [b"[node-0]  20%", b"[node-0] done", b""]


def test_what_is_read_back_tells_the_nodes_apart_on_a_terminal(run: RunFolder) -> None:
    for number in range(2):
        updates = b"".join(b"\r%d: %3d%%" % (number, step) for step in range(0, 100, 10)) + b"\n"
        samples = [(number / 2 + step, 8 * step) for step in range(1, 11)]
        write_log(run.pod(number), updates, samples=samples)
    for line in Screen(read(run, terminal=True)).lines[:-1]:
        assert re.fullmatch(rb"\[node-(\d)\] \1: +\d+%", line), line


def test_on_a_terminal_the_updates_of_several_nodes_do_not_flood_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    paths = [write_log(run.pod(number), b"") for number in range(2)]
    following = Following(run, terminal=True)
    text = b""
    for step in range(100):
        for path in paths:
            grow(path, b"\r%3d%%" % step)
        now += 0.05
        text += following.advance()
    lines = Screen(text).lines
    assert 8 <= len(lines) <= 14, "5 seconds, 2 nodes, a line a second each"
    assert all(re.fullmatch(rb"\[node-\d\] +\d+%", line) for line in lines if line)
    for path in paths:
        grow(path, b"\n")
    assert [line for line in Screen(following.finish()).lines if line] == [b"[node-0]  99%", b"[node-1]  99%"]


@pytest.mark.parametrize(
    ("text", "low", "end"),
    [
        (b"a\nb", 0, 2),
        (b"a\rb", 0, 2),
        (b"a\rb\nc", 0, 4),
        (b"a\nb\rc", 0, 4),
        (b"a\r", 0, 0),
        (b"a\rb\r", 0, 2),
        (b"a\r\n", 0, 3),
        (b"abc", 0, 0),
        (b"a\nbc", 2, 2),
        (b"", 0, 0),
        (b"a\r" + b"x" * 600_000, 0, 2),
        (b"x" * 262_143 + b"\r" + b"y" * 262_144, 0, 262_144),
        (b"x" * 262_144 + b"\r" + b"y" * 262_144, 0, 262_145),
        (b"x" * 262_145 + b"\n" + b"y" * 300_000, 0, 262_146),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_the_end_of_the_last_update_is_found(text: bytes, low: int, end: int) -> None:
    file = io.BytesIO(text)

    def take(count: int, offset: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    assert update_end(take, low, len(text)) == end


@pytest.mark.parametrize("update", [b"\r", b"1\r", b"\r\r\n", b"1\r\n"])
def test_megabytes_of_updates_are_shown_in_no_time(run: RunFolder, update: bytes) -> None:
    for number in range(2):
        write_log(run.pod(number), update * (2_000_000 // len(update)), samples=[(1.0, 1_000_000)])
    start = time.process_time()
    text = read(run)
    assert time.process_time() - start < 3
    assert text.count(b"1") == 2 * update.count(b"1") * (2_000_000 // len(update)) + text.count(b"node-1")
