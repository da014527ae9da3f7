"""Requests, limits and claims of containers, as the API server takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.admission import quantity
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    duplicate,
    forbidden,
    invalid,
    is_qualified,
    items,
    node,
    not_found,
    required,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONE: Final = 10**9
_PLAIN: Final = ("cpu", "memory", "ephemeral-storage")
_HUGE: Final = "hugepages-"


_NAME: Final = "write the name that the device plugin registers, such as nvidia.com/gpu"


def amounts(container: Node, place: Place) -> Iterator[Cause]:
    """Names and amounts, and that requests keep within limits."""
    resources, at = node(container, "resources"), place / "resources"
    limits, requests = node(resources, "limits"), node(resources, "requests")
    for part, entries in (("limits", limits), ("requests", requests)):
        for name, amount in entries.items():
            yield from _amount((at / part).key(name), name, amount)
    for name, amount in requests.items():
        yield from _within(at, name, amount, limits)
    names = {*limits, *requests}
    if any(name.startswith(_HUGE) for name in names) and not {"cpu", "memory"} & names:
        yield forbidden(at, "huge pages need cpu or memory beside them", "ask for cpu and memory, too")


def claims(container: Node, place: Place, known: frozenset[str]) -> Iterator[Cause]:
    """``resources.claims`` name claims of the pod."""
    seen: set[tuple[str, str]] = set()
    for at, claim in items(node(container, "resources"), "claims", place / "resources"):
        name = text(claim, "name")
        key = (name, text(claim, "request"))
        if not name:
            yield required(at, hint="give it the name of one of the pod's resourceClaims")
        elif key in seen:
            yield duplicate(at, name)
        elif name not in known:
            yield not_found(at, name, "the pod's resourceClaims has no such name", "add it to the pod's resourceClaims")
        seen.add(key)


def _amount(at: Place, name: str, amount: Any) -> Iterator[Cause]:
    yield from resource_name(at, name)
    value = quantity.nanos(str(amount))
    if value is None:
        return
    if value < 0:
        yield invalid(at, amount, "allowed: 0 or more", "write it without the -")
    if _is_extended(name) and value % _ONE:
        yield invalid(at, amount, f"{name} is counted; allowed: a whole number", f"write {max(-(-value // _ONE), 1)}")
    page = quantity.nanos(name.removeprefix(_HUGE)) if name.startswith(_HUGE) else None
    if page and value % page:
        yield invalid(at, amount, "it must be a multiple of the page size", "write a multiple of it")


def resource_name(at: Place, name: str) -> Iterator[Cause]:
    """A resource of containers: one of Kubernetes' own, or one with a domain."""
    if "/" in name:
        if not is_qualified(name) or not (_is_native(name) or _is_extended(name)):
            yield invalid(at, name, "allowed: a domain, a slash and a name, like nvidia.com/gpu", _NAME)
    elif name not in _PLAIN and not (name.startswith(_HUGE) and is_qualified(name)):
        yield invalid(at, name, f"allowed: {', '.join(_PLAIN)}, hugepages-<size>, or a domain and a name", _near(name))


def _near(name: str) -> str:
    from kfrun.validate.schema.hints import near_value

    if "gpu" in name.lower():
        return "GPUs have a domain: nvidia.com/gpu, amd.com/gpu"
    return near_value(name, _PLAIN) or _NAME


def _within(at: Place, name: str, amount: Any, limits: Node) -> Iterator[Cause]:
    overcommitted = _is_native(name) and not name.startswith(_HUGE)
    if name not in limits:
        if not overcommitted:
            yield required(
                at / "limits", f"{name} needs a limit that equals its request", f"add {name}: {amount} to limits"
            )
        return
    wanted, most = quantity.nanos(str(amount)), quantity.nanos(str(limits[name]))
    if wanted is None or most is None:
        return
    field = (at / "requests").key(name).shown_as(at / "requests")
    if overcommitted and wanted > most:
        yield invalid(
            field,
            amount,
            f"it may be no more than the {name} limit of {limits[name]}",
            f"raise the limit to {amount}, or ask for less",
        )
    elif not overcommitted and wanted != most:
        yield invalid(
            field, amount, f"it must equal the {name} limit of {limits[name]}", f"write {limits[name]} in both"
        )


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    if _is_native(name) or name.startswith("requests."):
        return False
    return is_qualified(f"requests.{name}")
