"""A network that learns a wave, with DeepSpeed: each rank keeps a part of the optimizer's state."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import deepspeed
import torch
import torch.distributed as dist
from mpi4py import MPI
from torch import nn

STEPS, BATCH, POINTS = 120, 64, 1024
WEIGHTS = Path("output", "weights.pt")


def main() -> None:
    # finds rank and size with mpi4py
    deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=True, verbose=False)
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    x = torch.rand(POINTS, 1) * 2 - 1
    y = torch.sin(3 * x)
    network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    config = {
        "train_batch_size": BATCH,
        "zero_optimization": {"stage": 1},
        "zero_allow_untested_optimizer": True,
    }
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9)
    engine, _, _, _ = deepspeed.initialize(model=network, optimizer=optimizer, config=config)
    print(f"rank {rank} of {world}: {BATCH // world} points a step\n", end="", flush=True)
    for number in range(1, STEPS + 1):
        chosen = torch.randperm(POINTS, generator=torch.Generator().manual_seed(number))[:BATCH][rank::world]
        loss = nn.functional.mse_loss(engine(x[chosen]), y[chosen])
        engine.backward(loss)
        engine.step()
        if number % 40 == 0:
            mean = loss.detach().clone()
            dist.all_reduce(mean)
            if rank == 0:
                print(f"step {number}  loss {mean.item() / world:.6f}", flush=True)
    if rank == 0:
        WEIGHTS.parent.mkdir(exist_ok=True)
        torch.save(network.state_dict(), WEIGHTS)
        print(f"weights saved to {WEIGHTS}")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
    # Threads of PyTorch may still run when Python takes itself apart, and abort the process; mpirun wants a farewell.
    MPI.Finalize()
    sys.stdout.flush()
    os._exit(0)
