"""What every benchmark is given: the program, the peer, how often, how large. Called by `tests.bench.__main__`."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.peer import Peer
    from tests.bench.program import Program


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; what is short is taken ``often`` times as often, what rests is left ``idle`` seconds."""

    jobs: int = 50
    lines: int = 1_000_000
    peer_lines: int = 50_000
    stored: int = 1_000
    nodes: int = 12
    large: int = 1_000
    documents: int = 1_000
    megabytes: int = 100
    often: int = 10
    idle: int = 12


TINY = Sizes(
    jobs=2, lines=2_000, peer_lines=1_000, stored=5, nodes=2, large=3, documents=10, megabytes=1, often=1, idle=0
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One call of the benchmarks.

    Attributes:
        runs: how often each thing is measured.
        peer: None to measure kfrun alone.
        peer_runs: how often the peer's slow things (a minute and more) are measured.
        kubeconform: the peer of validation; None to measure kfrun alone.
        torch: measure the peer with torch too, which installs it anew for every run.
    """

    program: Program
    peer: Peer | None = None
    runs: int = 5
    peer_runs: int = 5
    kubeconform: Path | None = None
    torch: bool = False
    sizes: Sizes = field(default_factory=Sizes)

    def interleaved(
        self, samples: dict[str, Callable[[], float]], *, at_most: dict[str, int] | None = None, often: bool = False
    ) -> dict[str, tuple[float, ...]]:
        """Take the samples in turns, so that whatever disturbs the machine disturbs all of them.

        ``at_most`` bounds how often one of them is taken, ``often`` is for those that are short.
        """
        limits, turns = at_most or {}, self.runs * (self.sizes.often if often else 1)
        taken: dict[str, list[float]] = {name: [] for name in samples}
        for turn in range(turns):
            for name, sample in samples.items():
                if turn < limits.get(name, turns):
                    taken[name].append(sample())
        return {name: tuple(values) for name, values in taken.items()}


def first_stamp(command: Sequence[str | Path], env: dict[str, str]) -> float:
    """Seconds from before a process is started until the time that it prints."""
    started = time.time()
    done = subprocess.run(
        list(map(os.fspath, command)), env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[0]) - started
