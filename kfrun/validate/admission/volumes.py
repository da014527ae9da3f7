"""Volumes of a pod and their mounts, as the API server takes them.

A volume that is refused does not exist for its mounts: these are then refused as well. Upstream:
pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission import projections, quantity, vendors
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    duplicate,
    forbidden,
    invalid,
    items,
    label_name,
    needed,
    no_backsteps,
    node,
    not_found,
    one_of,
    relative_path,
    required,
    text,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_HOST_PATHS: Final = (
    "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_PULL: Final = ("Always", "IfNotPresent", "Never")
_PROPAGATION: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")


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
        if path in devices.values():
            yield invalid(at / "mountPath", path, "volumeDevices has this path already", "mount it elsewhere")
        yield from _below(mount, at, place / "volumeMounts")
        yield from _propagation(container, mount, at, place / "volumeMounts")


def devices(container: Node, place: Place, volumes: dict[str, Node]) -> Iterator[Cause]:
    """``volumeDevices``: block devices of claims."""
    names: set[str] = set()
    paths: set[str] = set()
    mounted = {text(mount, "name"): text(mount, "mountPath") for mount in values(container, "volumeMounts")}
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
        if path in mounted.values():
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
    chosen = [name for name in _SOURCES if volume.get(name) is not None]
    if chosen:
        yield from _content(chosen[0], volume, at)
    for name in chosen[1:]:
        place = (at / name).shown_as(at / _SHOWN.get(name, name))
        yield forbidden(place, f"only one source is allowed, and {chosen[0]} is set", f"keep {chosen[0]} or {name}")
    if "iscsi" in chosen:
        yield from vendors.portal(volume, at)


def _content(name: str, volume: Node, at: Place) -> Iterator[Cause]:
    check = _SOURCES[name]
    if check is None:
        yield from vendors.check(name, node(volume, name), at)
    else:
        yield from check(node(volume, name), at / name)


def _empty_dir(source: Node, at: Place) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and (quantity.nanos(str(limit)) or 0) < 0:
        yield forbidden(at / "sizeLimit", f"{limit} is negative", "write an amount such as 8Gi")


def _host_path(source: Node, at: Place) -> Iterator[Cause]:
    path = text(source, "path")
    if not path:
        yield required(at / "path")
        return
    yield from no_backsteps(at / "path", path)
    yield from one_of(at / "type", text(source, "type"), _HOST_PATHS)


def _secret(source: Node, at: Place) -> Iterator[Cause]:
    yield from projections.mode(source, at, "defaultMode")
    yield from projections.files(source, at, "secretName")


def _config_map(source: Node, at: Place) -> Iterator[Cause]:
    yield from projections.mode(source, at, "defaultMode")
    yield from projections.files(source, at, "name")


def _downward(source: Node, at: Place) -> Iterator[Cause]:
    yield from projections.mode(source, at, "defaultMode")
    yield from projections.downward_files(source, at)


def _nfs(source: Node, at: Place) -> Iterator[Cause]:
    yield from needed(source, at, "server", "path")
    path = text(source, "path")
    if not path.startswith("/"):
        yield invalid(at / "path", path, "it must be an absolute path", f"write /{path}")


def _claim(source: Node, at: Place) -> Iterator[Cause]:
    yield from needed(source, at, "claimName")


def _image(source: Node, at: Place) -> Iterator[Cause]:
    yield from one_of(at / "pullPolicy", text(source, "pullPolicy"), _PULL)


_SOURCES: Final[dict[str, Callable[[Node, Place], Iterator[Cause]] | None]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": None,
    "gcePersistentDisk": None,
    "awsElasticBlockStore": None,
    "secret": _secret,
    "nfs": _nfs,
    "iscsi": None,
    "glusterfs": None,
    "flocker": None,
    "persistentVolumeClaim": _claim,
    "rbd": None,
    "cinder": None,
    "cephfs": None,
    "quobyte": None,
    "downwardAPI": _downward,
    "fc": None,
    "flexVolume": None,
    "configMap": _config_map,
    "azureFile": None,
    "vsphereVolume": None,
    "photonPersistentDisk": None,
    "portworxVolume": None,
    "azureDisk": None,
    "storageos": None,
    "projected": projections.projected,
    "scaleIO": None,
    "csi": None,
    "ephemeral": projections.ephemeral,
    "image": _image,
}
"""Sources of a volume, in the order in which the API server looks for them; None where `vendors` knows them."""

_SHOWN: Final = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""What upstream calls a second source, where that is not its field."""
