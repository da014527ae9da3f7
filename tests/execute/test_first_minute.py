"""A stranger's path: a script of their own, no manifest, and few commands from the first run to the checkpoint."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually
from tests.execute.environments.environment_setup import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

TRAIN = '''\
"""Trains a little model of the data beside it."""
import argparse
import json
import os
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


def test_from_a_script_to_its_checkpoint_in_a_minute_without_a_line_of_yaml(stranger: Kfrun) -> None:
    typed: list[tuple[str, ...]] = []
    checkpoint = stranger.folder / "checkpoints" / "last.json"

    def kfrun(*words: str) -> str:
        typed.append(words)
        return stranger.ok(*words)

    def saved() -> dict[str, object]:
        found: dict[str, object] = json.loads(checkpoint.read_text())
        return found

    started = time.monotonic()
    assert kfrun("run", "train.py", "--epochs", "2").splitlines()[-1] == "epoch 1 weight 0.5550"
    assert saved() == {"epoch": 1, "weight": 0.555, "lr": 0.1, "package": "1.0"}
    assert "epoch 2" in kfrun("rerun", "my-churn", "--", "--epochs", "3", "--lr", "0.2")
    assert saved()["lr"] == 0.2
    checkpoint.unlink()
    kfrun("rerun", "-d", "my-churn", "--", "--epochs", "100000")
    eventually(checkpoint.exists, what="it trains in the background")
    kfrun("stop", "my-churn")
    assert "Cancelled" in kfrun("get", "trainjobs")
    assert saved()["package"] == "1.0"
    assert time.monotonic() - started < SECONDS
    assert len(typed) <= COMMANDS
    assert yaml_files(stranger.folder) == []


def yaml_files(folder: Path) -> list[str]:
    """What somebody would have had to write."""
    return [path.name for path in folder.rglob("*") if path.suffix in (".yaml", ".yml")]
