"""Each node fits a line to data of its own. That of node 1 holds one broken reading, so its loss goes to infinity."""

from __future__ import annotations

import math
import os
import random
import sys
import time

NODE = int(os.environ["JOB_COMPLETION_INDEX"])
LEARNING_RATE = 0.005
BROKEN = 23.7
"""Far from all others, which lie between 0 and 1: each pass throws the line a little further off."""
LONGEST = 120.0
"""Seconds; node 0 would train so long if nobody stopped it."""
DIVERGED = 3
"""The exit code for a loss that is not a number any more."""


def readings() -> list[tuple[float, float]]:
    """Points around y = 2x + 1."""
    noise = random.Random(NODE)
    points = [(x / 1000, 2 * x / 1000 + 1 + noise.gauss(0, 0.1)) for x in range(1000)]
    if NODE == 1:
        points[420] = (BROKEN, points[420][1])
    return points


def epoch(points: list[tuple[float, float]], slope: float, offset: float) -> tuple[float, float, float]:
    """One pass of gradient descent; returns the new line and the mean squared error."""
    squares = 0.0
    for x, y in points:
        error = slope * x + offset - y
        squares += error * error
        slope -= LEARNING_RATE * error * x
        offset -= LEARNING_RATE * error
    return slope, offset, squares / len(points)


def main() -> int:
    """Train until the time is up or the loss is lost."""
    points, slope, offset = readings(), 0.0, 0.0
    end, number = time.monotonic() + LONGEST, 0
    while time.monotonic() < end:
        number += 1
        slope, offset, loss = epoch(points, slope, offset)
        if number <= 5 or number % 5000 == 0:
            print(f"node {NODE}: epoch {number}  loss {loss:.4g}")
        if not math.isfinite(loss):
            print(f"node {NODE}: the loss is lost after {number} epochs, look at the data", file=sys.stderr)
            return DIVERGED
    print(f"node {NODE}: finished with y = {slope:.2f}x + {offset:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
