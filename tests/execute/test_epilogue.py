"""What is told of a job that failed: the last lines of the node that failed first, and what to do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from kfrun.observe import modules

if TYPE_CHECKING:
    from tests.conftest import Kfrun

PYTHON = sys.executable


def python(kfrun: Kfrun, text: str, name: str = "job", **more: str) -> object:
    kfrun.write("train.py", text)
    return kfrun.job(name, [PYTHON, "train.py"], **more)


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ("ModuleNotFoundError: No module named 'torchx'", ("torchx", "", False)),
        ("[rank0]: ModuleNotFoundError: No module named 'torch.nope'", ("torch.nope", "torch", False)),
        ("/usr/bin/python3.11: No module named nothing", ("nothing", "", False)),
        ("ImportError: cannot import name 'Foo' from 'numpy.linalg' (/x/y.py)", ("Foo", "numpy", False)),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            ("libGL.so.1", "", True),
        ),
        ("No module named 'six' was the message", None),
        ("ValueError: nothing is missing", None),
    ],
)
def test_what_was_missed_is_read_from_the_last_words(text: str, missed: tuple[str, str, bool] | None) -> None:
    found = modules.missed(f"Traceback (most recent call last):\n{text}\n")
    assert (found and tuple(found)) == missed


@pytest.mark.parametrize(
    ("module", "package"),
    [("cv2", "opencv-python-headless"), ("yaml", "pyyaml"), ("sklearn.svm", "scikit-learn"), ("PIL", "pillow"),
     ("flash_attn", "flash-attn"), ("torchx", "torchx")],
)  # fmt: skip
def test_modules_are_installed_by_the_names_of_their_packages(module: str, package: str) -> None:
    assert modules.package(module) == package


def test_a_module_that_is_not_there_names_the_annotation_wherever_the_end_is_told(kfrun: Kfrun) -> None:
    path = python(kfrun, "print('begins')\nimport torchx_nowhere\n")
    help_line = "torchx_nowhere is not in this environment: add torchx-nowhere to kfrun.dev/packages"
    done = kfrun("run", "-q", "-f", path)  # type: ignore[arg-type]
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"job: help: {help_line}"
    assert "last lines" not in done.stderr, "they were just shown"
    waited = kfrun("wait", "job")
    assert waited.returncode == 1
    assert f"help: {help_line}\n" in waited.stderr
    assert "last lines of node-0:\n" in waited.stderr
    assert "  | ModuleNotFoundError: No module named 'torchx_nowhere'\n" in waited.stderr
    described = kfrun.ok("describe", "trainjob", "job")
    assert help_line in described
    assert "ModuleNotFoundError: No module named 'torchx_nowhere'" in described
    followed = kfrun("apply", "-q", "--replace", "--follow", "-f", python(kfrun, "import cv2_none, sys\n"))  # type: ignore[arg-type]
    assert followed.returncode == 1
    assert "add cv2-none to kfrun.dev/packages" in followed.stderr


def test_a_module_of_the_jobs_own_folder_is_no_package(kfrun: Kfrun) -> None:
    (kfrun.folder / "src" / "ours").mkdir(parents=True)
    kfrun.write("src/ours/__init__.py", "")
    kfrun.write("pyproject.toml", "[project]\nname = 'ours'\nversion = '1'\n")
    done = kfrun("run", "-q", "-f", python(kfrun, "import ours\n"))  # type: ignore[arg-type]
    assert "help: ours is src/ours of this folder: add -e . to kfrun.dev/packages\n" in done.stderr
    (kfrun.folder / "scripts").mkdir()
    kfrun.write("scripts/go.py", "import helpers\n")
    kfrun.write("helpers.py", "")
    done = kfrun("run", "-q", "-f", kfrun.job("other", [PYTHON, "scripts/go.py"]))
    assert f"help: helpers is helpers.py of this folder: set PYTHONPATH to {kfrun.folder} in" in done.stderr


def test_the_last_lines_of_the_node_that_failed_first_are_told_where_others_spoke_after_it(kfrun: Kfrun) -> None:
    script = (
        "if [ $JOB_COMPLETION_INDEX = 1 ]; then "
        "for i in 1 2 3; do printf '\\033[31mcause %s\\007\\033[0m\\n' $i; done; exit 9; fi; "
        "trap 'echo bye; exit 1' TERM; while :; do sleep 0.05; done"
    )
    done = kfrun("run", "-q", "-f", kfrun.job("job", script, nodes=2))
    assert done.returncode == 9
    lines = done.stderr.splitlines()
    start = lines.index("last lines of node-1:")
    assert lines[start + 1 : start + 4] == [f"  | cause {number}\\x07" for number in (1, 2, 3)]
    assert lines[start + 4].startswith("job: Failed after ")
    assert lines[start + 4].endswith("node-1 failed with exit code 9")


def test_the_words_of_torchrun_do_not_hide_those_of_the_program(kfrun: Kfrun) -> None:
    noise = "E1126 10:00:00 7 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 0"
    text = f"print('ValueError: the cause')\nfor _ in range(30): print({noise!r})\nraise SystemExit(1)\n"
    kfrun("run", "-q", "-f", python(kfrun, text))  # type: ignore[arg-type]
    told = kfrun("wait", "job").stderr.splitlines()
    assert told[:2] == ["last lines of node-0:", "  | ValueError: the cause"]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("kill -9 $$$$", 137, "killed (SIGKILL); out of memory?"),
        ("kill -11 $$$$", 139, "segmentation fault (SIGSEGV)"),
        ("kill -12 $$$$", 140, "ended by signal 12"),
        ("nothing-of-that-name", 127, "a command in it was not found"),
        ("exit 3", 3, ""),
    ],
)
def test_exit_codes_are_told_in_words(kfrun: Kfrun, command: str, code: int, words: str) -> None:
    done = kfrun("run", "-q", "-f", kfrun.job("job", f"{command}; exit"))
    assert done.returncode == code
    assert done.stderr.rstrip().endswith(f"node-0 failed with exit code {code}{f': {words}' if words else ''}")
    assert (words or f"exit code {code}") in kfrun.ok("describe", "trainjob", "job")


def test_the_end_of_a_run_says_where_its_logs_are_and_how_to_run_it_again(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "echo hi")
    done = kfrun("run", "-f", path)
    assert "job: Complete after " in done.stderr
    assert done.stderr.endswith("job: logs: kfrun logs job; again: kfrun rerun job\n")
    assert kfrun("logs", "job").stdout == "hi\n"
    assert kfrun("rerun", "-q", "job").returncode == 0
    removed = kfrun("run", "--rm", "-f", path)
    assert "kfrun logs" not in removed.stderr
    in_ml = kfrun("run", "-n", "ml", "-f", path)
    assert in_ml.stderr.endswith("job: logs: kfrun logs job -n ml; again: kfrun rerun job -n ml\n")
    assert os.path.exists(path)


def test_packages_of_a_script_without_a_manifest_are_named_where_they_are_read(kfrun: Kfrun) -> None:
    kfrun.write("train.py", "import six_nowhere\n")
    done = kfrun("run", "-q", "--name", "job", "train.py")
    assert done.returncode == 1
    assert (
        "help: six_nowhere is not in this environment: add six-nowhere to requirements.txt, and run the" in done.stderr
    )
    kfrun.write("json.txt", "")
    done = kfrun("run", "-q", "-f", python(kfrun, "from json import nothing\n", name="other"))  # type: ignore[arg-type]
    assert "help: json of this Python has no nothing: choose another with kfrun.dev/python, or --python" in done.stderr
    kfrun.write("theirs.py", "")
    done = kfrun("run", "-q", "-f", python(kfrun, "from theirs import nothing\n", name="other"))  # type: ignore[arg-type]
    assert "help: theirs of this folder has no nothing\n" in done.stderr
