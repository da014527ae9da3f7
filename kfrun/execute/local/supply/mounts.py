"""Where a container sees its pod's volumes: the paths of ``volumeMounts``, and what of a volume lies there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods.variables import expand
from kfrun.execute.local.supply import content
from kfrun.host.namespaces import Bind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Unusable(Exception):
    """A mount that means no place within a volume of the pod."""


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
        Unusable: a subPath leads out of its volume, or there is no such volume.
        OSError: a subPath cannot be made.
    """
    known = {item["name"] for item in pod.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in known:
            raise Unusable(
                f'there is no volume "{mount["name"]}" in its pod that could be mounted at {mount["mountPath"]}'
            )
    fixed = {item["name"] for item in pod.get("volumes", ()) if _is_fixed(item)}
    return [bind._replace(read_only=bind.read_only or name in fixed) for name, bind in _binds(container, volumes, env)]


def _is_fixed(volume: Mapping[str, Any]) -> bool:
    is_read = (volume.get("persistentVolumeClaim") or {}).get("readOnly", False)
    return is_read or any(kind in volume for kind in content.KINDS)


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
            # One that this machine has no place for was named in the plan.
            continue
        below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        target = os.path.normpath(os.path.join("/", mount["mountPath"]))
        source, base = (_within(folder, below), os.path.realpath(folder)) if below else (folder, "")
        yield mount["name"], Bind(source, target, bool(mount.get("readOnly", False)), base)


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
    """A path of a volume, without links; a folder like that of the volume is made if nothing is there."""
    if below.startswith("/") or ".." in below.split("/"):
        raise Unusable(f'subPath "{below}" leads out of its volume')
    base, path = os.path.realpath(folder), os.path.realpath(os.path.join(folder, below))
    if os.path.commonpath([base, path]) != base:
        raise Unusable(f'subPath "{below}" leads out of its volume by a symbolic link')
    if not os.path.lexists(path):
        _make(base, os.path.relpath(path, base).split("/"))
    return path


def _make(base: str, parts: Sequence[str]) -> None:
    """Make folders below one, and follow no link that somebody puts in the way."""
    mode = stat.S_IMODE(os.stat(base).st_mode)
    found = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            is_new = not _is_there(part, found)
            if is_new:
                os.mkdir(part, 0o700, dir_fd=found)
            above, found = (
                found,
                os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found),
            )
            os.close(above)
            if is_new:
                os.fchmod(found, mode)
    finally:
        os.close(found)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
