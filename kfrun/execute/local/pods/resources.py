"""Resources as numbers: what a container is told of its own by ``resourceFieldRef``, and what no machine has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.resolve import requests
from kfrun.validate.admission import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE = 10**9
"""In the units that quantities are counted in."""


def told(ref: Mapping[str, Any], container: Mapping[str, Any], machine: Mapping[str, int]) -> str:
    """What a ``resourceFieldRef`` yields: in its divisor's units, rounded up.

    Args:
        ref: ``resource`` such as ``limits.cpu``, and ``divisor``.
        container: the one that it is about.
        machine: what there is at most, by resource: where a container has no limit that is its limit.
    """
    kind, _, name = ref["resource"].partition(".")
    found = _requests(container) if kind == "requests" else (container.get("resources") or {}).get("limits") or {}
    default = 0 if kind == "requests" else machine.get(name, 0)
    return str(-(-_nanos(found.get(name, default)) // (_nanos(ref.get("divisor", 0)) or _ONE)))


def lacking(pod: Mapping[str, Any], machine: Mapping[str, int]) -> list[str]:
    """The resources of which a pod requests more than a whole machine has, by name."""
    spec = {**pod, **{key: [_asking(item) for item in pod.get(key, ())] for key in ("initContainers", "containers")}}
    wanted = requests.of_pod(spec)
    return sorted(
        name for name, amount in wanted.items() if amount.nanos > machine.get(name, 0) * _ONE and _is_counted(name)
    )


def _is_counted(name: str) -> bool:
    return name in ("cpu", "memory") or "/" in name


def _asking(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container as the API server stores it: what has a limit and no request requests its limit."""
    return {**container, "resources": {"requests": _requests(container)}}


def _requests(container: Mapping[str, Any]) -> dict[str, str]:
    resources = container.get("resources") or {}
    named = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: str(value) for name, value in named.items()}


def _nanos(value: str | float) -> int:
    return quantity.nanos(str(value)) or 0
