"""Which environments there are, and their end."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Literal

from kfrun.execute.environments import locks
from kfrun.execute.environments.credentials import without_credentials
from kfrun.execute.environments.request import MARKER, folder
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.execute.environments.request import EnvironmentRequest

State = Literal["ready", "building", "incomplete"]


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    """One environment of the cache.

    Attributes:
        key: its name.
        state: ``incomplete`` is what a killed builder left.
        requirements: as asked for, without credentials; empty unless ready.
        sources: files that they were read from.
        python: version of its interpreter; empty unless ready.
        installer: ``uv`` or ``pip``; empty unless ready.
        isolated_for: uid of the job that has it to itself.
        created: seconds since the epoch; None unless ready.
        last_used: seconds since the epoch.
    """

    path: Path
    key: str
    state: State
    requirements: tuple[str, ...] = ()
    python: str = ""
    installer: str = ""
    isolated_for: str | None = None
    created: float | None = None
    last_used: float = 0.0
    sources: tuple[str, ...] = ()


def listing(cache: Path) -> list[EnvironmentInfo]:
    """Every environment below ``cache``, the one used last first."""
    try:
        paths = [path for path in folder(cache).iterdir() if path.is_dir()]
    except OSError:
        return []
    return sorted(filter(None, map(_info, paths)), key=lambda info: info.last_used, reverse=True)


def prune(cache: Path, *, unused_for: float | None, in_use: set[Path], dry_run: bool = False) -> list[EnvironmentInfo]:
    """Remove environments, and what killed builders left; returns those removed.

    Args:
        cache: the cache folder of the settings.
        unused_for: seconds; only those not used for so long. None: whenever they were used.
        in_use: environments of jobs that have not ended; these stay, as does what is being built.
        dry_run: only tell what would be removed.

    Raises:
        OSError: a file cannot be removed.
    """
    horizon = time.time() if unused_for is None else time.time() - unused_for
    unwanted = [
        info
        for info in listing(cache)
        if info.path not in in_use
        and info.state != "building"
        and (info.state == "incomplete" or info.last_used <= horizon)
    ]
    return unwanted if dry_run else remove_all(unwanted)


def remove_all(found: list[EnvironmentInfo]) -> list[EnvironmentInfo]:
    """Remove environments but for what is being built; returns those removed.

    Raises:
        OSError: a file cannot be removed.
    """
    return [info for info in found if remove(info.path, wait=0)]


def remove(path: Path, *, wait: float = 5.0) -> bool:
    """Remove the environment at ``path``; a missing one is no error.

    Args:
        path: its folder.
        wait: seconds to wait for a builder, which may have been killed and not be gone yet.

    Returns:
        False when somebody still builds it.

    Raises:
        OSError: a file cannot be removed.
    """
    if not path.exists() and not locks.lock_file(path).exists():
        return True
    deadline = time.monotonic() + wait
    while True:
        with locks.tried(path) as is_held:
            if is_held:
                remove_tree(path)
        if is_held or time.monotonic() >= deadline:
            return is_held
        time.sleep(0.02)


def remove_tree(path: Path) -> None:
    """Remove the folder; its marker first, so that one killed half-way leaves nothing that looks complete.

    Raises:
        OSError: a file cannot be removed.
    """
    import shutil

    (path / MARKER).unlink(missing_ok=True)
    if path.is_dir():
        try:
            shutil.rmtree(path)
        except PermissionError:
            # A package may hold folders that nobody may write to.
            for place, _, _ in os.walk(path):
                os.chmod(place, 0o700)
            shutil.rmtree(path)


def size(path: Path) -> int:
    """Bytes of all files below ``path``, also of those that are hard links into uv's cache and take no new space."""
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def write_marker(path: Path, request: EnvironmentRequest, installer: str) -> None:
    """Mark the environment complete."""
    data = {
        "formatVersion": 1,
        "requirements": [without_credentials(item) for item in request.requirements],
        "sources": list(request.sources),
        "indexURLs": [without_credentials(item) for item in request.index_urls],
        "python": _version(path),
        "interpreter": request.interpreter_facts if request.is_own_version else "",
        "installer": installer,
        "isolatedFor": request.isolated_for,
        "created": time.time(),
    }
    draft = path / f"{MARKER}.draft"
    draft.write_text(json.dumps(data, indent=2), encoding="utf-8")
    draft.replace(path / MARKER)


def _version(path: Path) -> str:
    """The interpreter's version as the environment itself records it: ``version`` (venv) or ``version_info`` (uv)."""
    for line in (path / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("version", "version_info"):
            return value.strip()
    return ""


def _info(path: Path) -> EnvironmentInfo | None:
    marker = path / MARKER
    try:
        data: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
        return EnvironmentInfo(
            path=path,
            key=path.name,
            state="ready",
            requirements=tuple(data["requirements"]),
            python=data["python"],
            installer=data["installer"],
            isolated_for=data["isolatedFor"],
            created=data["created"],
            last_used=marker.stat().st_mtime,
            sources=tuple(data.get("sources", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _unfinished(path)


def _unfinished(path: Path) -> EnvironmentInfo | None:
    try:
        changed = path.stat().st_mtime
    except OSError:
        # Removed meanwhile.
        return None
    return EnvironmentInfo(path, path.name, "building" if locks.is_locked(path) else "incomplete", last_used=changed)
