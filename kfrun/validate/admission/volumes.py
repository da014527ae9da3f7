"""Volumes of a pod and their mounts, as the API server takes them.

A volume that is refused does not exist for its mounts: these are then refused as well. A cluster with its own feature
gates drops two kinds of projected sources, clusterTrustBundle and podCertificate, before it looks at anything: what
they hold does not matter. Upstream: pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission import quantity, scheduling, sources
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    annotated,
    choice,
    duplicate,
    file_path,
    forbidden,
    invalid,
    items,
    label_name,
    labels,
    needed,
    no_backsteps,
    node,
    not_found,
    number,
    relative_path,
    required,
    subdomain_name,
    text,
    unsupported,
    values,
)
from kfrun.validate.admission.podenv import IN_VOLUME, field_selector, resource_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PROPAGATION: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")
_ACCESS: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_ALONE: Final = "ReadWriteOncePod"
_MODES: Final = ("Block", "Filesystem")
_CLAIM: Final = "PersistentVolumeClaim"
_KINDS: Final = ("secret", "configMap", "downwardAPI", "serviceAccountToken")
_SHORTEST, _LONGEST = 600, 1 << 32
_OCTAL: Final = "write it in octal with a leading 0, such as 0644"
_OWN: Final = ("annotations", "labels")
_METADATA: Final = {"uid": "uID"}


def usable(pod: Node, place: Place) -> tuple[dict[str, Node], list[Cause]]:
    """The volumes of a pod that are accepted, by name, and what is wrong with the others."""
    accepted: dict[str, Node] = {}
    causes = []
    for at, volume in items(pod, "volumes", place):
        name = text(volume, "name")
        wrong = list(_source(volume, at))
        wrong += label_name(at / "name", name) if name else [required(at / "name")]
        if name in accepted:
            wrong.append(duplicate(at / "name", name))
        if wrong:
            causes += wrong
        else:
            accepted[name] = volume
    return accepted, causes


def refused(pod: Node, place: Place) -> Iterator[Cause]:
    """What is wrong with the volumes of a pod."""
    yield from usable(pod, place)[1]


def mounts(container: Node, place: Place, volumes: dict[str, Node]) -> Iterator[Cause]:
    """``volumeMounts`` of a container; upstream leaves the index out for some of their fields."""
    paths: set[str] = set()
    devices = {text(device, "name"): text(device, "devicePath") for device in values(container, "volumeDevices")}
    device_paths = set(devices.values())
    for at, mount in items(container, "volumeMounts", place):
        name, path = text(mount, "name"), text(mount, "mountPath")
        if not name:
            yield required(at / "name")
        if name not in volumes:
            yield not_found(at / "name", name, "the pod has no such volume", no_volume(name, volumes))
        if not path:
            yield required(at / "mountPath")
        if path in paths:
            yield invalid(at / "mountPath", path, "another mount has this path", "mount one of the two elsewhere")
        paths.add(path)
        if name in devices:
            yield invalid(
                at / "name", name, "the volume is in volumeDevices already", "mount it, or use it as a device"
            )
        if path in device_paths:
            yield invalid(at / "mountPath", path, "volumeDevices has this path already", "mount it elsewhere")
        yield from _below(mount, at, place / "volumeMounts")
        yield from _propagation(container, mount, at, place / "volumeMounts")


def devices(container: Node, place: Place, volumes: dict[str, Node]) -> Iterator[Cause]:
    """``volumeDevices``: block devices of claims."""
    names: set[str] = set()
    paths: set[str] = set()
    mounted = {text(mount, "name"): text(mount, "mountPath") for mount in values(container, "volumeMounts")}
    mount_paths = set(mounted.values())
    for at, device in items(container, "volumeDevices", place):
        name, path = text(device, "name"), text(device, "devicePath")
        yield from needed(device, at, "name", "devicePath")
        if name not in volumes:
            yield not_found(at / "name", name, "the pod has no such volume", no_volume(name, volumes))
        elif not any(volumes[name].get(one) is not None for one in ("persistentVolumeClaim", "ephemeral")):
            yield invalid(at / "name", name, "only a persistentVolumeClaim can be a device", "list it in volumeMounts")
        if name and name in names:
            yield invalid(at / "name", name, "another device is this volume", "list a volume once")
        if path in paths:
            yield invalid(at / "devicePath", path, "another device has this path", "give it another path")
        if name in mounted:
            yield invalid(at / "name", name, "the volume is in volumeMounts already", "use it in one of the two ways")
        if path in mount_paths:
            yield invalid(at / "devicePath", path, "volumeMounts has this path already", "give it another path")
        backsteps = list(no_backsteps(at / "devicePath", path))
        yield from backsteps
        names.add(name)
        if not backsteps:
            paths.add(path)


def no_volume(name: str, known: Iterable[str]) -> str:
    """How to mend a name that no usable volume of the pod has."""
    from kfrun.validate.schema.hints import near_value

    return near_value(name, list(known)) or "add it to the pod's volumes"


def _below(mount: Node, at: Place, shown: Place) -> Iterator[Cause]:
    path, expression = text(mount, "subPath"), text(mount, "subPathExpr")
    yield from relative_path((at / "subPath").shown_as(shown / "subPath"), path)
    if expression and path:
        yield invalid(at / "subPathExpr", expression, "it excludes subPath", "keep one of the two")
    yield from relative_path((at / "subPathExpr").shown_as(shown / "subPathExpr"), expression)


def _propagation(container: Node, mount: Node, at: Place, shown: Place) -> Iterator[Cause]:
    how = text(mount, "mountPropagation")
    field = (at / "mountPropagation").shown_as(shown / "mountPropagation")
    if isinstance(mount.get("mountPropagation"), str) and how not in _PROPAGATION:
        yield unsupported(field, how, _PROPAGATION)
    if how == "Bidirectional" and node(container, "securityContext").get("privileged") is not True:
        yield forbidden(field, "Bidirectional is for privileged containers", "write HostToContainer")
    recursive, place = mount.get("recursiveReadOnly"), (at / "recursiveReadOnly").shown_as(shown / "recursiveReadOnly")
    if isinstance(recursive, str) and recursive not in _RECURSIVE:
        yield unsupported(place, recursive, _RECURSIVE)
    elif recursive in _RECURSIVE[1:]:
        if mount.get("readOnly") is not True:
            yield forbidden(place, "it needs readOnly: true", "set readOnly: true beside it")
        if mount.get("mountPropagation") not in (None, "None"):
            yield forbidden(place, "it excludes mountPropagation", "remove one of the two")


def _source(volume: Node, at: Place) -> Iterator[Cause]:
    chosen = [name for name in sources.SOURCES if volume.get(name) is not None]
    if chosen:
        source = node(volume, chosen[0])
        yield from sources.check(chosen[0], source, at)
        if chosen[0] in _DESCRIBED:
            yield from _DESCRIBED[chosen[0]](source, at / chosen[0])
    for name in chosen[1:]:
        place = (at / name).shown_as(at / _SHOWN.get(name, name))
        yield forbidden(place, f"only one source is allowed, and {chosen[0]} is set", f"keep {chosen[0]} or {name}")
    if "iscsi" in chosen:
        yield from sources.portal(volume, at)


def _mode(holder: Node, at: Place, field: str) -> Iterator[Cause]:
    """The permissions of files."""
    value = number(holder, field)
    if value is not None and not 0 <= value <= 0o777:
        yield invalid(at / field, value, "allowed: 0 to 0777 (octal), 511 in decimal", _OCTAL)


def _files(source: Node, at: Place) -> Iterator[Cause]:
    """Where the keys of a Secret or a ConfigMap go."""
    for item_at, item in items(source, "items", at):
        yield from needed(item, item_at, "key", "path")
        yield from file_path(item_at / "path", text(item, "path"))
        yield from _mode(item, item_at, "mode")


def _downward_files(source: Node, at: Place) -> Iterator[Cause]:
    """Files of the downward API; upstream names the fields of all of them without an index."""
    for item_at, item in items(source, "items", at):
        yield from _downward_file(item, item_at.shown_as(at))


def _downward_file(item: Node, place: Place) -> Iterator[Cause]:
    yield from needed(item, place, "path")
    yield from file_path(place / "path", text(item, "path"))
    chosen = [name for name in ("fieldRef", "resourceFieldRef") if item.get(name) is not None]
    if not chosen:
        yield required(place, "fieldRef or resourceFieldRef must be set", "add fieldRef, or resourceFieldRef")
    elif chosen[0] == "fieldRef":
        yield from field_selector(node(item, "fieldRef"), place / "fieldRef", IN_VOLUME)
        if len(chosen) > 1:
            yield invalid(place, item, "only one of fieldRef and resourceFieldRef may be set", "keep one of them")
    else:
        yield from resource_selector(node(item, "resourceFieldRef"), place / "resourceFieldRef", in_volume=True)
    yield from _mode(item, place, "mode")


def _projected(volume: Node, at: Place) -> Iterator[Cause]:
    """``projected``: one source an item, and no path twice."""
    yield from _mode(volume, at, "defaultMode")
    paths: set[str] = set()
    for source_at, source in items(volume, "sources", at):
        chosen = [name for name in _KINDS if source.get(name) is not None]
        for name in chosen:
            yield from _projection(name, node(source, name), source_at / name, at)
            for path in _paths(name, node(source, name)):
                if path in paths:
                    hint = "give one of them another path"
                    yield invalid(source_at.shown_as(at), path, "two files have this path", hint)
                paths.add(path)
        if len(chosen) > 1:
            hint = f"make an item of {' and of '.join(chosen)}"
            yield forbidden(source_at, f"an item has one source, and this one has {' and '.join(chosen)}", hint)


def _projection(name: str, source: Node, at: Place, volume_at: Place) -> Iterator[Cause]:
    if name == "downwardAPI":
        yield from _downward_files(source, at)
    elif name == "serviceAccountToken":
        yield from _token(source, at, (at / "path").shown_as(volume_at / "path"))
    else:
        yield from needed(source, at, "name")
        yield from _files(source, at)


def _paths(name: str, source: Node) -> Iterator[str]:
    """Where files go that may not go there twice; a token may, upstream does not look."""
    if name != "serviceAccountToken":
        yield from filter(None, (text(item, "path") for item in values(source, "items")))


def _token(token: Node, at: Place, path_at: Place) -> Iterator[Cause]:
    """A token; upstream names its path as one of the whole volume."""
    seconds = number(token, "expirationSeconds")
    if seconds is not None and not _SHORTEST <= seconds <= _LONGEST:
        yield invalid(at / "expirationSeconds", seconds, "allowed: 600 or more", "write 3600, the default")
    if text(token, "path"):
        yield from file_path(path_at, text(token, "path"))
    else:
        yield required(path_at)


def _ephemeral(source: Node, at: Place) -> Iterator[Cause]:
    """``ephemeral``: the claim that is made for each pod."""
    place = at / "volumeClaimTemplate"
    if source.get("volumeClaimTemplate") is None:
        yield required(place)
        return
    template = node(source, "volumeClaimTemplate")
    yield from _claim_metadata(node(template, "metadata"), place / "metadata")
    spec, spec_at = node(template, "spec"), place / "spec"
    yield from _access_modes(spec, spec_at)
    yield from scheduling.selector(node(spec, "selector"), spec_at / "selector")
    amount, storage_at = node(spec, "resources", "requests").get("storage"), (spec_at / "resources").key("storage")
    if amount is None:
        yield required(storage_at)
    elif (quantity.nanos(str(amount)) or 0) <= 0:
        yield invalid(storage_at, amount, "allowed: more than 0", "write an amount such as 10Gi")
    for field in ("storageClassName", "volumeAttributesClassName"):
        if text(spec, field):
            yield from subdomain_name(spec_at / field, text(spec, field))
    yield from choice(spec, spec_at, "volumeMode", _MODES)
    yield from _data_sources(spec, spec_at)


def _claim_metadata(metadata: Node, at: Place) -> Iterator[Cause]:
    yield from annotated(at / "annotations", node(metadata, "annotations"))
    yield from labels(at / "labels", node(metadata, "labels"))
    for field, value in metadata.items():
        if field not in _OWN and value not in (None, "", 0):
            place = (at / field).shown_as(at / _METADATA.get(field, field))
            yield forbidden(place, "the metadata of a claim made for a pod has only labels and annotations")


def _access_modes(spec: Node, at: Place) -> Iterator[Cause]:
    modes, place = values(spec, "accessModes"), at / "accessModes"
    if not modes:
        yield required(place)
    for one in modes:
        if one not in _ACCESS:
            yield unsupported(place, one, _ACCESS)
    if _ALONE in modes and any(one in _ACCESS and one != _ALONE for one in modes):
        yield forbidden(place, f"{_ALONE} stands alone", "keep one of the modes")


def _data_sources(spec: Node, at: Place) -> Iterator[Cause]:
    plain, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, source in (("dataSource", plain), ("dataSourceRef", reference)):
        if source is not None:
            yield from _data_source(node(spec, field), at / field)
    if plain is None or reference is None:
        return
    if text(reference, "namespace"):
        yield invalid(at, plain, "dataSourceRef.namespace excludes dataSource", "remove dataSource")
    elif any(node(plain).get(field) != node(reference).get(field) for field in ("apiGroup", "kind", "name")):
        yield invalid(at, plain, "dataSource and dataSourceRef must be the same", "remove dataSource")


def _data_source(source: Node, at: Place) -> Iterator[Cause]:
    yield from needed(source, at, "name", "kind")
    group, kind = text(source, "apiGroup"), text(source, "kind")
    if not group and kind != _CLAIM:
        yield invalid(at, kind, f"without an apiGroup it must be a {_CLAIM}", f"add the apiGroup, or write {_CLAIM}")
    elif group:
        yield from subdomain_name(at / "apiGroup", group)
    if at.path[-1] == "dataSourceRef" and text(source, "namespace"):
        yield from label_name(at / "namespace", text(source, "namespace"))


def _keys(source: Node, at: Place) -> Iterator[Cause]:
    yield from _mode(source, at, "defaultMode")
    yield from _files(source, at)


def _downward(source: Node, at: Place) -> Iterator[Cause]:
    yield from _mode(source, at, "defaultMode")
    yield from _downward_files(source, at)


_DESCRIBED: Final[dict[str, Callable[[Node, Place], Iterator[Cause]]]] = {
    "secret": _keys,
    "configMap": _keys,
    "downwardAPI": _downward,
    "projected": _projected,
    "ephemeral": _ephemeral,
}
"""Sources whose content the pod describes, and what is asked of the description."""

_SHOWN: Final = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""What upstream calls a second source, where that is not its field."""
