"""Packages that are named by a path: where they lie, and what they are called."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from kfrun.load.requirements.syntax import VARIABLE
from kfrun.model.requirements import PROJECT_FILES, unquoted
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.load.requirements.closure import Closure

_DIRECT: Final = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\]\s*)?)@\s*(\S+)(.*)", re.DOTALL)
_PATH: Final = pattern(r"(?:file:|\.{0,2}/|\.{1,2}$|~).*|[^\s:@/]*/[^\s:]*|[^\s:@]+\.(?:whl|zip|tar\.gz)", re.DOTALL)
_WHOLE: Final = pattern(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*:")
_UNSAFE: Final = pattern(r"[^A-Za-z0-9/._~!$&'()*+,;=@-]")


class LocalPath(NamedTuple):
    """What a line says of a package that lies here.

    Attributes:
        name: with its extras, as ``name @`` has it; empty without.
        path: as written.
        extras: of a path without a name, with brackets.
        marker: with its semicolon.
    """

    name: str
    path: str
    extras: str
    marker: str


def of(text: str) -> LocalPath | None:
    """The path in a requirement; None where it has none."""
    direct = _DIRECT.fullmatch(text)
    if direct is not None:
        name, path, marker = direct.groups()
        return None if _WHOLE.match(path) else LocalPath(name.strip(), path, "", marker.strip())
    path, mark, marker = text.partition(";")
    path, extras = path.rstrip(), ""
    if path.endswith("]") and "[" in path:
        path, _, extras = path.rpartition("[")
        extras = f"[{extras}"
    path = path.rstrip()
    if _WHOLE.match(path) or not _PATH.fullmatch(path):
        return None
    return LocalPath("", path, extras, f"{mark}{marker}".strip())


def place(path: str, folders: Iterable[str]) -> tuple[str, str]:
    """The absolute path of a package, and the fragment behind it.

    pip takes a relative path from where it stands, uv from the file: the first of ``folders`` that has a package there.
    """
    fragment = ""
    if path[:5].lower() == "file:":
        path, mark, fragment = path[5:].removeprefix("//localhost").partition("#")
        path, fragment = unquoted(path.removeprefix("//") if path.startswith("///") else path), mark + fragment
    elif path.lower().partition("#")[0].endswith((".whl", ".zip", ".tar.gz")):
        path, mark, fragment = path.partition("#")
        fragment = mark + fragment
    path = expanded(path)
    found = [os.path.normpath(os.path.join(folder, path)) for folder in folders]
    return next(filter(is_package, found), next(filter(os.path.exists, found), found[0])), fragment


def is_package(path: str) -> bool:
    """Whether an installer could do something with it."""
    return os.path.isfile(path) or any(os.path.isfile(os.path.join(path, name)) for name in PROJECT_FILES)


def expanded(path: str) -> str:
    """A path with the caller's variables, as pip expands them."""
    return VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[0], path)


def url(path: str) -> str:
    """The file URL of an absolute path."""
    return f"file://{quoted(path)}"


def quoted(path: str) -> str:
    """A path as it stands in a URL."""
    return _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), path
    )


def name_of(path: str) -> str:
    """What the package at a path is called; empty where it does not say so itself."""
    base = os.path.basename(path)
    if base.endswith(".whl"):
        return base.partition("-")[0]
    if base.endswith((".zip", ".tar.gz")):
        return base.rpartition("-")[0]
    import tomllib

    try:
        with open(os.path.join(path, "pyproject.toml"), "rb") as file:
            project = tomllib.load(file).get("project")
    except (OSError, ValueError):
        return ""
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", name) else ""


def noted(closure: Closure, text: str) -> None:
    """Note what a line of ``kfrun.dev/packages`` is made of."""
    found = of(re.sub(r"^(?:-e|--editable)[ =]*", "", text))
    if (
        found is None
        or found.path.startswith("~")
        or (closure.folder is None and not found.path.startswith(("/", "file:/")))
    ):
        return
    path, _ = place(found.path, [closure.folder or "/"])
    if os.path.isdir(path):
        closure.note_project(path)
    name = name_of(path)
    if name:
        closure.names[path] = name
