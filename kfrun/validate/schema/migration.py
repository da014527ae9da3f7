"""Fields that came, moved and went between the releases of Kubeflow Trainer.

Which release has a field is read off the shipped schemas; only where a field went needs words of its own.
Source: the CRDs of the releases v2.0 to v2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model import kinds
from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

RELEASES: Final = tuple(version for version, folder in schemas.FOLDERS.items() if version == folder)
"""The releases that have schemas, oldest first."""

_PATCHED: Final = "spec.runtimePatches[].trainingRuntimeSpec.template"
_UNDER_POD: Final = f"write it under {_PATCHED}.spec.replicatedJobs[].template.spec.template"

MOVED: Final[dict[tuple[bool, FieldPath], tuple[tuple[str, str], ...]]] = {
    (True, ("spec", "podSpecOverrides")): (
        (
            "v2.1",
            "podSpecOverrides of v2.0 became podTemplateOverrides in v2.1: write it under its spec",
        ),
        (
            "v2.2",
            f"podSpecOverrides (v2.0, v2.1: podTemplateOverrides) became runtimePatches in v2.2: {_UNDER_POD}.spec",
        ),
    ),
    (True, ("spec", "podTemplateOverrides")): (
        ("v2.0", "podTemplateOverrides came with v2.1; v2.0 has spec.podSpecOverrides"),
        ("v2.2", f"podTemplateOverrides of v2.1 became runtimePatches in v2.2: {_UNDER_POD}"),
    ),
    (True, ("spec", "runtimePatches")): (
        ("v2.0", "runtimePatches came with v2.2; v2.0 has spec.podSpecOverrides, spec.labels and spec.annotations"),
        ("v2.1", "runtimePatches came with v2.2; v2.1 has spec.podTemplateOverrides, spec.labels and spec.annotations"),
    ),
    (True, ("spec", "labels")): (
        (
            "v2.2",
            f"labels of v2.0 and v2.1 became runtimePatches in v2.2: write them under {_PATCHED}.metadata.labels",
        ),
    ),
    (True, ("spec", "annotations")): (
        (
            "v2.2",
            f"annotations of v2.1 became runtimePatches in v2.2: write them under {_PATCHED}.metadata.annotations",
        ),
    ),
    (False, ("spec", "mlPolicy", "torch", "numProcPerNode")): (
        (
            "v2.2",
            "numProcPerNode of a torch runtime was removed in v2.2: leave it out, or set spec.trainer.numProcPerNode",
        ),
    ),
    (False, ("spec", "mlPolicy", "torch", "elasticPolicy")): (
        (
            "v2.2",
            "elasticPolicy was removed in v2.2: jobs have a fixed number of nodes, spec.trainer.numNodes",
        ),
    ),
}
"""(whether of a TrainJob, path) -> from which release on a sentence holds; the last that applies counts."""


def moved(path: FieldPath, kind: str, version: str) -> str | None:
    """Where the field at ``path``, unknown to ``version``, went or what stands for it there."""
    sentences = MOVED.get((kind == kinds.TRAIN_JOB, path), ())
    release = schemas.FOLDERS[version]
    holding = [sentence for first, sentence in sentences if first <= release]
    if not holding:
        return None
    former = [one for one in RELEASES if one < release and schemas.at(schemas.schema(one, kind), path) is not None]
    if not former:
        return holding[-1]
    return f"{holding[-1]}; kfrun convert -f FILE rewrites it, --trainer-version {former[-1]} checks it as it is"


def later(path: FieldPath, kind: str, version: str) -> str | None:
    """That the field at ``path`` came with a release after ``version``, if it did."""
    release = schemas.FOLDERS[version]
    first = since(path, kind) if release != RELEASES[-1] else None
    if first is None or first <= release:
        return None
    return f"{path[-1]} came with {first}; this is checked as {version}"


def since(path: FieldPath, kind: str) -> str | None:
    """The first release whose ``kind`` has the field at ``path``; None if no release has it."""
    return next((release for release in RELEASES if schemas.at(schemas.schema(release, kind), path) is not None), None)


def until(path: FieldPath, kind: str) -> str | None:
    """The last release that has the field at ``path``; None if the newest one has it, or none."""
    having = [release for release in RELEASES if schemas.at(schemas.schema(release, kind), path) is not None]
    return having[-1] if having and having[-1] != RELEASES[-1] else None
