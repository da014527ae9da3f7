"""What .gitignore files say of files that git does not track, for folders with git and without."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = ".gitignore"
_MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 40


class Rule(NamedTuple):
    """A line of a .gitignore.

    Attributes:
        folder: where the file lies.
        pattern: of paths below that folder.
        ignores: False for a line that begins with ``!``.
        is_for_folders: it ends with a slash.
    """

    folder: str
    pattern: re.Pattern[str]
    ignores: bool
    is_for_folders: bool


class Ignored(NamedTuple):
    """The rules for a folder, the nearest last: the last that matches counts."""

    rules: tuple[Rule, ...] = ()

    def below(self, folder: str) -> Ignored:
        """With the rules of a further folder."""
        return Ignored((*self.rules, *_rules(folder.rstrip("/"))))

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether what lies at ``path`` is ignored."""
        for rule in reversed(self.rules):
            if (is_folder or not rule.is_for_folders) and rule.pattern.fullmatch(path[len(rule.folder) + 1 :]):
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


def _rules(folder: str) -> Iterator[Rule]:
    try:
        descriptor = os.open(f"{folder}/{NAME}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        text = line.rstrip()
        ignores, text = not text.startswith("!"), text.removeprefix("!")
        if text and not text.startswith("#") and (pattern := _pattern(text.rstrip("/"))) is not None:
            yield Rule(folder, pattern, ignores, text.endswith("/"))


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    """A pattern with a slash is one of paths, others are of names at any depth."""
    anchored = "/" in text
    text = text.removeprefix("/").removeprefix("\\")
    parts = [_part(part) for part in re.split(r"(\*\*/|/\*\*$|\*|\?|\[[^\]]+\])", text)]
    try:
        return re.compile(("" if anchored else "(?:.*/)?") + "".join(parts), re.DOTALL)
    except re.error:
        return None


def _part(text: str) -> str:
    known = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    if text in known:
        return known[text]
    if text.startswith("[") and text.endswith("]") and len(text) > 2:
        return "[" + ("^" if text[1] in "!^" else "") + text[1:-1].lstrip("!^").replace("\\", r"\\") + "]"
    return re.escape(text.replace("\\", ""))
