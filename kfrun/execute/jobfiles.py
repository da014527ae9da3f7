"""The files of one run, written by the runner before its supervisor starts and read by every supervisor of it.

All lie in the run's folder (0700), each 0600: the workload and what its processes are given hold the caller's
environment. `reserve` is preallocated, so that the state has a place on a full disk.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kfrun import host
from kfrun.execute.process import launch
from kfrun.model.workload import Workload

_RESERVE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """What a supervisor is started with.

    Attributes:
        database: path of the store.
        workload: what to run.
        settings: what its processes are given.
        jobset: the JobSet object as resolved, for the store.
        environment: an `EnvironmentRequest` as JSON, None when none is needed.
        environment_path: folder of the environment, empty when none is needed.
        cache: the cache folder in which environments are built.
        keep_environment: keep an isolated environment after the end.
        back_off: base and limit of the waits between tries, seconds.
    """

    database: str
    workload: Workload
    settings: launch.Settings
    jobset: dict[str, Any]
    environment: dict[str, Any] | None = None
    environment_path: str = ""
    cache: str = ""
    keep_environment: bool = False
    back_off: tuple[float, float] = (10.0, 300.0)


def write(folder: str, job: Job) -> None:
    """Make the folder and write everything that a supervisor needs.

    Raises:
        OSError: it cannot be written (no space, no permission).
    """
    host.make_private_folder(Path(folder, "pods"))
    with open(f"{folder}/creator", "w", encoding="utf-8", opener=_private) as file:
        json.dump(host.identify(os.getpid()), file)
    replace(folder, job)
    with open(f"{folder}/reserve", "wb", opener=_private) as file:
        file.write(b" " * _RESERVE_BYTES)
    os.mkfifo(f"{folder}/wake", 0o600)


def is_being_created(folder: str) -> bool:
    """Whether the process that made the folder still lives: its job may be recorded any moment."""
    try:
        with open(f"{folder}/creator", encoding="utf-8") as file:  # noqa: PTH123
            creator = host.ProcessIdentity(*json.load(file))
    except (OSError, ValueError, TypeError):
        return False
    return host.is_alive(creator)


def replace(folder: str, job: Job) -> None:
    """Write what the supervisor is to run from its next look on, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    # Not asdict: it would copy the workload, which has its own form, all over again.
    data = {item.name: getattr(job, item.name) for item in fields(job)}
    data |= {"workload": job.workload.to_json(), "settings": job.settings.to_json()}
    with open(f"{folder}/job.json.new", "w", encoding="utf-8", opener=_private) as file:
        json.dump(data, file, separators=(",", ":"))
    os.replace(f"{folder}/job.json.new", f"{folder}/job.json")  # noqa: PTH105


def read(folder: str) -> Job:
    """Read what `write` wrote.

    Raises:
        OSError, ValueError: it is not there or damaged.
    """
    with open(f"{folder}/job.json", encoding="utf-8") as file:  # noqa: PTH123
        data = json.load(file)
    return Job(
        **{
            **data,
            "workload": Workload.from_json(data["workload"]),
            "settings": launch.Settings.from_json(data["settings"]),
            "back_off": tuple(data["back_off"]),
        }
    )


def save_in_reserve(folder: str, state: dict[str, Any]) -> None:
    """Keep the state in the reserve while the store takes nothing.

    Raises:
        OSError: even that failed.
    """
    text = json.dumps(state, separators=(",", ":")).encode()
    with open(f"{folder}/reserve", "r+b") as file:  # noqa: PTH123
        file.write(text.ljust(_RESERVE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_reserve(folder: str) -> dict[str, Any] | None:
    """The state in the reserve; None when there is none."""
    try:
        with open(f"{folder}/reserve", "rb") as file:  # noqa: PTH123
            text = file.read().strip()
        state = json.loads(text) if text else None
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
