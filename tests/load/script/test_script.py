"""What is read of a script and its folder, without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from kfrun.errors import InvalidInput, NotFound, Refused, UsageProblem
from kfrun.load import filekinds, script
from kfrun.load.script import commands, imports, surroundings
from kfrun.model.script import ScriptCall

CALLED = [
    ("train.py", "churn"),
    ("main.py", "churn"),
    ("eval.py", "churn-eval"),
    ("src/train.py", "churn"),
    ("src/Fine_Tune.py", "churn-fine-tune"),
    ("experiments/a/train.py", "a"),
    ("2024/train.py", "job-2024"),
    ("größe/train.py", "grosse"),
    ("日本/train.py", "train"),
    ("my exp!/train.py", "my-exp"),
    (f"{'long-' * 12}/train.py", "long-long-long-long-long-long-long-long"),
]


def read(folder: Path, *words: str, **said: object):
    return script.read(ScriptCall(words, **said), str(folder))  # type: ignore[arg-type]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(("path", "name"), CALLED)
def test_a_job_is_called_after_its_folder_and_after_an_unusual_script(path: str, name: str) -> None:
    found = surroundings.title(f"/home/you/churn/{path}", "/home/you/churn")
    assert found == name if "größe" not in path else found in ("grosse", "groe")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import torch", "torch"),
        ("import torch.nn as nn", "torch"),
        ("from torchvision.models import resnet18", "torchvision"),
        ("def main():\n    import lightning", "lightning"),
        ("if True:\n    from accelerate import Accelerator", "accelerate"),
        ("with open('x') as f:\n    import torch", "torch"),
        ("import importlib\nt = importlib.import_module('torch')", "torch"),
        ("import transformers", "transformers"),
        ("try:\n    import torch\nexcept ImportError as e:\n    raise SystemExit('install torch') from e", "torch"),
        ("import transformers, tensorflow", ""),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None", ""),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", ""),
        ("import torchlike, numpy\n'import torch'  # import torch", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_pytorch_is_found_where_it_is_imported(tmp_path: Path, text: str, found: str) -> None:
    write(tmp_path, train_py=text)
    assert read(tmp_path, "train.py").facts.distributed == found


def test_modules_of_the_folder_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        app__train_py="import data\nfrom net import model\n",
        app__data_py="import json\nfrom app import train\n",
        app__net______init_____py="",
        app__net__model_py="from . import layers\n",
        app__net__layers_py="from .deep.er import x\n",
        app__net__deep__er_py="from torch import nn\n",
    )
    (tmp_path / "app" / "net").mkdir(exist_ok=True)
    (tmp_path / "app" / "net" / "__init__.py").write_text("")
    assert read(tmp_path, "app/train.py").facts.distributed == "torch"


def test_a_project_with_a_src_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path, train_py="from ours.model import Net\n", src__ours__model_py="import torch\n")
    assert read(tmp_path, "train.py").facts.distributed == "torch"
    assert read(tmp_path, "ours.model", is_module=True).facts.distributed == "torch"


def test_what_a_module_that_is_no_python_imports_is_told_not_to_be_known(tmp_path: Path) -> None:
    write(tmp_path, train_py="import helper\n", helper_py="def f(:\n")
    (warning,) = read(tmp_path, "train.py").warnings
    assert (warning.code, str(warning.position)) == ("KF128", "helper.py:1:7")


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        (b"x = 1\nprint 'two'\n", "train.py:2:1", "Missing parentheses"),
        (b"def f(:\n", "train.py:1:7", "invalid syntax"),
        (b"x = '\xe9'\n", "train.py:1:6", "the byte 0xe9 is not UTF-8"),
        (b"# coding: nothing\n", "train.py:1:1", "nothing"),
        (b"x = '\0'\n", "train.py:1:1", "null"),
        (b"(" * 5000, "train.py:1", "nest"),
    ],
)
def test_a_script_that_is_no_python_is_refused_at_its_place(
    tmp_path: Path, content: bytes, place: str, words: str
) -> None:
    (tmp_path / "train.py").write_bytes(content)
    with pytest.raises(InvalidInput) as refusal:
        read(tmp_path, "train.py")
    (finding,) = refusal.value.findings
    assert finding.code == "KF127"
    assert str(finding.position).startswith(place)
    assert words in finding.message
    # as a command it is run as it is
    found = read(tmp_path, "python3.99", "train.py", is_command=True)
    assert [one.code for one in found.warnings] == ["KF127"]
    assert found.facts.command == ("python3.99", "train.py")


def test_other_encodings_and_line_ends_are_read_as_python_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("# coding: latin-1\nimport torch  # é\n".encode("latin-1"))
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfimport torch\r\nx = 1\r\n")
    assert [read(tmp_path, name).facts.distributed for name in ("a.py", "b.py")] == ["torch", "torch"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"requirements_txt": "", "pyproject_toml": "[project]\n"}, "requirements.txt"),
        ({"pyproject_toml": "[project]\nname='x'\n"}, "pyproject.toml"),
        ({"pyproject_toml": "[project]\nname='x'\n", "uv_lock": ""}, "uv.lock"),
        ({"pyproject_toml": "[tool.ruff]\n"}, ""),
        ({"app__requirements_txt": "", "requirements_txt": ""}, "app/requirements.txt"),
        ({"app__pyproject_toml": "[tool.ruff]\n", "requirements_txt": ""}, "requirements.txt"),
        ({}, ""),
    ],
)
def test_the_packages_are_those_of_the_nearest_file(tmp_path: Path, files: dict[str, str], found: str) -> None:
    write(tmp_path, app__train_py="", **files)
    names = [str(Path(path).relative_to(tmp_path)) for path in read(tmp_path, "app/train.py").facts.requirements]
    assert names == ([found] if found else [])


def test_a_script_that_names_its_packages_itself_and_files_that_are_named_come_first(tmp_path: Path) -> None:
    write(tmp_path, train_py="# /// script\n# dependencies = []\n# ///\n", requirements_txt="")
    assert read(tmp_path, "train.py").facts.requirements == (f"{tmp_path}/train.py",)
    given = read(tmp_path, "train.py", requirements=("other.txt",)).facts.requirements
    assert given == (f"{tmp_path}/other.txt",)
    assert read(tmp_path, "train.py", requirements=("none",)).facts.requirements == ()


@pytest.mark.parametrize(
    ("line", "command", "args"),
    [
        ("python train.py --lr 1", "python train.py", "--lr 1"),
        ("/usr/bin/python3 -u -X dev train.py -m x", "/usr/bin/python3 -u -X dev train.py", "-m x"),
        ("python -m ours.train --lr 1", "python -m ours.train", "--lr 1"),
        ("python -um ours.train a", "python -um ours.train", "a"),
        ("python -c print(1) a", "python -c print(1)", "a"),
        ("torchrun --nproc-per-node 2 train.py a", "torchrun --nproc-per-node 2 train.py", "a"),
        ("accelerate launch -m ours a", "accelerate launch -m ours", "a"),
        ("bash -e run.sh a", "bash -e run.sh", "a"),
        ("bash -c ls a", "bash -c ls", "a"),
        ("./run.sh a", "./run.sh", "a"),
        ("make train", "make", "train"),
        ("env -u X A=1 python -m ours a", "env -u X A=1 python -m ours", "a"),
        ("uv run train.py --lr 1", "uv run train.py", "--lr 1"),
        ("nice -n 5 torchrun train.py a", "nice -n 5 torchrun train.py", "a"),
        ("env A=1 make train", "env", "A=1 make train"),
        ("python", "python", ""),
    ],
)
def test_a_command_line_is_taken_to_pieces_at_its_script(line: str, command: str, args: str) -> None:
    found = commands.parts(line.split())
    assert (" ".join(found.command), " ".join(found.args)) == (command, args)


def test_scripts_of_shells_say_what_they_start(tmp_path: Path) -> None:
    write(
        tmp_path,
        run_sh="torchrun train.py\n",
        two_sh='#!/bin/bash\npython "train.py"\n',
        three_sh="echo\n",
        train_py="import torch",
    )
    (tmp_path / "three.sh").chmod(0o755)
    found = {name: read(tmp_path, name).facts for name in ("run.sh", "two.sh", "three.sh")}
    assert [one.command for one in found.values()] == [("sh", "run.sh"), ("bash", "two.sh"), ("sh", "three.sh")]
    assert [one.distributed for one in found.values()] == ["torchrun", "torch", ""]
    (tmp_path / "two.sh").chmod(0o755)
    assert read(tmp_path, "two.sh").facts.command == ("./two.sh",)


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (("trian.py",), NotFound, "did you mean train.py?"),
        (("sub/train.py",), NotFound, "there is no folder sub"),
        (("python", "train.py"), NotFound, "kfrun run -- python train.py"),
        (("hello",), NotFound, "kfrun rerun hello runs a stored job again"),
        (("folder",), Refused, "name a script in it"),
        (("model.bin",), Refused, "kfrun run -- PROGRAM model.bin"),
        (("work.ipynb",), Refused, "jupyter nbconvert"),
        ((), UsageProblem, "kfrun run train.py"),
        (("train.py", "\udcff"), UsageProblem, "rename the file"),
        (("a\0b",), UsageProblem, "rename the file"),
    ],
)
def test_what_cannot_be_run_is_told_with_the_way_out(
    tmp_path: Path, words: tuple[str, ...], error: type, hint: str
) -> None:
    write(tmp_path, train_py="", model_bin="\0", work_ipynb="{}", folder__x_py="")
    import os

    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        with pytest.raises(error) as refusal:
            read(tmp_path, *words)
    finally:
        os.chdir(before)
    assert hint in refusal.value.hint


def test_packages_that_nothing_names_are_told_where_an_environment_is_built(tmp_path: Path) -> None:
    write(
        tmp_path,
        train_py="import os\nimport torch, sympy\nimport helper\nimport numpy\nfrom tqdm import tqdm\n",
        helper_py="",
    )
    (warning,) = read(tmp_path, "train.py").warnings
    assert (warning.code, str(warning.position), warning.excerpt) == ("KF129", "train.py:4:1", "import numpy")
    assert warning.message.startswith("numpy, tqdm are imported, and no file beside the script names packages")
    assert read(tmp_path, "train.py", requirements=("none",)).warnings == ()
    write(tmp_path, requirements_txt="")
    assert read(tmp_path, "train.py").warnings == ()


def test_folders_with_a_main_module_links_and_texts_of_shells_are_read(tmp_path: Path) -> None:
    write(tmp_path, tool____main_____py="", real__train_py="import net\n", real__net_py="import torch\n")
    (tmp_path / "tool").mkdir(exist_ok=True)
    (tmp_path / "tool" / "__main__.py").write_text("import torch\n")
    (tmp_path / "train.py").symlink_to("real/train.py")
    found = read(tmp_path, "tool", "a").facts
    assert (found.command, found.args, found.distributed, found.title) == (("python", "tool"), ("a",), "torch", "tool")
    assert read(tmp_path, "train.py").facts.distributed == "torch"
    assert read(tmp_path, "bash", "-c", "torchrun train.py", is_command=True).facts.distributed == "torchrun"
    assert read(tmp_path, "python", "-c", "import torch", is_command=True).facts.distributed == "torch"


def test_a_module_that_is_not_there_is_refused_unless_a_command_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no module nothing"):
        read(tmp_path, "nothing", is_module=True)
    assert read(tmp_path, "python", "-m", "nothing", is_command=True).facts.command == ("python", "-m", "nothing")


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("train.py", "", filekinds.PYTHON),
        ("<stdin>", "import torch\n", filekinds.PYTHON),
        ("train", "#!/usr/bin/env -S python3 -u\n", filekinds.PYTHON),
        ("run", "#!/bin/sh\n", filekinds.SHELL),
        ("x", "#!/usr/bin/perl\n", filekinds.SCRIPT),
        ("x.ipynb", "{}", filekinds.NOTEBOOK),
        ("<stdin>", '{"cells": []}', filekinds.NOTEBOOK),
        ("x.txt", "numpy==2\n", filekinds.PACKAGES),
        ("x", "kind: TrainJob\nimport torch\n", ""),
        ("x.yaml", "import torch\n", ""),
        ("<stdin>", "steps:\n  do:\n--- x\n1F\nnumpy==2\n", ""),
        ("x", "hello\n", ""),
    ],
)
def test_files_that_are_no_manifests_are_told_apart(name: str, text: str, kind: str) -> None:
    assert filekinds.of_text(name, text) == kind


def test_reading_ends_also_in_a_folder_of_very_many_modules(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(400)]
    write(tmp_path, train_py="".join(f"import {name}\n" for name in names))
    for name in names:
        (tmp_path / f"{name}.py").write_text("import train, numpy\n")
    found = imports.of(
        imports.tree((tmp_path / "train.py").read_text(), "train.py"), str(tmp_path / "train.py"), [str(tmp_path)]
    )
    assert set(found.names) == {"numpy"}
