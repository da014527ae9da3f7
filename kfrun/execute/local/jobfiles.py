"""The files of one run, written before its supervisor starts and read by every supervisor of it.

All lie in the run's folder (0700), each 0600: the workload and what its processes are given hold the caller's
environment. `reserve` is preallocated, so that the state has a place on a full disk: two slots that are written in
turn, so that a writer killed half-way leaves the one before.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.host import lock
from kfrun.model.values import dataclass
from kfrun.resolve.pods import expand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from kfrun.model.runstate import PodState
    from kfrun.model.workload import Workload

_SLOT_BYTES = 128 * 1024
_BYTES_PER_POD = 2048


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a supervisor is started with.

    Attributes:
        workload: what to run.
        settings: what its runtime is given: written and read by that alone.
        environment: an `EnvironmentRequest` as JSON, None when none is needed.
        environment_path: folder of the environment, empty when none is needed.
        cache: the cache folder in which environments are built.
        keep_environment: keep an isolated environment after the end.
        back_off: base and limit of the waits between tries, seconds.
    """

    workload: Workload
    settings: dict[str, Any]
    environment: dict[str, Any] | None = None
    environment_path: str = ""
    cache: str = ""
    keep_environment: bool = False
    back_off: tuple[float, float] = (10.0, 300.0)


def write(folder: str, job: RunFiles) -> None:
    """Make the folder and write everything that a supervisor needs.

    Raises:
        OSError: it cannot be written (no space, no permission).
    """
    host.make_private_folder(Path(folder).parents[2])
    with exclusive(folder):
        # Whoever sweeps sees a folder with its creator, or none.
        host.make_private_folder(Path(folder, "pods"))
        with open(f"{folder}/creator", "w", encoding="utf-8", opener=_private) as file:
            json.dump(host.identify(os.getpid()), file)
    replace(folder, job)
    pods = sum(child.completions for child in job.workload.jobs)
    with open(f"{folder}/reserve", "wb", opener=_private) as file:
        file.write(b" " * (2 * (_SLOT_BYTES + pods * _BYTES_PER_POD)))
    os.mkfifo(f"{folder}/wake", 0o600)


@contextmanager
def exclusive(folder: str) -> Iterator[None]:
    """Nobody else makes or removes folders of jobs meanwhile; ``folder`` is that of a run.

    Raises:
        OSError: the state folder cannot be written.
    """
    try:
        descriptor = lock.take(Path(folder).parents[2].with_suffix(".lock"), wait=True)
    except FileNotFoundError:
        # The whole state was removed by hand: there is nothing to share.
        yield
        return
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


def is_being_created(folder: str) -> bool:
    """Whether the process that made the folder still lives: its job may be recorded any moment."""
    try:
        with open(f"{folder}/creator", encoding="utf-8") as file:
            creator = host.ProcessIdentity(*json.load(file))
    except (OSError, ValueError, TypeError):
        return False
    return host.is_alive(creator)


def replace(folder: str, job: RunFiles, digest: str = "") -> None:
    """Write what the supervisor is to run, whole or not at all.

    With ``digest``, the ``run_digest`` that the run is going to have: it counts from the moment that the store says so,
    and never if the caller is killed before.

    Raises:
        OSError: it cannot be written.
    """
    # Not asdict: the workload has its own form, which says all of it once.
    data = {item.name: getattr(job, item.name) for item in fields(job)}
    _write(_path(folder, digest), {**data, "workload": job.workload.to_json()})


def read(folder: str, digest: str = "") -> RunFiles:
    """Read what the run with that ``run_digest`` runs; without one, what it was created with.

    Raises:
        OSError, ValueError: it is not there or damaged.
    """
    path = _path(folder, digest)
    with open(path if os.path.exists(path) else _path(folder, ""), encoding="utf-8") as file:
        data = json.load(file)
    try:
        if "jobset" in data:
            from kfrun.execute.local import formerfiles

            data = formerfiles.converted(data)
        return RunFiles(
            **{
                **data,
                "workload": expand.of_jobset(**data["workload"]),
                "back_off": tuple(data["back_off"]),
            }
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is damaged, or another version of kfrun wrote it: {error}") from error


def _path(folder: str, digest: str) -> str:
    return f"{folder}/job.{digest}.json" if digest else f"{folder}/job.json"


def write_pod(folder: str, workload: Workload, pod: PodState) -> None:
    """Make the folder of a pod with ``pod.json``, by which `kfrun.observe.logfiles` finds its logs; once is enough.

    Raises:
        OSError: it cannot be written.
    """
    path = f"{folder}/pods/{pod.name}"
    if os.path.exists(f"{path}/pod.json"):
        return
    os.makedirs(path, mode=0o700, exist_ok=True)
    job = next(item for item in workload.jobs if item.name == pod.job)
    data = {
        "name": pod.name,
        "job": job.name,
        "replicatedJob": job.replicated_job,
        "jobIndex": job.index,
        "index": pod.index,
        "attempt": pod.attempt,
        "node": job.node(pod.index),
        "main": next((item.name for item in pod.containers if not item.init), ""),
        "created": pod.created,
    }
    _write(f"{path}/pod.json", data)


def _write(path: str, data: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    with open(f"{path}.new", "w", encoding="utf-8", opener=_private) as file:
        json.dump(data, file, separators=(",", ":"))
    os.replace(f"{path}.new", path)


def save_in_reserve(folder: str, state: dict[str, Any]) -> None:
    """Keep the state in the reserve while the store takes nothing; the one that was kept before stays beside it.

    Raises:
        OSError: even that failed.
    """
    text = json.dumps(state, separators=(",", ":")).encode()
    with open(f"{folder}/reserve", "r+b") as file:
        size = os.fstat(file.fileno()).st_size // 2
        if len(text) > size:
            raise OSError(errno.ENOSPC, "the state is larger than its reserve")
        file.seek(state["sequence"] % 2 * size)
        file.write(text.ljust(size))
        file.flush()
        os.fsync(file.fileno())


def read_reserve(folder: str) -> dict[str, Any] | None:
    """The latest state in the reserve; None when there is none."""
    try:
        with open(f"{folder}/reserve", "rb") as file:
            half = os.fstat(file.fileno()).st_size // 2
            slots = [_slot(file, place, half) for place in (0, half)]
    except OSError:
        return None
    found = [state for slot in slots if (state := _state(slot)) is not None]
    return max(found, key=lambda state: int(state["sequence"]), default=None)


def _slot(file: BinaryIO, place: int, size: int) -> bytes:
    """What a slot holds. Mostly nothing, and a quarter of a megabyte of blanks would stay with every supervisor."""
    file.seek(place)
    first = file.read(1)
    return first + file.read(size - 1) if first.strip() else b""


def _state(slot: bytes) -> dict[str, Any] | None:
    try:
        state = json.loads(slot)
    except ValueError:
        return None
    return state if isinstance(state, dict) and isinstance(state.get("sequence"), int) else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
