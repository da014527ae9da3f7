"""Projected volumes and the claims of ephemeral ones: volumes that the pod itself describes.

A cluster with its own feature gates drops two kinds of projected sources, clusterTrustBundle and podCertificate, before
it looks at anything: what they hold does not matter. Upstream: pkg/apis/core/validation, validateProjectionSources and
ValidatePersistentVolumeClaimTemplate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission import quantity, scheduling
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    annotated,
    choice,
    file_path,
    forbidden,
    invalid,
    items,
    label_name,
    labels,
    needed,
    node,
    number,
    required,
    subdomain_name,
    text,
    unsupported,
    values,
)
from kfrun.validate.admission.podenv import IN_VOLUME, field_selector, resource_selector

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCESS: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_ALONE: Final = "ReadWriteOncePod"
_MODES: Final = ("Block", "Filesystem")
_CLAIM: Final = "PersistentVolumeClaim"
_KINDS: Final = ("secret", "configMap", "downwardAPI", "serviceAccountToken")
_SHORTEST, _LONGEST = 600, 1 << 32
_OCTAL: Final = "write it in octal with a leading 0, such as 0644"
_OWN: Final = ("annotations", "labels")
_SHOWN: Final = {"uid": "uID"}


def mode(holder: Node, at: Place, field: str) -> Iterator[Cause]:
    """The permissions of files."""
    value = number(holder, field)
    if value is not None and not 0 <= value <= 0o777:
        yield invalid(at / field, value, "allowed: 0 to 0777 (octal), 511 in decimal", _OCTAL)


def files(source: Node, at: Place, name: str) -> Iterator[Cause]:
    """A Secret or a ConfigMap, and where its keys go."""
    yield from needed(source, at, name)
    for item_at, item in items(source, "items", at):
        yield from needed(item, item_at, "key", "path")
        yield from file_path(item_at / "path", text(item, "path"))
        yield from mode(item, item_at, "mode")


def downward_files(source: Node, at: Place) -> Iterator[Cause]:
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
    yield from mode(item, place, "mode")


def projected(volume: Node, at: Place) -> Iterator[Cause]:
    """``projected``: one source an item, and no path twice."""
    yield from mode(volume, at, "defaultMode")
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
        yield from downward_files(source, at)
    elif name == "serviceAccountToken":
        yield from _token(source, at, (at / "path").shown_as(volume_at / "path"))
    else:
        yield from files(source, at, "name")


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


def ephemeral(source: Node, at: Place) -> Iterator[Cause]:
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
        if field not in _OWN and value:
            place = (at / field).shown_as(at / _SHOWN.get(field, field))
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
