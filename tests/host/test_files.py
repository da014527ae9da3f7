from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.host import files

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def place_of_nobody() -> Iterator[Path]:
    """A folder, as whoever may not write everything."""
    place = Path(tempfile.mkdtemp())
    user = os.geteuid()
    os.chown(place, *((NOBODY, -1) if user == 0 else (-1, -1)))
    os.seteuid(NOBODY if user == 0 else user)
    yield place
    os.seteuid(user)
    shutil.rmtree(place)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir(mode=0o700)
    return path


def message(path: Path, **kinds: bool) -> str:
    found = files.objection(str(path), **kinds)
    return "" if found is None else f"{found.message} | {found.hint}"


def test_a_private_folder_a_link_to_it_and_nothing_are_trusted(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    (folder / "file").touch(mode=0o600)
    assert [message(folder), message(tmp_path / "link"), message(tmp_path / "nothing")] == ["", "", ""]
    assert message(folder / "file", is_folder=False) == ""


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o702, 0o1777])
def test_what_others_may_write_is_refused_with_the_command_that_mends_it(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    found = message(folder)
    assert f"may be written by other users (mode {mode:04o})" in found
    assert found.endswith(f"chmod go-w {folder}")
    folder.chmod(0o755)
    assert message(folder) == ""


def test_a_given_folder_may_be_one_for_all_where_nobody_can_remove_what_is_others(folder: Path) -> None:
    folder.chmod(0o1777)
    assert message(folder, given=True) == ""
    folder.chmod(0o777)
    assert "may be written" in message(folder, given=True)


@IS_ROOT
def test_another_users_folder_file_and_link_are_refused(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert "is a symbolic link that user" in message(link)
    os.chown(folder, NOBODY, NOBODY)
    for given in (False, True):
        found = message(folder, given=given)
        assert "belongs to user" in found
        assert f"chown -hR root {folder}" in found


@pytest.mark.parametrize("kind", ["fifo", "socket", "file", "link to itself", "below a file"])
def test_something_else_in_the_place_of_a_folder_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    with socket.socket(socket.AF_UNIX) as server:
        match kind:
            case "fifo":
                os.mkfifo(path)
            case "socket":
                os.chdir(tmp_path)
                server.bind("place")
            case "file":
                path.touch()
            case "link to itself":
                path.symlink_to(path)
            case _:
                path.touch()
                path = path / "below"
        assert str(path) in message(path)


def test_a_place_that_cannot_be_one_of_this_users_counts_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert message(tmp_path / "file" / "below", given=True) == ""
    assert "cannot be looked at" in message(tmp_path / "file" / "below")


@pytest.mark.parametrize("kind", ["fifo", "folder"])
@pytest.mark.timeout(10)
def test_what_is_no_file_is_not_opened_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    with pytest.raises(OSError, match=kind if kind == "folder" else "FIFO"):
        files.read(path)
    with pytest.raises(OSError), open(path, "a", opener=files.opener):
        pass


def test_a_file_is_read_and_written_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("one", "two"):
        with open(path, "a", opener=files.opener) as file:
            file.write(text)
    assert files.read(path) == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_tree_is_removed_whatever_its_owner_may_not_write(place_of_nobody: Path) -> None:
    kept = place_of_nobody / "kept"
    kept.mkdir(mode=0o500)
    inner = place_of_nobody / "tree" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (place_of_nobody / "tree" / "link").symlink_to(kept)
    for folder, mode in ((inner, 0o000), (inner.parent, 0o500), (place_of_nobody / "tree", 0o500)):
        folder.chmod(mode)
    files.remove_tree(str(place_of_nobody / "tree"))
    assert [path.name for path in place_of_nobody.iterdir()] == ["kept"]
    assert kept.stat().st_mode & 0o777 == 0o500
