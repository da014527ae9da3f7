"""The kernel's keyring, where there is one that may be used."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from kfrun.host import keyring

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody has; nothing is kept under it afterwards."""
    found = f"kfrun-test:{uuid.uuid4()}"
    try:
        keyring.add(found, b"x")
    except OSError as error:
        pytest.skip(f"no keyring here: {error}")
    yield found
    try:
        keyring.remove(found)
    except OSError:
        return


def test_what_is_kept_is_found_by_other_processes_and_replaced(name: str) -> None:
    for content in (b"one", b"a" * 30_000, b"\0two"):
        keyring.add(name, content)
        program = f"from kfrun.host import keyring; import os; os.write(1, keyring.read({name!r}))"
        # in a session of its own, as whoever logs in again has it
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, start_new_session=True)
        assert found.stdout == content == keyring.read(name)


def test_what_is_removed_is_gone(name: str) -> None:
    keyring.remove(name)
    for call in (keyring.read, keyring.remove):
        with pytest.raises(OSError, match=f"{os.strerror(errno.ENOKEY)}|{os.strerror(errno.EKEYREVOKED)}"):
            call(name)


def test_what_is_too_much_is_refused_and_what_was_there_stays(name: str) -> None:
    with pytest.raises(OSError, match=r"Invalid argument|quota"):
        keyring.add(name, b"a" * 40_000)
    assert keyring.read(name) == b"x"


def test_elsewhere_every_call_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFRUN_PORTABLE", "1")
    for call in (lambda: keyring.add("a", b"b"), lambda: keyring.read("a"), lambda: keyring.remove("a")):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
            call()
