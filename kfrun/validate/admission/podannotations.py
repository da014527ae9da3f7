"""Annotations of pods that the API server reads: what was written there before there were fields for it.

Upstream: pkg/apis/core/validation, ValidatePodSpecificAnnotations and what a pod template adds to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kfrun.validate.admission import scheduling
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    every_container,
    forbidden,
    invalid,
    node,
    relative_path,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_Names = dict[str, tuple[str, ...]]

_MIRROR: Final = "kubernetes.io/config.mirror"
_TOLERATIONS: Final = "scheduler.alpha.kubernetes.io/tolerations"
_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"

_LOCALHOST: Final = "localhost/"
_SECCOMP_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_APP_ARMOR_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}
_PROFILES: Final = "unconfined, runtime/default, localhost/<profile>"
_FIELD: Final = "remove the annotation; the field says it"
_MOST_DIGITS: Final = 10


def of_pod(template: Node, place: Place) -> Iterator[Cause]:
    """Every annotation of a pod template that means something; ``place`` is the template's."""
    given = node(template, "metadata", "annotations")
    if not any("kubernetes.io/" in key for key in given):
        return
    at = (place / "metadata" / "annotations").shown_as(place / "annotations")
    spec = node(template, "spec")
    if _MIRROR in given and not text(spec, "nodeName"):
        yield invalid(at.key(_MIRROR), given[_MIRROR], "it needs nodeName: only a kubelet writes it", "remove it")
    if text(given, _TOLERATIONS):
        yield from _tolerations(text(given, _TOLERATIONS), at)
    if _DELETION_COST in given and not _is_int32(str(given[_DELETION_COST])):
        yield invalid(
            at.key(_DELETION_COST),
            given[_DELETION_COST],
            "allowed: a whole number of 32 bits without + and zeros before it",
            "write a number such as -10 or 100",
        )
    for key, value in given.items():
        if key == _SECCOMP_OF_POD or key.startswith(_SECCOMP):
            yield from _seccomp(str(value), at / key)
        elif key.startswith(_APP_ARMOR):
            yield from _app_armor(key.removeprefix(_APP_ARMOR), str(value), at.key(key), spec)
    yield from _contradictions(given, spec, place / "spec")


def _tolerations(written: str, at: Place) -> Iterator[Cause]:
    import json

    try:
        parsed = json.loads(written)
    except (ValueError, RecursionError):
        parsed = written
    if parsed is None:
        return
    if not isinstance(parsed, list) or not all(isinstance(one, dict) for one in parsed):
        yield invalid(
            at.key(_TOLERATIONS).shown_as(at), written, "allowed: a list in JSON", "use the field tolerations"
        )
        return
    yield from scheduling.tolerations({_TOLERATIONS: parsed}, at, _TOLERATIONS)


def _is_int32(written: str) -> bool:
    if not re.fullmatch(r"0|-[0-9]+|[1-9][0-9]*", written):
        return False
    digits = written.lstrip("-").lstrip("0") or "0"
    return len(digits) <= _MOST_DIGITS and int(digits) < 2**31 + written.startswith("-")


def _seccomp(profile: str, at: Place) -> Iterator[Cause]:
    if profile.startswith(_LOCALHOST):
        yield from relative_path(at, profile.removeprefix(_LOCALHOST))
    elif not any(profile in names for names in _SECCOMP_NAMES.values()):
        yield invalid(at, profile, f"allowed: {_PROFILES}", "remove it; securityContext.seccompProfile says it")


def _app_armor(container: str, profile: str, at: Place, spec: Node) -> Iterator[Cause]:
    if container not in {text(one, "name") for _, one in every_container(spec, at)}:
        yield invalid(at, container, "the pod has no such container", "name a container of the pod, or remove it")
    known = ("", *_APP_ARMOR_NAMES["Unconfined"], *_APP_ARMOR_NAMES["RuntimeDefault"])
    if profile not in known and not profile.startswith(_LOCALHOST):
        yield invalid(at, profile, f"allowed: {_PROFILES}", "remove it; securityContext.appArmorProfile says it")


def _contradictions(given: Node, spec: Node, place: Place) -> Iterator[Cause]:
    """What an annotation and a field say of the same thing, where they do not agree."""
    own = node(spec, "securityContext")
    if _SECCOMP_OF_POD in given:
        at = place / "securityContext" / "seccompProfile"
        yield from _unlike(str(given[_SECCOMP_OF_POD]), node(own, "seccompProfile"), at, _SECCOMP_NAMES)
    on_windows = text(node(spec, "os"), "name") == "windows"
    for container_at, container in every_container(spec, place):
        name, context = text(container, "name"), node(container, "securityContext")
        at = container_at / "securityContext"
        seccomp, app_armor = given.get(_SECCOMP + name), given.get(_APP_ARMOR + name)
        if seccomp is not None:
            yield from _unlike(str(seccomp), node(context, "seccompProfile"), at / "seccompProfile", _SECCOMP_NAMES)
        if app_armor is not None and not on_windows:
            profile = node(context, "appArmorProfile") or node(own, "appArmorProfile")
            yield from _unlike(str(app_armor), profile, at / "appArmorProfile", _APP_ARMOR_NAMES)


def _unlike(annotation: str, profile: Node, at: Place, names: _Names) -> Iterator[Cause]:
    kind = text(profile, "type")
    if kind in names:
        if annotation not in names[kind]:
            yield forbidden(at / "type", f'the annotation says "{annotation}"', _FIELD)
    elif kind == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            yield forbidden(at / "type", f'the annotation says "{annotation}"', _FIELD)
        elif annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
            yield forbidden(at / "localhostProfile", f'the annotation says "{annotation}"', _FIELD)
