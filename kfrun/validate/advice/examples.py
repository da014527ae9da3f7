"""Examples of fields, in their surroundings.

What people write is in `WRITTEN`; for any other field an example follows from its schema: the first allowed value, the
default, or a plain value of its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

_CONTAINER: Final = {"name": "node", "image": "docker.io/library/python:3.13-slim"}

WRITTEN: Final[dict[tuple[str, str], Any]] = {
    ("meta.v1.ObjectMeta", "name"): "mnist",
    ("meta.v1.ObjectMeta", "namespace"): "team-a",
    ("meta.v1.ObjectMeta", "labels"): {"team": "vision"},
    ("meta.v1.ObjectMeta", "annotations"): {"kfrun.dev/packages": "torch"},
    ("meta.v1.EmbeddedObjectMeta", "labels"): {"team": "vision"},
    ("meta.v1.EmbeddedObjectMeta", "annotations"): {"team": "vision"},
    ("trainer.RuntimeRef", "name"): "torch-distributed",
    ("trainer.Trainer", "image"): "docker.io/library/python:3.13-slim",
    ("trainer.Trainer", "command"): ["torchrun", "train.py"],
    ("trainer.Trainer", "args"): ["--epochs", "3"],
    ("trainer.Trainer", "env"): [{"name": "LR", "value": "0.1"}],
    ("trainer.Trainer", "numNodes"): 2,
    ("trainer.Trainer", "numProcPerNode"): 4,
    ("trainer.Trainer", "resourcesPerNode"): {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}},
    ("trainer.TrainJobSpec", "initializer"): {"dataset": {"storageUri": "hf://owner/dataset"}},
    ("trainer.DatasetInitializer", "storageUri"): "hf://owner/dataset",
    ("trainer.ModelInitializer", "storageUri"): "hf://owner/model",
    ("trainer.RuntimePatch", "manager"): "example.com/platform",
    ("trainer.TrainJobSpec", "activeDeadlineSeconds"): 3600,
    ("trainer.MLPolicy", "numNodes"): 2,
    ("trainer.TrainingRuntimeSpec", "mlPolicy"): {"numNodes": 2, "torch": {}},
    ("trainer.TrainingRuntimeSpec", "podGroupPolicy"): {"coscheduling": {"scheduleTimeoutSeconds": 120}},
    ("trainer.MLPolicy", "torch"): {},
    ("trainer.MLPolicy", "jax"): {},
    ("trainer.MLPolicy", "xgboost"): {},
    ("trainer.EnvInjectionTarget", "jobName"): "node",
    ("trainer.EnvInjectionTarget", "containerNames"): ["sidecar"],
    ("trainer.ContainerPatch", "name"): "node",
    ("trainer.ReplicatedJobPatch", "name"): "node",
    ("jobset.ReplicatedJob", "name"): "node",
    ("jobset.DependsOn", "name"): "dataset-initializer",
    ("core.v1.PodSpec", "containers"): [_CONTAINER],
    ("core.v1.Container", "name"): "node",
    ("core.v1.Container", "image"): _CONTAINER["image"],
    ("core.v1.ContainerPort", "containerPort"): 8080,
    ("core.v1.EnvVar", "name"): "LR",
    ("core.v1.EnvVar", "value"): "0.1",
    ("core.v1.ResourceRequirements", "limits"): {"cpu": "4", "memory": "16Gi"},
    ("core.v1.ResourceRequirements", "requests"): {"cpu": "4", "memory": "16Gi"},
    ("core.v1.VolumeMount", "name"): "data",
    ("core.v1.VolumeMount", "mountPath"): "/data",
    ("core.v1.Volume", "name"): "data",
    ("core.v1.PodSpec", "nodeSelector"): {"disk": "ssd"},
    ("trainer.PodSpecPatch", "nodeSelector"): {"disk": "ssd"},
}
"""(definition, field) -> a value as people write it."""

DEPTH: Final = 12
"""Required fields of required fields are filled in so deep."""


def example(root: schemas.Schema, path: FieldPath) -> Any:
    """The field at ``path`` with a value, inside of the fields that lead to it; None for the root."""
    return _nested(root, root, path, "") if path else None


def _nested(root: schemas.Schema, node: schemas.Schema, path: FieldPath, owner: str) -> Any:
    if not path:
        return _value(root, node, owner, DEPTH)
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        return [_nested(root, schemas.follow(root, node["items"]), rest, _name(node["items"]))]
    written = node.get("properties", {}).get(part) or node.get("additionalProperties", {})
    siblings = {
        name: _field(root, node, name, owner, DEPTH)
        for name in node.get("required", ())
        if owner and name != part and (owner, name) in WRITTEN
    }
    if not any(isinstance(step, str) for step in rest) and (owner, part) in WRITTEN:
        return {**siblings, part: WRITTEN[owner, part]}
    return {**siblings, part: _nested(root, schemas.follow(root, written), rest, _name(written))}


def _name(node: schemas.Schema) -> str:
    return str(node.get("$ref", "")).rpartition("/")[2]


def _field(root: schemas.Schema, node: schemas.Schema, name: str, owner: str, depth: int) -> Any:
    if (owner, name) in WRITTEN:
        return WRITTEN[owner, name]
    written = node["properties"][name]
    return _value(root, schemas.follow(root, written), _name(written), depth - 1)


def _value(root: schemas.Schema, node: schemas.Schema, owner: str, depth: int) -> Any:
    if node.get("type") == "array":
        item = node["items"]
        return [_value(root, schemas.follow(root, item), _name(item), depth - 1)]
    if node.get("type") == "object":
        return _object(root, node, owner, depth)
    return _scalar(node)


def _object(root: schemas.Schema, node: schemas.Schema, owner: str, depth: int) -> dict[str, Any]:
    values = node.get("additionalProperties")
    if isinstance(values, dict):
        return {"key": _value(root, schemas.follow(root, values), _name(values), depth - 1)}
    chosen = [
        name
        for name in node.get("properties", {})
        if name in node.get("required", ())
        or (owner.startswith("trainer.Trainer") and (owner, name) in WRITTEN)
        or (owner, name) == ("meta.v1.ObjectMeta", "name")
    ]
    if not chosen and node.get("minProperties"):
        chosen = list(node["properties"])[-1:]
    return {name: _field(root, node, name, owner, depth) for name in chosen} if depth > 0 else {}


def _scalar(node: schemas.Schema) -> Any:
    for value in (*node.get("enum", ())[:1], node.get("default")):
        if value not in (None, ""):
            return value
    if node.get(schemas.INT_OR_STRING):
        return "500m" if "pattern" in node else 8080
    if node.get("format") == "date-time":
        return "2026-01-31T12:00:00Z"
    plain: dict[str, Any] = {"integer": max(node.get("minimum", 1), 1), "boolean": True, "string": "text"}
    return plain.get(node.get("type", ""), "text")
