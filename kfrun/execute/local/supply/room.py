"""Whether there is room for a pod: on the whole machine, whatever is in use just now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods import resources
from kfrun.model.values import NamedTuple
from kfrun.resolve import requests
from kfrun.resolve.requests import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding

CODES = {"KF608": "a pod requests more than this whole machine has"}

_NANOS = 10**9


class Shortage(NamedTuple):
    """A resource of which a pod requests more than there is: what it asks for, and what the machine has."""

    name: str
    wanted: Amount
    there: Amount


def lacking(
    pod: Mapping[str, Any], machine: Mapping[str, int], devices: Callable[[], Mapping[str, int]]
) -> list[Shortage]:
    """The resources of which a pod requests more than a whole machine has, by name.

    Args:
        pod: its spec.
        machine: what there is of CPUs and memory.
        devices: counts the accelerators; asked only where a pod wants something else.
    """
    spec = {**pod, **{key: [_asking(item) for item in pod.get(key, ())] for key in ("initContainers", "containers")}}
    wanted = {name: amount for name, amount in sorted(requests.of_pod(spec).items()) if amount.nanos}
    there = {**machine, **devices()} if any("/" in name for name in wanted) else machine
    found = (
        Shortage(name, amount, Amount(there.get(name, 0) * _NANOS, amount.like))
        for name, amount in wanted.items()
        if name in ("cpu", "memory") or "/" in name
    )
    return [one for one in found if one.wanted.nanos > one.there.nanos]


def told(shortages: list[Shortage]) -> str:
    """What a scheduler says of them."""
    return f"0/1 nodes are available: {', '.join(f'1 Insufficient {one.name}' for one in shortages)}."


def findings(
    resolution: Resolution, machine: Mapping[str, int], devices: Callable[[], Mapping[str, int]]
) -> Iterator[Finding]:
    """Warnings of pods for which there is no room here: they are going to wait for ever."""
    from kfrun.plan.support.findings import located

    for number, group in enumerate((resolution.jobset or {"spec": {}})["spec"].get("replicatedJobs", ())):
        pod = group["template"]["spec"]["template"]["spec"]
        missing = lacking(pod, machine, devices)
        if missing:
            base: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
            asked = ", ".join(f"{one.name} {one.wanted} of {one.there}" for one in missing)
            message = f"the pods of {group['name']} are going to wait: {told(missing)} Each requests {asked}"
            hint = "request what this machine has, or run it on a cluster"
            yield located(resolution, "KF608", message, (*base, *_place(pod, missing[0].name)), hint=hint)


def _place(pod: Mapping[str, Any], name: str) -> FieldPath:
    """Where a pod asks for a resource first."""
    for key in ("containers", "initContainers"):
        for index, container in enumerate(pod.get(key, ())):
            for part in ("requests", "limits"):
                if name in ((container.get("resources") or {}).get(part) or {}):
                    return (key, index, "resources", part, name)
    return ("resources",)


def _asking(container: Mapping[str, Any]) -> dict[str, Any]:
    return {**container, "resources": {"requests": resources.requested(container)}}
