"""Deleting a job of many nodes whose processes end when they are told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.figures import Figure
from tests.bench.program import Program, manifest, until

if TYPE_CHECKING:
    from tests.bench.setting import Setting


def delete(setting: Setting) -> list[Figure]:
    """``kfrun delete`` of a running job, until nothing of it is left."""
    program, nodes = setting.program, setting.sizes.nodes
    taken = setting.interleaved({"kfrun": lambda: _sample(program, nodes)}, often=True)
    note = (
        "The nodes run `sleep`, which ends on SIGTERM; `kfrun delete` returns when processes and logs are gone. The "
        "peer has no jobs of several nodes as processes, and its delete does not stop what is running."
    )
    return [Figure(f"`kfrun delete` of a running job of {nodes} nodes", "s", goal=1.0, note=note, **taken)]


def _sample(program: Program, nodes: int) -> float:
    name = program.name("nodes")
    path = program.write(f"{name}.yaml", manifest(name, ["sleep", "600"], nodes=nodes))
    program("apply", "-q", "-f", path)
    until(lambda: program.running() == nodes, 60, f"{nodes} nodes run")
    return program.seconds("delete", "trainjob", name)
