"""A stranger's path: a script of their own, no manifest, and few commands from the first run to the checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import uv

from tests.conftest import eventually
from tests.execute.environments.environment_setup import make_wheel
from tests.test_packaging import ROOT, build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

TRAIN = '''\
"""Trains a little model of the data beside it."""
import argparse
import json
import os
import subprocess
import sys
import time

import tinypkg

import model

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--data", default="data/points.json")
arguments = parser.parse_args()
with open(arguments.data) as file:
    points = json.load(file)
os.makedirs("checkpoints", exist_ok=True)
weight = 0.0
for epoch in range(arguments.epochs):
    weight = model.step(weight, points, arguments.lr)
    with open("checkpoints/part", "w") as file:
        json.dump({"epoch": epoch, "weight": weight, "lr": arguments.lr, "package": tinypkg.VERSION}, file)
    os.replace("checkpoints/part", "checkpoints/last.json")
    print(f"epoch {epoch} weight {weight:.4f}", flush=True)
    if arguments.epochs > 100:
        time.sleep(0.05)
'''
MODEL = "def step(weight, points, lr):\n    return weight - lr * sum(weight * x - y for x, y in points) / len(points)\n"
COMMANDS, SECONDS = 5, 60


@pytest.fixture
def stranger(kfrun: Kfrun) -> Kfrun:
    """Somebody's folder, with a blank in its name, and an index of packages that is a folder."""
    wheels = kfrun.folder / "wheels"
    make_wheel(wheels, "tinypkg", "1.0")
    kfrun.folder /= "my churn"
    (kfrun.folder / "data").mkdir(parents=True)
    for name, text in (("train.py", TRAIN), ("model.py", MODEL), ("requirements.txt", "tinypkg>=1  # ours\n"),
                       ("data/points.json", "[[1, 2], [2, 4]]")):  # fmt: skip
        kfrun.write(name, text)
    kfrun.env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.as_uri()}
    kfrun.env["UV_CACHE_DIR"] = str(kfrun.home / "uv")
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "PIP_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        kfrun.env.pop(name, None)
    return kfrun


@pytest.fixture
def environ(stranger: Kfrun, tmp_path: Path) -> dict[str, str]:
    """An environment of the stranger's own, without kfrun, and a folder with what `pip install kfrun` would find."""
    build(ROOT, "wheel", tmp_path / "dist")
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    kept = {name: value for name, value in stranger.env.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    return {**kept, "PATH": f"{tmp_path / 'venv' / 'bin'}:{kept['PATH']}", "VIRTUAL_ENV": str(tmp_path / "venv")}


def test_from_nothing_to_a_checkpoint_in_a_minute_without_a_line_of_yaml(
    stranger: Kfrun, environ: dict[str, str], tmp_path: Path
) -> None:
    typed: list[str] = []
    checkpoint = stranger.folder / "checkpoints" / "last.json"

    def shell(line: str, **more: str) -> str:
        typed.append(line)
        done = subprocess.run(
            line, shell=True, cwd=stranger.folder, env={**environ, **more}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def saved() -> dict[str, object]:
        found: dict[str, object] = json.loads(checkpoint.read_text())
        return found

    started = time.monotonic()
    (wheel,) = (tmp_path / "dist").iterdir()
    # kfrun's own packages come from where this machine has them, the stranger's from their index alone
    shell(f"env -u UV_CACHE_DIR {uv.find_uv_bin()} pip install --quiet '{wheel}'")
    assert shell("kfrun run train.py --epochs 2").splitlines()[-1] == "epoch 1 weight 0.5550"
    assert saved() == {"epoch": 1, "weight": 0.555, "lr": 0.1, "package": "1.0"}
    checkpoint.unlink()
    shell("kfrun rerun -d my-churn -- --epochs 100000 --lr 0.2")
    eventually(checkpoint.exists, what="it trains in the background")
    shell("kfrun stop my-churn")
    assert saved()["lr"] == 0.2
    assert "Cancelled" in shell("kfrun get")
    assert time.monotonic() - started < SECONDS
    assert len(typed) <= COMMANDS
    assert yaml_files(stranger.folder) == []


def yaml_files(folder: Path) -> list[str]:
    """What somebody would have had to write."""
    return [path.name for path in folder.rglob("*") if path.suffix in (".yaml", ".yml")]
