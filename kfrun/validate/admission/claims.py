"""Templates of claims (``volumeClaimPolicies``): what JobSet's webhook says of them, and the volumes that they become.

Upstream: jobset pkg/webhooks, v0.12, validateVolumeClaimPolicies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    duplicate,
    invalid,
    items,
    node,
    required,
    subdomain_name,
    text,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPEC: Final = Place() / "spec"
_LONGEST: Final = 63
_SHORTER: Final = "make the name of the claim template or the TrainJob's shorter"


def check(jobset: Node) -> Iterator[Cause]:
    """Every cause of the templates."""
    names: set[str] = set()
    for at, template in _templates(jobset):
        name, place = text(node(template, "metadata"), "name"), at / "metadata" / "name"
        if not name:
            yield required(place)
            continue
        if name in names:
            yield duplicate(place, name)
        names.add(name)
        yield from subdomain_name(place, name)
        claim = _claim(jobset, name)
        if len(claim) > _LONGEST:
            yield invalid(place, claim, f"claims are named so; at most {_LONGEST} characters are allowed", _SHORTER)
        yield from _use(jobset, place, name)


def volumes(jobset: Node, pod: Node) -> Iterator[Node]:
    """The volumes that JobSet appends to a pod: claims that it mounts."""
    for _, template in _templates(jobset):
        name = text(node(template, "metadata"), "name")
        if name and _mounts(pod, name):
            yield {"name": name, "persistentVolumeClaim": {"claimName": _claim(jobset, name)}}


def _templates(jobset: Node) -> Iterator[tuple[Place, Node]]:
    for at, policy in items(node(jobset, "spec"), "volumeClaimPolicies", _SPEC):
        yield from items(policy, "templates", at)


def _claim(jobset: Node, template: str) -> str:
    """The name of the claim that is made of a template."""
    return f"{template}-{text(node(jobset, 'metadata'), 'name')}"


def _use(jobset: Node, place: Place, name: str) -> Iterator[Cause]:
    """Whether pods mount the claim, and have no volume of their own by its name."""
    is_mounted = False
    for at, job in items(node(jobset, "spec"), "replicatedJobs", _SPEC):
        pod = node(job, "template", "spec", "template", "spec")
        is_mounted = is_mounted or _mounts(pod, name)
        for volume_at, volume in items(pod, "volumes", at / "template" / "spec" / "template" / "spec"):
            if text(volume, "name") == name:
                message = "a template of volumeClaimPolicies has this name"
                yield invalid(volume_at / "name", name, message, "remove the volume: JobSet adds it")
    if not is_mounted:
        hint = f"add it to a container: volumeMounts: [{{name: {name}, mountPath: /...}}]"
        yield invalid(place, name, "no container mounts it", hint)


def _mounts(pod: Node, volume: str) -> bool:
    """Whether a container or init container of ``pod`` mounts ``volume``."""
    containers = [*values(pod, "containers"), *values(pod, "initContainers")]
    return any(text(mount, "name") == volume for one in containers for mount in values(one, "volumeMounts"))
