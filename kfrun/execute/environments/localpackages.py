"""Packages that are installed from this machine's files: which there are, and what tells that they have changed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from kfrun.model.requirements import PROJECT_FILES, unquoted
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCAL: Final = pattern(
    r"(?:([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\]\s*)?@\s*|(-e )?)file://(?:localhost)?(/[^\s#?\[]*).*", re.DOTALL
)
_MADE: Final = ("__pycache__", "node_modules")
_MADE_AT_TOP: Final = ("build", "dist")
_LARGE: Final = 1 << 20


class LocalPackage(NamedTuple):
    """A package and the absolute path of its folder or archive.

    Attributes:
        name: as the requirement has it; empty where that is the path alone.
        requirement: that names it.
        is_editable: Python reads it where it lies, so that changes of it need no other environment.
    """

    name: str
    path: str
    requirement: str
    is_editable: bool = False

    @property
    def fault(self) -> str:
        """Why it cannot be installed; empty when that is not known before."""
        if not os.path.exists(self.path):
            return f"{self.path} does not exist"
        if os.path.isdir(self.path) and not any(
            os.path.isfile(f"{self.path}/{name}") for name in ("pyproject.toml", "setup.py")
        ):
            return f"{self.path} has neither pyproject.toml nor setup.py"
        return ""


def among(requirements: Sequence[str]) -> list[LocalPackage]:
    """Those of the requirements that name a file URL."""
    found = filter(None, map(_LOCAL.fullmatch, requirements))
    return [
        LocalPackage(match[1] or "", os.path.normpath(unquoted(match[3])), match[0], bool(match[2])) for match in found
    ]


def fingerprint(requirements: Sequence[str]) -> str:
    """A digest of the files that the requirements name; empty where they name none.

    Contents count, and of large files size and time of the last change; not what building a package leaves behind. Of
    what is installed with ``-e`` only the files count that say what it asks for.
    """
    packages = among(requirements)
    if not packages:
        return ""
    from kfrun.execute.environments.request import digest

    return digest("\0".join(part for package in packages for part in (package.name, *_files_of(package))))


def _files_of(package: LocalPackage) -> Iterator[str]:
    if package.is_editable:
        yield from (f"{name}\0{_state(os.path.join(package.path, name))}" for name in PROJECT_FILES)
    else:
        yield from _parts(package.path)


def _parts(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield _state(path)
        return
    for place, folders, names in os.walk(path):
        made = (*_MADE, *(_MADE_AT_TOP if place == path else ()))
        folders[:] = sorted(name for name in folders if not _is_made(place, name, made))
        for name in sorted(names):
            if not name.endswith(".pyc"):
                file = os.path.join(place, name)
                yield f"{os.path.relpath(file, path)}\0{_state(file)}"


def _is_made(place: str, name: str, made: tuple[str, ...]) -> bool:
    is_environment = os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
    return name in made or name.startswith(".") or name.endswith(".egg-info") or is_environment


def _state(file: str) -> str:
    from kfrun import digests

    try:
        found = os.stat(file)
        if found.st_size > _LARGE or not os.path.isfile(file):
            return f"{found.st_size} {found.st_mtime_ns}"
        with open(file, "rb") as opened:
            return digests.blake2(opened.read())
    except OSError as error:
        return str(error.errno)
