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
    label_name,
    node,
    not_found,
    required,
    text,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ONE: Final = 10**9
_PLAIN: Final = ("cpu", "memory", "ephemeral-storage")
_OF_PODS: Final = ("cpu", "memory")
_HUGE: Final = "hugepages-"
_STANDARD: Final = frozenset({
    *_PLAIN, "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "storage", "requests.storage", "services.nodeports", "services.loadbalancers",
    *(f"{part}.{name}" for part in ("limits", "requests") for name in _PLAIN),
})  # fmt: skip
"""Names without a domain that stand for something somewhere: in quotas, of nodes, of claims."""

_NAME: Final = "write the name that the device plugin registers, such as nvidia.com/gpu"


def amounts(container: Node, place: Place) -> Iterator[Cause]:
    """Names and amounts, and that requests keep within limits."""
    resources = container.get("resources")
    if isinstance(resources, dict) and resources:
        yield from _requirements(resources, place / "resources", resource_name)


def _requirements(resources: Node, at: Place, name_of: Callable[[Place, str], Iterator[Cause]]) -> Iterator[Cause]:
    limits, requests = node(resources, "limits"), node(resources, "requests")
    for part, entries in (("limits", limits), ("requests", requests)):
        for name, amount in entries.items():
            here = (at / part).key(name)
            yield from name_of(here, name)
            yield from _amount(here, name, amount)
    for name, amount in requests.items():
        yield from _within(at, name, amount, limits)
    yield from _huge_alone({*limits, *requests}, at)


def _huge_alone(names: set[str], at: Place) -> Iterator[Cause]:
    if any(map(_is_huge, names)) and not names.intersection(_OF_PODS):
        yield forbidden(at, "huge pages need cpu or memory beside them", "ask for cpu and memory, too")


def overhead(pod: Node, place: Place) -> Iterator[Cause]:
    """``overhead``; upstream takes it for limits."""
    entries, at = node(pod, "overhead"), place / "overhead"
    for name, amount in entries.items():
        here = at.key(name).shown_as((at / "limits").key(name))
        yield from resource_name(here, name)
        yield from _amount(here, name, amount)
    yield from _huge_alone(set(entries), at)


def of_pod(pod: Node, place: Place) -> Iterator[Cause]:
    """``resources`` of a whole pod, and that its containers keep within them."""
    if pod.get("resources") is None:
        return
    resources, at = node(pod, "resources"), place / "resources"
    if text(node(pod, "os"), "name") == "windows":
        yield forbidden(at, "a pod for windows has none of its own")
        return
    if resources.get("claims") is not None:
        yield forbidden(at / "claims", "a pod has none of its own", "write them in a container")
    yield from _requirements(resources, at, _pod_resource)
    yield from claims(pod, place, frozenset(text(one, "name") for one in values(pod, "resourceClaims")))
    limits = node(resources, "limits")
    huge = {name: amount for name, amount in limits.items() if _is_huge(name)}
    yield from _together(pod, node(resources, "requests"), at / "requests", "requests")
    yield from _together(pod, huge, at / "limits", "limits")
    for index, container in enumerate(values(pod, "containers")):
        for name, amount in node(container, "resources", "limits").items():
            if name in limits and _exceeds(amount, limits[name]):
                shown = (at / "containers").item(index).key(name) / "limits"
                field = ((place / "containers").item(index) / "resources" / "limits").key(name).shown_as(shown)
                most = f"it may be no more than the pod's limit of {limits[name]}"
                yield invalid(field, amount, most, "lower it, or raise the pod's")


def _exceeds(amount: Any, most: Any) -> bool:
    one, other = quantity.nanos(str(amount)), quantity.nanos(str(most))
    return one is not None and other is not None and one > other


def _is_huge(name: str) -> bool:
    return name.startswith(_HUGE)


def _together(pod: Node, own: Node, at: Place, part: str) -> Iterator[Cause]:
    """What the pod has of a resource against what all of its containers ask for."""
    for name, amount in own.items():
        wanted, has = _sum(pod, part, name), quantity.nanos(str(amount))
        if has is not None and wanted > has:
            total = quantity.written(wanted, like=str(amount))
            yield invalid(at.key(name), amount, f"the containers have {total} together", f"write {total} or more")


def _sum(pod: Node, part: str, name: str) -> int:
    """What the containers have together: at any moment, since init containers run one after the other."""
    running = highest = 0
    for container in values(pod, "initContainers"):
        amount = quantity.nanos(str(node(container, "resources", part).get(name, 0))) or 0
        if text(container, "restartPolicy") == "Always":
            running += amount
            highest = max(highest, running)
        else:
            highest = max(highest, running + amount)
    for container in values(pod, "containers"):
        running += quantity.nanos(str(node(container, "resources", part).get(name, 0))) or 0
    return max(running, highest)


def _pod_resource(at: Place, name: str) -> Iterator[Cause]:
    """A resource of a whole pod."""
    if name in _OF_PODS or _is_huge(name):
        return
    if is_qualified(name) and ("/" in name or name in _STANDARD or name.startswith(f"requests.{_HUGE}")):
        yield unsupported(at, name, (*_OF_PODS, f"{_HUGE}<size>"), "write it in the containers")
    else:
        yield from resource_name(at, name)


def claims(container: Node, place: Place, known: frozenset[str]) -> Iterator[Cause]:
    """``resources.claims`` name claims of the pod, each as a whole or some of its requests."""
    seen: dict[str, set[str]] = {}
    for at, claim in items(node(container, "resources"), "claims", place / "resources"):
        name, request = text(claim, "name"), text(claim, "request")
        if not name:
            yield required(at, hint="give it the name of one of the pod's resourceClaims")
            continue
        taken = seen.setdefault(name, set())
        if request and "" not in taken:
            yield from label_name(at / "request", request)
        if "" in taken or request in taken or (taken and not request):
            yield duplicate(at, name)
        if name not in known:
            yield not_found(at, name, "the pod's resourceClaims has no such name", "add it to the pod's resourceClaims")
        taken.add(request)


def _amount(at: Place, name: str, amount: Any) -> Iterator[Cause]:
    value = quantity.nanos(str(amount)) if amount is not None else 0
    if value is None:
        yield invalid(at, amount, "allowed: an amount", "write an amount such as 500m or 2Gi")
        return
    if value < 0:
        yield invalid(at, amount, "allowed: 0 or more", "write it without the -")
    if _is_extended(name) and value % _ONE:
        yield invalid(at, amount, f"{name} is counted; allowed: a whole number", f"write {max(-(-value // _ONE), 1)}")
    if _is_huge(name):
        page = quantity.nanos(name.removeprefix(_HUGE)) or 0
        if page <= 0 or value % page:
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
