"""The files of volumes that are made of objects: configMap, secret, downwardAPI, and projected of several. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods import resources
from kfrun.execute.local.pods.configs import CONFIG_MAP, SECRET, MissingConfig
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.execute.local.pods.variables import PodFacts, Sources

    Node = Mapping[str, Any]

KINDS = frozenset({"configMap", "secret", "downwardAPI", "projected"})
ON_DISK = ("configMap",)
"""Those that a kubelet makes on its disk; the others are in memory, and everybody may write their folder."""
_MODE = 0o644
_LACKS = {
    CONFIG_MAP: "configmap references non-existent config",
    SECRET: "references non-existent secret",
}


class VolumeFile(NamedTuple):
    """A file of a volume: its relative path, what is in it, and its mode."""

    path: str
    data: bytes
    mode: int


def files(volume: Node, facts: PodFacts, sources: Sources) -> list[VolumeFile]:
    """The files of such a volume; of two with one path the last counts.

    Raises:
        MissingConfig: an object or a key is not there and not optional.
    """
    found = {item.path: item for item in _files(volume, facts, sources)}
    return sorted(found.values())


def is_secret(volume: Node) -> bool:
    """Whether a Secret is among what such a volume is made of: a kubelet never writes that to a disk."""
    sources = (volume.get("projected") or {}).get("sources") or ()
    return "secret" in volume or any("secret" in source for source in sources)


def _files(volume: Node, facts: PodFacts, sources: Sources) -> Iterator[VolumeFile]:
    if "projected" in volume:
        mode = volume["projected"].get("defaultMode", _MODE)
        for source in volume["projected"].get("sources") or ():
            for kind in ("configMap", "secret", "downwardAPI"):
                if kind in source:
                    yield from _of_kind(kind, {"defaultMode": mode, **source[kind]}, facts, sources)
        return
    kind = next(kind for kind in KINDS if kind in volume)
    yield from _of_kind(kind, volume[kind] or {}, facts, sources)


def _of_kind(kind: str, source: Node, facts: PodFacts, sources: Sources) -> Iterator[VolumeFile]:
    if kind == "downwardAPI":
        yield from _downward(source, facts, sources)
    elif kind == "configMap":
        yield from _of_object(CONFIG_MAP, source.get("name", ""), source, sources)
    else:
        yield from _of_object(SECRET, source.get("secretName") or source.get("name", ""), source, sources)


def _of_object(kind: str, name: str, source: Node, sources: Sources) -> Iterator[VolumeFile]:
    optional, mode = source.get("optional", False), source.get("defaultMode", _MODE)
    entries = sources.configs.entries(kind, name, optional=optional)
    items = source.get("items")
    if not items:
        yield from (VolumeFile(key, data, mode) for key, data in entries.items())
    for item in items or ():
        if item["key"] in entries:
            yield VolumeFile(item["path"], entries[item["key"]], item.get("mode", mode))
        elif not optional:
            raise MissingConfig(f"{_LACKS[kind]} key: {item['key']}")


def _downward(source: Node, facts: PodFacts, sources: Sources) -> Iterator[VolumeFile]:
    for item in source.get("items") or ():
        mode = item.get("mode", source.get("defaultMode", _MODE))
        if "fieldRef" in item:
            text = _field(item["fieldRef"].get("fieldPath", ""), facts)
        else:
            ref = item["resourceFieldRef"]
            text = resources.told(ref, sources.container(ref.get("containerName", ""), {}), sources.machine)
        yield VolumeFile(item["path"], text.encode("utf-8", "surrogateescape"), mode)


def _field(path: str, facts: PodFacts) -> str:
    """The value of a field; labels or annotations as a whole are written line by line."""
    whole = {"metadata.labels": facts.labels, "metadata.annotations": facts.annotations}.get(path)
    if whole is None:
        return facts.field(path)
    import json

    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(whole.items()))
