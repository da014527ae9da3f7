"""Where a container sees its pod's volumes: the paths of ``volumeMounts``, and what of a volume lies there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods.variables import expand
from kfrun.execute.local.supply import content
from kfrun.host.namespaces import Bind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Unusable(Exception):
    """A path within a volume that leads out of it."""


def binds(
    container: Mapping[str, Any], volumes: Mapping[str, str], env: Mapping[str, str], pod: Mapping[str, Any]
) -> list[Bind]:
    """What of its pod's volumes lies where for a container. What is made of objects nobody may write, as on a cluster.

    Args:
        container: with its ``volumeMounts``.
        volumes: folder or file of each volume that there is.
        env: the container's variables, for ``subPathExpr``.
        pod: the spec of its pod.

    Raises:
        Unusable: a subPath leads out of its volume.
        OSError: a subPath cannot be made.
    """
    fixed = {item["name"] for item in pod.get("volumes", ()) if any(kind in item for kind in content.KINDS)}
    return [bind._replace(read_only=bind.read_only or name in fixed) for name, bind in _binds(container, volumes, env)]


def sorted_binds(found: Iterable[Bind]) -> list[Bind]:
    """Those that lie within others behind these."""
    return sorted(found, key=lambda item: item.target.rstrip("/").count("/"))


def _binds(
    container: Mapping[str, Any], volumes: Mapping[str, str], env: Mapping[str, str]
) -> Iterator[tuple[str, Bind]]:
    """By the names of the volumes."""
    for mount in container.get("volumeMounts", ()):
        folder = volumes.get(mount["name"])
        if folder is None:
            continue
        below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        target = os.path.normpath(os.path.join("/", mount["mountPath"]))
        yield mount["name"], Bind(_within(folder, below), target, bool(mount.get("readOnly", False)))


def rewritten(text: str, found: Sequence[Bind]) -> str:
    """A text of the manifest with the paths of volumes as they are on the machine: for where nothing can be mounted."""
    for bind in reversed(found):
        parts = text.split(bind.target)
        joined = parts[0]
        for part in parts[1:]:
            is_path = not _goes_on(part[:1]) and not _goes_on(joined[-1:])
            joined += (bind.source if is_path else bind.target) + part
        text = joined
    return text


def _goes_on(character: str) -> bool:
    """Whether a name goes on with this character: then what is beside it is another path."""
    return character.isalnum() or (bool(character) and character in "_.-/" and character != "/")


def _within(folder: str, below: str) -> str:
    """A path of a volume, a folder that is made if nothing is there."""
    if not below:
        return folder
    if below.startswith("/") or ".." in below.split("/"):
        raise Unusable(f'subPath "{below}" leads out of its volume')
    path = os.path.join(folder, below)
    base = os.path.realpath(folder)
    if os.path.commonpath([base, os.path.realpath(path)]) != base:
        raise Unusable(f'subPath "{below}" leads out of its volume by a symbolic link')
    if not os.path.lexists(path):
        os.makedirs(path, 0o750, exist_ok=True)
    return os.path.realpath(path)
