"""Points of two rings told apart by a small network in JAX; every process holds its share of the points."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

STEPS, RATE, POINTS, HIDDEN = 300, 0.5, 1024, 32
WEIGHTS = Path("output", "weights.json")


def join() -> None:
    """Become one of several processes, as the jax policy says; alone without it."""
    if int(os.environ.get("JAX_NUM_PROCESSES", "1")) > 1:
        jax.distributed.initialize(
            os.environ["JAX_COORDINATOR_ADDRESS"],
            int(os.environ["JAX_NUM_PROCESSES"]),
            int(os.environ["JAX_PROCESS_ID"]),
        )


def rings() -> tuple[np.ndarray, np.ndarray]:
    """Points around the origin, and whether they lie in the outer ring; the same in every process."""
    random = np.random.default_rng(0)
    outer = np.arange(POINTS) % 2
    angle, radius = random.uniform(0, 2 * np.pi, POINTS), 0.5 + outer + random.normal(0, 0.15, POINTS)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype(np.float32), outer.astype(np.float32)


def loss(weights: dict[str, jax.Array], points: jax.Array, outer: jax.Array) -> jax.Array:
    """The mean cross entropy over all points, wherever they are."""
    hidden = jnp.tanh(points @ weights["in"] + weights["bias"])
    score = hidden @ weights["out"]
    return jnp.mean(jnp.logaddexp(0.0, score) - outer * score)


@jax.jit
def step(weights: dict[str, jax.Array], points: jax.Array, outer: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
    """One step down the gradient, which JAX adds up over the processes."""
    value, gradient = jax.value_and_grad(loss)(weights, points, outer)
    return jax.tree.map(lambda weight, slope: weight - RATE * slope, weights, gradient), value


def main() -> None:
    join()
    me, processes = jax.process_index(), jax.process_count()
    mesh = Mesh(np.array(jax.devices()), ("points",))
    shared, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("points"))
    points, outer = rings()
    share = slice(me * POINTS // processes, (me + 1) * POINTS // processes)
    held = [jax.make_array_from_process_local_data(split, values[share]) for values in (points, outer)]
    print(f"process {me} of {processes}: {len(points[share])} of {held[0].shape[0]} points", flush=True)

    random = np.random.default_rng(1)
    start = {"in": random.normal(0, 1, (2, HIDDEN)), "bias": random.normal(0, 1, HIDDEN), "out": np.zeros(HIDDEN)}
    weights = {
        name: jax.make_array_from_process_local_data(shared, values.astype(np.float32))
        for name, values in start.items()
    }
    for number in range(1, STEPS + 1):
        weights, value = step(weights, *held)
        if me == 0 and number % 100 == 0:
            print(f"step {number}  loss {float(value):.5f}")
    if me == 0:
        WEIGHTS.parent.mkdir(exist_ok=True)
        WEIGHTS.write_text(json.dumps({name: np.asarray(values).tolist() for name, values in weights.items()}))
        print(f"weights saved to {WEIGHTS}")


if __name__ == "__main__":
    main()
