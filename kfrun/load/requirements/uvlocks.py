"""``uv.lock``: whose it is. uv alone makes requirements of it, when the environment is built."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from kfrun import digests
from kfrun.load.requirements import projects
from kfrun.model.requirements import Lock

if TYPE_CHECKING:
    from kfrun.load.requirements.closure import Closure, File

_VERSION = 1


def read(closure: Closure, file: File, extras: tuple[str, ...], group: str) -> int:
    """Read a lock and the pyproject.toml beside it; the number of packages that are locked."""
    data = projects.toml(closure, file, file.text)
    if data is None:
        return 0
    packages = data.get("package", [])
    if data.get("version") != _VERSION or not isinstance(packages, list):
        found = data.get("version", "none")
        _fault(
            closure, file, f"this is no lock that kfrun knows: version {found}, not {_VERSION}", "uv lock writes one"
        )
        return 0
    folder = os.path.dirname(file.path)
    project = closure.open(f"{folder}/pyproject.toml", "pyproject.toml", file.entry, place=file.place(1))
    asked_for = None if project is None else projects.toml(closure, project, project.text)
    if project is None or asked_for is None:
        return 0
    tables = [item for item in packages if isinstance(item, dict)]
    fits = _fits(closure, file, asked_for, tables) and projects.require(closure, project, asked_for, extras, group)
    if not fits:
        return 0
    digest = digest_of(folder)
    closure.locks.append(Lock(folder, digest, extras, group))
    wanted = data.get("requires-python")
    if isinstance(wanted, str):
        closure.python.append(wanted)
    if not group:
        projects.add_project(closure, project, asked_for, extras)
    return sum("registry" in _source(item) or "url" in _source(item) or "git" in _source(item) for item in tables)


def digest_of(folder: str) -> str:
    """What tells that a lock, or the pyproject.toml beside it, has changed; empty where one is gone."""
    try:
        found = [_content(f"{folder}/{name}") for name in ("uv.lock", "pyproject.toml")]
    except OSError:
        return ""
    return digests.blake2(b"\0".join(found))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _fits(closure: Closure, file: File, project: dict[str, Any], packages: list[dict[str, Any]]) -> bool:
    """Whether the lock is that of the project, and says what it asks for now."""
    table = project.get("project")
    name = table.get("name") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(name, str):
        return True  # of a workspace
    own = [item for item in packages if "." in (_source(item).get("virtual"), _source(item).get("editable"))]
    found = [str(item.get("name")) for item in own]
    if projects.normalised(name) not in map(projects.normalised, found):
        whose = f'of "{found[0]}"' if found else "of another project"
        _fault(
            closure,
            file,
            f'this is the lock {whose}, and pyproject.toml beside it is of "{name}"',
            "uv lock writes its own",
        )
        return False
    metadata = own[found.index(next(item for item in found if projects.normalised(item) == projects.normalised(name)))]
    locked = metadata.get("metadata", {}).get("requires-dist", []) if isinstance(metadata.get("metadata"), dict) else []
    names = {projects.normalised(str(item.get("name"))) for item in locked if isinstance(item, dict)}
    asked = {_name(item) for item in table.get("dependencies", ()) if isinstance(item, str)}
    if missing := sorted(asked - names):
        _fault(
            closure, file, f"{', '.join(missing)} was added to pyproject.toml after the lock was made", "run uv lock"
        )
        return False
    return True


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    return projects.normalised(found[0]) if found else ""


def _source(package: dict[str, Any]) -> dict[str, Any]:
    found = package.get("source")
    return found if isinstance(found, dict) else {}


def _fault(closure: Closure, file: File, message: str, hint: str) -> None:
    closure.fault(file.entry, message, hint, file.place(1))
