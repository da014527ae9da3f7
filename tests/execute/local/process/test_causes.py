"""What is said of a command that cannot be started: the system's words, the likely cause and what to write instead."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.process import causes
from kfrun.model.state import HELP
from tests.execute.local.process.test_runtime import Machine, folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["folder"]


def put(folder: Path, name: str, content: bytes | str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def advice(*argv: str, folder: Path, path: str = "/usr/bin:/bin") -> str:
    """What is said behind the system's words of a program that is not there."""
    words, _, found = causes.missing(argv, str(folder), path).partition(HELP)
    assert words.endswith(("no such executable file", "executable file not found in $PATH"))
    return found


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("python3 train.py",), "a command is a list, and this is one text: [python3, train.py]"),
        (("python3 train.py", "--lr", "1"), '[python3, train.py, --lr, "1"]'),
        (("./train.sh --epochs 3",), '[./train.sh, --epochs, "3"]'),
        (("bash -c 'echo hi; true'",), '[bash, -c, "echo hi; true"]'),
        (("cd /tmp && python3 train.py",), '[sh, -c, "cd /tmp && python3 train.py"]'),
        (("source venv/bin/activate; python x.py",), '[bash, -c, "source venv/bin/activate; python x.py"]'),
        (("python x.py > log",), '[sh, -c, "python x.py > log"]'),
        (("echo $HOME",), '[sh, -c, "echo $HOME"]'),
        (("LR=1 python x.py",), '[sh, -c, "LR=1 python x.py"]'),
        (("echo 'never closed",), "[sh, -c,"),
        (("pip install x\npython y.py\n",), '[sh, -c, "pip install x\\npython y.py"]'),
        (("train\r",), "its name ends with a line break (\\r is one of Windows): [train]"),
        (("cd", "/tmp", "&&", "python3", "train.py"), '[sh, -c, "cd /tmp && python3 train.py"]'),
        (("source", "env.sh"), 'source is a word of the shell and no program: [bash, -c, "source env.sh"]'),
        (("export", "A=1 2"), "[sh, -c, \"export 'A=1 2'\"]"),
        (("if", "true"), "if is a word of the shell"),
        (("CUDA_VISIBLE_DEVICES=0", "python"), "only a shell sets variables so: name CUDA_VISIBLE_DEVICES in env"),
        (("no-such", "a", "|", "tee", "log"), 'so | means nothing: [sh, -c, "no-such a | tee log"]'),
        (("./no-such", ">", "log"), "so > means nothing"),
        (("no-such", "2>&1"), "so 2>&1 means nothing"),
        (("-m", "train"), "the program is missing before it: [python, -m, train]"),
        (("--epochs", "3"), "the command begins with an option"),
        (("",), "the first item of the command is empty"),
        (("~/train.sh",), "~ stays as it is: write the whole path"),
        (("$HOME/train.sh",), "so $HOME stays as it is: $(HOME) stands for a variable of env"),
        (("${PYTHON}",), "so ${PYTHON} stays as it is: $(PYTHON)"),
        (("$(PYTHON)",), "$(PYTHON) stands for a variable of the container's env, and there is none of that name"),
        (("train.py", "--epochs", "3"), 'a script is started by its interpreter: [python, train.py, --epochs, "3"]'),
        (("setup.sh",), "[sh, setup.sh]"),
        (("torchrun", "train.py"), "torchrun comes with the package torch: name it in kfrun.dev/packages"),
        (("conda", "install", "x"), "packages of a job are named in kfrun.dev/packages"),
        (("tru",), "no folder of PATH has it: did you mean tr"),
        (("no-such-program-at-all",), "no folder of PATH has it: install it, or write its whole path"),
        (("scripts\\train",), "write / in place of \\"),
        (("/workspace/no-such.sh",), "a process sees this machine's files and not those of an image"),
        (("./no/such.sh",), "has no no; paths begin at the working directory"),
    ],
    ids=repr,
)
def test_words_tell_what_was_meant(tmp_path: Path, argv: tuple[str, ...], expected: str) -> None:
    assert expected in advice(*argv, folder=tmp_path)


def test_secrets_and_the_ends_of_long_commands_are_left_away(tmp_path: Path) -> None:
    found = advice("train.py", "--api-token", "hf_12345678", *["x" * 100] * 9, folder=tmp_path)
    assert "hf_12345678" not in found
    assert "..." in found
    assert len(found) < 400


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./plain.sh", "it is not executable: chmod +x ./plain.sh, or [sh, ./plain.sh]"),
        ("./plain", "it is not executable: chmod +x ./plain"),
        ("./by-line", "it is not executable: chmod +x ./by-line, or [python3, ./by-line]"),
        ("./package", "it is a folder: [python, ./package]"),
        ("./src", "it is a folder, not a program"),
        ("package", "it is a folder, not a program"),
        ("./broken", "it is a link to nowhere, which is not there"),
        ("./pipe", "it is no ordinary file"),
        ("tool", "it is looked for in PATH, and lies in the working directory: [./tool]"),
        ("plain.sh", "a script is started by its interpreter: [sh, plain.sh]"),
        ("plain", "it lies in the working directory and is not executable"),
        ("./tool.sh", "./src/tool.sh is there: paths begin at the working directory"),
        ("src/tool", "./tool is there: paths begin at the working directory"),
        ("/app/src/tool.sh", "a process sees this machine's files and not those of an image: ./src/tool.sh is there"),
        ("./tol", "has no tol: did you mean tool?"),
        ("./plain.sh/x", "plain.sh is no folder"),
    ],
)
def test_files_tell_why_they_are_not_started(tmp_path: Path, name: str, expected: str) -> None:
    put(tmp_path, "plain.sh", mode=0o644)
    put(tmp_path, "plain", "text", mode=0o644)
    put(tmp_path, "by-line", "#!/usr/bin/env -S python3 -u\n", mode=0o644)
    put(tmp_path, "package/__main__.py", mode=0o644)
    put(tmp_path, "src/tool.sh")
    put(tmp_path, "tool")
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert expected in advice(name, folder=tmp_path)


def test_a_program_on_path_without_its_bit_is_found_there(tmp_path: Path) -> None:
    program = put(tmp_path / "bin", "tool", mode=0o644)
    found = advice("tool", folder=tmp_path / "elsewhere", path=f"/usr/bin:{program.parent}")
    assert found == f"it is not executable: chmod +x {program}, or [sh, {program}]"


def _of_another_machine() -> bytes:
    with open(os.path.realpath(shutil.which("true") or ""), "rb") as file:
        head = bytearray(file.read())
    # e_machine: 8 is MIPS, which no machine of ours is.
    head[18:20] = (8).to_bytes(2, "little" if head[5] == 1 else "big")
    return bytes(head)


def _of_another_system() -> bytes:
    with open(os.path.realpath(shutil.which("true") or ""), "rb") as file:
        content = file.read()
    start = content.index(b"/lib")
    return content[:start] + b"/bil" + content[start + 4 :]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\r\necho started\r\n", "ends with a carriage return (\\r), as on Windows (CRLF)"),
        (b"#!/no/such/python3.2\n", "asks for /no/such/python3.2, which is not there: write #!/usr/bin/env python3.2"),
        (b"#!/usr\n", "asks for /usr, which is no program"),
        (b"#!\n", "names no interpreter"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "a byte order mark stands before #!"),
        (b"echo started\n", "it has no first line that names its interpreter, such as #!/bin/sh: add it, or [sh,"),
        (b"", "the file is empty"),
        (b"\x7fELF", "it is the begin of a program"),
        (b"MZ\x90\0" + bytes(100), "it is a program for Windows"),
        (b"\xcf\xfa\xed\xfe" + bytes(100), "it is a program for macOS"),
        (bytes(100), "it is neither a script nor a program"),
        (_of_another_machine(), "it is a program for another machine (8), and this machine is"),
        (_of_another_system(), "it was built for another system: what loads it, /bil"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_the_system_refuses_is_looked_into(folder: Path, content: bytes, expected: str) -> None:
    put(folder, "program", content)
    machine = Machine(folder, "./program")
    machine.start()
    found = machine.exit()
    assert (found.exit_code, found.reason) == (128, "StartError")
    words, _, told = found.message.partition(HELP)
    assert words.startswith('exec: "./program": ')
    assert expected in told


def test_more_than_the_system_takes_is_said_to_be_too_much(folder: Path) -> None:
    machine = Machine(folder, "true", "x" * 2_000_000)
    machine.start()
    assert machine.exit().message.endswith("more than the system takes at once: put them into a file")


def test_a_name_that_a_terminal_would_obey_is_told_harmlessly(tmp_path: Path) -> None:
    said = causes.missing(["a\x1b[2Jb"], str(tmp_path), "/bin")
    assert said.isprintable()
    assert "\\x1b" in said


def test_a_log_that_cannot_be_opened_is_no_fault_of_the_program(folder: Path) -> None:
    machine = Machine(folder, "true")
    log = machine.pod_folder / "node.0.log"
    log.mkdir(parents=True)
    machine.start()
    found = machine.exit()
    assert (found.exit_code, found.reason) == (128, "StartError")
    assert found.message == f"{log}: Is a directory"


def test_what_lies_deep_is_still_found_elsewhere(tmp_path: Path) -> None:
    put(tmp_path, "bin/tool")
    assert "./bin/tool is there" in advice(f"/{'deep/' * 200}bin/tool", folder=tmp_path)


@pytest.mark.parametrize(
    "worst",
    ["$(" * 50_000, "> " * 50_000, "'" * 100_001, "a" * 100_000, "./" * 50_000 + "a", "a/" * 50_000, "a/" * 2_000],
)
def test_100_kb_of_the_worst_are_guessed_at_once(tmp_path: Path, worst: str) -> None:
    start = time.process_time()
    assert len(causes.missing([worst, worst], str(tmp_path), "/bin")) < 1200
    assert time.process_time() - start < 2
