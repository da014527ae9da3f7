"""Where state lies on disk: the database, and the folder of each job. Pure paths but for the file system's type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun import host

if TYPE_CHECKING:
    from kfrun.settings import Settings


_DATABASE = "kfrun.db"


def state_folder(settings: Settings) -> Path:
    """This host's state folder: under the machine id, because only this host can judge its processes.

    On a network file system locks and write-ahead logs cannot be trusted, so a private folder under the local
    temporary directory stands in.
    """
    wanted = Path(settings.state_dir)
    existing = next((path for path in (wanted, *wanted.parents) if path.exists()), wanted)
    if host.is_network_file_system(existing):
        wanted = local_substitute()
    return wanted / host.machine_id()


def local_substitute() -> Path:
    """The private local folder that replaces a state folder on a network file system."""
    return Path("/var/tmp") / f"kfrun-{os.getuid()}"  # noqa: S108 (0700, checked to be ours before use)


def database(settings: Settings) -> Path:
    """The store's database."""
    return state_folder(settings) / _DATABASE


def job_folder(database_path: Path, namespace: str, name: str, uid: str) -> Path:
    """The folder of one run of a TrainJob. Names are DNS labels by then; this refuses anything else all the same.

    Raises:
        ValueError: a part that would leave the folder.
    """
    for part in (namespace, name, uid):
        if not part or part.startswith(".") or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is no name of a folder")
    return database_path.parent / "jobs" / namespace / name / uid


def database_of(folder: str) -> Path:
    """The database in which the run with that folder is recorded: the way back from `job_folder`."""
    return Path(folder).parents[3] / _DATABASE
