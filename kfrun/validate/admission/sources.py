"""Where the content of a volume comes from, as the API server takes it.

Most sources only need some of their fields, which the table names; what else one is asked for is a function beside
them, or in `volumes` where the pod itself describes the content. Upstream: pkg/apis/core/validation,
validateVolumeSource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern
from kfrun.validate.admission import quantity
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    choice,
    forbidden,
    invalid,
    is_subdomain,
    label_name,
    needed,
    no_backsteps,
    node,
    number,
    one_of,
    relative_path,
    required,
    text,
    too_long,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[Node, Place], Iterator[Cause]]

_HOST_PATHS: Final = (
    "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
)  # fmt: skip
_PULL: Final = ("Always", "IfNotPresent", "Never")
_MOST: Final = 255
_LONGEST_TENANT: Final = 64
_LONGEST_DRIVER: Final = 63
_LONGEST_PORTAL: Final = 64
_RESERVED: Final = (".kubernetes.io", ".k8s.io")
_CACHING: Final = ("None", "ReadOnly", "ReadWrite")
_DISKS: Final = ("Dedicated", "Managed", "Shared")
_ISCSI_NAME: Final = "write the name as the target gives it, such as iqn.2001-04.com.example:storage"
_REGISTRY: Final = "write it as host:port, several with commas between them"
_ISCSI = pattern(r"iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.-]+:[^,;*&$|\t\n\f\r ]+|eui.[A-Za-z0-9]{16}|naa.[A-Za-z0-9]{32}")


def check(name: str, source: Node, volume_at: Place) -> Iterator[Cause]:
    """The source ``name`` of a volume; upstream gives some another name than their field has."""
    shown = volume_at / _SHOWN[name] if name in _SHOWN else volume_at / name
    at = (volume_at / name).shown_as(shown)
    fields, more = SOURCES[name]
    yield from needed(source, at, *fields)
    if more is not None:
        yield from more(source, at)


def portal(volume: Node, at: Place) -> Iterator[Cause]:
    """The name of an iscsi volume becomes a part of the initiator's, with the portal."""
    source = node(volume, "iscsi")
    whole = f"{text(volume, 'name')}:{text(source, 'targetPortal')}"
    if source.get("initiatorName") is not None and len(whole) > _LONGEST_PORTAL:
        yield invalid(
            at / "name",
            text(volume, "name"),
            f"with :targetPortal it may have {_LONGEST_PORTAL} characters where initiatorName is set",
            "shorten it, or leave initiatorName out",
        )


def _git_repo(source: Node, at: Place) -> Iterator[Cause]:
    yield from relative_path(at / "directory", text(source, "directory"))


def _partition(source: Node, at: Place) -> Iterator[Cause]:
    yield from _up_to_255(source, at, "partition")


def _up_to_255(source: Node, at: Place, field: str) -> Iterator[Cause]:
    value = number(source, field)
    if value is not None and not 0 <= value <= _MOST:
        yield invalid(at / field, value, f"allowed: 0 to {_MOST}", f"write 0 to {_MOST}, or leave it out")


def _iscsi(source: Node, at: Place) -> Iterator[Cause]:
    name, initiator = text(source, "iqn"), source.get("initiatorName")
    if name and not _ISCSI.fullmatch(name):
        yield invalid(at / "iqn", name, "allowed: a name that begins with iqn., eui. or naa.", _ISCSI_NAME)
    yield from _up_to_255(source, at, "lun")
    if True in (source.get("chapAuthDiscovery"), source.get("chapAuthSession")) and source.get("secretRef") is None:
        yield required(
            at / "secretRef", "chapAuthDiscovery and chapAuthSession need it", "name the Secret of the login"
        )
    if isinstance(initiator, str) and not _ISCSI.fullmatch(initiator):
        place = (at / "initiatorName").shown_as(at / "initiatorname")
        yield invalid(place, initiator, "allowed: a name that begins with iqn., eui. or naa.", _ISCSI_NAME)


def _flocker(source: Node, at: Place) -> Iterator[Cause]:
    name, uuid = text(source, "datasetName"), text(source, "datasetUUID")
    if not name and not uuid:
        yield required(at, "datasetName or datasetUUID must be set", "name the dataset")
    if name and uuid:
        yield invalid(at, source, "datasetName and datasetUUID exclude each other", "keep one of them")
    if "/" in name:
        yield invalid(at / "datasetName", name, "it may not contain /", "write the name without a path")


def _secret(source: Node, at: Place) -> Iterator[Cause]:
    if source.get("secretRef") is not None:
        yield from needed(node(source, "secretRef"), at / "secretRef", "name")


def _quobyte(source: Node, at: Place) -> Iterator[Cause]:
    registry, tenant = text(source, "registry"), text(source, "tenant")
    if registry and len(tenant) > _LONGEST_TENANT:
        form = f"it is a UUID of {_LONGEST_TENANT} characters at most"
        yield required(at / "tenant", form, "write the UUID of the tenant, or leave it out")
    elif registry and not all(_is_host_port(one) for one in registry.split(",")):
        yield invalid(at / "registry", registry, "allowed: host:port, several with commas", _REGISTRY)


def _is_host_port(value: str) -> bool:
    """A host and a port; an IPv6 address stands in brackets."""
    if value.startswith("["):
        host, bracket, port = value[1:].partition("]")
        return (
            bool(bracket)
            and port.startswith(":")
            and not any(one in host + port[1:] for one in "[")
            and (not any(one in port[1:] for one in ":]"))
        )
    host, colon, _ = value.rpartition(":")
    return bool(colon) and ":" not in host and not any(one in value for one in "[]")


def _fibre_channel(source: Node, at: Place) -> Iterator[Cause]:
    names = values(source, "targetWWNs")
    if not names and not values(source, "wwids"):
        yield required(at / "targetWWNs", "targetWWNs or wwids must be set", "name the volume by one of them")
    if names and values(source, "wwids"):
        yield invalid(at / "targetWWNs", names, "wwids excludes it", "keep one of the two")
    if names and number(source, "lun") is None:
        yield required(at / "lun", "targetWWNs needs it", "add the number of the LUN")
    elif names:
        yield from _up_to_255(source, at, "lun")


def _flex(source: Node, at: Place) -> Iterator[Cause]:
    for key in node(source, "options"):
        if f".{key.partition('/')[0].lower()}".endswith(_RESERVED):
            hint = "take a name of the driver's own"
            yield invalid((at / "options").key(key), key, "kubernetes.io and k8s.io are reserved", hint)


def _azure_disk(source: Node, at: Place) -> Iterator[Cause]:
    yield from choice(source, at, "cachingMode", _CACHING)
    yield from choice(source, at, "kind", _DISKS)
    address = text(source, "diskURI")
    start = "/subscriptions/" if source.get("kind") == "Managed" else "https://"
    if not address.startswith(start):
        disk = "a disk whose kind is Managed" if start[0] == "/" else "a disk whose kind is not Managed"
        hint = f"{disk} has an address that begins with {start}"
        yield unsupported(at / "diskURI", address, (f"{start}…",), hint)


def _storage_os(source: Node, at: Place) -> Iterator[Cause]:
    for field in ("volumeName", "volumeNamespace"):
        if text(source, field):
            yield from label_name(at / field, text(source, field))
    yield from _secret(source, at)


def _csi(source: Node, at: Place) -> Iterator[Cause]:
    driver, secret = text(source, "driver"), source.get("nodePublishSecretRef")
    if len(driver) > _LONGEST_DRIVER:
        yield too_long(at / "driver", len(driver), _LONGEST_DRIVER)
    if driver and not is_subdomain(driver.lower()):
        form = "allowed: letters, digits, - and ., a letter or digit at both ends"
        yield invalid(at / "driver", driver, form, "write the driver's name as kubectl get csidrivers shows it")
    name = text(secret, "name")
    if secret is not None and not name:
        yield required(at / "nodePublishSecretRef" / "name")
    elif secret is not None and not is_subdomain(name):
        place = (at / "nodePublishSecretRef" / "name").shown_as(at / "name")
        yield invalid(place, name, "allowed: lower-case letters, digits, - and .", "write the name of a Secret")


def _empty_dir(source: Node, at: Place) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    amount = quantity.nanos(str(limit)) if limit is not None else 0
    if amount is None:
        yield invalid(at / "sizeLimit", limit, "allowed: an amount", "write an amount such as 8Gi")
    elif amount < 0:
        yield forbidden(at / "sizeLimit", f"{limit} is negative", "write an amount such as 8Gi")


def _host_path(source: Node, at: Place) -> Iterator[Cause]:
    if path := text(source, "path"):
        yield from no_backsteps(at / "path", path)
        yield from one_of(at / "type", text(source, "type"), _HOST_PATHS)


def _nfs(source: Node, at: Place) -> Iterator[Cause]:
    path = text(source, "path")
    if not path.startswith("/"):
        yield invalid(at / "path", path, "it must be an absolute path", f"write /{path}")


def _image(source: Node, at: Place) -> Iterator[Cause]:
    yield from one_of(at / "pullPolicy", text(source, "pullPolicy"), _PULL)


SOURCES: Final[dict[str, tuple[tuple[str, ...], Check | None]]] = {
    "emptyDir": ((), _empty_dir),
    "hostPath": (("path",), _host_path),
    "gitRepo": (("repository",), _git_repo),
    "gcePersistentDisk": (("pdName",), _partition),
    "awsElasticBlockStore": (("volumeID",), _partition),
    "secret": (("secretName",), None),
    "nfs": (("server", "path"), _nfs),
    "iscsi": (("targetPortal", "iqn"), _iscsi),
    "glusterfs": (("endpoints", "path"), None),
    "flocker": ((), _flocker),
    "persistentVolumeClaim": (("claimName",), None),
    "rbd": (("monitors", "image"), None),
    "cinder": (("volumeID",), _secret),
    "cephfs": (("monitors",), None),
    "quobyte": (("registry", "volume"), _quobyte),
    "downwardAPI": ((), None),
    "fc": ((), _fibre_channel),
    "flexVolume": (("driver",), _flex),
    "configMap": (("name",), None),
    "azureFile": (("secretName", "shareName"), None),
    "vsphereVolume": (("volumePath",), None),
    "photonPersistentDisk": (("pdID",), None),
    "portworxVolume": (("volumeID",), None),
    "azureDisk": (("diskName", "diskURI"), _azure_disk),
    "storageos": (("volumeName",), _storage_os),
    "projected": ((), None),
    "scaleIO": (("gateway", "system", "volumeName"), None),
    "csi": (("driver",), _csi),
    "ephemeral": ((), None),
    "image": ((), _image),
}
"""Sources by their field, in the API server's order: the fields that they need, and what else is asked of them."""

_SHOWN: Final = {"gcePersistentDisk": "persistentDisk"}
"""What upstream calls a source, where that is not its field."""
