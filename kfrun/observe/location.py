"""Where state lies on disk: the database, and the folder of each job. Pure paths but for the file system's type."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun import host, paths

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.settings import Settings


_DATABASE = "kfrun.db"


def state_folder(settings: Settings) -> Path:
    """This host's state folder: under the machine id, because only this host can judge its processes.

    On a network file system locks and write-ahead logs cannot be trusted, so a private folder under the local
    temporary directory stands in.
    """
    from pathlib import Path

    return Path(_state_folder(settings))


def _state_folder(settings: Settings) -> str:
    wanted = existing = settings.state_dir
    while not os.path.exists(existing) and existing != paths.parent(existing):
        existing = paths.parent(existing)
    if host.is_network_file_system(existing):
        wanted = _local_substitute()
    return paths.join(wanted, host.machine_id())


def _local_substitute() -> str:
    return f"/var/tmp/kfrun-{os.getuid()}"  # noqa: S108 (0700, checked to be ours before use)


def database(settings: Settings) -> Path:
    """The store's database."""
    return state_folder(settings) / _DATABASE


def database_name(settings: Settings) -> str:
    """The same as a text, without loading `pathlib`."""
    return paths.join(_state_folder(settings), _DATABASE)


def has_database(settings: Settings) -> bool:
    """Whether there is a store at all."""
    return os.path.exists(database_name(settings))


def job_folder(database_path: str | Path, namespace: str, name: str, uid: str) -> Path:
    """The folder of one run of a TrainJob. Names are DNS labels by then; this refuses anything else all the same.

    Raises:
        ValueError: a part that would leave the folder.
    """
    for part in (namespace, name, uid):
        if not part or part.startswith(".") or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is no name of a folder")
    from pathlib import Path

    return Path(database_path).parent / "jobs" / namespace / name / uid


def database_of(folder: str) -> Path:
    """The database in which the run with that folder is recorded: the way back from `job_folder`."""
    from pathlib import Path

    return Path(folder).parents[3] / _DATABASE
