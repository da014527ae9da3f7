"""A mount namespace of a process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun.host import namespaces
from kfrun.host.namespaces import Bind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(not namespaces.are_possible(), reason="this system lets nobody make one")


@pytest.fixture
def stage(tmp_path: Path) -> str:
    (tmp_path / "stage").mkdir()
    return str(tmp_path / "stage")


def inside(stage: str, *binds: Bind, look: Callable[[], str], own: tuple[str, ...] = ()) -> str:
    """What a process sees that entered one; or why it could not."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            namespaces.enter(binds, stage, own)
            said = look()
        except OSError as error:
            said = f"{error.strerror}: {error.filename}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_what_became_a_link_out_of_a_volume_meanwhile_is_not_followed(tmp_path: Path, stage: str) -> None:
    (tmp_path / "volume" / "part").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").touch()
    bind = Bind(f"{tmp_path}/volume/part", str(tmp_path / "seen"), base=f"{tmp_path}/volume")
    assert inside(stage, bind, look=lambda: str(os.listdir(bind.target)), own=(str(tmp_path),)) == "[]"
    (tmp_path / "volume" / "part").rmdir()
    (tmp_path / "volume" / "part").symlink_to(tmp_path / "secret")
    said = inside(stage, bind, look=lambda: str(os.listdir(bind.target)), own=(str(tmp_path),))
    assert said == f"Too many levels of symbolic links: {bind.source}"


def test_a_copy_of_a_folder_has_its_mode_and_nothing_of_it_is_on_the_machine(tmp_path: Path, stage: str) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place").chmod(0o1777)
    (tmp_path / "place" / "old").touch()
    (tmp_path / "volume").mkdir()
    before = os.stat(tmp_path / "place")

    def look() -> str:
        found = os.stat(tmp_path / "place")
        assert found.st_dev != before.st_dev
        return f"{found.st_mode & 0o7777:o} {found.st_uid == before.st_uid} {sorted(os.listdir(tmp_path / 'place'))}"

    said = inside(stage, Bind(f"{tmp_path}/volume", f"{tmp_path}/place/deep/new"), look=look)
    assert said == "1777 True ['deep', 'old']"
    assert os.listdir(tmp_path / "place") == ["old"]
    assert os.listdir(stage) == []


def test_nothing_that_is_mounted_inside_is_seen_outside(tmp_path: Path, stage: str) -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        before = file.read()
    (tmp_path / "volume").mkdir()
    (tmp_path / "seen").mkdir()
    (tmp_path / "volume" / "file").touch()
    here = (tmp_path / "seen", stage)
    assert (
        inside(stage, Bind(f"{tmp_path}/volume", f"{tmp_path}/seen"), look=lambda: str(os.listdir(here[0])))
        == "['file']"
    )
    assert os.listdir(here[0]) == []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert file.read() == before
