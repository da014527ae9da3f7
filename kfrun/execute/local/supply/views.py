"""Which paths a container sees otherwise than this machine: those of its volumes and of ``kfrun.dev/mount``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kfrun.execute.backend import working_folder
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from kfrun.model.resolution import Resolution


def mounted(resolution: Resolution, current: str) -> tuple[tuple[str, str], ...]:
    """The folders that ``kfrun.dev/mount`` names, and where containers see them."""
    base = working_folder(resolution, current)
    return tuple((os.path.normpath(os.path.join(base, folder)), path) for folder, path in resolution.mounts)


class View(NamedTuple):
    """What a container sees.

    Attributes:
        folders: of the machine, and where it sees them.
        volumes: where it sees volumes, of which nobody knows what they are going to hold.
    """

    folders: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()

    @classmethod
    def of(cls, container: Mapping[str, Any], mounts: tuple[tuple[str, str], ...]) -> Self:
        """The view of a container."""
        found = (mount.get("mountPath", "") for mount in container.get("volumeMounts") or ())
        return cls(mounts, tuple(path.rstrip("/") for path in found))

    def here(self, path: str) -> str | None:
        """A path of the container as this machine has it; None if it lies in a volume. Other words stay as they are."""
        if any(_is_below(path, volume) for volume in self.volumes):
            return None
        for folder, seen in self.folders:
            if _is_below(path, seen):
                return folder + path[len(seen) :]
        return path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
