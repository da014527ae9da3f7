"""What the Trainer's webhook says of torchtune jobs: their command is exactly ``tune run``.

Upstream: the torchtune part of the Torch plugin's Validate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.admission import quantity
from kfrun.validate.admission.causes import Cause, Node, Place, invalid, node, number, values

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND: Final = ["tune", "run"]
MODELS: Final = ("llama3_2/1B", "llama3_2/3B", "llama3_3/70B", "qwen2_5/1.5B")
MANAGED: Final = ("output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file")
_MULTI_NODE: Final = "llama3_3/70B"
_WITHOUT_QLORA: Final = "qwen2_5/1.5B"
_SMALL: Final = ("llama3_2/1B", "llama3_2/3B")
_SPEC: Final = Place() / "spec"
_TRAINER: Final = _SPEC / "trainer"
_RUNTIME: Final = _SPEC / "runtimeRef" / "name"
_ONE_NODE: Final = "write numNodes: 1, or leave it out"
_NAMED: Final = "name the runtime as torchtune-llama3.2-1b: the model's name follows from it"


def check(runtime_name: str, trainer: Node, resources: Node) -> Iterator[Cause]:
    """The causes of a TrainJob that runs torchtune.

    Args:
        runtime_name: of runtimeRef; it says which model is trained.
        trainer: ``spec.trainer``.
        resources: those of a node, the TrainJob's merged into the runtime's.
    """
    if values(trainer, "command") != COMMAND:
        return
    name = model(runtime_name)
    if name not in MODELS:
        yield invalid(_RUNTIME, runtime_name, f"torchtune trains these models: {', '.join(MODELS)}", _NAMED)
    count = number(trainer, "numNodes")
    nodes = 1 if count is None else count
    if nodes > 1 and name != _MULTI_NODE:
        yield invalid(_TRAINER / "numNodes", nodes, f"{name or 'this model'} is trained on 1 node", _ONE_NODE)
    yield from _adapters(name, nodes, trainer, resources, runtime_name)
    for index, arg in enumerate(values(trainer, "args")):
        if str(arg).partition("=")[0] in MANAGED:
            yield invalid((_TRAINER / "args").item(index), arg, "the runtime decides this setting", "remove it")


def _adapters(name: str, nodes: int, trainer: Node, resources: Node, runtime_name: str) -> Iterator[Cause]:
    qlora, lora = variants([str(one) for one in values(trainer, "args")])
    if nodes > 1 and (qlora or lora):
        yield invalid(_TRAINER / "numNodes", nodes, "LoRA and QLoRA run on 1 node", _ONE_NODE)
    if nodes != 1 or not qlora:
        return
    if name == _WITHOUT_QLORA:
        yield invalid(_RUNTIME, runtime_name, f"there is no QLoRA for {name}", "remove model.quantize_base from args")
    processes = str(trainer.get("numProcPerNode", "auto"))
    if name in _SMALL and processes != "1" and gpus(resources) != 1:
        yield invalid(_TRAINER / "numProcPerNode", processes, f"QLoRA of {name} needs 1, or one GPU a node", "write 1")
        yield invalid(
            _TRAINER / "resourcesPerNode",
            resources,
            f"QLoRA of {name} needs one GPU a node",
            "ask for nvidia.com/gpu: 1",
        )


def model(runtime_name: str) -> str:
    """The model of a runtime (``torchtune-llama3.2-1b``) in torchtune's words, empty for a name of another form."""
    parts = runtime_name.split("-")
    return f"{parts[1].replace('.', '_')}/{parts[2].upper()}" if len(parts) == 3 else ""


def variants(args: list[str]) -> tuple[bool, bool]:
    """Whether the arguments ask for QLoRA and for LoRA; DoRA beats QLoRA."""
    qlora = _is_on(args, "model.quantize_base") and not _is_on(args, "model.use_dora")
    return qlora, any("model.lora_attn_modules" in one for one in args)


def _is_on(args: list[str], setting: str) -> bool:
    """Whether one of the arguments sets ``setting`` to true."""
    pairs = (one.partition("=") for one in args)
    return any(equals and setting in key and value.strip().lower() == "true" for key, equals, value in pairs)


def gpus(resources: Node) -> int:
    """GPUs of a node, by any resource with "gpu" in its name; requests before limits."""
    for part in ("requests", "limits"):
        amounts: dict[str, Any] = node(resources, part)
        name = next((one for one in amounts if "gpu" in one.lower()), None)
        if name is not None and (count := quantity.ceiling(str(amounts[name]))) > 0:
            return count
    return 0
