"""What was read of a source folder before: digests by times and size, and what git tracks by the state of its index.

A file under the cache folder for every source folder. Whoever could write it could hide a change, so it is this user's
alone (0600), and one that is not, or is damaged, is as good as none.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from kfrun import digests, paths
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT: Final = 1
_MAX_BYTES: Final = 8 * 1024 * 1024


class Kept(NamedTuple):
    """A file as it was when it was read: times in nanoseconds, size and number; and the digest of its content."""

    written: int
    changed: int
    size: int
    number: int
    digest: str = ""


class Memory:
    """The memory of one source folder.

    Attributes:
        tracked: what git tracks of the folder, while its index is in the state `index`.
        index: path, time of writing, size and number of git's index; empty where there is no git.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._before: dict[str, Any] = {}
        self._now: dict[str, Kept] = {}
        self._is_new = False
        self.index: list[Any] = []
        self.tracked: list[str] = []

    @classmethod
    def open(cls, cache_dir: str, folder: str) -> Memory:
        """What is known of ``folder``; nothing where it cannot be trusted or understood."""
        name = digests.blake2(os.fsencode(folder))
        memory = cls(paths.join(cache_dir, "code", f"{name}.json"))
        try:
            data = _read(memory._path)
            files, index, tracked = data["files"], data["index"], data["tracked"]
            if data["format"] == _FORMAT and type(files) is dict and type(index) is type(tracked) is list:
                memory._before, memory.index, memory.tracked = files, index, [str(name) for name in tracked]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return memory

    def digest(self, name: str, seen: Kept) -> str | None:
        """The digest of a file that is as it was; None for another one."""
        kept = self._before.get(name)
        if type(kept) is list and len(kept) == len(seen) and kept[:-1] == list(seen[:-1]) and type(kept[-1]) is str:
            return kept[-1]
        return None

    def note(self, name: str, kept: Kept, *, is_settled: bool) -> None:
        """Remember a file, unless it may be written again without its times showing it."""
        if is_settled:
            self._now[name] = kept
            self._is_new = self._is_new or self._before.get(name) != list(kept)

    def note_tracked(self, index: list[Any], tracked: Sequence[str]) -> None:
        """Remember what git tracks."""
        self.index, self.tracked, self._is_new = index, list(tracked), True

    def save(self) -> None:
        """Write down what is new, if that is possible."""
        if not (self._is_new or len(self._now) < len(self._before)) or not _has_a_place(self._path):
            return
        from kfrun import host

        data = {"format": _FORMAT, "index": self.index, "tracked": self.tracked, "files": self._now}
        temporary = f"{self._path}.{os.getpid()}"
        try:
            host.make_private_folder(paths.parent(self._path))
            with open(temporary, "w", encoding="utf-8", opener=_private) as file:
                file.write(json.dumps(data, separators=(",", ":")))
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _read(path: str) -> Any:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if state.st_uid != os.geteuid() or state.st_mode & 0o077 or state.st_size > _MAX_BYTES:
            raise ValueError(path)
        return json.loads(file.read(_MAX_BYTES))


def _has_a_place(path: str) -> bool:
    """Whether any folder above ``path`` is there, beside the root: nobody's home is made up for a cache."""
    folder = paths.parent(path)
    while not os.path.isdir(folder):
        folder = paths.parent(folder)
    return folder != "/"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)
