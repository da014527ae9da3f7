from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import InvalidInput, NotFound, Unavailable, UsageProblem
from kfrun.load import content
from kfrun.load.sources import gather, load
from kfrun.model.source import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import Finding


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the tests work in, as short names reach it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str | None = None) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"kind: {path.stem}\n" if text is None else text, encoding="utf-8")


def kinds(*inputs: str, recursive: bool = False) -> list[str]:
    return [document.data["kind"] for document in load(inputs, recursive=recursive)]


def findings(*inputs: str, stdin: bytes = b"") -> tuple[Finding, ...]:
    with pytest.raises(InvalidInput) as caught:
        load(inputs, stdin=io.BytesIO(stdin))
    return caught.value.findings


def test_files_are_read_in_the_order_given() -> None:
    write("b.yaml")
    write("a.txt")
    assert kinds("b.yaml", "a.txt", "b.yaml") == ["b", "a", "b"]


def test_a_document_knows_its_file_as_given_and_its_folder(folder: Path) -> None:
    write("jobs/a.yaml", "kind: a\n---\nkind: b\n")
    first, second = load(["jobs/../jobs/a.yaml"])
    assert (first.source, first.index, first.folder) == ("jobs/../jobs/a.yaml", 0, str(folder / "jobs/../jobs"))
    assert second.index == 1
    (nested, _) = load(["jobs"])
    assert (nested.source, nested.folder) == ("jobs/a.yaml", str(folder / "jobs"))
    assert nested.positions.value(()).file == "jobs/a.yaml"


def test_a_folder_gives_its_manifests_by_name() -> None:
    for name in ("d/c.yml", "d/a.yaml", "d/b.json", "d/.hidden.yaml", "d/README.md", "d/x.yaml.j2", "d/sub/z.yaml"):
        write(name)
    Path("d/folder.yaml").mkdir()
    assert kinds("d") == ["a", "b", "c", "x.yaml"]
    assert kinds("d/") == ["a", "b", "c", "x.yaml"]


def test_recursion_descends_in_order_and_leaves_hidden_folders_alone() -> None:
    for name in ("d/b.yaml", "d/a/z.yaml", "d/a/deep/v.yaml", "d/c/x.yaml", "d/.git/w.yaml"):
        write(name)
    assert kinds("d", recursive=True) == ["v", "z", "b", "x"]


def test_links_to_folders_are_not_followed_and_links_to_files_are() -> None:
    write("d/sub/a.yaml")
    write("outside.yaml")
    Path("d/sub/loop").symlink_to(Path("d").absolute())
    Path("d/self").symlink_to("self")
    Path("d/b.yaml").symlink_to(Path("outside.yaml").absolute())
    assert kinds("d", recursive=True) == ["outside", "a"]
    Path("link").symlink_to("d/sub")
    assert kinds("link") == ["a"]


def test_a_very_deep_folder_is_descended() -> None:
    path = Path()
    for _ in range(1200):
        path /= "d"
        path.mkdir()
    write(str(path / "a.yaml"))
    try:
        assert kinds("d", recursive=True) == ["a"]
    finally:
        subprocess.run(["rm", "-rf", "d"], check=True)  # pytest's own tidying up is recursive


@pytest.mark.parametrize(
    ("has", "hint"), [(None, None), ("d/readme.txt", None), ("d/sub/a.yaml", "-R"), ("d/.sub/a.yaml", None)]
)
def test_a_folder_without_manifests_is_an_error(has: str | None, hint: str | None) -> None:
    Path("d").mkdir()
    if has:
        write(has)
    with pytest.raises(NotFound, match=r"no \.json, \.yaml or \.yml file in the folder d") as caught:
        load(["d"])
    assert (hint or "") in str(caught.value.hint)
    assert (caught.value.hint is None) == (hint is None)


def test_globs_are_expanded_and_may_name_folders() -> None:
    for name in ("jobs/b.yaml", "jobs/a.yaml", "jobs/c.txt", "more/x/d.yaml", "more/.h/e.yaml"):
        write(name)
    assert kinds("jobs/*.yaml") == ["a", "b"]
    assert kinds("jobs/[bc].*") == ["b", "c"]
    assert kinds("**/*.yaml") == ["a", "b", "d"]
    assert kinds("more/*") == ["d"]
    with pytest.raises(NotFound, match=r"no file matches jobs/\*\.yml"):
        load(["jobs/*.yml"])


def test_a_file_whose_name_looks_like_a_glob_is_itself() -> None:
    write("a[1].yaml", "kind: odd\n")
    write("a1.yaml")
    assert kinds("a[1].yaml") == ["odd"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jobs/trian.yaml", "did you mean jobs/train.yaml?"),
        ("jobs/train.yml", "did you mean jobs/train.yaml?"),
        ("job/train.yaml", "there is no folder job"),
        ("quikstart.yaml", "did you mean quickstart.yaml?"),
        ("unlike", None),
        ("", None),
        ("a\0b", None),
        ("jobs/train.yaml/x", "there is no folder jobs/train.yaml"),
    ],
)
def test_a_missing_file_is_told_with_near_names(name: str, hint: str | None) -> None:
    write("jobs/train.yaml")
    write("quickstart.yaml")
    with pytest.raises(NotFound, match="no such file or folder") as caught:
        load([name])
    assert caught.value.hint == hint


def test_stdin_has_no_folder() -> None:
    (document,) = load(["-"], stdin=io.BytesIO(b"kind: a\n"))
    assert (document.source, document.folder, document.data) == ("<stdin>", None, {"kind": "a"})


def test_stdin_is_read_once_only() -> None:
    with pytest.raises(UsageProblem, match="once only"):
        load(["-", "-"], stdin=io.BytesIO(b"kind: a\n"))


def test_no_input_at_all_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match="nothing to read"):
        load([])


def test_the_findings_of_all_sources_are_told_together() -> None:
    write("a.yaml", "a: [\n")
    write("b.yaml", "kind: b\n---\nb: 1\nb: 2\n")
    Path("c.yaml").write_bytes(b"\xff")
    found = findings("a.yaml", "b.yaml", "c.yaml", "-", stdin=b"- x\n")
    assert [(finding.code, finding.position.file) for finding in found if finding.position] == [
        ("KF101", "a.yaml"),
        ("KF102", "b.yaml"),
        ("KF103", "c.yaml"),
        ("KF108", "<stdin>"),
    ]


def test_sources_without_any_object_are_refused() -> None:
    write("a.yaml", "# nothing\n")
    write("b.yaml", "")
    assert [finding.code for finding in findings("a.yaml", "b.yaml")] == ["KF112", "KF112"]
    assert [finding.code for finding in findings(os.devnull)] == ["KF112"]
    write("c.yaml")
    assert kinds("a.yaml", "c.yaml") == ["c"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    Path("a.yaml").write_bytes("é: ü\n".encode(encoding))
    (document,) = load(["a.yaml"])
    assert document.data == {"é": "ü"}
    assert document.positions.value(("é",))[1:] == (1, 4)


def test_a_byte_that_is_no_utf_8_is_pointed_at() -> None:
    Path("a.yaml").write_bytes(b"a: 1\nb: \xc3\xbc\xff\xfe x\n")
    (finding,) = findings("a.yaml")
    assert (finding.code, finding.message) == ("KF103", "the byte 0xff is not UTF-8")
    assert finding.position is not None
    assert finding.position[1:] == (2, 5)
    assert finding.excerpt == "b: ü\ufffd\ufffd x"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (bytes(range(256)), "binary file"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "control character|NUL"),
        (b"\x1f\x8b\x08\0abc", "binary file"),
        ("kind: a\n".encode("utf-16-le"), "NUL"),
        ("kind: a\n".encode("utf-32"), "NUL|binary"),
        (b"\xff\xfea", "binary file|not UTF"),
    ],
)
def test_binary_garbage_is_refused_in_words(raw: bytes, message: str) -> None:
    import re

    (finding,) = findings("-", stdin=raw)
    assert finding.code == "KF103"
    assert re.search(message, finding.message)


def test_a_source_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_BYTES", 2**20)
    write("a.yaml", "a: " + "x" * 2**20)
    (finding,) = findings("a.yaml")
    assert (finding.code, finding.message) == ("KF107", "more than 1 MiB are too much for one source")


def special(kind: str) -> str:
    path = str(Path("special").absolute())
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        # the name of a socket may be 100 characters long, the folder's may be longer
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("special")
    else:
        return "/dev/zero"
    return "special"


@pytest.mark.parametrize(("kind", "word"), [("fifo", "FIFO"), ("socket", "socket"), ("device", "device")])
def test_what_is_no_file_is_refused_instead_of_waited_for(kind: str, word: str) -> None:
    with pytest.raises(Unavailable, match=f"is a {word}, not a file") as caught:
        load([special(kind)])
    assert "-f -" in str(caught.value.hint)


def test_a_broken_link_is_told() -> None:
    Path("a.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(NotFound, match=r"a\.yaml is a link to nothing"):
        load(["a.yaml"])
    Path("d").mkdir()
    Path("d/a.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(NotFound, match=r"d/a\.yaml is a link to nothing"):
        load(["d"])


def hindrance(kind: str) -> None:
    """Something at ``d/b.yaml`` that cannot be read."""
    if kind == "fifo":
        os.mkfifo("d/b.yaml")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("d/b.yaml")
    else:
        Path("d/b.yaml").symlink_to({"link": "nowhere", "loop": "b.yaml", "device": "/dev/zero"}[kind])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("link", "is a link to nothing"),
        ("loop", "too many levels of symbolic links"),
        ("fifo", "is a FIFO"),
        ("socket", "is a socket"),
        ("device", "is a device"),
    ],
)
def test_what_cannot_be_read_of_a_folder_hides_nothing_else_in_it(kind: str, words: str) -> None:
    write("d/a.yaml")
    write("d/c.yaml")
    hindrance(kind)
    documents, (finding,) = gather(["d"])
    assert [document.data["kind"] for document in documents] == ["a", "c"]
    assert (finding.code, finding.position) == ("KF115", Position("d/b.yaml", 1, 1))
    assert words in finding.message
    with pytest.raises(InvalidInput):
        load(["d"])


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("absent.yaml", "absent.yaml", "no such file or folder"),
        ("absent/*.yaml", "absent/*.yaml", "no file matches"),
        ("empty", "empty", r"no .json, .yaml or .yml file in the folder"),
        ("e*", "empty", r"no .json, .yaml or .yml file in the folder"),
        ("closed", "closed", "permission denied"),
        ("closed/a.yaml", "closed/a.yaml", "permission denied"),
    ],
)
def test_an_input_that_cannot_be_read_hides_no_other(name: str, file: str, words: str, folder: Path) -> None:
    write("a.yaml")
    write("b.yaml")
    Path("empty").mkdir()
    with closed(folder):
        documents, (finding,) = gather(["a.yaml", name, "b.yaml"])
    assert [document.data["kind"] for document in documents] == ["a", "b"]
    assert finding.position is not None
    assert (finding.code, finding.position.file) == ("KF115", file)
    assert words in finding.message


def test_a_url_that_cannot_be_fetched_hides_no_other_input() -> None:
    write("a.yaml")
    (document,), (finding,) = gather(["http://127.0.0.1:1/x.yaml", "a.yaml"])
    assert document.data == {"kind": "a"}
    assert finding.position == Position("http://127.0.0.1:1/x.yaml", 1, 1)
    assert "could not be fetched" in finding.message


def test_a_folder_that_may_not_be_read_hides_none_beside_it(folder: Path) -> None:
    write("d/a.yaml")
    write("d/x/b.yaml")
    with closed(folder / "d"):
        documents, (finding,) = gather(["d"], recursive=True)
    assert [document.data["kind"] for document in documents] == ["a", "b"]
    assert finding.position is not None
    assert finding.position.file == "d/closed"


def test_several_inputs_that_cannot_be_read_are_all_told() -> None:
    _, found = gather(["a.yaml", "b.yaml"])
    assert [(finding.code, finding.message) for finding in found] == [
        ("KF115", "no such file or folder: a.yaml"),
        ("KF115", "no such file or folder: b.yaml"),
    ]


@pytest.mark.parametrize("name", ["self.yaml", "d"])
def test_a_link_to_itself_is_told(name: str) -> None:
    Path("self.yaml").symlink_to("self.yaml")
    Path("d").mkdir()
    Path("d/self.yaml").symlink_to("self.yaml")
    with pytest.raises(Unavailable, match=r"self\.yaml cannot be read: too many levels"):
        load([name])


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything: be nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """A folder ``closed`` with a manifest in it, and nobody who may look into it."""
    write(str(folder / "closed/a.yaml"))
    kinds(str(folder / "closed"))  # imports everything while that is possible
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and len(path.parts) > 2:
            path.chmod(0o755)
    (folder / "closed").chmod(0)
    try:
        with without_privileges():
            yield
    finally:
        (folder / "closed").chmod(0o755)


@pytest.mark.parametrize("name", ["secret.yaml", "closed", "closed/a.yaml"])
def test_what_may_not_be_read_is_told(name: str, folder: Path) -> None:
    write("secret.yaml")
    write("closed/a.yaml")
    assert kinds("secret.yaml")  # imports everything while that is possible
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and len(path.parts) > 2:
            path.chmod(0o755)
    Path("secret.yaml").chmod(0)
    Path("closed").chmod(0)
    try:
        with without_privileges(), pytest.raises(Unavailable, match="cannot be read: permission denied"):
            load([name])
    finally:
        Path("closed").chmod(0o755)


def run_in_bash(command: str) -> str:
    script = "import sys; from kfrun.load.sources import load; print([d.data for d in load(sys.argv[1:])])"
    arguments = ["bash", "-c", command.replace("LOAD", '"$0" -c "$1"'), sys.executable, script]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "command",
    [
        "LOAD <(echo 'a: 1')",
        "echo 'a: 1' | LOAD -",
        "echo 'a: 1' | LOAD /dev/stdin",
        "LOAD /dev/fd/3 3<<< 'a: 1'",
    ],
)
def test_open_descriptors_of_a_shell_are_read(command: str) -> None:
    assert run_in_bash(command) == "[{'a': 1}]"


def test_a_closed_stdin_is_told() -> None:
    script = "from kfrun.load.sources import load; from kfrun.errors import Unavailable\ntry: load(['-'])\n"
    script += "except Unavailable as error: print(error)\n"
    command = ["bash", "-c", '"$0" -c "$1" <&-', sys.executable, script]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout.strip() == "stdin is closed, so - cannot be read", done.stderr
