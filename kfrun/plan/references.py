"""The ConfigMaps, Secrets and claims that the pods of a job refer to, and which of them are nowhere. Pure.

What may be missing (`optional: true`) is not missed, and claims that the JobSet makes are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple
from kfrun.plan.support.findings import located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding, Severity

    Node = dict[str, Any]
    Find = Callable[[str, str], Mapping[str, Any] | None]

CODES = {
    "KF510": "a ConfigMap, Secret, key or claim that a pod refers to is nowhere",
}

_CLAIM: Final = "PersistentVolumeClaim"
SECRET: Final = "Secret"  # noqa: S105 (a kind)
_OF_VARIABLES: Final = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
_OF_ALL: Final = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_OF_VOLUMES: Final = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}
_HOLDING: Final = ("data", "binaryData", "stringData")


class Reference(NamedTuple):
    """One of them, named by a field of the JobSet; ``key`` is what is needed of it, empty for all there is.

    Pods start without one that ``is_optional``.
    """

    path: FieldPath
    kind: str
    name: str
    key: str = ""
    is_optional: bool = False


def of(jobset: Node) -> Iterator[Reference]:
    """What the pods of a JobSet refer to, but for the claims that it makes itself."""
    policies = jobset["spec"].get("volumeClaimPolicies", ())
    own = {one["metadata"]["name"] for policy in policies for one in policy.get("templates", ())}
    for index, job in enumerate(jobset["spec"].get("replicatedJobs", ())):
        path: FieldPath = ("spec", "replicatedJobs", index, "template", "spec", "template", "spec")
        pod: Node = job["template"]["spec"]["template"]["spec"]
        for part in ("initContainers", "containers"):
            for number, container in enumerate(pod.get(part) or ()):
                yield from _of_container(container, (*path, part, number))
        for number, volume in enumerate(pod.get("volumes") or ()):
            if volume.get("name") not in own:
                yield from _of_volume(volume, (*path, "volumes", number))


def made(resolution: Resolution) -> set[tuple[str, str]]:
    """Kind and name of what the controller makes for a job, also of what it is only given when it starts."""
    own = {(item["kind"], item["metadata"]["name"]) for item in resolution.objects}
    if own:
        from kfrun.resolve.policies import mpi

        own |= {(SECRET, metadata["name"]) for metadata in mpi.missing_secrets(resolution.objects)}
    return own


def missing(resolution: Resolution, find: Find, severity: Severity) -> list[Finding]:
    """A finding of everything that ``find`` does not find, each object once.

    Args:
        resolution: of a job that is to be started.
        find: the object of that kind and name in the job's namespace; None if there is none.
        severity: how bad that is.
    """
    assert resolution.jobset is not None
    own = made(resolution)
    found: dict[tuple[str, str, str], Finding] = {}
    for reference in of(resolution.jobset):
        if reference.is_optional or (reference.kind, reference.name) in own:
            continue
        data = find(reference.kind, reference.name)
        if data is None:
            key, what = "", f"there is no {reference.kind} {reference.name}, neither in the input nor stored"
            hint = "apply it before the job, or together with it: several -f"
            if reference.kind == SECRET:
                hint += f"; or give it to this run alone: --secret-env-file {reference.name}=FILE"
        elif reference.key and not any(reference.key in (data.get(part) or ()) for part in _HOLDING):
            key, what = reference.key, f"{reference.kind} {reference.name} has no key {reference.key}"
            hint = "add the key, or mend its name"
        else:
            continue
        consequence = _MADE_HERE if reference.kind == _CLAIM else _WAITS
        one = located(resolution, "KF510", f"{what}: {consequence}", reference.path, severity, hint=hint)
        found.setdefault((reference.kind, reference.name, key), one)
    return list(found.values())


_WAITS: Final = "the pod waits until it is there, as on a cluster"
_MADE_HERE: Final = "here it is a new folder, on a cluster the pod waits until it is there"


def _of_container(container: Node, path: FieldPath) -> Iterator[Reference]:
    for index, variable in enumerate(container.get("env") or ()):
        for field, kind in _OF_VARIABLES.items():
            source = (variable.get("valueFrom") or {}).get(field)
            if source:
                below = (*path, "env", index, "valueFrom", field)
                yield Reference(below, kind, source.get("name", ""), source.get("key", ""), _is_optional(source))
    for index, entry in enumerate(container.get("envFrom") or ()):
        for field, kind in _OF_ALL.items():
            source = entry.get(field)
            if source:
                below = (*path, "envFrom", index, field)
                yield Reference(below, kind, source.get("name", ""), is_optional=_is_optional(source))


def _of_volume(volume: Node, path: FieldPath) -> Iterator[Reference]:
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if claim:
        yield Reference((*path, "persistentVolumeClaim", "claimName"), _CLAIM, claim)
    for field, (kind, name) in _OF_VOLUMES.items():
        yield from _of_source(volume.get(field) or {}, name, kind, (*path, field))
    for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
        for field, (kind, _) in _OF_VOLUMES.items():
            yield from _of_source(source.get(field) or {}, "name", kind, (*path, "projected", "sources", index, field))


def _of_source(source: Node, name: str, kind: str, path: FieldPath) -> Iterator[Reference]:
    if not source:
        return
    is_optional = _is_optional(source)
    items = source.get("items") or ()
    for index, item in enumerate(items):
        yield Reference((*path, "items", index, "key"), kind, source.get(name, ""), item.get("key", ""), is_optional)
    if not items:
        yield Reference((*path, name), kind, source.get(name, ""), is_optional=is_optional)


def _is_optional(source: Node) -> bool:
    return bool(source.get("optional", False))
