"""Places in the source folder on which volumes lie: made where nothing is, and removed when nobody needs them any more.

To remove one would take the volume away from every other process that has one on it. So each holds a lock on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from kfrun.host import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.host.namespaces import Bind

NOTE = "places"
"""The file of a job that tells which of them were made for it."""
_END = b"\0"


def on_disk(binds: Sequence[Bind], mounts: Sequence[tuple[str, str]], folder: str) -> tuple[tuple[str, bool], ...]:
    """Where volumes are to lie in the source folder, as the machine has it, and whether each is a folder.

    Args:
        binds: of volumes.
        mounts: folders that are shown at other paths, and these.
        folder: the source folder.
    """
    return tuple((path, os.path.isdir(bind.source)) for bind in binds for path in _on_disk(bind, binds, mounts, folder))


def _on_disk(bind: Bind, binds: Sequence[Bind], mounts: Sequence[tuple[str, str]], folder: str) -> Iterator[str]:
    if any(bind.target.startswith(f"{other.target}/") for other in binds):
        # It lies in another volume.
        return
    for place, seen in (*mounts, (folder, folder)):
        if bind.target.startswith(f"{seen}/"):
            yield place + bind.target[len(seen) :]
            return


class MountPoints:
    """The places of one program.

    Args:
        places: as `on_disk` found them.
        note: a file of the job that tells which of them were made.
    """

    def __init__(self, places: Sequence[tuple[str, bool]], note: str) -> None:
        self._places = places
        self._note = note
        self._held: list[int] = []

    def hold(self) -> None:
        """Make what is not there, and keep others from removing it.

        Raises:
            OSError: it cannot be made.
        """
        for path, is_folder in self._places:
            while not self._hold(path, is_folder=is_folder):
                pass

    def _hold(self, path: str, *, is_folder: bool) -> bool:
        self._make(path, is_folder=is_folder)
        try:
            found = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:
            # It was there before, or nobody could use it either.
            return True
        fcntl.flock(found, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(found), os.stat(path)):
                self._held.append(found)
                return True
        os.close(found)
        return False

    def _make(self, path: str, *, is_folder: bool) -> None:
        missing, above = [], path
        while not os.path.lexists(above):
            missing.append(above)
            above = os.path.dirname(above)
        if not missing:
            return
        with open(self._note, "ab", opener=files.opener) as file:
            file.writelines(os.fsencode(one) + _END for one in missing)
        with contextlib.suppress(FileExistsError):
            os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
            if not is_folder:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))

    def let_go(self) -> None:
        """Need them no more."""
        for descriptor in self._held:
            os.close(descriptor)
        if self._held:
            clear(self._note)


def clear(note: str) -> None:
    """Remove what was made for a job, as far as it is empty and nobody holds it."""
    if not os.path.exists(note):
        return
    with open(note, "rb") as file:
        noted = {os.fsdecode(one) for one in file.read().split(_END)} - {""}
    for path in sorted(noted, reverse=True):
        with contextlib.suppress(OSError):
            _remove(path)


def _remove(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.isfile(path) and not os.path.getsize(path):
            os.unlink(path)
    finally:
        os.close(descriptor)
