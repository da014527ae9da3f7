"""Places in the source folder on which volumes lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.local.process.attempts.mountpoints import MountPoints, on_disk
from kfrun.host.namespaces import Bind

if TYPE_CHECKING:
    from pathlib import Path


def test_what_lies_in_the_source_folder_is_found_whatever_it_is_shown_as(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    source = str(tmp_path)
    binds = [
        Bind(source, "/workspace/a/b"),
        Bind(f"{source}/file", f"{source}/c"),
        Bind(source, "/elsewhere"),
        Bind(source, "/elsewhere/in"),
        Bind(source, f"{source}x/d"),
    ]
    found = on_disk(binds, [(f"{source}/src", "/workspace")], source)
    assert found == ((f"{source}/src/a/b", True), (f"{source}/c", False))


def test_the_last_one_of_a_job_removes_what_the_first_one_made(tmp_path: Path) -> None:
    places, note = [(f"{tmp_path}/a/b", True), (f"{tmp_path}/a/file", False)], str(tmp_path / "note")
    first, second = MountPoints(places, note), MountPoints(places, note)
    first.hold()
    second.hold()
    assert (tmp_path / "a" / "b").is_dir()
    first.let_go()
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "a" / "file").is_file()
    second.let_go()
    assert not (tmp_path / "a").exists()


def test_another_job_keeps_them_and_nothing_is_removed_that_was_there_or_has_content(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    places = [(f"{tmp_path}/old", True), (f"{tmp_path}/new", True), (f"{tmp_path}/file", False)]
    maker, other = MountPoints(places, str(tmp_path / "one")), MountPoints(places, str(tmp_path / "two"))
    maker.hold()
    other.hold()
    maker.let_go()
    assert (tmp_path / "new").is_dir()
    other.let_go()
    again = MountPoints(places, str(tmp_path / "one"))
    again.hold()
    (tmp_path / "file").write_text("x")
    again.let_go()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "old", "one"]
