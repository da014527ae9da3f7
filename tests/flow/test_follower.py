"""What a follower tells beside a job's output; following itself is in tests/execute/test_backend.py."""

from __future__ import annotations

import pytest

from kfrun.execute.memory.logs import MemoryLogs, MemoryText
from kfrun.flow.follower.installation import _Lines
from kfrun.observe.logtexts import LogFile

FILE = LogFile("install", "", "install", "", "", "", 0, "", 0.0, 0)


def lines(*texts: bytes) -> list[str]:
    """What is told of a text that grows: after each part, and at the end."""
    found: list[str] = []
    logs, whole = MemoryLogs(), b""
    logs.add(FILE, MemoryText(b"", 0.0))
    told = _Lines(logs)
    for text in texts:
        whole += text
        told._text = MemoryText(whole, 0.0)
        found += told.read()
    return [*found, *told.read(final=True)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a\r 10%\r 50%\ndone\nerror: no space",), ["a", " 10%", " 50%", "done", "error: no space"]),
        ((b"a\r", b"\nb\r\n"), ["a", "b"]),
        ((b"na\xc3", b"\xafve\xff"), ["na\u00efve\ufffd"]),
        ((b"",), []),
    ],
)
def test_every_line_of_an_installer_is_told_once(texts: tuple[bytes, ...], expected: list[str]) -> None:
    assert lines(*texts) == expected
