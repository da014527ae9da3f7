"""Security contexts of pods and containers, as the API server takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    duplicate,
    forbidden,
    invalid,
    items,
    node,
    number,
    one_of,
    relative_path,
    required,
    text,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 2**31 - 1
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = pattern(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")


def of_pod(pod: Node, place: Place) -> Iterator[Cause]:
    """``securityContext`` of a pod; upstream names the host* fields below it, too."""
    context, at = node(pod, "securityContext"), place / "securityContext"
    yield from _ids(context, at, "runAsUser", "runAsGroup", "fsGroup")
    for index, group in enumerate(values(context, "supplementalGroups")):
        if isinstance(group, int) and not 0 <= group <= _MOST:
            yield invalid(
                (at / "supplementalGroups").item(index),
                group,
                f"allowed: 0 to {_MOST}",
                "write the number of the group",
            )
    yield from one_of(at / "fsGroupChangePolicy", text(context, "fsGroupChangePolicy"), ("Always", "OnRootMismatch"))
    groups = text(context, "supplementalGroupsPolicy")
    yield from one_of(at / "supplementalGroupsPolicy", groups, ("Merge", "Strict"))
    yield from _sysctls(context, at)
    yield from _profiles(context, at)
    if pod.get("hostPID") is True and pod.get("shareProcessNamespace") is True:
        shown = at / "shareProcessNamespace"
        yield invalid(
            (place / "shareProcessNamespace").shown_as(shown), "true", "hostPID excludes it", "remove one of the two"
        )
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get("hostUsers") is False and pod.get(field) is True:
            yield forbidden(
                (place / field).shown_as(at / field), "hostUsers: false excludes it", "remove one of the two"
            )


def of_container(container: Node, place: Place, *, host_users: bool) -> Iterator[Cause]:
    """``securityContext`` of a container."""
    context, at = node(container, "securityContext"), place / "securityContext"
    yield from _ids(context, at, "runAsUser", "runAsGroup")
    mount = text(context, "procMount")
    yield from one_of(at / "procMount", mount, ("Default", "Unmasked"))
    if mount == "Unmasked" and host_users:
        yield invalid(at / "procMount", mount, "it needs hostUsers: false", "set hostUsers: false in the pod")
    yield from _profiles(context, at)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield invalid(at, context, "privileged: true excludes allowPrivilegeEscalation: false", "remove privileged")
        if "CAP_SYS_ADMIN" in values(node(context, "capabilities"), "add"):
            yield invalid(at, context, "CAP_SYS_ADMIN excludes allowPrivilegeEscalation: false", "remove CAP_SYS_ADMIN")


def _ids(context: Node, at: Place, *fields: str) -> Iterator[Cause]:
    for field in fields:
        value = number(context, field)
        if value is not None and not 0 <= value <= _MOST:
            yield invalid(at / field, value, f"allowed: 0 to {_MOST}", "write a number, 0 for root")


def _sysctls(context: Node, at: Place) -> Iterator[Cause]:
    seen: set[str] = set()
    for item_at, sysctl in items(context, "sysctls", at):
        name = text(sysctl, "name")
        if not name:
            yield required(item_at / "name")
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            yield invalid(
                item_at / "name", name, "allowed: a name like net.core.somaxconn", "write it as sysctl -a lists it"
            )
        elif name in seen:
            yield duplicate(item_at / "name", name)
        seen.add(name)


def _profiles(context: Node, at: Place) -> Iterator[Cause]:
    for field in ("seccompProfile", "appArmorProfile"):
        if context.get(field) is not None:
            yield from _profile(node(context, field), at / field)


def _profile(profile: Node, at: Place) -> Iterator[Cause]:
    kind, name = text(profile, "type"), profile.get("localhostProfile")
    if not kind:
        yield required(at / "type")
    elif kind not in _PROFILES:
        yield unsupported(at / "type", kind, _PROFILES)
    if kind == "Localhost":
        if not name:
            yield required(
                at / "localhostProfile", "type Localhost needs it", "name the profile, or write RuntimeDefault"
            )
        elif at.path[-1] == "seccompProfile":
            yield from relative_path(at / "localhostProfile", str(name))
    elif name is not None:
        yield invalid(at / "localhostProfile", name, "it is for type Localhost", "remove it, or write type: Localhost")
