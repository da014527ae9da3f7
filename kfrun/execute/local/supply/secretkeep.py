"""The Secrets that were given to one job alone, by ``--secret-env-file``: kept until it has ended, and gone then.

They lie in the kernel's keyring; or else, where that takes nothing, in a file (0600): in memory below XDG_RUNTIME_DIR,
or else in the job's folder. ``secrets.json`` in that folder says which there are and where, and none of their values.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods.configs import SECRET, MissingConfig
from kfrun.execute.local.supply import places
from kfrun.host import files, keyring
from kfrun.model.state import HELP

if TYPE_CHECKING:
    from collections.abc import Mapping

    Secrets = Mapping[str, Mapping[str, str]]
    """By name, what is in them by key."""


def announce(folder: str, secrets: Secrets) -> None:
    """Say which Secrets a job is going to have, and nothing of what is in them: until they are kept they are lost.

    Raises:
        OSError: the folder cannot be written.
    """
    _tell(folder, sorted(secrets), "")


def keep(folder: str, secrets: Secrets) -> None:
    """Keep Secrets for the job with this folder, beside those that it has or instead of those of their names.

    Raises:
        OSError: they cannot be kept anywhere.
    """
    names = sorted({*given(folder), *secrets})
    text = json.dumps({**_kept(folder), **secrets}).encode()
    # First it is told where they will be: what is killed half-way leaves none that nobody finds again.
    former = _told(folder)
    _tell(folder, names, "")
    try:
        keyring.add(_key(folder), text)
        _unlink(folder, former)
    except OSError:
        path = _path(folder)
        _tell(folder, names, path)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        _write(path, text)


def given(folder: str) -> tuple[str, ...]:
    """The names of all that were given to a job, whether they are kept yet or not."""
    return tuple(_told(folder).get("names", ()))


def lost(folder: str) -> list[str]:
    """The names of those that were given and are not kept any more."""
    names = given(folder)
    kept = _kept(folder) if names else {}
    return [name for name in names if name not in kept]


def forget(folder: str) -> None:
    """A job is over, or its folder goes: nothing is left of what was given to it, nor of volumes with that in them."""
    told = _told(folder)
    if not told and os.path.isdir(folder):
        return
    with suppress(OSError):
        keyring.remove(_key(folder))
    _unlink(folder, told)
    places.forget(os.path.basename(folder), folder)


class KeptSecrets:
    """Those of one job as its supervisor sees them: what it has seen it keeps in mind, should they be lost."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> dict[str, Any] | None:
        """The Secret of that name; None if none was given.

        Raises:
            MissingConfig: it is not kept any more.
        """
        names = given(self._folder)
        if name not in names:
            return None
        self._seen.update(_kept(self._folder))
        if name not in self._seen:
            way = f"kfrun apply -f MANIFEST --secret-env-file {name}=FILE gives it again"
            raise MissingConfig(f'secret "{name}" is not kept any more, which --secret-env-file gave{HELP}{way}')
        return {"kind": SECRET, "stringData": self._seen[name]}


_TOLD, _VALUES = "secrets.json", "secret-values.json"


def _key(folder: str) -> str:
    return f"kfrun:{os.path.basename(folder)}"


def _path(folder: str) -> str:
    """The file of who has no keyring."""
    memory = os.environ.get("XDG_RUNTIME_DIR", "")
    with suppress(OSError):
        found = os.stat(memory)
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return f"{memory}/kfrun/{os.path.basename(folder)}.json"
    return f"{folder}/{_VALUES}"


def _unlink(folder: str, told: Mapping[str, Any]) -> None:
    # Of a folder that somebody removed nothing tells where they were.
    for path in {told.get("file") or _path(folder), f"{folder}/{_VALUES}"}:
        for name in (path, f"{path}.new"):
            with suppress(OSError):
                os.unlink(name)


def _kept(folder: str) -> dict[str, dict[str, str]]:
    told = _told(folder)
    try:
        if not told:
            return {}
        found: dict[str, dict[str, str]] = json.loads(
            files.read(told["file"]) if told.get("file") else keyring.read(_key(folder))
        )
    except (OSError, ValueError):
        return {}
    return found


def _tell(folder: str, names: list[str], file: str) -> None:
    _write(f"{folder}/{_TOLD}", json.dumps({"names": names, "file": file}).encode())


def _told(folder: str) -> dict[str, Any]:
    try:
        found = json.loads(files.read(f"{folder}/{_TOLD}"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    with open(f"{path}.new", "wb", opener=files.opener) as file:
        file.write(content)
    os.replace(f"{path}.new", path)
