"""What a container requests, and what it is told of its own resources by ``resourceFieldRef``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    found = requested(container) if kind == "requests" else (container.get("resources") or {}).get("limits") or {}
    default = 0 if kind == "requests" else machine.get(name, 0)
    return str(-(-_nanos(found.get(name, default)) // (_nanos(ref.get("divisor", 0)) or _ONE)))


def requested(container: Mapping[str, Any]) -> dict[str, str]:
    """What a container requests as the API server stores it: its limit, where it has one and no request."""
    resources = container.get("resources") or {}
    named = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: str(value) for name, value in named.items()}


def _nanos(value: str | float) -> int:
    return quantity.nanos(str(value)) or 0
