"""The four steps of a job, each a process of its own: what one leaves in /workspace is all that the next one has."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

WORKSPACE = Path("/workspace")
RAW, PREPARED, MODEL = WORKSPACE / "raw.csv", WORKSPACE / "prepared.json", WORKSPACE / "model.json"
LIMIT = 0.2
"""The mean squared error that a good model stays below; the readings' noise alone makes 0.09."""


def dataset() -> None:
    """Readings of a sensor, some of which are missing."""
    noise = random.Random(0)
    with RAW.open("w", newline="") as file:
        writer = csv.writer(file)
        for number in range(1000):
            x = number / 100
            writer.writerow([x, "" if number % 10 == 3 else 3 * x - 2 + noise.gauss(0, 0.3)])
    print(f"1000 readings in {RAW}")


def preprocess() -> None:
    """Without what is missing, scaled to 0 … 1, and every fifth kept for the evaluation."""
    with RAW.open(newline="") as file:
        points = [(float(x) / 10, float(y)) for x, y in csv.reader(file) if y]
    parts = {"test": points[::5], "train": [point for number, point in enumerate(points) if number % 5]}
    PREPARED.write_text(json.dumps(parts))
    print(f"{len(points)} of them are whole: {len(parts['train'])} to train on, {len(parts['test'])} to test on")


def train() -> None:
    """A line, by gradient descent."""
    points = json.loads(PREPARED.read_text())["train"]
    slope = offset = 0.0
    for _ in range(500):
        errors = [(slope * x + offset - y, x) for x, y in points]
        slope -= sum(error * x for error, x in errors) / len(points)
        offset -= sum(error for error, _ in errors) / len(points)
    MODEL.write_text(json.dumps({"slope": slope, "offset": offset}))
    print(f"learnt y = {slope / 10:.2f}x {offset:+.2f}")


def evaluate() -> None:
    """The job fails when the model is no good."""
    model, points = json.loads(MODEL.read_text()), json.loads(PREPARED.read_text())["test"]
    error = sum((model["slope"] * x + model["offset"] - y) ** 2 for x, y in points) / len(points)
    print(f"mean squared error on what it has not seen: {error:.4f}")
    if error > LIMIT:
        sys.exit(f"that is more than {LIMIT}")


if __name__ == "__main__":
    {step.__name__: step for step in (dataset, preprocess, train, evaluate)}[sys.argv[1]]()
