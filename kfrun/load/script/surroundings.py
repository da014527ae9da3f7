"""What lies around a script: the files that name its packages, and the folder that a job of it is called after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK: Final = pattern(r"(?m)^# /// script\s*$")
_PROJECT: Final = pattern(r"(?m)^[ \t]*\[[ \t]*(?:project|tool\.poetry\.dependencies)\b(?![.-])")
_MOST_BYTES: Final = 1024 * 1024

LIKELY: Final = ("train.py", "main.py", "__main__.py", "training.py", "trainer.py", "run.py", "app.py")
"""Scripts that somebody means who names none, the likeliest first."""

_USUAL: Final = ("train", "main", "__main__")
"""Nobody would call a job after these: their folder says more."""

_PARTS: Final = frozenset({"src", "scripts", "script", "bin", "tools", "code", "python", "app", "lib"})
"""Folders of a project that say nothing of it."""

_LONGEST: Final = 40
"""Characters of a name that is made: those of Jobs and pods are longer, and have 63 at most."""


def requirements(text: str, path: str, folder: str) -> tuple[str, ...]:
    """The files that name a script's packages: itself, or the nearest of its folder and those up to ``folder``."""
    if _BLOCK.search(text):
        return (path,)
    return next(filter(None, map(_of_folder, _upward(os.path.dirname(path) or folder, folder))), ())


def _upward(start: str, end: str) -> Iterator[str]:
    """A folder and those that hold it, up to ``end``; where that does not hold it, the folder alone."""
    yield start
    while start != end and start.startswith(end.rstrip("/") + "/"):
        start = os.path.dirname(start)
        yield start


def _of_folder(folder: str) -> tuple[str, ...]:
    names = [name for name in ("requirements.txt", "pyproject.toml") if os.path.lexists(f"{folder}/{name}")]
    if names[:1] == ["requirements.txt"]:
        return (f"{folder}/requirements.txt",)
    if names and _PROJECT.search(_text(f"{folder}/pyproject.toml")):
        is_locked = os.path.lexists(f"{folder}/uv.lock")
        return (f"{folder}/uv.lock" if is_locked else f"{folder}/pyproject.toml",)
    return ()


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return "[project]"  # whoever reads the requirements says what is wrong with it


def title(path: str, folder: str, stem: str = "") -> str:
    """What a job is called: after the script's folder, and after the script unless it has a usual name.

    ``path`` is the script's, or empty for a program, which ``stem`` names then.
    """
    holder = os.path.dirname(path) if path else folder
    while os.path.basename(holder).lower() in _PARTS and os.path.dirname(holder) != holder:
        holder = os.path.dirname(holder)
    stem = stem or os.path.splitext(os.path.basename(path))[0]
    first = slug(os.path.basename(holder))
    own = "" if stem.lower() in _USUAL and first else slug(stem)
    return _cut("-".join(filter(None, (first, own)))) or "job"


def slug(text: str) -> str:
    """The text as a part of a name that a TrainJob may have."""
    if not text.isascii():
        import unicodedata

        text = unicodedata.normalize("NFKD", text)
    letters = [one if one.isascii() and one.isalnum() else "-" if one.isascii() else "" for one in text.lower()]
    found = "-".join(filter(None, "".join(letters).split("-")))
    return f"job-{found}" if found[:1].isdigit() else found


def _cut(name: str) -> str:
    return name[:_LONGEST].rstrip("-")
