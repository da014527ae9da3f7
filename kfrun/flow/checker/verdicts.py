"""What was found sound before, in a file.

A file under the cache folder for every way of checking: the program, the Trainer version, the namespace, the last
stage, the backend, what is said of runtimes. It knows texts by their digest, and of each the objects in it; a TrainJob
is sound together with its runtime. Only what nothing at all was found about is remembered, so nothing that should be
told is ever lost here. Without the file everything is checked: a file that is damaged, or cannot be written, is as good
as none.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from kfrun import digests, paths
from kfrun.model.source import ObjectKey
from kfrun.model.values import NamedTuple
from kfrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.model.source import Document

SHIPPED: Final = "shipped"
"""In the place of a runtime's digest: one that came with this kfrun."""

_FORMAT: Final = 1
_MOST_OBJECTS: Final = 50_000
"""Objects that are remembered in one file, about 12 MB; those not asked for any more go first."""


_ALWAYS_READ: Final = 500_000
"""Bytes of memory that are read for the smallest input: 5 ms."""


class Remembered(NamedTuple):
    """An object of a sound text.

    Attributes:
        wanted: the runtime that a TrainJob refers to.
        with_runtime: digest of the runtime that the TrainJob was sound with.
    """

    key: ObjectKey
    wanted: ObjectKey | None = None
    with_runtime: str | None = None


class Verdicts:
    """The texts that were sound, by digest. Those that are asked for or learnt are kept longest."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        self._is_too_large = False
        self._is_new = False

    @classmethod
    def open(cls, asked: Asked) -> Verdicts:
        """The memory of this way of checking; nothing is read yet."""
        settings = asked.settings
        # Only a flag contradicts what a manifest says.
        namespace = (settings.namespace, settings.origins["namespace"].layer == "flag")
        flags = (asked.until, asked.only_own_kinds, asked.backend, asked.stored, asked.missing_runtime)
        way = (_FORMAT, _program(), settings.trainer_version, namespace, *flags)
        return cls(paths.join(settings.cache_dir, "verdicts", f"{digest(repr(way))}.json"))

    def recall(self, size: int) -> None:
        """Read what was learnt before, unless that takes longer than looking at ``size`` characters anew."""
        try:
            with open(self._path, "rb") as file:
                state = os.fstat(file.fileno())
                self._is_too_large = state.st_size > max(_ALWAYS_READ, size)
                # In a cache that others write to, anybody could say what is sound.
                is_ours = state.st_uid == os.geteuid() and not self._is_too_large
                known = json.loads(file.read()) if is_ours else {}
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(known, dict) and all(isinstance(objects, list) for objects in known.values()):
            self._known = known

    def objects(self, text: str) -> list[Remembered] | None:
        """The objects of the text with that digest, when it was sound."""
        try:
            found = [_remembered(entry) for entry in self._known[text]]
        except (KeyError, TypeError, ValueError):
            return None
        self._known[text] = self._known.pop(text)  # moved to the end
        return found

    def learn(self, text: str, objects: Iterable[Remembered]) -> None:
        """The text with that digest is sound."""
        entries = [[*one.key, one.wanted and list(one.wanted), one.with_runtime] for one in objects]
        if self._known.pop(text, None) != entries:
            self._is_new = True
        self._known[text] = entries

    def save(self) -> None:
        """Write down what is new, if that is possible."""
        if not self._is_new or self._is_too_large or not _has_a_place(self._path):
            return
        from kfrun import host

        temporary = f"{self._path}.{os.getpid()}"
        try:
            host.make_private_folder(paths.parent(self._path))
            with open(temporary, "w", encoding="utf-8", opener=_private) as file:
                # json.dump writes piece by piece, which takes ten times as long
                file.write(json.dumps(self._kept(), separators=(",", ":")))
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def _kept(self) -> dict[str, list[Any]]:
        kept: dict[str, list[Any]] = {}
        room = _MOST_OBJECTS
        for text in reversed(self._known):
            size = len(self._known[text]) + 1
            # A text of its own that is too large leaves room for others.
            if size <= room:
                room -= size
                kept[text] = self._known[text]
        return dict(reversed(kept.items()))


def _has_a_place(path: str) -> bool:
    """Whether any folder above ``path`` is there, beside the root: nobody's home is made up for a cache."""
    folder = paths.parent(path)
    while not os.path.isdir(folder):
        folder = paths.parent(folder)
    return folder != "/"


def digest(text: str) -> str:
    """What tells a text from all others."""
    return digests.blake2(text.encode(errors="surrogatepass"))


def digest_of(document: Document) -> str:
    """What tells an object's data from all others."""
    return digest(json.dumps(document.data, sort_keys=True))


def _remembered(entry: Sequence[Any]) -> Remembered:
    *key, wanted, with_runtime = entry
    return Remembered(ObjectKey(*key), None if wanted is None else ObjectKey(*wanted), with_runtime)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def _program() -> str:
    """An installation's version and time; of a source checkout, which changes without both, the state of its files."""
    from kfrun.load import data

    if data.is_installed():
        return f"{__version__} {_state(__file__)}"
    states = sorted((path, *_state(path)) for folder in data.checkout() for path in _files(folder))
    return digest(repr(states))


def _files(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (f"{parent}/{name}" for name in names if not name.endswith(".pyc"))


def _state(path: str) -> tuple[int, int]:
    try:
        state = os.stat(path)
    except OSError:  # an editor's lock, or a file that Python is just writing
        return 0, 0
    return state.st_mtime_ns, state.st_size
