from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.load.git import repository, revisions
from tests.load.git.gitrepos import commit, git, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the tests work in; git knows no settings of whoever runs them."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def kind(name: str) -> str:
    return f"kind: {name}\n"


def kinds(*inputs: str, at: str = "old", recursive: bool = False, values: dict | None = None) -> list[str]:
    documents, findings = revisions.load(inputs, at, recursive=recursive, values=values)
    assert findings == []
    return [document.data["kind"] for document in documents]


def test_a_file_is_read_as_it_was(folder: Path) -> None:
    commit(".", {"jobs/a.yaml": kind("Old")}, tag="old")
    commit(".", {"jobs/a.yaml": kind("New")}, tag="new")
    write(".", {"jobs/a.yaml": kind("Uncommitted")})
    assert kinds("jobs/a.yaml") == ["Old"]
    assert kinds("jobs/a.yaml", at="new") == ["New"]
    assert kinds("jobs/a.yaml", at="HEAD~1") == ["Old"]
    assert kinds(str(folder / "jobs/../jobs/a.yaml"), at=git(".", "rev-parse", "--short", "old")) == ["Old"]


def test_a_document_is_named_by_the_revision_and_its_path_from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    commit(".", {"jobs/a.yaml": "\nkind: Old\n"}, tag="old")
    monkeypatch.chdir("jobs")
    ((document,), _) = revisions.load(["a.yaml"], "old")
    assert (document.source, document.folder) == ("old:jobs/a.yaml", None)
    assert str(document.positions.key(("kind",))) == "old:jobs/a.yaml:2:1"
    oid = git(".", "rev-parse", "HEAD")
    assert [item.source for item in revisions.load(["a.yaml"], oid)[0]] == [f"{oid[:12]}:jobs/a.yaml"]


def test_what_did_not_exist_gives_nothing() -> None:
    commit(".", {"a.yaml": kind("A")}, tag="old")
    write(".", {"b.yaml": kind("B"), "d/c.yaml": kind("C"), "d/a.yaml/e.yaml": kind("E")})
    assert kinds("b.yaml", "d", "d/a.yaml") == []
    Path("a.yaml").unlink()
    write(".", {"a.yaml/x.yaml": kind("X")})
    assert kinds("a.yaml/x.yaml") == []


def test_a_folder_gives_what_it_held_then() -> None:
    old = {"d/a.yaml": "A", "d/gone.yml": "Gone", "d/x.json": "X", "d/.hidden.yaml": "H", "d/README.md": "R"}
    deep = {"d/sub/b.yaml": "B", "d/sub/deep/c.yaml": "C", "d/.git-not/w.yaml": "W", "other/o.yaml": "O"}
    files = {name: kind(text) for name, text in (old | deep).items()}
    commit(".", files, tag="old")
    git(".", "mv", "d/a.yaml", "d/renamed.yaml")
    git(".", "rm", "-q", "d/gone.yml")
    commit(".", {})
    assert kinds("d") == ["A", "Gone", "X"]
    assert kinds("d/", "./d/sub/") == ["A", "Gone", "X", "B"]
    assert kinds("d", recursive=True) == ["A", "Gone", "B", "C", "X"]
    assert kinds(".", recursive=True)[-1] == "O"


def test_a_glob_gives_the_files_that_it_names_now() -> None:
    commit(".", {"a.yaml": kind("A"), "b.yaml": kind("B"), "c.yml": kind("C")}, tag="old")
    write(".", {"new.yaml": kind("New")})
    assert kinds("*.yaml") == ["A", "B"]


@pytest.mark.parametrize(
    "name", ["with blank.yaml", "über.yaml", "new\nline.yaml", "--all.yaml", ":(top)a.yaml", "[a].yaml"]
)
def test_names_are_only_names(name: str) -> None:
    commit(".", {f"d/{name}": kind("Odd")}, tag="old")
    assert kinds(f"d/{name}") == ["Odd"]
    assert kinds("d") == ["Odd"]


def test_files_may_lie_in_several_repositories(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        commit(name, {f"{name}.yaml": kind(f"Old{name}")}, tag="old")
        commit(name, {f"{name}.yaml": kind("New")})
    monkeypatch.chdir("/")
    assert kinds(f"{folder}/two/two.yaml", f"{folder}/one/one.yaml", f"{folder}/two") == ["Oldtwo", "Oldone", "Oldtwo"]


def test_a_linked_work_tree_is_a_repository_too(folder: Path) -> None:
    commit("one", {"a.yaml": kind("Old")}, tag="old")
    git("one", "worktree", "add", "-q", str(folder / "tree"))
    write("tree", {"a.yaml": kind("New")})
    assert kinds("tree/a.yaml") == ["Old"]


def test_objects_of_sha256_are_read() -> None:
    git(".", "init", "-q", "-b", "main", "--object-format=sha256")
    assert len(commit(".", {"d/a.yaml": kind("Old")}, tag="old")) == 64
    assert kinds("d") == ["Old"]


def test_packed_objects_are_read() -> None:
    commit(".", {f"d/{number}.yaml": kind(f"K{number}") for number in range(9)}, tag="old")
    git(".", "gc", "-q")
    assert kinds("d") == [f"K{number}" for number in range(9)]


# Links


def test_a_link_is_followed_as_it_was() -> None:
    Path("d").mkdir()
    Path("d/job.yaml").symlink_to("../versions/1.yaml")
    Path("current").symlink_to("versions")
    commit(".", {"versions/1.yaml": kind("One"), "versions/2.yaml": kind("Two")}, tag="old")
    Path("d/job.yaml").unlink()
    Path("d/job.yaml").symlink_to("../versions/2.yaml")
    commit(".", {})
    assert kinds("d/job.yaml") == ["One"]
    assert kinds("d/job.yaml", at="HEAD") == ["Two"]
    assert kinds("d") == ["One"]
    assert kinds("current") == ["One", "Two"]
    assert kinds("current/2.yaml") == ["Two"]
    assert kinds(".", recursive=True) == ["One", "One", "Two"]


def test_a_link_to_nothing_or_to_itself_gives_nothing() -> None:
    for name, target in {"loop.yaml": "loop.yaml", "a.yaml": "b.yaml", "b.yaml": "./a.yaml", "gone.yaml": "no"}.items():
        Path(name).symlink_to(target)
    commit(".", {"x.yaml": kind("X")}, tag="old")
    assert kinds(".") == ["X"]
    for name in ("loop.yaml", "gone.yaml"):
        Path(name).unlink()
        write(".", {name: kind("New")})
        assert kinds(name) == []


@pytest.mark.parametrize("target", ["/etc/hosts", "../outside.yaml", "d/../../outside.yaml", "up/../outside.yaml"])
def test_a_link_out_of_the_repository_is_told(folder: Path, target: str) -> None:
    write(folder.parent, {"outside.yaml": kind("Secret")})
    Path("up").symlink_to("..")
    Path("a.yaml").symlink_to(target)
    commit(".", {"d/x.txt": ""}, tag="old")
    for name in ("a.yaml", "."):
        documents, (finding,) = revisions.load([name], "old")
        assert documents == []
        assert (finding.code, str(finding.position)) == ("KF114", "old:a.yaml:1:1")
        assert "out of the repository" in finding.message


# Submodules


def test_a_submodule_is_read_at_the_commit_that_the_folder_has_of_it(folder: Path) -> None:
    first = commit("inner", {"a.yaml": kind("First"), "d/b.yaml": kind("Deep")})
    git(".", "init", "-q", "-b", "main")
    git(".", "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(folder / "inner"), "m/sub")
    shutil.rmtree("inner")
    commit(".", {"m/top.yaml": kind("Top")}, tag="old")
    commit("m/sub", {"a.yaml": kind("Second")})
    commit(".", {"m/top.yaml": kind("Later")})
    documents, findings = revisions.load(["m"], "old", recursive=True)
    assert findings == []
    assert [item.source for item in documents] == ["old:m/sub/a.yaml", "old:m/sub/d/b.yaml", "old:m/top.yaml"]
    assert [item.data["kind"] for item in documents] == ["First", "Deep", "Top"]
    assert kinds("m") == ["Top"]
    assert kinds("m/sub/a.yaml", at=first) == ["First"]
    git(".", "submodule", "deinit", "-q", "-f", "m/sub")
    assert kinds("m", recursive=True) == ["Top"]


def test_a_clone_that_became_a_submodule_is_one() -> None:
    commit("sub", {"a.yaml": kind("First")})
    git(".", "init", "-q", "-b", "main")
    git(".", "-c", "advice.addEmbeddedRepo=false", "add", "sub")
    commit(".", {"top.yaml": kind("Top")}, tag="old")
    commit("sub", {"a.yaml": kind("Second")})
    assert Path("sub/.git").is_dir()
    assert kinds(".", recursive=True) == ["First", "Top"]


def test_a_clone_in_a_folder_has_its_own_revisions() -> None:
    commit(".", {"d/a.yaml": kind("Outer"), ".gitignore": "clone\n"}, tag="old")
    commit("d/clone", {"b.yaml": kind("Inner"), "sub/c.yaml": kind("Deep")}, tag="old")
    commit("d/clone/sub/clone", {"x.yaml": kind("Innermost")}, tag="old")
    commit("d/clone", {"b.yaml": kind("New")})
    assert kinds("d", recursive=True) == ["Outer", "Inner", "Deep", "Innermost"]
    assert kinds("d") == ["Outer"]
    git("d/clone", "tag", "-d", "old")
    with pytest.raises(NotFound, match="/d/clone has no revision"):
        revisions.load(["d"], "old", recursive=True)


# Templates and files that cannot be read


def test_templates_are_rendered_with_the_values_given() -> None:
    commit(".", {"a.yaml.j2": "kind: {{ name }}Old\n", "b.yaml": "kind: '{{ name }}'\n"}, tag="old")
    assert kinds("a.yaml.j2", "b.yaml", values={"name": "X"}) == ["XOld", "X"]
    documents, (finding,) = revisions.load(["a.yaml.j2"], "old")
    assert (documents, finding.code, str(finding.position)) == ([], "KF121", "old:a.yaml.j2:1:10")


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"kind: a\n  b: [\n", "KF101", "old:d/a.yaml:2:"),
        (b"kind: \xff\n", "KF103", "old:d/a.yaml:1:7"),
        (b"\x00GITCRYPT\x00\xff\xfe", "KF103", "old:d/a.yaml:1:"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
            *("KF114", "old:d/a.yaml:1:1"),
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_revision_and_path(content: bytes, code: str, place: str) -> None:
    write(".", {"d/a.yaml": ""})
    Path("d/a.yaml").write_bytes(content)
    commit(".", {"d/b.yaml": kind("B")}, tag="old")
    documents, findings = revisions.load(["d"], "old")
    assert [item.data["kind"] for item in documents] == ["B"]
    assert [finding.code for finding in findings] == [code]
    assert str(findings[0].position).startswith(place)


def test_a_file_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfrun.load.content.MAX_BYTES", 2**20)
    commit(".", {"a.yaml": "# " + "x" * 2**21, "b.yaml": kind("B")}, tag="old")
    documents, (finding,) = revisions.load(["a.yaml", "b.yaml"], "old")
    assert finding.code == "KF107"
    assert [item.data["kind"] for item in documents] == ["B"]


# Wrong revisions, wrong inputs, no git


@pytest.mark.parametrize(
    "revision", ["nope", "origin/main", "HEAD~7", "0" * 40, "HEAD:a.yaml", "a b", "^HEAD", "HEAD..main"]
)
def test_a_revision_that_does_not_exist_is_told(folder: Path, revision: str) -> None:
    commit(".", {"a.yaml": kind("A")})
    with pytest.raises(NotFound) as caught:
        revisions.load(["a.yaml"], revision)
    assert caught.value.message == f'the git repository {folder} has no revision "{revision}"'
    assert "fetch" in (caught.value.hint or "")


def test_a_shallow_clone_lacks_older_revisions(folder: Path) -> None:
    commit("one", {"a.yaml": kind("Old")})
    commit("one", {"a.yaml": kind("New")})
    git(".", "clone", "-q", "--depth=1", f"file://{folder}/one", "two")
    with pytest.raises(NotFound):
        revisions.load(["two/a.yaml"], "HEAD~1")
    assert kinds("two/a.yaml", at="HEAD") == ["New"]


def test_nothing_is_fetched_for_a_partial_clone(folder: Path) -> None:
    commit("one", {"a.yaml": kind("Old")}, tag="old")
    commit("one", {"a.yaml": kind("New")})
    git("one", "config", "uploadpack.allowFilter", "true")
    git(".", "clone", "-q", "--filter=blob:none", f"file://{folder}/one", "two")
    git("two", "config", "remote.origin.uploadpack", f"touch {folder}/ran; git-upload-pack")
    with pytest.raises(Unavailable) as caught:  # in which words depends on git's version
        revisions.load(["two/a.yaml"], "old")
    assert "partial clone" in (caught.value.hint or "")
    assert not Path("ran").exists()
    git("two", "config", "--unset", "remote.origin.uploadpack")
    git("two", "show", "old:a.yaml")
    assert kinds("two/a.yaml") == ["Old"]


@pytest.mark.parametrize("revision", ["-x", "--output=x", "", " ", "a\nb", "a\0b"])
def test_what_is_no_revision_is_wrong_usage(revision: str) -> None:
    commit(".", {"a.yaml": kind("A")})
    with pytest.raises(UsageProblem, match="is no git revision"):
        revisions.load(["a.yaml"], revision)
    assert sorted(os.listdir()) == [".git", "a.yaml"]


@pytest.mark.parametrize("name", ["-", "https://example.com/a.yaml", "/dev/stdin", "/dev/fd/63"])
def test_what_has_no_older_version_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageProblem, match="git knows no older version of") as caught:
        revisions.load([name], "HEAD")
    assert "--previous" in (caught.value.hint or "")


def test_a_file_outside_every_repository_is_wrong_usage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    write(".", {"d/a.yaml": kind("A")})
    for name in ("d/a.yaml", "d"):
        with pytest.raises(UsageProblem, match=f"{name} lies in no git repository"):
            revisions.load([name], "HEAD")
    git(".", "init", "-q", "--bare", "bare")
    write("bare", {"a.yaml": kind("A")})
    with pytest.raises(UsageProblem, match="lies in no git repository"):
        revisions.load(["bare/a.yaml"], "HEAD")


def test_a_repository_without_commits_has_no_revision() -> None:
    git(".", "init", "-q")
    write(".", {"a.yaml": kind("A")})
    with pytest.raises(NotFound):
        revisions.load(["a.yaml"], "HEAD")


def test_git_must_be_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(".", {"a.yaml": kind("A")})
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Unavailable, match="git is not installed"):
        revisions.load(["a.yaml"], "HEAD")
    write(".", {"git": "#!/bin/sh\nexit 1\n"})
    with pytest.raises(Unavailable, match="git cannot be started: permission denied"):
        revisions.load(["a.yaml"], "HEAD")


def test_a_repository_of_somebody_else_is_refused_with_what_git_says(monkeypatch: pytest.MonkeyPatch) -> None:
    commit(".", {"a.yaml": kind("A")})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(Unavailable, match=r"git does not read /.*: .+") as caught:
        revisions.load(["a.yaml"], "HEAD")
    assert "safe.directory" in (caught.value.hint or "")


def test_the_inside_of_a_repository_is_no_work_tree() -> None:
    commit(".", {"a.yaml": kind("A")})
    write(".git", {"a.yaml": kind("A")})
    with pytest.raises(UsageProblem, match="lies in no git repository"):
        revisions.load([".git/a.yaml"], "HEAD")


def test_a_repository_that_git_cannot_read_is_told() -> None:
    commit(".", {"a.yaml": kind("A")})
    Path(".git/config").write_text("[core\n")
    with pytest.raises(Unavailable, match=r"git does not read /.*: .+") as caught:
        revisions.load(["a.yaml"], "HEAD")
    assert caught.value.hint is None


@pytest.mark.parametrize("tree", [b"no tree", b"\xff x\0" + b"a" * 20])
def test_a_folder_that_is_none_is_told(tree: bytes) -> None:
    commit(".", {"d/a.yaml": kind("A")})
    Path("tree").write_bytes(tree)
    oid = git(".", "hash-object", "-t", "tree", "--literally", "-w", "tree")
    Path("commit").write_text(f"tree {oid}\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nx\n")
    revision = git(".", "hash-object", "-t", "commit", "--literally", "-w", "commit")
    with pytest.raises(Unavailable, match="a folder in the git repository"):
        revisions.load(["d"], revision)


def test_a_broken_repository_is_told() -> None:
    oid = commit(".", {"a.yaml": kind("A")})
    path = Path(".git/objects", git(".", "rev-parse", f"{oid}:a.yaml")[:2])
    shutil.rmtree(path)
    with pytest.raises(Unavailable, match="is not in the git repository"):
        revisions.load(["a.yaml"], "HEAD")


def test_git_that_stops_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(".", {"a.yaml": kind("A")})
    real = shutil.which("git")
    write("bin", {"git": f'#!/bin/sh\ncase "$*" in *cat-file*) exit 1;; esac\nexec {real} "$@"\n'})
    Path("bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="git stopped"):
        revisions.load(["a.yaml"], "HEAD")


def test_git_that_never_answers_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(".", {"a.yaml": kind("A")})
    real = shutil.which("git")
    write("bin", {"git": f'#!/bin/sh\ncase "$*" in *cat-file*) exec sleep 60;; esac\nexec {real} "$@"\n'})
    Path("bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(repository, "SECONDS", 0.2)
    with pytest.raises(Unavailable, match="git stopped"):
        revisions.load(["a.yaml"], "HEAD")


# What a repository could make git do


def test_the_variables_of_a_hook_do_not_lead_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit("one", {"a.yaml": kind("One")}, tag="old")
    commit("two", {"a.yaml": kind("Two")}, tag="old")
    monkeypatch.setenv("GIT_DIR", str(folder / "two/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(folder / "two"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(folder / "two/.git/index"))
    assert kinds("one/a.yaml") == ["One"]


def test_a_repository_runs_no_command_of_its_own(folder: Path) -> None:
    attributes = "*.yaml filter=mine diff=mine\n"
    commit(".", {"a.yaml": kind("Old"), ".gitattributes": attributes}, tag="old")
    touch = f"touch {folder}/ran"
    for name in ("filter.mine.smudge", "diff.mine.textconv", "core.pager", "core.fsmonitor", "core.sshCommand"):
        git(".", "config", name, touch)
    before = sorted(path.name for path in Path(".git").iterdir())
    assert kinds("a.yaml", ".") == ["Old", "Old"]
    assert not Path("ran").exists()
    assert sorted(path.name for path in Path(".git").iterdir()) == before


def test_a_tree_that_holds_itself_again_and_again_is_not_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    commit(".", {"m/job.yaml": "a: 1\n"})
    tree = git(".", "rev-parse", "HEAD:m")
    for _ in range(12):
        # ten folders with the same content: 10**12 files in the end
        listing = "".join(f"040000 tree {tree}\tf{number}\n" for number in range(10))
        done = subprocess.run(["git", "mktree"], input=listing, capture_output=True, text=True, timeout=60, check=True)
        tree = done.stdout.strip()
    monkeypatch.setattr(revisions, "_MOST_ENTRIES", 5_000)
    revision = git(".", "commit-tree", tree, "-m", "large")
    with pytest.raises(Unavailable, match="more than 5,000 files"):
        revisions.load(["."], revision, recursive=True)
