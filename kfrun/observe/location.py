"""Where state lies on disk, the database and the folder of each job, and whether it is this user's alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun import host, paths
from kfrun.errors import StoreFailed
from kfrun.host import files

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.settings import Settings


_DATABASE, _JOBS = "kfrun.db", "jobs"


def state_folder(settings: Settings) -> Path:
    """This host's state folder: under the machine id, because only this host can judge its processes.

    On a network file system locks and write-ahead logs cannot be trusted, so a private folder under the local
    temporary directory stands in.
    """
    from pathlib import Path

    return Path(_state_folder(settings))


def _state_folder(settings: Settings) -> str:
    return paths.join(_base(settings), host.machine_id())


def _base(settings: Settings) -> str:
    wanted = existing = settings.state_dir
    while not os.path.exists(existing) and existing != paths.parent(existing):
        existing = paths.parent(existing)
    if host.is_network_file_system(existing):
        wanted = _local_substitute()
    return wanted


def _local_substitute() -> str:
    return f"/var/tmp/kfrun-{os.getuid()}"  # noqa: S108 (0700, checked to be ours before use)


def database(settings: Settings) -> Path:
    """The store's database."""
    return state_folder(settings) / _DATABASE


def database_name(settings: Settings) -> str:
    """The same as a text, without loading `pathlib`."""
    return paths.join(_state_folder(settings), _DATABASE)


def trusted_database(settings: Settings) -> str:
    """As `database_name`, once it is sure that nobody else writes there: whoever does decides what runs as this user.

    Raises:
        StoreFailed: a folder or the database is another user's, or others may write it.
    """
    base = _base(settings)
    is_substitute = base != settings.state_dir
    if settings.home is not None and not is_substitute:
        _require(settings.home, given=True)
    # The folder for all temporary files lets anybody make a folder in our name.
    _require(base, given=not is_substitute)
    path = paths.join(base, host.machine_id(), _DATABASE)
    if os.path.exists(base):
        require_trusted(path)
    return path


def require_trusted(path: str) -> None:
    """Refuse a database, and a folder of jobs beside it, that another user could have written.

    Raises:
        StoreFailed: with the way out.
    """
    folder = paths.parent(path)
    for name in (folder, paths.join(folder, _JOBS)):
        _require(name)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        _require(name, is_folder=False)


def require_trusted_run(folder: str) -> None:
    """The same for the folder of a run, and the folders above it up to that of all jobs.

    Raises:
        StoreFailed: with the way out.
    """
    for _ in range(4):
        _require(folder)
        folder = paths.parent(folder)


def _require(path: str, *, given: bool = False, is_folder: bool = True) -> None:
    found = files.objection(path, given=given, is_folder=is_folder)
    if found is not None:
        raise StoreFailed(*found)


def has_database(settings: Settings) -> bool:
    """Whether there is a store at all, or something that tells of one.

    Raises:
        StoreFailed: see `trusted_database`.
    """
    path = trusted_database(settings)
    return os.path.exists(path) or has_jobs(path)


def has_jobs(database_path: str) -> bool:
    """Whether there are folders of jobs: these are never made without a database."""
    try:
        return bool(os.listdir(paths.join(paths.parent(database_path), _JOBS)))
    except OSError:
        return False


def job_folder(database_path: str | Path, namespace: str, name: str, uid: str) -> Path:
    """The folder of one run of a TrainJob. Names are DNS labels by then; this refuses anything else all the same.

    Raises:
        ValueError: a part that would leave the folder.
    """
    for part in (namespace, name, uid):
        if not part or part.startswith(".") or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is no name of a folder")
    from pathlib import Path

    return Path(database_path).parent / _JOBS / namespace / name / uid


def database_of(folder: str) -> Path:
    """The database in which the run with that folder is recorded: the way back from `job_folder`."""
    from pathlib import Path

    return Path(folder).parents[3] / _DATABASE
