"""Handwritten digits again, learnt by several processes at once: each sees its share of every epoch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset, random_split
from torch.utils.data.distributed import DistributedSampler

EPOCHS = int(os.environ.get("EPOCHS", "12"))
BATCH = 64
CHECKPOINT = Path("output", "checkpoint.pt")


def load_data() -> tuple[TensorDataset, TensorDataset]:
    """Four fifths to train on and the rest to test on, the same split in every process."""
    images, digits = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(digits))
    train, test = random_split(data, [0.8, 0.2], torch.Generator().manual_seed(0))
    return TensorDataset(*data[train.indices]), TensorDataset(*data[test.indices])


def total(*values: float) -> list[float]:
    """The sum of each value over all processes."""
    together = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(together)
    return together.tolist()


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    """One pass over this process's share; returns the mean loss over all of them."""
    loss_sum, count = 0.0, 0
    for images, digits in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), digits)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(digits)
        count += len(digits)
    loss_sum, count = total(loss_sum, count)
    return loss_sum / count


@torch.no_grad()
def measure(model: nn.Module, test: TensorDataset) -> float:
    """The share of right answers; each process looks at every so-many-th image."""
    images, digits = test[dist.get_rank() :: dist.get_world_size()]
    right, count = total((model(images).argmax(dim=1) == digits).sum().item(), len(digits))
    return right / count


def save(model: DistributedDataParallel) -> None:
    """Write the weights, whole or not at all: a process that is killed must not leave half a checkpoint."""
    CHECKPOINT.parent.mkdir(exist_ok=True)
    draft = CHECKPOINT.with_suffix(".draft")
    torch.save({"model": model.module.state_dict(), "epochs": EPOCHS}, draft)
    draft.replace(CHECKPOINT)


def main() -> None:
    """Join the others, train together, and leave together."""
    dist.init_process_group("gloo")
    # In a function of its own: what holds the group must be gone before the group is.
    train_together()
    dist.barrier()
    dist.destroy_process_group()


def train_together() -> None:
    """Train, and let rank 0 speak for all."""
    rank, world = dist.get_rank(), dist.get_world_size()
    node, local_rank = os.environ["GROUP_RANK"], os.environ["LOCAL_RANK"]
    (ranks,) = total(rank)
    # One write a line: several processes share the log.
    print(f"rank {rank} of {world}, local rank {local_rank} on node {node}: the ranks add up to {ranks:.0f}\n", end="")

    torch.manual_seed(0)
    train, test = load_data()
    sampler = DistributedSampler(train, seed=0)
    # the same images a step, however many processes share them
    loader = DataLoader(train, batch_size=BATCH // world, sampler=sampler, drop_last=True)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model = DistributedDataParallel(network)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(1, EPOCHS + 1):
        sampler.set_epoch(epoch)
        loss, accuracy = train_epoch(model, loader, optimizer), measure(model, test)
        if rank == 0:
            print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy:.4f}")
    if rank == 0:
        save(model)
        print(f"final accuracy: {accuracy:.4f}, saved to {CHECKPOINT}")


if __name__ == "__main__":
    main()
    # Threads of PyTorch may still run when Python takes itself apart, and abort the process: one run in ten.
    sys.stdout.flush()
    os._exit(0)
