"""Environment variables and the downward API of a pod, as the API server takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.patterns import pattern
from kfrun.validate.admission import quantity
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    invalid,
    items,
    label_name,
    needed,
    no_backsteps,
    node,
    not_found,
    qualified_name,
    required,
    subdomain_name,
    text,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_ENV: Final = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
"""Fields of a pod that a variable may take."""

IN_VOLUME: Final = (
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
)  # fmt: skip
"""Fields of a pod that a file may take."""

_KNOWN: Final = {*IN_ENV, *IN_VOLUME, "spec.restartPolicy", "spec.schedulerName", "spec.host", "status.phase"}
_RESOURCES: Final = tuple(
    f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE: Final = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS: Final = ("1m", "1")
_SIZE_DIVISORS: Final = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_VARIABLE: Final = "write a name such as BATCH_SIZE"
_DEVICES: Final = "devices cannot be taken from here: write their number as a value"
_SUBSCRIPT = pattern(r"(metadata\.(?:annotations|labels))\['(.*)'\]")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def env(container: Node, place: Place) -> Iterator[Cause]:
    """``env``: names, and exactly one source for a value that is taken from elsewhere."""
    for at, variable in items(container, "env", place):
        name = text(variable, "name")
        if not name:
            yield required(at / "name")
        else:
            yield from _variable_name(at / "name", name)
        if variable.get("valueFrom") is not None:
            yield from _value_from(variable, at / "valueFrom")


def env_from(container: Node, place: Place) -> Iterator[Cause]:
    """``envFrom``: one source each; upstream names the whole list where that is wrong."""
    for at, source in items(container, "envFrom", place):
        if prefix := text(source, "prefix"):
            yield from _variable_name(at / "prefix", prefix)
        chosen = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in chosen:
            of = text(node(source, name), "name")
            field = at / name / "name"
            if of:
                # a dash at the end is let through, as for the beginning of a name
                yield from subdomain_name(field, f"{of[:-2]}a" if len(of) > 1 and of.endswith("-") else of)
            else:
                yield required(field)
        if len(chosen) != 1:
            wrong = "only one of configMapRef and secretRef may be set" if chosen else "set configMapRef or secretRef"
            yield invalid(at.shown_as(place / "envFrom"), source, wrong, "write one item of the list for each source")


def _variable_name(place: Place, name: str) -> Iterator[Cause]:
    if "=" in name or not re.fullmatch(r"[ -~]+", name):
        yield invalid(place, name, "allowed: printable ASCII characters other than =", _VARIABLE)


def _value_from(variable: Node, place: Place) -> Iterator[Cause]:
    source = node(variable, "valueFrom")
    chosen = [name for name in _SOURCES if source.get(name) is not None]
    for name in chosen:
        yield from _CHECKS[name](node(source, name), place / name)
    if not chosen:
        yield invalid(place, source, f"one of {', '.join(_SOURCES)} must be set", "name where the value comes from")
    elif text(variable, "value"):
        yield invalid(place, source, "it may not be set beside a value", "keep value or valueFrom")
    elif len(chosen) > 1:
        yield invalid(place, source, f"only one of {' and '.join(chosen)} may be set", "keep one of them")


def _from_key(selector: Node, place: Place) -> Iterator[Cause]:
    yield from subdomain_name(place / "name", text(selector, "name"))
    yield from data_key(place / "key", text(selector, "key"))


def data_key(place: Place, key: str) -> Iterator[Cause]:
    """A key of a ConfigMap's or a Secret's data."""
    if not key:
        yield required(place)
    elif len(key) > 253 or key == "." or key.startswith("..") or not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
        yield invalid(
            place, key, "allowed: letters, digits, -, _ and .", "write the key as the ConfigMap or Secret has it"
        )


def _from_file(selector: Node, place: Place) -> Iterator[Cause]:
    yield from needed(selector, place, "volumeName", "path", "key")
    yield from no_backsteps(place / "path", text(selector, "path"))
    if name := text(selector, "volumeName"):
        yield from label_name(place / "volumeName", name)
    if key := text(selector, "key"):
        yield from _variable_name(place / "key", key)


def _from_field(selector: Node, place: Place) -> Iterator[Cause]:
    return field_selector(selector, place, IN_ENV)


def _from_resource(selector: Node, place: Place) -> Iterator[Cause]:
    return resource_selector(selector, place, in_volume=False)


_CHECKS: Final = {
    "fieldRef": _from_field,
    "resourceFieldRef": _from_resource,
    "configMapKeyRef": _from_key,
    "secretKeyRef": _from_key,
    "fileKeyRef": _from_file,
}


def field_selector(selector: Node, place: Place, allowed: tuple[str, ...]) -> Iterator[Cause]:
    """A field of the pod; labels and annotations may be named one by one."""
    field, at = text(selector, "fieldPath"), place / "fieldPath"
    subscript = _SUBSCRIPT.fullmatch(field)
    if not field:
        yield required(at)
    elif subscript:
        key = subscript[2].lower() if subscript[1].endswith("annotations") else subscript[2]
        yield from qualified_name(at.shown_as(place), key)
    elif field not in _KNOWN or text(selector, "apiVersion") not in ("", "v1"):
        yield invalid(at, field, f"allowed: {', '.join(allowed)}", "write one of these")
    elif field not in allowed and field != "spec.host":
        one = f"name one: {field}['key']" if field in ("metadata.annotations", "metadata.labels") else ""
        yield unsupported(at, field, allowed, one)


def resource_selector(selector: Node, place: Place, *, in_volume: bool) -> Iterator[Cause]:
    """A request or limit of a container."""
    resource = text(selector, "resource")
    if in_volume and not text(selector, "containerName"):
        yield required(place / "containerName")
    elif not resource:
        yield required(place / "resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE):
        yield unsupported(place / "resource", resource, _RESOURCES, _DEVICES if "/" in resource else "")
    yield from _divisor(place / "divisor", resource, selector.get("divisor"))


def _divisor(place: Place, resource: str, divisor: Any) -> Iterator[Cause]:
    amount = quantity.canonical(str(divisor)) if divisor is not None else None
    if divisor is not None and amount is None:
        yield invalid(place, divisor, "allowed: an amount", "write 1, or leave it out")
    is_cpu = resource.endswith(".cpu")
    allowed = _CPU_DIVISORS if is_cpu else _SIZE_DIVISORS
    is_known = resource in _RESOURCES or resource.startswith(_HUGE)
    if is_known and amount not in (None, "0", *allowed):
        yield invalid(place, amount, f"allowed: {', '.join(allowed)}", "write one of these, or leave it out")


def files_in_volumes(container: Node, place: Place, pod: Node) -> Iterator[Cause]:
    """A ``fileKeyRef`` needs an emptyDir of the pod, which a volume without a source is."""
    for at, variable in items(container, "env", place):
        reference = node(variable, "valueFrom").get("fileKeyRef")
        if reference is None:
            continue
        name, field = text(reference, "volumeName"), at / "valueFrom" / "fileKeyRef" / "volumeName"
        volumes = [one for _, one in items(pod, "volumes", place) if text(one, "name") == name]
        sources = {one for one, value in volumes[-1].items() if value is not None} - {"name"} if volumes else set()
        if not volumes:
            yield not_found(field, name, "the pod has no such volume", "add it to the pod's volumes, as an emptyDir")
        elif sources and "emptyDir" not in sources:
            yield invalid(
                field, name, "the volume must be an emptyDir", "have an init container write the file into one"
            )
