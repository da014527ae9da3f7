"""TrainJobs and runtimes of Trainer v2.0 and v2.1 in the spelling of later releases.

Source: the CRDs of the releases; ``podSpecOverrides`` (v2.0) and ``podTemplateOverrides`` (v2.1) became
``runtimePatches``, and so did ``labels`` and ``annotations``.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from kfrun.model import kinds
from kfrun.model.values import replace
from kfrun.resolve.conversion.notes import Node, Notes, mapping, mappings, without_empty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.resolution import RuntimeSource
    from kfrun.model.source import Document, FieldPath, Finding

MANAGER: Final = "kfrun.dev/converted"
"""Begin of the managers of patches that were made here; a number follows."""


def processes_of_runtimes(documents: Sequence[Document]) -> dict[tuple[str, str, str], int]:
    """What the torch runtimes of an input said in ``torch.numProcPerNode``, where it is a number."""
    found = {}
    for document in documents:
        torch = _torch(document.data)
        number = _number(torch.get("numProcPerNode"))
        if document.key.kind in kinds.RUNTIMES and number is not None:
            found[document.key.kind, document.key.namespace, document.key.name] = number
    return found


def modern(job_document: Document, source: RuntimeSource) -> tuple[Document, RuntimeSource, tuple[Finding, ...]]:
    """A job and its runtime as newer releases spell them, and what of them did not map.

    So resolve knows one spelling only. Positions stay those of what was written.
    """
    notes, of_runtime = Notes(job_document), Notes(source.document)
    processes = processes_of_runtimes([source.document])
    data = job(job_document, notes, processes)
    document = replace(source.document, data=runtime(source.document, of_runtime))
    found = (*notes.found, *of_runtime.found)
    return replace(job_document, data=data), replace(source, document=document), found


def job(document: Document, notes: Notes, processes: Mapping[tuple[str, str, str], int]) -> Node:
    """A TrainJob without the fields that v2.2 dropped."""
    data = copy.deepcopy(document.data)
    spec = data.get("spec")
    if not isinstance(spec, dict):
        return data
    patches = [*_metadata_patch(spec), *_pod_patches(spec, notes)]
    given = mappings(spec.get("runtimePatches"))
    if patches:
        spec["runtimePatches"] = [*given, *_managed(patches)]
    _take_processes(document, spec, processes)
    _convert_processes(spec, notes)
    return data


def runtime(document: Document, notes: Notes) -> Node:
    """A runtime without the fields of the torch policy that v2.2 dropped."""
    data = copy.deepcopy(document.data)
    torch = _torch(data)
    path: FieldPath = ("spec", "mlPolicy", "torch")
    if "numProcPerNode" in torch:
        value = torch.pop("numProcPerNode")
        if value != "auto":
            message = f"numProcPerNode {value} of a torch runtime was removed in v2.2"
            hint = "jobs of the same input got it; set spec.trainer.numProcPerNode in others"
            notes.add((*path, "numProcPerNode"), message, hint if _number(value) else _DEVICES)
    if "elasticPolicy" in torch:
        del torch["elasticPolicy"]
        message = "elasticPolicy was removed in v2.2: jobs have a fixed number of nodes"
        notes.add((*path, "elasticPolicy"), message, "set spec.mlPolicy.numNodes, or spec.trainer.numNodes in the job")
    return data


_DIGITS: Final = 10
"""Of the longest number of processes."""

_DEVICES: Final = "without it torchrun starts one process per GPU, or per CPU where there is none"


def _torch(data: Node) -> Node:
    return mapping(mapping(mapping(data.get("spec")).get("mlPolicy")).get("torch"))


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    return value if isinstance(value, int) else None


def _metadata_patch(spec: Node) -> list[Node]:
    """``labels`` and ``annotations`` of the spec are those of the JobSet."""
    metadata = without_empty({key: spec.pop(key, None) for key in ("labels", "annotations")})
    return [{"template": {"metadata": metadata}}] if metadata else []


def _pod_patches(spec: Node, notes: Notes) -> list[Node]:
    found = []
    for field in ("podSpecOverrides", "podTemplateOverrides"):
        overrides = spec.pop(field, None)
        for index, override in enumerate(overrides if isinstance(overrides, list) else ()):
            path: FieldPath = ("spec", field, index)
            if not isinstance(override, dict):
                notes.add(path, "this is no mapping and was left out")
                continue
            patch = _pod_patch(override, is_template=field == "podTemplateOverrides")
            names = [target["name"] for target in mappings(override.get("targetJobs")) if target.get("name")]
            if not names:
                notes.add((*path, "targetJobs"), "no job is named, so the override changed nothing and was left out")
                continue
            jobs = [{"name": name, "template": {"spec": {"template": copy.deepcopy(patch)}}} for name in names]
            found.append({"template": {"spec": {"replicatedJobs": jobs}}})
    return found


def _pod_patch(override: Node, *, is_template: bool) -> Node:
    if is_template:
        return without_empty({key: override.get(key) for key in ("metadata", "spec")})
    return {"spec": {key: value for key, value in override.items() if key != "targetJobs"}}


def _managed(patches: Sequence[Node]) -> list[Node]:
    """One manager a patch: a later patch goes on top of the earlier ones, as later overrides did."""
    return [{"manager": f"{MANAGER}-{number}", "trainingRuntimeSpec": patch} for number, patch in enumerate(patches, 1)]


def _convert_processes(spec: Node, notes: Notes) -> None:
    """``numProcPerNode`` was a number or one of auto, cpu and gpu."""
    section = mapping(spec.get("trainer"))
    value = section.get("numProcPerNode")
    if not isinstance(value, str):
        return
    number = _number(value)
    if number is not None:
        section["numProcPerNode"] = number
        return
    del section["numProcPerNode"]
    if value != "auto":
        notes.add(("spec", "trainer", "numProcPerNode"), f'numProcPerNode "{value}" was removed in v2.2', _DEVICES)


def _take_processes(document: Document, spec: Node, processes: Mapping[tuple[str, str, str], int]) -> None:
    """What the runtime said of the processes is now said in the job."""
    reference = mapping(spec.get("runtimeRef"))
    kind, name = reference.get("kind", kinds.RUNTIMES[0]), reference.get("name")
    if not isinstance(kind, str) or not isinstance(name, str):
        return
    namespace = "" if kind in kinds.CLUSTER_SCOPED else document.key.namespace
    number = processes.get((kind, namespace, name))
    section = spec.get("trainer", {})
    if number is not None and isinstance(section, dict):
        spec["trainer"] = {"numProcPerNode": number, **section}
