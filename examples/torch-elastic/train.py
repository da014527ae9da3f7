"""Handwritten digits, learnt by processes that may die: every epoch is kept, and who comes back begins there."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel

EPOCHS, BATCH = 10, 64
DIES_AFTER = int(os.environ.get("DIES_AFTER", "0"))
CHECKPOINT = Path("output", "checkpoint.pt")


def save(epoch: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write it whole or not at all: whoever is killed now must not leave half a checkpoint."""
    CHECKPOINT.parent.mkdir(exist_ok=True)
    draft = CHECKPOINT.with_suffix(".draft")
    torch.save({"epoch": epoch, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, draft)
    draft.replace(CHECKPOINT)


def resume(network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The epoch that the checkpoint was written after; 0 without one."""
    if not CHECKPOINT.exists():
        return 0
    saved = torch.load(CHECKPOINT, weights_only=True)
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["epoch"]


def train_epoch(epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """One pass over all images, each batch shared by the processes; the mean loss of all."""
    images, digits = load_digits(return_X_y=True)
    images, digits = torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(digits)
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(epoch))
    losses = []
    for batch in order[: len(order) // BATCH * BATCH].split(BATCH):
        mine = batch[dist.get_rank() :: dist.get_world_size()]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[mine]), digits[mine])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    mean = torch.stack(losses).mean()
    dist.all_reduce(mean)
    return mean.item() / dist.get_world_size()


def train_together() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    first = resume(network, optimizer) + 1
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"rank {rank} of {world} begins with epoch {first}\n", end="", flush=True)
    model = DistributedDataParallel(network)
    for epoch in range(first, EPOCHS + 1):
        loss = train_epoch(epoch, model, optimizer)
        if rank == 0:
            save(epoch, network, optimizer)
            print(f"epoch {epoch:2d}  loss {loss:.5f}", flush=True)
        # Nobody goes on before the epoch is kept: it is not learnt, and nobody dies after it, a second time.
        dist.barrier()
        if rank == 1 and epoch == DIES_AFTER:
            print(f"rank 1 dies after epoch {epoch}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    dist.init_process_group("gloo")
    # In a function of its own: what holds the group must be gone before the group is.
    train_together()
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
    # Threads of PyTorch may still run when Python takes itself apart, and abort the process.
    sys.stdout.flush()
    os._exit(0)
