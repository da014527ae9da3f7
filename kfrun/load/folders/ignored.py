"""What .gitignore files say of files that git does not track, for folders with git and without."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAME: Final = ".gitignore"
_MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 40


class IgnoreRule(NamedTuple):
    """A line of a .gitignore.

    Attributes:
        folder: where the file lies.
        pattern: of the names on the way to what it means, below that folder.
        ignores: False for a line that begins with ``!``.
        is_for_folders: it ends with a slash.
    """

    folder: str
    pattern: tuple[str, ...]
    ignores: bool
    is_for_folders: bool


class Ignored(NamedTuple):
    """The rules for a folder, the nearest last: the last that matches counts."""

    rules: tuple[IgnoreRule, ...] = ()

    def below(self, folder: str) -> Ignored:
        """With the rules of a further folder."""
        return Ignored((*self.rules, *_rules(folder.rstrip("/"))))

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether what lies at ``path`` is ignored."""
        for rule in reversed(self.rules):
            names = path[len(rule.folder) :].strip("/").split("/")
            if (is_folder or not rule.is_for_folders) and _fits(names, rule.pattern):
                return rule.ignores
        return False


def above(folder: str) -> Ignored:
    """The rules that hold in ``folder`` because of the folders above it, as far up as the work tree goes."""
    folders: list[str] = []
    for _ in range(_MAX_DEPTH):
        if os.path.lexists(f"{folder}/.git"):
            return Ignored(tuple(rule for one in reversed(folders) for rule in _rules(one)))
        folder = os.path.dirname(folder)
        folders.append(folder)
        if folder in ("", "/"):
            break
    return Ignored()


def _rules(folder: str) -> Iterator[IgnoreRule]:
    try:
        descriptor = os.open(f"{folder}/{NAME}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_BYTES).splitlines()
    except OSError:
        return
    yield from rules(folder, lines)


def rules(folder: str, lines: Iterable[str]) -> Iterator[IgnoreRule]:
    """The rules of lines as a .gitignore in ``folder`` has them."""
    for line in lines:
        text = line.rstrip()
        ignores, text = not text.startswith("!"), text.removeprefix("!")
        if text.strip("/") and not text.startswith("#"):
            yield IgnoreRule(folder, _segments(text.rstrip("/")), ignores, text.endswith("/"))


def _segments(text: str) -> tuple[str, ...]:
    """A pattern with a slash is one of paths, others are of names at any depth."""
    parts = text.removeprefix("/").replace("\\", "").split("/")
    return tuple(parts) if "/" in text else ("**", *parts)


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path is what a pattern means; of several ``**`` only the last has to be tried again."""
    at = index = 0
    again = (-1, 0)
    while at < len(names):
        if index < len(pattern) and pattern[index] == "**":
            index, again = index + 1, (index + 1, at)
        elif index < len(pattern) and fnmatchcase(names[at], pattern[index]):
            at, index = at + 1, index + 1
        elif again[0] >= 0:
            again = (again[0], again[1] + 1)
            index, at = again
        else:
            return False
    return index == len(pattern) or (index > 0 and all(part == "**" for part in pattern[index:]))
