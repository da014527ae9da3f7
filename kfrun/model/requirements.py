"""What the files say that ``kfrun.dev/requirements`` names: read by load, merged by resolve, installed by execute."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from kfrun.model.source import Position

ANNOTATION = "kfrun.dev/requirements"
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
"""What makes a folder a package, and what tells that its metadata have changed."""

_HASHES = pattern(r"\s+--(?:hash|config-settings)=\S+")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})")
_EDITABLE = pattern(r"(-e )?file://(/[^\s;]*)(.*)")


class Listed(NamedTuple):
    """A requirement of a file, or a constraint.

    Attributes:
        text: PEP 508, with ``${NAME}`` as it was written; ``-e file:///path`` and ``file:///path`` for what lies here.
        place: where it stands.
        excerpt: its line, unless that may hold a password.
        name: of a package that lies here, as far as that is known.
        hashes: as ``sha256:...``.
        settings: what a package is to be built with, as ``key=value``.
    """

    text: str
    place: Position
    excerpt: str | None = None
    name: str = ""
    hashes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    is_constraint: bool = False

    @property
    def line(self) -> str:
        """As the installer is told it."""
        options = (
            *(f"--hash={item}" for item in self.hashes),
            *(f"--config-settings={item}" for item in self.settings),
        )
        return " ".join((self.text, *options))


class Lock(NamedTuple):
    """A ``uv.lock``, which uv alone makes requirements of, when the environment is built.

    Attributes:
        folder: absolute; its pyproject.toml lies there, too.
        digest: of both files.
        group: the one group that is wanted; empty for the project.
    """

    folder: str
    digest: str
    extras: tuple[str, ...] = ()
    group: str = ""


class Flaw(NamedTuple):
    """What is wrong with a file: at its own line, or where it is named.

    Attributes:
        entry: the line of the annotation that names the file.
        place: None for a file that cannot be read.
    """

    code: str
    message: str
    hint: str
    entry: str
    place: Position | None = None
    excerpt: str | None = None


class Requirements(NamedTuple):
    """Everything that the annotations of one document name.

    Attributes:
        options: of pip, with their values, in their order.
        folders: are to be on the path, as ``src`` of a project that is no package.
        python: versions that will do, as PEP 440 says it; empty for any.
        counts: every file that is named, and how many packages it asks for.
        files: absolute path of everything that was read, and its digest.
        names: of packages that lie here, by their absolute paths.
    """

    listed: tuple[Listed, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    locks: tuple[Lock, ...] = ()
    folders: tuple[str, ...] = ()
    python: str = ""
    faults: tuple[Flaw, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


def shown(requirement: str) -> str:
    """A requirement as people read it: without hashes, and what lies here by its path."""
    text = " ".join(_HASHES.sub("", requirement).split())
    found = _EDITABLE.fullmatch(text)
    return f"{found[1] or ''}{unquoted(found[2])}{found[3]}" if found else text


def unquoted(path: str) -> str:
    """The path in a file URL."""
    raw = _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()), path.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
