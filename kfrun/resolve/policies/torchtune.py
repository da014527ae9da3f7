"""torchtune: which recipe and configuration ``tune run`` gets.

The TrainJob says only ``command: [tune, run]``; model, recipe and configuration follow from the runtime's name, the
counts and the arguments; what is not allowed is `kfrun.validate.admission.torchtune`'s business. Source: upstream's
Torch plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple
from kfrun.resolve.podsets import NODE, PORT, TRAINER, ancestor, counting_resources, pod_spec
from kfrun.resolve.policies import counts
from kfrun.validate.admission.torchtune import COMMAND, MANAGED, model, variants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.resolve.podsets import Build

    Node = dict[str, Any]

_LORA: Final = "lora_finetune"
_FULL: Final = "full_finetune"


class RecipeChoice(NamedTuple):
    """A recipe and its configuration."""

    recipe: str
    config: str


def is_used(build: Build) -> bool:
    """Whether the TrainJob asks for torchtune: its command is exactly ``tune run``."""
    return (build.trainer or {}).get("command") == COMMAND


def command(build: Build, count: int, processes: str) -> list[str]:
    """The whole command of the trainer.

    Args:
        build: a TrainJob for which `is_used` holds.
        count: of the trainer's pods.
        processes: per node, a number or ``auto``.
    """
    gpus = counts.gpus(counting_resources(build))
    args = (build.trainer or {}).get("args", ())
    chosen = choose(model(_runtime_name(build)), args, count=count, processes=processes, gpus=gpus)
    several = gpus > 1 if processes == counts.AUTO else int(processes) > 1
    rendezvous = [f"--rdzv_endpoint={build.rank_zero}:{PORT}"] if count > 1 or several else []
    kept = [item for item in _runtime_command(build) if item.partition("=")[0] in MANAGED]
    return [*COMMAND, *rendezvous, chosen.recipe, "--config", chosen.config, *kept]


def choose(model_name: str, args: Iterable[str], *, count: int, processes: str, gpus: int) -> RecipeChoice:
    """Recipe and configuration for a model.

    Args:
        model_name: as `model` gives it.
        args: of the TrainJob; they tell LoRA and QLoRA.
        count: nodes.
        processes: per node, a number or ``auto``.
        gpus: per node.
    """
    qlora, lora = variants(list(args))
    one_device = count == 1 and (processes == "1" or gpus == 1)
    if count == 1 and (qlora or lora):
        adapter = "qlora" if qlora else "lora"
        kind, suffix = _LORA, f"{adapter}_single_device" if one_device else adapter
    elif one_device:
        kind, suffix = _FULL, "full_single_device"
    else:
        kind, suffix = _FULL, "full_multinode" if count > 1 else "full"
    return RecipeChoice(f"{kind}_{'single_device' if one_device else 'distributed'}", f"{model_name}_{suffix}")


def _runtime_name(build: Build) -> str:
    name: str = build.job.get("runtimeRef", {}).get("name", "")
    return name


def _runtime_command(build: Build) -> list[str]:
    for replicated_job in build.replicated_jobs:
        if ancestor(replicated_job) == TRAINER:
            containers = pod_spec(replicated_job).get("containers", [])
            found: list[str] = next((item.get("command", []) for item in containers if item["name"] == NODE), [])
            return found
    return []
