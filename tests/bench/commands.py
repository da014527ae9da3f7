"""Whole commands, from before the process starts until it has ended, as a user waits for them."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from tests.bench import installations
from tests.bench.figures import Figure
from tests.bench.program import Program, manifest, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.setting import Setting

_LIKE_THE_PEER = ("--version", "get")
_EXAMPLE = installations.ROOT / "examples" / "quickstart" / "job.yaml"


def commands(setting: Setting) -> list[Figure]:
    """Commands that look."""
    program, stored = setting.program, setting.sizes.stored
    name = _fill(program, stored)
    cases: dict[str, tuple[float | None, tuple[str, ...]]] = {
        "`kfrun --version`": (25.0, ("--version",)),
        f"`kfrun get trainjobs`, {stored:,} stored": (120.0, ("get", "trainjobs")),
        f"`kfrun get trainjobs -o wide`, {stored:,} stored": (None, ("get", "trainjobs", "-o", "wide")),
        f"`kfrun get trainjob NAME`, {stored:,} stored": (None, ("get", "trainjob", name)),
        "`kfrun validate` of one file": (60.0, ("validate", "--no-cache", "-f", str(_EXAMPLE))),
        "`kfrun plan` of one file": (None, ("plan", "-f", str(_EXAMPLE))),
        "`kfrun logs` of a small job": (None, ("logs", name)),
        "`kfrun --help`": (None, ("--help",)),
    }
    samples: dict[str, Callable[[], float]] = {
        title: lambda line=line: program.seconds(*line) * 1000 for title, (_, line) in cases.items()
    }
    samples["python"] = lambda: _empty_python(program)
    if setting.peer is not None:
        peer = setting.peer
        samples["peer"] = lambda: peer("importing")["seconds"] * 1000
    for sample in samples.values():
        sample()
    taken = setting.interleaved(samples, at_most={"peer": setting.runs}, often=True)
    note = (
        f"Wall time of the process, {len(taken['python'])} runs. Directly: `python -c pass`, how quiet the machine is. "
        "The peer has no commands: what is shown is the import of its client, with which every script that looks at a "
        "job begins."
    )
    return [
        Figure(
            title, "ms", taken[title], goal=goal, directly=taken["python"],
            peer=taken.get("peer", ()) if line[0] in _LIKE_THE_PEER else (), peer_note="(import)", note=note,
        )
        for title, (goal, line) in cases.items()
    ]  # fmt: skip


def _empty_python(program: Program) -> float:
    started = time.perf_counter()
    subprocess.run([installations.job_python(), "-c", "pass"], env=program.env, check=True)
    return (time.perf_counter() - started) * 1000


def _fill(program: Program, count: int) -> str:
    """Run one job to its end, and store it under ``count`` names; returns its own."""
    name = program.name("model")
    path = program.write(f"{name}.yaml", manifest(name, ["python3", "-c", "print('done')"]))
    program("apply", "-q", "-f", path)
    program("wait", name)
    until(lambda: not program.supervisors(), 30, "its supervisor leaves")
    with program.store() as store:
        store.multiply(name, count)
    return name
