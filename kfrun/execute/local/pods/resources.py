"""Resources as numbers: the API's quantities, and what a container is told of its own by ``resourceFieldRef``. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIXES: dict[str, Fraction | int] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": 1000,
    **{letter: 1000**power for power, letter in enumerate("MGTPE", 2)},
    **{letter + "i": 1024**power for power, letter in enumerate("KMGTPE", 1)},
}


def quantity(text: str | float) -> Fraction:
    """A quantity like ``1500m``, ``2Gi`` or ``1e3``, which was validated, as a number."""
    text = str(text).strip()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if suffix and text.endswith(suffix):
            return Fraction(text.removesuffix(suffix)) * _SUFFIXES[suffix]
    return Fraction(text)


def told(ref: Mapping[str, Any], container: Mapping[str, Any], machine: Mapping[str, int]) -> str:
    """What a ``resourceFieldRef`` yields: in its divisor's units, rounded up.

    Args:
        ref: ``resource`` such as ``limits.cpu``, and ``divisor``.
        container: the one that it is about.
        machine: what there is at most, by resource: where a container has no limit that is its limit.
    """
    kind, _, name = ref["resource"].partition(".")
    resources = container.get("resources", {})
    limit = resources.get("limits", {}).get(name)
    if kind == "requests":
        found = quantity(resources.get("requests", {}).get(name, limit if limit is not None else 0))
    else:
        found = quantity(machine.get(name, 0) if limit is None else limit)
    return str(-(-found // (quantity(ref.get("divisor", 0)) or 1)))


def lacking(pod: Mapping[str, Any], machine: Mapping[str, int]) -> list[str]:
    """The resources of which a pod requests more than a whole machine has, by name.

    What its containers request together, or its init containers one after another, beside the sidecars so far.
    """
    wanted = _requests(pod)
    return sorted(name for name, number in wanted.items() if number > machine.get(name, 0) and _is_counted(name))


def _is_counted(name: str) -> bool:
    return name in ("cpu", "memory") or "/" in name


def _requests(pod: Mapping[str, Any]) -> dict[str, Fraction]:
    beside: dict[str, Fraction] = {}
    most: dict[str, Fraction] = {}
    for container in pod.get("initContainers", ()):
        if container.get("restartPolicy") == "Always":
            beside = _sum(beside, _of(container))
        else:
            most = _most(most, _sum(beside, _of(container)))
    for container in pod.get("containers", ()):
        beside = _sum(beside, _of(container))
    return _most(most, beside)


def _of(container: Mapping[str, Any]) -> dict[str, Fraction]:
    resources = container.get("resources") or {}
    named = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(value) for name, value in named.items()}


def _sum(one: dict[str, Fraction], other: dict[str, Fraction]) -> dict[str, Fraction]:
    return {name: one.get(name, Fraction()) + other.get(name, Fraction()) for name in {*one, *other}}


def _most(one: dict[str, Fraction], other: dict[str, Fraction]) -> dict[str, Fraction]:
    return {name: max(one.get(name, Fraction()), other.get(name, Fraction())) for name in {*one, *other}}
