"""Which files of a folder are code, what they are known by, and that no folder, however odd, stops anybody."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.load import code
from kfrun.load.code import files
from kfrun.load.folders import ignored
from tests.conftest import eventually
from tests.load.git.gitrepos import git

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.model.code import SourceCode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "a project"
    found.mkdir()
    return found


def put(folder: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(folder: Path, *named: str) -> SourceCode:
    return code.read(str(folder), str(folder.parent / "cache"), named)


def names(folder: Path, *named: str) -> list[str]:
    return sorted(read(folder, *named).files)


def settle(folder: Path) -> None:
    """Files that were written a moment ago are read again; these are older."""
    newest = max(path.stat().st_ctime for path in folder.rglob("*.py"))
    eventually(lambda: time.time() > newest + 0.15)


def test_without_git_it_is_what_looks_like_code_or_settings_and_is_not_ignored(folder: Path) -> None:
    put(folder, "train.py", "pkg/model.py", "run.sh", "conf/a.toml", "requirements.txt", "requirements-dev.txt")
    put(folder, "README.md", "data.csv", "last.pt", "events.out.tfevents.1", ".secret.py", "pkg/__pycache__/a.py")
    put(
        folder,
        "runs/1/train.py",
        "outputs/a.py",
        "venv/lib/a.py",
        "other/pyvenv.cfg",
        "other/lib/b.py",
        "a.egg-info/c.py",
    )
    put(folder, "gen/made.py", "gen/keep.py", "pkg/gen.py", "notes.txt")
    put(folder, ".gitignore", text="# made\ngen/*\n!gen/keep.py\n\n/none/\n")
    put(folder, "pkg/.gitignore", text="gen.*\n")
    assert names(folder) == [
        "conf/a.toml", "gen/keep.py", "pkg/model.py", "requirements-dev.txt", "requirements.txt", "run.sh", "train.py",
    ]  # fmt: skip


def test_with_git_it_is_what_git_tracks_as_well(folder: Path) -> None:
    put(folder, "top/src/train.py", "top/src/data.csv", "top/src/untracked.py", "top/src/scratch/a.py", "top/other.py")
    put(folder, "top/src/runs/config.py", "top/src/README.md")
    put(folder, "top/.gitignore", text="scratch/\n")
    git(folder / "top", "init", "-q")
    git(folder / "top", "add", "src/train.py", "src/data.csv", "src/runs/config.py", "src/README.md")
    source = folder / "top" / "src"
    assert names(source) == ["data.csv", "runs/config.py", "train.py", "untracked.py"]
    git(folder / "top", "add", "-f", "src/scratch/a.py")
    assert "scratch/a.py" in names(source)
    git(folder / "top", "rm", "-q", "--cached", "src/data.csv")
    assert "data.csv" not in names(source)


def test_a_work_tree_and_a_submodule_are_git_too(folder: Path) -> None:
    top, library = folder / "top", folder / "library"
    for repository in (top, library):
        put(repository, "code.txt")
        git(repository, "init", "-q")
        git(repository, "add", ".")
        git(repository, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one")
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    assert names(top) == ["code.txt", "lib/code.txt"]
    git(top, "worktree", "add", "-q", str(folder / "tree"), "HEAD")
    assert names(folder / "tree") == ["code.txt"]


def test_git_is_asked_again_only_when_its_index_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "a.txt", "b.txt")
    git(folder, "init", "-q")
    git(folder, "add", "a.txt")
    assert names(folder) == ["a.txt"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert names(folder) == ["a.txt"]
    monkeypatch.undo()
    git(folder, "add", "b.txt")
    assert names(folder) == ["a.txt", "b.txt"]


def test_what_a_command_names_is_code_however_it_is_called(folder: Path) -> None:
    put(folder, "main", "words.txt", "last.pt", ".hidden", "sub/go")
    put(folder.parent, "outside.py")
    named = (
        "python",
        "main",
        "./sub/go",
        "words.txt",
        "last.pt",
        ".hidden",
        "../outside.py",
        "/etc/passwd",
        "x" * 9000,
    )
    assert names(folder, *named) == ["main", "sub/go", "words.txt"]


def test_a_manifest_is_no_code(folder: Path) -> None:
    put(folder, "job.yaml", text="apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\n")
    put(folder, "config.yaml", text="lr: 0.1\n")
    assert names(folder) == ["config.yaml"]


def test_files_that_are_none_or_cannot_be_read_or_are_large_are_left_out(folder: Path) -> None:
    put(folder, "train.py", "secret.py")
    (folder / "secret.py").chmod(0)
    os.mkfifo(folder / "pipe.py")
    (folder / "folder.py").mkdir()
    (folder / "gone.py").symlink_to("nowhere.py")
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "device.py").symlink_to("/dev/zero")
    (folder / "link.py").symlink_to("train.py")
    (folder / "round").symlink_to(".")
    (folder / "large.py").write_text("#" * (code.MAX_BYTES + 1))
    (folder / b"bad\xff.py".decode("utf-8", "surrogateescape")).write_text("x = 1\n")
    (folder / "line\nbreak.py").write_text("x = 1\n")
    expected = ["link.py", "secret.py", "train.py"] if os.geteuid() == 0 else ["link.py", "train.py"]
    assert names(folder) == expected


@pytest.mark.parametrize("place", ["nowhere", "file", "/proc/self", "a\0b"])
def test_a_folder_that_is_none_or_holds_no_files_yields_nothing(folder: Path, place: str) -> None:
    put(folder, "file")
    assert code.read(os.path.join(folder, place), str(folder / "cache")).files.keys() <= {"environ", "maps"}


def test_many_files_take_a_bounded_time_and_the_rest_is_known_to_be_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "MAX_FILES", 20)
    monkeypatch.setattr(files, "_MAX_ENTRIES", 60)
    put(folder, "train.py", *(f"deep/er/{number}.py" for number in range(100)))
    found = read(folder)
    assert found.is_partial
    assert "train.py" in found.files
    assert len(found.files) <= 20


@pytest.mark.parametrize("place", ["/", os.path.expanduser("~")])
def test_the_root_and_a_home_take_a_bounded_time(tmp_path: Path, place: str) -> None:
    begin = time.monotonic()
    code.read(place, str(tmp_path))
    assert time.monotonic() - begin < 15


def test_a_change_is_seen_even_in_the_moment_of_the_last_look(folder: Path) -> None:
    put(folder, "train.py", text="x = 1\n")
    digests = set()
    for number in range(5):
        put(folder, "train.py", text=f"x = {number}\n")
        digests.add(read(folder).files["train.py"].digest)
    assert len(digests) == 5


def cache_of(folder: Path) -> Path:
    (path,) = (folder.parent / "cache" / "code").iterdir()
    return path


def test_what_was_read_is_kept_for_this_user_alone_and_not_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "train.py", "pkg/model.py")
    settle(folder)
    first = read(folder)
    path = cache_of(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(code, "_content", lambda path: pytest.fail(f"{path} was read again"))
    assert read(folder).files == first.files
    monkeypatch.undo()
    put(folder, "train.py", text="x = 2\n")
    assert read(folder).files["train.py"] != first.files["train.py"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 9}', '{"format": 1, "files": [], "index": 1, "tracked": {}}',
             '{"format": 1, "files": {"train.py": [1]}, "index": [], "tracked": [1]}', "[" * 100_000]
)  # fmt: skip
def test_a_damaged_cache_is_as_good_as_none(folder: Path, text: str) -> None:
    put(folder, "train.py")
    settle(folder)
    first = read(folder)
    path = cache_of(folder)
    path.write_text(text)
    assert read(folder).files == first.files
    assert json.loads(path.read_text())["format"] == 1


def test_a_cache_that_others_may_write_or_that_is_no_file_is_not_believed(folder: Path) -> None:
    put(folder, "train.py")
    settle(folder)
    first = read(folder)
    path = cache_of(folder)
    data = json.loads(path.read_text())
    data["files"]["train.py"][-1] = "0" * 16
    path.write_text(json.dumps(data))
    path.chmod(0o666)
    assert read(folder).files == first.files
    path.unlink()
    os.mkfifo(path, 0o600)
    assert read(folder).files == first.files


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder: Path) -> None:
    put(folder, "train.py")
    put(folder.parent, "cache")
    assert names(folder) == ["train.py"]


@pytest.mark.parametrize("with_git", [False, True])
def test_a_thousand_files_that_were_read_before_are_not_read_again(
    folder: Path, with_git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, *(f"pkg{number % 20}/module{number}.py" for number in range(1000)))
    if with_git:
        git(folder, "init", "-q")
        git(folder, "add", ".")
    settle(folder)
    before = read(folder)
    assert len(before.files) == 1000
    monkeypatch.setattr(code, "_digest", lambda path, _: pytest.fail(f"{path} is read again"))
    taken = []
    for _ in range(20):
        begin = time.perf_counter()
        assert read(folder).files == before.files
        taken.append((time.perf_counter() - begin) * 1000)
    print(f"\n1,000 files, git: {with_git}: {min(taken):.1f} ms at best of {len(taken)}")


IGNORED = {
    "*.py": {"a.py": True, "b/a.py": True, "a.pyx": False},
    "/a.py": {"a.py": True, "b/a.py": False},
    "b/*.py": {"b/a.py": True, "c/b/a.py": False, "b/c/a.py": False},
    "**/b/a.py": {"b/a.py": True, "c/d/b/a.py": True, "b/c/a.py": False},
    "b/**/a.py": {"b/a.py": True, "b/c/d/a.py": True, "a.py": False},
    "b/**": {"b/a.py": True, "b/c/a.py": True, "c/a.py": False},
    "[ab]?.py": {"a1.py": True, "c1.py": False},
    "[!a].py": {"b.py": True, "a.py": False},
    "gen": {"gen": True, "x/gen": True, "gen2": False},
}


@pytest.mark.parametrize("pattern", IGNORED)
def test_patterns_mean_what_git_means(folder: Path, pattern: str) -> None:
    put(folder, ".gitignore", text=pattern + "\n")
    git(folder, "init", "-q")
    rules = ignored.Ignored().below(str(folder))
    for name, expected in IGNORED[pattern].items():
        asked = subprocess.run(["git", "-C", str(folder), "check-ignore", "-q", name], timeout=20, check=False)
        assert (asked.returncode == 0) is expected, name
        assert rules.matches(f"{folder}/{name}", is_folder=False) is expected, name


def test_a_long_pattern_takes_a_time_in_proportion(folder: Path) -> None:
    put(folder, ".gitignore", text="**/a*" * 2000 + "b\n" + "*a" * 20_000 + "b\n")
    rules = ignored.Ignored().below(str(folder))
    begin = time.process_time()
    assert not rules.matches(str(folder / ("a" * 200) / ("a" * 200)), is_folder=False)
    assert time.process_time() - begin < 2
