"""Where a package lies that is named by a path: a path in a manifest begins at the manifest's folder."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from kfrun.load.requirements import localpaths
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRECT = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?@\s*)(\S+)(.*)", re.DOTALL)
_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


_EDITABLE = ("-e ", "-e=", "--editable ", "--editable=")
_ARCHIVE = pattern(r"([A-Za-z0-9][A-Za-z0-9_.]*)-[^/]*\.(?:whl|zip|tar\.gz)$")


class Nowhere(NamedTuple):
    """A path that names no place: message and hint of its finding."""

    message: str
    hint: str


def placed(requirement: str, folder: str | None) -> str | Nowhere:
    """The requirement with the path of ``name @ path`` as a file URL; any other as it is.

    Args:
        requirement: as written.
        folder: of the manifest; None where it has none.
    """
    found = _DIRECT.fullmatch(requirement)
    if found is None:
        return requirement
    name, place, rest = found.groups()
    url = _url(place, folder, name.split("@")[0].strip())
    return url if isinstance(url, Nowhere) else f"{name}{url}{rest}"


def local(text: str, folder: str | None, names: Mapping[str, str]) -> tuple[str, str] | Nowhere | None:
    """A package that a path names, with ``-e`` or without: as an installer is told it, and its name.

    Args:
        text: as written.
        folder: of the manifest; None where it has none.
        names: of packages that lie here, by their paths; one that is in none is called nothing.

    Returns:
        None for anything else.
    """
    editable = text.startswith(_EDITABLE)
    found = localpaths.of(text.removeprefix("--editable").removeprefix("-e").lstrip(" =") if editable else text)
    if found is None or found.name:
        return None
    given, mark, fragment = found.path.partition("#")
    # What is a path, and no URL yet, becomes one whole.
    is_told = given.startswith(("file:", "~", "$"))
    written = given if is_told else posixpath.join(".", localpaths.quoted(given))
    url = _url(written, folder, "name")
    if isinstance(url, Nowhere):
        return url._replace(
            message=url.message.replace(written, given), hint=url.hint.replace("name @ ", "-e " if editable else "")
        )
    archive = _ARCHIVE.match(posixpath.basename(given))
    name = (
        archive[1]
        if archive
        else names.get(posixpath.normpath(posixpath.join(folder or "/", given.removeprefix("file:"))), "")
    )
    told = f"{url}{mark}{fragment}"
    behind = f" {found.marker}" if found.marker else ""
    if editable:
        return f"-e {told}{found.extras}{behind}", name
    return (f"{name}{found.extras} @ {told}{behind}" if name else f"{told}{found.extras}{behind}"), name


def _url(place: str, folder: str | None, name: str) -> str | Nowhere:
    scheme, path = found.groups() if (found := _SCHEME.fullmatch(place)) else ("file", place)
    if scheme.lower() != "file" or path.startswith("//"):
        return _whole(scheme.lower(), path, name) or place
    if "@" in path.partition("/")[0]:
        return Nowhere(f'"{place}" is no URL', f"write {name} @ git+ssh://user@host/path")
    if path.startswith(("~", "$")):
        return Nowhere(f'"{place}" is no path: ~ and $ stay as they are', f"write the whole path: {name} @ /path/to/it")
    if folder is None and not path.startswith("/"):
        why = "it begins at the manifest's folder, and this manifest has none"
        return Nowhere(f'"{place}" leads nowhere: {why}', f"write the whole path: {name} @ file:///path/to/it")
    mark = min((at for at in (path.find("#"), path.find("?")) if at >= 0), default=len(path))
    # What is written is a URL already, blanks and all; the folder is not.
    return f"file://{posixpath.normpath(posixpath.join(localpaths.quoted(folder or ''), path[:mark]))}{path[mark:]}"


def _whole(scheme: str, path: str, name: str) -> Nowhere | None:
    """What is wrong with a URL that is to be a whole one."""
    is_local = path.startswith(("///", "//localhost/"))
    if scheme == "file" and not is_local:
        hint = f"write {name} @ ./{path.lstrip('/').removeprefix('./')}, or {name} @ file:///path/to/it"
        return Nowhere(f'"{scheme}:{path}" names a host, not a folder', hint)
    if scheme.endswith("+file") and not is_local:
        return Nowhere(
            f'"{scheme}:{path}" names no repository', f"write the whole path: {name} @ {scheme}:///path/to/it"
        )
    return None
