"""What one pod asks the scheduler for.

Source: Kubernetes' PodRequests (k8s.io/component-helpers/resource): containers run together with sidecars, init
containers one after the other, and the pod's overhead comes on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.validate.admission import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    Node = dict[str, Any]


class Amount(NamedTuple):
    """A quantity: its value in units of 1n, and a text whose family of suffixes (``Ki``, ``k``, ``e3``) it keeps."""

    nanos: int
    like: str

    def __str__(self) -> str:
        return quantity.written(self.nanos, like=self.like)

    def times(self, count: int) -> Amount:
        """The amount for ``count`` pods."""
        return self._replace(nanos=self.nanos * count)


Amounts = dict[str, Amount]


def of_pod(spec: Node) -> Amounts:
    """The requests of a decoded pod spec, by resource."""
    running = total(_requests(item) for item in spec.get("containers", []))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers", []):
        if container.get("restartPolicy") == "Always":
            running = total([running, _requests(container)])
            sidecars = total([sidecars, _requests(container)])
            needed = sidecars
        else:
            needed = total([_requests(container), sidecars])
        starting = _larger(starting, needed)
    result = _larger(running, starting)
    own = spec.get("resources", {}).get("requests", {})
    result |= {name: amount for name, amount in _amounts(own).items() if _is_of_pods(name)}
    return total([result, _amounts(spec.get("overhead", {}))])


def total(parts: Iterable[Amounts]) -> Amounts:
    """The sum, resource by resource; the first amount that is not zero decides how it is written."""
    result: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            present = result.get(name)
            if present is None or present.nanos == 0:
                result[name] = amount
            else:
                result[name] = Amount(present.nanos + amount.nanos, present.like)
    return result


def _larger(left: Amounts, right: Amounts) -> Amounts:
    result = dict(left)
    for name, amount in right.items():
        if name not in result or amount.nanos > result[name].nanos:
            result[name] = amount
    return result


def _requests(container: Node) -> Amounts:
    return _amounts(container.get("resources", {}).get("requests", {}))


def _amounts(texts: dict[str, str]) -> Amounts:
    return {name: Amount(quantity.nanos(text) or 0, text) for name, text in texts.items()}


def _is_of_pods(name: str) -> bool:
    """Whether a resource may be asked for by the pod as a whole; then its containers' requests do not count."""
    return name in {"cpu", "memory"} or name.startswith("hugepages-")
