"""Where a container sees its pod's volumes: the paths of ``volumeMounts``, and what of a volume lies there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods.variables import expand
from kfrun.host.namespaces import Bind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Unusable(Exception):
    """A path within a volume that leads out of it."""


def binds(container: Mapping[str, Any], volumes: Mapping[str, str], env: Mapping[str, str]) -> list[Bind]:
    """What lies where for a container, those that lie within others behind these.

    Args:
        container: with its ``volumeMounts``.
        volumes: folder or file of each volume that there is.
        env: the container's variables, for ``subPathExpr``.

    Raises:
        Unusable: a subPath leads out of its volume.
        OSError: a subPath cannot be made.
    """
    return sorted(_binds(container, volumes, env), key=lambda item: item.target.count("/") if item.target != "/" else 0)


def _binds(container: Mapping[str, Any], volumes: Mapping[str, str], env: Mapping[str, str]) -> Iterator[Bind]:
    for mount in container.get("volumeMounts", ()):
        folder = volumes.get(mount["name"])
        if folder is None:
            continue
        below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        target = os.path.normpath(os.path.join("/", mount["mountPath"]))
        yield Bind(_within(folder, below), target, bool(mount.get("readOnly", False)))


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
