"""Files of secrets as kubectl and docker read them; nothing of a line that is wrong is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import InvalidInput, NotFound, Unavailable
from kfrun.load import envfiles

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "a.env"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"A=b\nC=d\n", {"A": "b", "C": "d"}),
        (b"\xef\xbb\xbfA=b", {"A": "b"}),
        (b"A=b\r\n\r\n  # no\n\t C=d\r\n", {"A": "b", "C": "d"}),
        (b"A= 'b' \"c\" # d \n", {"A": " 'b' \"c\" # d "}),
        (b"A=b=c\nB=\n", {"A": "b=c", "B": ""}),
        (b"HERE\nA=$HERE\n", {"HERE": "of mine", "A": "$HERE"}),
        ("A=ключ\ttab\n".encode(), {"A": "ключ\ttab"}),
        (b"a.b-c=1", {"a.b-c": "1"}),
    ],
)
def test_variables_are_those_that_kubectl_finds(tmp_path: Path, content: bytes, found: dict[str, str]) -> None:
    assert envfiles.read(written(tmp_path, content), {"HERE": "of mine"}) == (found, [])


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"s3cret\n", "1:1", "a key without = has its value from your environment, which has no such variable"),
        (b"A=b\n  s3cret value", "2:3", "what stands before = is no key; allowed: letters, digits, -, _ and ."),
        (b"s3cret =1", "1:1", "what stands before = is no key; allowed: letters, digits, -, _ and ."),
        (b"=s3cret", "1:1", "what stands before = is no key; allowed: letters, digits, -, _ and ."),
        (b"export A=s3cret", "1:1", "no shell reads this file: export is none of it"),
        (b"A=1\n#\nA=s3cret", "3:1", "the same key as in line 1"),
        (b"A=s3cret\xff", "1:1", "the line is no text in UTF-8"),
        (b"A=s3cret\0", "1:1", "the line is no text in UTF-8"),
        (b"# s3cret\n", "", "there is no variable in it"),
        (b"A=" + b"s3cret" * 200_000, "", "more than 1 MiB are too much for a Secret"),
    ],
)
def test_a_line_that_is_none_is_named_and_not_shown(tmp_path: Path, content: bytes, place: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InvalidInput) as caught:
        envfiles.read(path, {})
    (finding,) = caught.value.findings
    assert (str(finding.position), finding.message, finding.code) == (f"{path}:{place}".rstrip(":"), message, "KF130")
    assert "s3cret" not in repr(finding)


def test_every_line_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        envfiles.read(written(tmp_path, b"a b\nA=1\nA=2\nC\n"), {})
    assert [item.position.line for item in caught.value.findings if item.position] == [1, 3, 4]


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_use_is_warned_of_as_ssh_does(tmp_path: Path, mode: int, is_open: bool) -> None:
    path = written(tmp_path, b"A=s3cret", mode)
    _, warnings = envfiles.read(path, {})
    assert [(item.code, item.message, item.hint) for item in warnings] == (
        [("KF131", f"permissions {mode:04o} are too open: other users can use it", f"chmod 600 {path}")] * is_open
    )


def test_what_comes_through_a_pipe_is_read_once(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"A=b\n")
    os.close(writing)
    try:
        assert envfiles.read(f"/dev/fd/{reading}", {}) == ({"A": "b"}, [])
    finally:
        os.close(reading)


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="there is no file of variables"):
        envfiles.read(str(tmp_path / "none"), {})
    with pytest.raises(Unavailable, match="is a directory"):
        envfiles.read(str(tmp_path), {})
    written(tmp_path, b"A=b")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert envfiles.read("~/a.env", {})[0] == {"A": "b"}, "a shell leaves the ~ behind NAME= as it is"
