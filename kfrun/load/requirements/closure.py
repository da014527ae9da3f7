"""What a list of files says, with everything that these name in turn, and what is wrong with any of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from kfrun import digests, masking
from kfrun.load import excerpts, lines
from kfrun.load.requirements import syntax
from kfrun.model.requirements import PROJECT_FILES, Flaw, Requirements
from kfrun.model.source import Position
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from kfrun.model.requirements import Listed, Lock

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_LOCK_BYTES: Final = 64 * 1024 * 1024
_MAX_FAULTS: Final = 10
"""Of one file: what is no requirements file at all is wrong in every line."""

_FOREIGN: Final = (
    ("poetry.lock", "poetry export -o requirements.txt writes one (poetry-plugin-export); name that"),
    ("Pipfile*", "pipenv requirements > requirements.txt writes one; name that"),
    ("pdm.lock", "pdm export -o requirements.txt writes one; name that"),
    ("pylock*.toml", "uv export -o requirements.txt writes what uv.lock says; name that, or uv.lock"),
    ("environment*.y*ml", "pip list --format=freeze > requirements.txt writes one; name that"),
    ("setup.py", "kfrun.dev/packages: -e . installs the package with what it asks for"),
    ("setup.cfg", "kfrun.dev/packages: -e . installs the package with what it asks for"),
    ("*.whl", "kfrun.dev/packages takes a package by its path: ./name.whl"),
    ("*.zip", "kfrun.dev/packages takes a package by its path: ./name.zip"),
    ("*.tar.gz", "kfrun.dev/packages takes a package by its path: ./name.tar.gz"),
    *(
        (suffix, "name a requirements file, pyproject.toml, uv.lock or a script (PEP 723)")
        for suffix in ("*.toml", "*.lock", "*.json", "*.yaml", "*.yml")
    ),
)
"""Files of other tools, and the way out."""

_PACKAGE: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\[[^\]]*\])?(?:[<>=!~].*)?")


class File(NamedTuple):
    """A file that was read.

    Attributes:
        path: absolute.
        shown: as positions and messages name it, seen from where the manifest was named.
        entry: the line of the annotation that it was read for.
    """

    path: str
    shown: str
    text: str
    entry: str

    def place(self, line: int, column: int = 1) -> Position:
        """A place in it."""
        return Position(self.shown, line, column)

    def place_of(self, text: str) -> Position:
        """Where a text stands first, in quotes or without."""
        found = max(self.text.find(f'"{text}"'), self.text.find(f"'{text}'"))
        index = found + 1 if found >= 0 else self.text.find(text)
        return Position(self.shown, *lines.place(self.text, max(index, 0)))

    def excerpt(self, place: Position) -> str | None:
        """The line of a place, unless that may hold a password."""
        line = lines.line_at(self.text, place.line)
        return None if "://" in line and "@" in line else excerpts.shown(line, place.column)


class Closure:
    """Reads files, one entry of the annotation after the other.

    Args:
        folder: absolute, of the manifest; None where it has none.
        source: the manifest, as it is shown.
    """

    def __init__(self, folder: str | None, source: str) -> None:
        self.folder = folder
        self._shown = os.path.dirname(source) if folder is not None else ""
        self.listed: list[Listed] = []
        self.options: list[tuple[str, str]] = []
        self.locks: list[Lock] = []
        self.folders: list[str] = []
        self.python: list[str] = []
        self.faults: list[Flaw] = []
        self.names: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._counts: list[tuple[str, int]] = []
        self._faults_of: dict[str, int] = {}

    def requirements(self) -> Requirements:
        """What was found."""
        return Requirements(
            tuple(self.listed),
            tuple(self.options),
            tuple(self.locks),
            tuple(dict.fromkeys(self.folders)),
            ",".join(dict.fromkeys(self.python)),
            tuple(self.faults),
            tuple(self._counts),
            tuple(self._files.items()),
            tuple(self.names.items()),
        )

    def read(self, entry: str) -> None:
        """Read what a line of the annotation names: a file, with extras or a group where it is a project's."""
        from kfrun.load.requirements import pipfiles, projects, uvlocks

        name, extras, group = self._parts(entry)
        base = name.rpartition("/")[2]
        is_project = base in ("pyproject.toml", "uv.lock")
        foreign = _foreign(base)
        path = self._path(name, entry)
        if path is None:
            return
        if foreign and not is_project:
            self.fault(entry, f'"{name}" is no file that requirements are read from', foreign)
            return
        file = self.open(path, name, entry, most=_MAX_LOCK_BYTES if base == "uv.lock" else _MAX_BYTES)
        if file is None:
            return
        before = len(self.listed)
        if base == "uv.lock":
            count = uvlocks.read(self, file, extras, group)
        elif base == "pyproject.toml":
            count = projects.read(self, file, extras, group)
        elif base.endswith(".py"):
            count = projects.read_script(self, file)
        else:
            pipfiles.read(self, file)
            count = 0
        count = count or sum(not item.is_constraint for item in self.listed[before:])
        self._counts.append((entry, count))

    def look_at(self, text: str) -> None:
        """Note what a line of ``kfrun.dev/packages`` is made of, where it names what lies here."""
        from kfrun.load.requirements import localpaths

        localpaths.noted(self, text)

    def _parts(self, entry: str) -> tuple[str, tuple[str, ...], str]:
        """The name of a file, the extras and the group behind it: ``pyproject.toml[train]``, ``pyproject.toml:dev``."""
        name, mark, group = entry.rpartition(":")
        name, group = (name, group) if mark and name.endswith((".toml", ".lock", "]")) else (entry, "")
        extras: tuple[str, ...] = ()
        if name.endswith("]") and "[" in name:
            name, _, inner = name[:-1].rpartition("[")
            extras = tuple(item.strip() for item in inner.split(",") if item.strip())
        return name, extras, group

    def _path(self, name: str, entry: str) -> str | None:
        """The absolute path of a file that the annotation names."""
        if "://" in name:
            self.fault(entry, f'"{entry}" is a URL', "save the file beside the manifest, and name it by its path")
        elif name.startswith("-"):
            self.fault(entry, f'"{entry}" names no file', f"write the path alone: {name.lstrip('-rce').strip(' =')}")
        elif name.startswith(("~", "$")):
            self.fault(entry, f'"{entry}": ~ and $ stay as they are', "write the whole path")
        elif self.folder is None and not name.startswith("/"):
            why = "a path begins at the manifest's folder, and this manifest has none"
            self.fault(entry, f'"{entry}" leads nowhere: {why}', "write the whole path, or name a file with -f")
        else:
            return os.path.normpath(os.path.join(self.folder or "/", name))
        return None

    def shown(self, path: str, name: str = "") -> str:
        """How a file is named to people."""
        if name:
            return name if name.startswith("/") else os.path.normpath(os.path.join(self._shown, name))
        return os.path.join(self._shown, os.path.relpath(path, self.folder)) if self.folder is not None else path

    def seen(self, file: File, name: str) -> str:
        """How the annotation names what a file names."""
        path = os.path.normpath(os.path.join(os.path.dirname(file.path), name))
        return os.path.relpath(path, self.folder) if self.folder is not None else path

    def open(
        self, path: str, name: str, entry: str, *, place: Position | None = None, most: int = _MAX_BYTES
    ) -> File | None:
        """Read a file; None where it cannot be, after that was noted.

        Args:
            path: absolute.
            name: as it was written.
            entry: the line of the annotation that led here.
            place: where it is named, unless that is the annotation.
            most: bytes that it may have.
        """
        shown = self.shown(path, "" if place else name)
        found = _content(path, most)
        if isinstance(found, bytes):
            self._files[path] = digests.blake2(found)
            try:
                return File(path, shown, syntax.decoded(found), entry)
            except UnicodeError as error:
                at = getattr(error, "start", 0)
                number = found.count(b"\n", 0, at) + 1
                is_text = at < len(found) and b"\0" not in found
                message = f"the byte 0x{found[at]:02x} is not UTF-8" if is_text else "this is a binary file"
                hint = "save the file as UTF-8, or say what it is in its first line: # -*- coding: latin-1 -*-"
                self.fault(entry, message, hint, File(path, shown, "", entry).place(number))
                return None
        self.fault(entry, f'"{name}" {found[0]}', self._way_out(path, found[1], is_named=place is None), place)
        return None

    def _way_out(self, path: str, hint: str, *, is_named: bool) -> str:
        if hint:
            return hint
        import difflib

        folder, base = os.path.split(path)
        try:
            present = sorted(os.listdir(folder))
        except OSError:
            return f"there is no folder {folder}"
        if _PACKAGE.fullmatch(base):
            return f"kfrun.dev/packages names packages: kfrun.dev/packages: {base}"
        near = difflib.get_close_matches(base, [name for name in present if name != base], n=3, cutoff=0.6)
        if near:
            return f"did you mean {' or '.join(near)}?"
        if os.path.exists(os.path.join(os.path.dirname(folder), base)):
            return f"it is in the folder above: write ../{base}"
        return f"a path begins at the folder of the {'manifest' if is_named else 'file that names it'}: {folder}"

    def fault(
        self,
        entry: str,
        message: str,
        hint: str,
        place: Position | None = None,
        excerpt: str | None = None,
        *,
        code: str = "",
    ) -> None:
        """Note what is wrong; of one file no more than anybody reads."""
        if place is not None:
            count = self._faults_of[place.file] = self._faults_of.get(place.file, 0) + 1
            if count > _MAX_FAULTS:
                return
            if count == _MAX_FAULTS:
                hint = f"{hint}; more of this file is not told: is it a requirements file?"
        code = code or ("KF415" if place else "KF414")
        self.faults.append(Flaw(code, masking.text(message), masking.text(hint), entry, place, excerpt))

    def note_project(self, folder: str) -> None:
        """Note the files that tell what a package that lies here asks for."""
        for name in PROJECT_FILES:
            path = os.path.join(folder, name)
            found = _content(path, _MAX_BYTES)
            if isinstance(found, bytes):
                self._files[path] = digests.blake2(found)


def _foreign(name: str) -> str:
    """What to do instead of naming a file of another tool; empty for any other."""
    if name.endswith((".txt", ".in", ".py")) and name != "setup.py":
        return ""
    from fnmatch import fnmatchcase

    return next((hint for pattern, hint in _FOREIGN if fnmatchcase(name, pattern)), "")


def _content(path: str, most: int) -> bytes | tuple[str, str]:
    """The bytes of a file, or why it has none, and how to mend that."""
    try:
        state = os.stat(path)
        if stat.S_ISDIR(state.st_mode):
            names = [
                name for name in ("requirements.txt", "pyproject.toml") if os.path.exists(os.path.join(path, name))
            ]
            return "is a folder, not a file", f"name a file in it: {names[0] if names else 'requirements.txt'}"
        if not stat.S_ISREG(state.st_mode):
            return "is no file", "name a requirements file, pyproject.toml, uv.lock or a script"
        if state.st_size > most:
            too_large = f"has {state.st_size / 2**20:.1f} MiB; no more than {most >> 20} MiB are read"
            return too_large, "name a requirements file; data have no place in one"
        with open(path, "rb") as file:
            return file.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        return "is not there" if not os.path.islink(path) else "is a link to nothing", ""
    except (OSError, ValueError) as error:
        return f"cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}", "make it readable"
