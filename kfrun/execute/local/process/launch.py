"""What a process is given beside the manifest's: the caller's environment, and the executable of a command's name.

Pure but for `find_executable`, which looks at the file system as execvp would, and for scripts that are looked into.
"""

from __future__ import annotations

import os
from typing import Any

from kfrun.execute.local.runtime import JOB_MARKER
from kfrun.host import files
from kfrun.model.values import asdict, dataclass

ATTEMPT_MARKER = "KFRUN_ATTEMPT"
HELPER_MARKER = "KFRUN_HELPER"
"""In the environment of supervisors and what they fork, so that nobody takes them for a part of a job."""

_STREAMS = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")
STREAMS_OF_MAIN = ("/proc/1/fd/1", "/proc/1/fd/2")
"""In a container, the main process is the first; hooks write to its log so."""

_SCRIPTS, _LONGEST_SCRIPT = (".sh", ".bash"), 1 << 18

_MARKERS = frozenset({JOB_MARKER, ATTEMPT_MARKER, HELPER_MARKER})
_DROPPED = _MARKERS | {"PYTHONHOME", "PYTHONPATH", "RANK", "WORLD_SIZE", "LOCAL_RANK"}
_DROPPED_PREFIXES = ("MASTER_", "PET_")
_ELSEWHERE = frozenset(
    {"VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_USER", "PIP_BREAK_SYSTEM_PACKAGES"}
    | {"UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_BREAK_SYSTEM_PACKAGES"}
)
"""Variables that would send what a job with an environment installs into another one."""
_LATER = ("has_environment", "own_environment", "log_max_size", "mpi_hosts")
"""Attributes that older versions do not have."""
_CLEAN = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What a job's processes are given beside the manifest; stored with the job, 0600, because it holds secrets.

    Attributes:
        caller: the environment of whoever applied the job.
        folder: the working directory of containers that name none.
        path: folders put before the caller's PATH (an environment's bin).
        last: folder put behind it: kfrun's own interpreter, so that ``python`` is always found.
        own_venv: kfrun's own virtual environment, whose VIRTUAL_ENV is not passed on.
        umask: the caller's, for the files that the job makes.
        has_environment: the job has a Python environment, shared or its own.
        own_environment: the one that it has to itself, and may install into.
        log_max_size: bytes at which the log of an attempt is kept, 0 for any number.
        mpi_hosts: the hostfile of an MPI job, empty for others.
    """

    caller: dict[str, str]
    folder: str
    path: tuple[str, ...] = ()
    last: str = ""
    own_venv: str = ""
    clean_env: bool = False
    umask: int = 0o022
    has_environment: bool = False
    own_environment: str = ""
    log_max_size: int = 0
    mpi_hosts: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form; `from_json` reads it back."""
        # Versions that know nothing of what is not there read the rest.
        return {name: value for name, value in asdict(self).items() if value or name not in _LATER}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ProcessSettings:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is damaged, or another version of kfrun wrote it.
        """
        try:
            return cls(**{**data, "path": tuple(data["path"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"what its processes are given cannot be read: {error}") from error


def base_environment(settings: ProcessSettings) -> dict[str, str]:
    """The caller's environment as a job gets it, before the manifest's variables."""
    caller = settings.caller
    if settings.clean_env:
        caller = {name: caller[name] for name in _CLEAN if name in caller}
    env = {name: value for name, value in caller.items() if not _is_dropped(name)}
    if env.get("VIRTUAL_ENV") == settings.own_venv:
        env.pop("VIRTUAL_ENV", None)
    if settings.has_environment:
        env = {name: value for name, value in env.items() if name not in _ELSEWHERE}
    if settings.own_environment:
        env["VIRTUAL_ENV"] = settings.own_environment
    folders = [*settings.path, *env.get("PATH", os.defpath).split(os.pathsep), settings.last]
    env["PATH"] = os.pathsep.join(dict.fromkeys(folder for folder in folders if folder))
    env.setdefault("PYTHONUNBUFFERED", "1")
    return env


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or name.startswith(_DROPPED_PREFIXES)


def relocated(path: str, place: str, argv: list[str], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and variables with a path that is not the container's own here replaced by where it is."""
    moved = {name: _moved(value, path, place) for name, value in env.items()}
    return [_moved(word, path, place) for word in argv], moved


def _moved(text: str, path: str, place: str) -> str:
    if path not in text:
        return text
    first, *pieces = text.split(path)
    for piece in pieces:
        is_longer = any(letter.isalnum() or letter in "_./-" for letter in (*first[-1:], *piece[:1]))
        first += (path if is_longer else place) + piece
    return first


def opens_streams(argv: list[str], folder: str, hooks: str) -> bool:
    """Whether a command, a shell script that it names, or ``hooks`` open standard output or error by their names."""
    texts = [*argv, hooks, *(_text(os.path.join(folder, word)) for word in argv[:3] if word.endswith(_SCRIPTS))]
    return any(name in text for text in texts for name in (*_STREAMS, *STREAMS_OF_MAIN))


def _text(path: str) -> str:
    try:
        with open(path, encoding="latin-1", opener=files.opener) as file:
            return file.read(_LONGEST_SCRIPT)
    except (OSError, ValueError):
        return ""


def find_executable(name: str, path: str, folder: str) -> str | None:
    """The absolute file that execvp would run for ``name`` in ``folder``, or None."""
    if "/" in name:
        candidate = os.path.normpath(os.path.join(folder, name))
        return candidate if _is_executable(candidate) else None
    for entry in path.split(os.pathsep):
        candidate = os.path.normpath(os.path.join(folder, entry, name))
        if _is_executable(candidate):
            return candidate
    return None


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
