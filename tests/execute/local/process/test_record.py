"""The record of an attempt: whole or not at all, whoever is killed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.process.attempts import record
from kfrun.execute.local.process.attempts.record import Record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "node.0.attempt")


def test_what_was_written_is_read(path: str) -> None:
    descriptor = record.create(path)
    assert record.read(path) == Record()
    ended = Record("exited", 12, "a", 34, "b", 7, "Error", "because", 1.5)
    record.write(descriptor, Record("running", message="x" * 500))
    record.write(descriptor, ended)
    os.close(descriptor)
    assert record.read(path) == ended


@pytest.mark.parametrize("message", ["x" * 5000, "é" * 600, "😀" * 300, "\x01" * 900, '"\\' * 600])
def test_a_long_message_is_cut_and_the_record_stays_readable(path: str, message: str) -> None:
    descriptor = record.create(path)
    record.write(descriptor, Record("exited", exit_code=128, reason="StartError", message=message))
    os.close(descriptor)
    found = record.read(path)
    assert found is not None
    assert found.exit_code == 128
    assert len(found.message) >= 30
    assert message.startswith(found.message)


def test_the_record_never_grows(path: str) -> None:
    descriptor = record.create(path)
    size = os.stat(path).st_size
    record.write(descriptor, Record("exited", message="y" * 100_000))
    os.close(descriptor)
    assert os.stat(path).st_size == size


def test_the_lock_tells_whether_the_recorder_lives(path: str) -> None:
    assert not record.is_held(path)
    descriptor = record.create(path)
    assert record.is_held(path)
    with pytest.raises(BlockingIOError):
        record.create(path)
    os.close(descriptor)
    assert not record.is_held(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"unknown": 1}', b"\xff\xfe", b"null"])
def test_damage_is_no_record(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
    assert record.read(path) is None


def test_no_file_is_no_record(path: str) -> None:
    assert record.read(path) is None
