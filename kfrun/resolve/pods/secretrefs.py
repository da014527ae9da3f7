"""The Secrets that the pods of a JobSet refer to: variables and volumes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.model.source import FieldPath

    Node = Mapping[str, Any]


class SecretRef(NamedTuple):
    """A Secret by name, where the JobSet names it, and whether its pods start without it."""

    name: str
    path: FieldPath
    is_optional: bool


def of(jobset: Node | None) -> Iterator[SecretRef]:
    """Every reference to a Secret, in the order of the JobSet."""
    for number, group in enumerate((jobset or {}).get("spec", {}).get("replicatedJobs", ())):
        at: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod = group["template"]["spec"]["template"]["spec"]
        for path, ref in (*_of_containers(pod), *_of_volumes(pod)):
            name = ref.get("secretName") or ref.get("name", "")
            yield SecretRef(name, (*at, *path), bool(ref.get("optional", False)))


def _of_containers(pod: Node) -> Iterator[tuple[FieldPath, Node]]:
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(pod.get(kind) or ()):
            for index, item in enumerate(container.get("envFrom") or ()):
                if "secretRef" in item:
                    yield (kind, number, "envFrom", index, "secretRef"), item["secretRef"]
            for index, item in enumerate(container.get("env") or ()):
                ref = (item.get("valueFrom") or {}).get("secretKeyRef")
                if ref is not None:
                    yield (kind, number, "env", index, "valueFrom", "secretKeyRef"), ref


def _of_volumes(pod: Node) -> Iterator[tuple[FieldPath, Node]]:
    for number, volume in enumerate(pod.get("volumes") or ()):
        if "secret" in volume:
            yield ("volumes", number, "secret"), volume["secret"]
        for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if "secret" in source:
                yield ("volumes", number, "projected", "sources", index, "secret"), source["secret"]
