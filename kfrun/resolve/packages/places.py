"""Where a package lies that is named by a path: a path in a manifest begins at the manifest's folder."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRECT = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?@\s*)(\S+)(.*)", re.DOTALL)
_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_UNSAFE = pattern(r"[^A-Za-z0-9/._~!$&'()*+,;=@-]")
_PATH = pattern(r"(?:file:|\.{0,2}/|\.{1,2}$|~).*|[^\s:@/]*/[^\s:]*|[^\s:@]+\.(?:whl|zip|tar\.gz)", re.DOTALL)


_BARE = pattern(r"(?:(-e|--editable)[\s=]+)?(.*?)\s*(\[[\w.,\s-]*\])?(\s*;.*)?", re.DOTALL)
_ARCHIVE = pattern(r"([A-Za-z0-9][\w.]*)-.*\.(?:whl|zip|tar\.gz)")


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
    found = _BARE.fullmatch(text)
    if found is None or not _PATH.fullmatch(found[2]):
        return None
    editable, path, extras, marker = found.groups()
    given, mark, fragment = path.partition("#")
    url = _url(
        given if given.startswith("file:") else f"./{quoted(given)}" if "/" not in given else quoted(given),
        folder,
        "name",
    )
    if isinstance(url, Nowhere):
        return url._replace(hint=url.hint.replace("name @ ", "-e " if editable else ""))
    archive = _ARCHIVE.fullmatch(posixpath.basename(given))
    name = archive[1] if archive else names.get(posixpath.normpath(posixpath.join(folder or "/", given)), "")
    told = f"{url}{mark}{fragment}"
    behind = f" {marker.strip()}" if marker else ""
    if editable:
        return f"-e {told}{extras or ''}{behind}", name
    return (f"{name}{extras or ''} @ {told}{behind}" if name else f"{told}{extras or ''}{behind}"), name


def quoted(path: str) -> str:
    """A path as it stands in a URL."""
    return _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), path
    )


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
    return f"file://{posixpath.normpath(posixpath.join(quoted(folder or ''), path[:mark]))}{path[mark:]}"


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
