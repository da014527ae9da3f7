"""Volumes of a pod and their mounts, as the API server takes them.

A volume that is refused does not exist for its mounts: these are then refused as well. Upstream:
pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission import quantity
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    duplicate,
    file_path,
    forbidden,
    invalid,
    items,
    label_name,
    node,
    not_found,
    number,
    one_of,
    relative_path,
    required,
    subdomain_name,
    text,
    values,
)
from kfrun.validate.admission.podenv import IN_VOLUME, field_selector, resource_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_HOST_PATHS: Final = (
    "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_ACCESS: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_PULL: Final = ("Always", "IfNotPresent", "Never")
_PROPAGATION: Final = ("Bidirectional", "HostToContainer", "None")


_OCTAL: Final = "write it in octal with a leading 0, such as 0644"


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
    seen: set[str] = set()
    for at, device in items(container, "volumeDevices", place):
        name, path = text(device, "name"), text(device, "devicePath")
        if not name:
            yield required(at / "name")
        elif name not in volumes:
            yield not_found(at / "name", name, "the pod has no such volume", no_volume(name, volumes))
        elif not {"persistentVolumeClaim", "ephemeral"} & volumes[name].keys():
            yield invalid(at / "name", name, "only a persistentVolumeClaim can be a device", "list it in volumeMounts")
        if not path:
            yield required(at / "devicePath")
        elif path in seen:
            yield invalid(at / "devicePath", path, "another device has this path", "give it another path")
        seen.add(path)


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
    yield from one_of(field, how, _PROPAGATION)
    if how == "Bidirectional" and node(container, "securityContext").get("privileged") is not True:
        yield forbidden(field, "Bidirectional is for privileged containers", "write HostToContainer")
    recursive, place = text(mount, "recursiveReadOnly"), at / "recursiveReadOnly"
    yield from one_of(place, recursive, ("Disabled", "Enabled", "IfPossible"))
    if recursive in ("Enabled", "IfPossible"):
        if mount.get("readOnly") is not True:
            yield forbidden(place, "it needs readOnly: true", "set readOnly: true beside it")
        if how not in ("", "None"):
            yield forbidden(place, "it excludes mountPropagation", "remove one of the two")


def _source(volume: Node, at: Place) -> Iterator[Cause]:
    chosen = [name for name in _SOURCES if volume.get(name) is not None]
    for index, name in enumerate(chosen):
        if index:
            yield forbidden(
                at / name, f"only one source is allowed, and {chosen[0]} is set", f"keep {chosen[0]} or {name}"
            )
        else:
            yield from _SOURCES[name](node(volume, name), at / name)


def _anything(source: Node, at: Place) -> Iterator[Cause]:  # noqa: ARG001
    yield from ()


def _empty_dir(source: Node, at: Place) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and (quantity.nanos(str(limit)) or 0) < 0:
        yield forbidden(at / "sizeLimit", f"{limit} is negative", "write an amount such as 8Gi")


def _host_path(source: Node, at: Place) -> Iterator[Cause]:
    path = text(source, "path")
    if not path:
        yield required(at / "path")
    elif ".." in path.split("/"):
        yield invalid(at / "path", path, "it may not contain ..", "leave .. out of the path")
    yield from one_of(at / "type", text(source, "type"), _HOST_PATHS)


def _secret(source: Node, at: Place) -> Iterator[Cause]:
    return _files(source, at, "secretName")


def _config_map(source: Node, at: Place) -> Iterator[Cause]:
    return _files(source, at, "name")


def _files(source: Node, at: Place, name: str) -> Iterator[Cause]:
    if not text(source, name):
        yield required(at / name)
    yield from _mode(source, at, "defaultMode")
    for item_at, item in items(source, "items", at):
        yield from _key_to_path(item, item_at)


def _key_to_path(item: Node, at: Place) -> Iterator[Cause]:
    for field in ("key", "path"):
        if not text(item, field):
            yield required(at / field)
    yield from file_path(at / "path", text(item, "path"))
    yield from _mode(item, at, "mode")


def _mode(holder: Node, at: Place, field: str) -> Iterator[Cause]:
    mode = number(holder, field)
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(at / field, mode, "allowed: 0 to 0777 (octal), 511 in decimal", _OCTAL)


def _nfs(source: Node, at: Place) -> Iterator[Cause]:
    if not text(source, "server"):
        yield required(at / "server")
    path = text(source, "path")
    if not path:
        yield required(at / "path")
    elif not path.startswith("/"):
        yield invalid(at / "path", path, "it must be an absolute path", f"write /{path}")


def _claim(source: Node, at: Place) -> Iterator[Cause]:
    if not text(source, "claimName"):
        yield required(at / "claimName")


def _downward(source: Node, at: Place) -> Iterator[Cause]:
    yield from _mode(source, at, "defaultMode")
    for item_at, item in items(source, "items", at):
        yield from _downward_file(item, item_at, at)


def _downward_file(item: Node, at: Place, shown: Place) -> Iterator[Cause]:
    """Upstream names the fields of all files without an index."""
    place = at.shown_as(shown)
    if not text(item, "path"):
        yield required(place / "path")
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
    yield from _mode(volume, at, "defaultMode")
    paths: set[str] = set()
    for source_at, source in items(volume, "sources", at):
        yield from _projection(source, source_at)
        for path in _projected_paths(source):
            if path in paths:
                yield invalid(source_at.shown_as(at), path, "two files have this path", "give one of them another path")
            paths.add(path)


def _projected_paths(source: Node) -> Iterator[str]:
    for name in ("secret", "configMap", "downwardAPI"):
        yield from filter(None, (text(item, "path") for item in values(node(source, name), "items")))
    yield from filter(None, (text(node(source, "serviceAccountToken"), "path"),))


def _projection(source: Node, at: Place) -> Iterator[Cause]:
    names = ("secret", "configMap", "downwardAPI", "serviceAccountToken")
    chosen = [name for name in names if source.get(name) is not None]
    for name in chosen[1:]:
        yield forbidden(at / name, f"only one source is allowed, and {chosen[0]} is set", f"keep {chosen[0]} or {name}")
    if not chosen:
        return
    one, place = node(source, chosen[0]), at / chosen[0]
    if chosen[0] in ("secret", "configMap"):
        yield from _files(one, place, "name")
    elif chosen[0] == "downwardAPI":
        for item_at, item in items(one, "items", place):
            yield from _downward_file(item, item_at, place)
    else:
        yield from _token(one, place)


def _token(token: Node, at: Place) -> Iterator[Cause]:
    seconds = number(token, "expirationSeconds")
    if seconds is not None and not 600 <= seconds <= 1 << 32:
        yield invalid(at / "expirationSeconds", seconds, "allowed: 600 or more", "write 3600, the default")
    if not text(token, "path"):
        yield required(at / "path")
    yield from file_path(at / "path", text(token, "path"))


def _csi(source: Node, at: Place) -> Iterator[Cause]:
    driver = text(source, "driver")
    if not driver:
        yield required(at / "driver")
    else:
        yield from subdomain_name(at / "driver", driver.lower())


def _ephemeral(source: Node, at: Place) -> Iterator[Cause]:
    place = at / "volumeClaimTemplate"
    if source.get("volumeClaimTemplate") is None:
        yield required(place)
        return
    spec, spec_at = node(source, "volumeClaimTemplate", "spec"), place / "spec"
    modes = values(spec, "accessModes")
    if not modes:
        yield required(spec_at / "accessModes")
    for mode in modes:
        yield from one_of(spec_at / "accessModes", str(mode), _ACCESS)
    if "storage" not in node(spec, "resources", "requests"):
        yield required((spec_at / "resources").key("storage"))


def _image(source: Node, at: Place) -> Iterator[Cause]:
    yield from one_of(at / "pullPolicy", text(source, "pullPolicy"), _PULL)


_SOURCES: Final[dict[str, Callable[[Node, Place], Iterator[Cause]]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gcePersistentDisk": _anything,
    "awsElasticBlockStore": _anything,
    "secret": _secret,
    "nfs": _nfs,
    "iscsi": _anything,
    "glusterfs": _anything,
    "persistentVolumeClaim": _claim,
    "rbd": _anything,
    "cinder": _anything,
    "cephfs": _anything,
    "downwardAPI": _downward,
    "fc": _anything,
    "configMap": _config_map,
    "azureFile": _anything,
    "flexVolume": _anything,
    "azureDisk": _anything,
    "portworxVolume": _anything,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
"""Sources of a volume, in the order in which the API server looks for them; sources of vendors are only counted."""
