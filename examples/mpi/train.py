"""A line through many points, found by ranks that hold a share of them each and add up their gradients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from mpi4py import MPI

STEPS, RATE, POINTS = 200, 0.5, 4000
WEIGHTS = Path("output", "weights.json")


def points() -> tuple[np.ndarray, np.ndarray]:
    """Points around y = 2x + 1; the same in every rank."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, POINTS)
    return x, 2 * x + 1 + random.normal(0, 0.1, POINTS)


def main() -> None:
    world = MPI.COMM_WORLD
    rank, ranks = world.Get_rank(), world.Get_size()
    x, y = (values[rank::ranks] for values in points())
    # One write a line: several ranks share the log.
    print(f"rank {rank} of {ranks} on {MPI.Get_processor_name()}: {len(x)} of {POINTS} points\n", end="", flush=True)
    weights = np.zeros(2)
    for number in range(1, STEPS + 1):
        error = weights[0] * x + weights[1] - y
        sums = np.array([error @ x, error.sum(), error @ error])
        total = np.empty_like(sums)
        world.Allreduce(sums, total)
        weights -= RATE * total[:2] / POINTS
        if rank == 0 and number % 50 == 0:
            print(f"step {number}  loss {total[2] / POINTS:.6f}", flush=True)
    if rank == 0:
        WEIGHTS.parent.mkdir(exist_ok=True)
        WEIGHTS.write_text(json.dumps(weights.tolist()))
        print(f"y = {weights[0]:.4f}x + {weights[1]:.4f}, saved to {WEIGHTS}")


if __name__ == "__main__":
    main()
