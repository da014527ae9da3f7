"""How many processes a node runs: GPUs and CPUs of its resources.

Source: upstream's helpers on ResourceRequirements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.resolve.podsets import counting_resources
from kfrun.validate.admission import quantity
from kfrun.validate.admission.torchtune import gpus

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build

    Node = dict[str, Any]

__all__ = ["AUTO", "cpus", "gpus", "processes"]

AUTO = "auto"
"""torchrun counts the GPUs itself."""


def cpus(resources: Node) -> int:
    """How many CPUs ``resources`` ask for, rounded up, requests before limits; 0 when they do not say."""
    requested = quantity.ceiling(resources.get("requests", {}).get("cpu", ""))
    return requested or quantity.ceiling(resources.get("limits", {}).get("cpu", ""))


def processes(build: Build) -> str:
    """Processes per node: as asked, else ``auto`` where there are GPUs, else one per CPU."""
    asked = (build.trainer or {}).get("numProcPerNode")
    if asked is not None:
        return str(asked)
    resources = counting_resources(build)
    return AUTO if gpus(resources) > 0 else str(max(1, cpus(resources)))
