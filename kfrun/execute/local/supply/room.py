"""Whether there is room for a pod: on the whole machine, whatever is in use just now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods import resources
from kfrun.resolve import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

_NANOS = 10**9


def lacking(pod: Mapping[str, Any], machine: Mapping[str, int]) -> list[str]:
    """The resources of which a pod requests more than a whole machine has, by name."""
    spec = {**pod, **{key: [_asking(item) for item in pod.get(key, ())] for key in ("initContainers", "containers")}}
    wanted = requests.of_pod(spec)
    return sorted(
        name for name, amount in wanted.items() if amount.nanos > machine.get(name, 0) * _NANOS and _is_counted(name)
    )


def _is_counted(name: str) -> bool:
    return name in ("cpu", "memory") or "/" in name


def _asking(container: Mapping[str, Any]) -> dict[str, Any]:
    return {**container, "resources": {"requests": resources.requested(container)}}
