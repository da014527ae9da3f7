"""Which files of a source folder are code.

What git tracks; and of what it does not, or where there is no git, files that look like code or like settings of it,
unless a .gitignore says that they are ignored, or they lie where tools and jobs put what they make. Documentation,
hidden files and caches are none. The nearest come first, so that of too many the farthest are left out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from kfrun.load.folders import ignored
from kfrun.model.code import SOURCES
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.load.code.memory import Memory
    from kfrun.load.folders.ignored import Ignored

MANIFESTS: Final = (".yaml", ".yml", ".json")
"""Files that may be manifests."""

_SETTINGS: Final = (*MANIFESTS, ".toml", ".ini", ".cfg", ".conf", ".gin", ".proto", ".jinja", ".j2", ".ipynb")
_DOCUMENTATION: Final = (".md", ".rst", ".markdown", ".adoc", ".pyc")
_MADE: Final = frozenset((
    "__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist", "target",
    "outputs", "output", "out", "runs", "logs", "log", "results", "artifacts", "checkpoints", "checkpoint", "ckpt",
    "ckpts", "tensorboard", "tb_logs", "lightning_logs", "wandb", "mlruns", "multirun", "tmp", "temp",
))  # fmt: skip
"""Folders where tools and jobs put what they make: nothing in them is code unless git tracks it."""

_MAX_NAME: Final = 1024
_MAX_ENTRIES: Final = 20_000
_MAX_SECONDS: Final = 1.0
"""Of looking for files that git does not track."""


def of(folder: str, memory: Memory, named: Iterable[str], *, most: int) -> tuple[list[str], bool]:
    """The names of the files, relative to ``folder``, the nearest first; and whether some were left out."""
    tracked = [name for name in _tracked(folder, memory) if _may_be_code(name)]
    walk = _FolderWalk(folder)
    inside = (os.path.normpath(name) for name in named if len(name) < _MAX_NAME and not name.startswith("/"))
    own = (name for name in inside if _may_be_code(name) and _may_be_named(name))
    names = sorted({*tracked, *walk.found, *own}, key=lambda name: (name.count("/"), name))
    return names[:most], walk.is_partial or len(names) > most


def _may_be_code(name: str) -> bool:
    return not name.lower().endswith(_DOCUMENTATION) and not name.startswith(".") and "/." not in name


def _may_be_named(name: str) -> bool:
    """Whether a word of a command can name a script; of what is called like data jobs are the authors."""
    return "." not in os.path.basename(name) or name.lower().endswith((*SOURCES, *_SETTINGS, ".txt"))


class _FolderWalk:
    """The folder and those below it, the nearest first; links to folders are not followed, for they may lead anywhere.

    Attributes:
        found: files that look like code or settings and are not ignored.
        is_partial: there was more than may be looked at.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._left, self._end = _MAX_ENTRIES, time.monotonic() + _MAX_SECONDS
        self.is_partial = False
        self.found = list(self._walked())

    def _walked(self) -> Iterator[str]:
        waiting: list[tuple[str, Ignored]] = [("", ignored.above(self._folder))]
        for prefix, above in waiting:
            entries = self._entries(prefix)
            names = {entry.name for entry in entries}
            if prefix and "pyvenv.cfg" in names:
                continue
            rules = above.below(f"{self._folder}/{prefix}") if ignored.NAME in names else above
            for entry in entries:
                name = prefix + entry.name
                if entry.name.startswith(".") or not entry.name.isprintable():
                    continue
                if _is_folder(entry):
                    if _is_place_of_code(entry.name) and not rules.matches(entry.path, is_folder=True):
                        waiting.append((f"{name}/", rules))
                elif _looks_like_code(entry.name) and not rules.matches(entry.path, is_folder=False):
                    yield name

    def _entries(self, prefix: str) -> Sequence[os.DirEntry[str]]:
        found: list[os.DirEntry[str]] = []
        if self._left <= 0 or time.monotonic() > self._end:
            self.is_partial = True
            return found
        try:
            with os.scandir(f"{self._folder}/{prefix}") as entries:
                for entry in entries:
                    self._left -= 1
                    if self._left < 0:
                        self.is_partial = True
                        break
                    found.append(entry)
        except (OSError, ValueError):
            pass
        return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_place_of_code(name: str) -> bool:
    return name.lower() not in _MADE and not name.endswith(".egg-info")


def _looks_like_code(name: str) -> bool:
    low = name.lower()
    return low.endswith((*SOURCES, *_SETTINGS)) or (low.startswith("requirements") and low.endswith(".txt"))


# Git


class _Index(NamedTuple):
    """Git's index of a work tree: where it lies, and in which state it is."""

    top: str
    state: list[Any]


def _tracked(folder: str, memory: Memory) -> list[str]:
    """What git tracks below the folder; nothing without git. Git is asked only when its index has changed."""
    index = _index(folder)
    if index is None:
        return []
    has_submodules = os.path.lexists(f"{index.top}/.gitmodules")  # they have indexes of their own
    if index.state == memory.index and not has_submodules:
        return memory.tracked
    from kfrun.errors import KfrunError
    from kfrun.load.git import repository

    try:
        names = repository.tracked(folder)
    except KfrunError:  # there is no git, or it does not trust the repository
        return []
    memory.note_tracked(index.state, names)
    return names


def _index(folder: str) -> _Index | None:
    top = folder
    while not os.path.lexists(f"{top}/.git"):
        if top in ("", "/"):
            return None
        top = os.path.dirname(top)
    try:
        path = f"{_git_folder(top)}/index"
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return _Index(top, [path, found.st_mtime_ns, found.st_size, found.st_ino])


def _git_folder(top: str) -> str:
    """Of a work tree made by ``git worktree``, or of a submodule, it is named in a file."""
    path = f"{top}/.git"
    if os.path.isdir(path):
        return path
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8", errors="replace") as file:
        return os.path.join(top, file.read(4096).removeprefix("gitdir:").strip())
