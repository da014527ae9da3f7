"""The code of a source folder, as digests: what of it changed since a run is what the job would run otherwise now.

Each file is read once: its digest is kept, with its times and size, in a private file below the cache folder. Whatever
is wrong with a file, the folder, git or the cache, there is an answer, in a bounded time: what cannot be read is left
out, and who asks is told when not everything was looked at.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Final

from kfrun import digests
from kfrun.load.code import files
from kfrun.load.code.memory import Kept, Memory
from kfrun.model.code import CodeFile, SourceCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES: Final = 1024 * 1024
"""Larger files are data."""

MAX_FILES: Final = 10_000
MAX_SECONDS: Final = 2.0
"""Longest time that new files are read for; what was read before is known all the same."""

_TICK: Final = 0.1
"""Seconds in which a file may be written twice without its times showing it."""


def read(folder: str, cache_dir: str, named: Iterable[str] = ()) -> SourceCode:
    """The code below ``folder``, an absolute path; none where there is no such folder.

    ``named`` are words of the job's command: what they name in the folder is code, however it is called.
    """
    began = time.time()
    memory = Memory.open(cache_dir, folder)
    names, is_partial = files.of(folder, memory, named, most=MAX_FILES)
    end = time.monotonic() + MAX_SECONDS
    found: dict[str, CodeFile] = {}
    for name in names:
        if (file := _seen(folder, name)) is None:
            continue
        digest = memory.digest(name, _kept(file))
        if digest is None:
            if time.monotonic() > end:
                is_partial = True
                continue
            digest = _digest(f"{folder}/{name}", name)
        memory.note(name, _kept(file)._replace(digest=digest), is_settled=began - file.st_ctime > _TICK)
        if digest:
            found[name] = CodeFile(digest, file.st_mtime, file.st_ctime)
    memory.save()
    return SourceCode(found, began, is_partial)


def _seen(folder: str, name: str) -> os.stat_result | None:
    """What a name stands for, links followed; None for all but files of a size that code has."""
    try:
        found = os.stat(f"{folder}/{name}")
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES else None


def _kept(found: os.stat_result) -> Kept:
    return Kept(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _digest(path: str, name: str) -> str:
    """Of the content; empty for what cannot be read, and for a manifest, which is no code but says what runs it."""
    content = _content(path)
    if content is None or (name.endswith(files.MANIFESTS) and b"apiVersion" in content and b"kind" in content):
        return ""
    return digests.blake2(content)[:16]


def _content(path: str) -> bytes | None:
    try:
        # what became a FIFO meanwhile must not be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return b"".join(_pieces(descriptor))
        finally:
            os.close(descriptor)
    except OSError:
        return None


def _pieces(descriptor: int) -> Iterator[bytes]:
    left = MAX_BYTES
    while left > 0 and (piece := os.read(descriptor, left)):
        left -= len(piece)
        yield piece
