"""The files of one run, written before its supervisor starts and read by every supervisor of it.

All lie in the run's folder (0700), each 0600: the workload and what its processes are given hold the caller's
environment. `reserve` is preallocated, so that the state has a place on a full disk: two slots that are written in
turn, so that a writer killed half-way leaves the one before.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.errors import StoreFailed
from kfrun.host import files, lock
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
        objects: the ConfigMaps and Secrets that the ML policy makes for it alone, whole.
    """

    workload: Workload
    settings: dict[str, Any]
    environment: dict[str, Any] | None = None
    environment_path: str = ""
    cache: str = ""
    keep_environment: bool = False
    back_off: tuple[float, float] = (10.0, 300.0)
    objects: tuple[dict[str, Any], ...] = ()

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """One of `objects`."""
        return next((item for item in self.objects if (item["kind"], item["metadata"]["name"]) == (kind, name)), None)


def write(folder: str, job: RunFiles) -> None:
    """Make the folder and write everything that a supervisor needs.

    Raises:
        OSError: it cannot be written (no space, no permission).
    """
    host.make_private_folder(Path(folder).parents[2])
    with exclusive(folder):
        # Whoever sweeps sees a folder with its creator, or none.
        host.make_private_folder(Path(folder, "pods"))
        with open(f"{folder}/creator", "w", encoding="utf-8", opener=files.opener) as file:
            json.dump(host.identify(os.getpid()), file)
    replace(folder, job)
    make_reserve(folder, job.workload)
    os.mkfifo(f"{folder}/wake", 0o600)


def make_reserve(folder: str, workload: Workload) -> None:
    """Take the room for the state, unless it is there.

    Raises:
        OSError: there is no room.
    """
    pods = sum(child.completions for child in workload.jobs)
    size, path = 2 * (_SLOT_BYTES + pods * _BYTES_PER_POD), f"{folder}/reserve"
    if os.path.lexists(path) and not os.path.isfile(path):
        os.rename(path, f"{path}.was")
    with open(path, "ab", opener=files.opener) as file:
        file.write(b" " * (size - file.tell()))


def open_wake(folder: str) -> int:
    """The FIFO that wakes a supervisor, made again when it is gone or something else lies there.

    Where it cannot be, nobody wakes the supervisor: it looks by itself every few seconds.
    """
    path, descriptor = f"{folder}/wake", -1
    for _ in range(2):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
        with suppress(OSError):
            os.rename(path, f"{path}.was")
        with suppress(OSError):
            os.mkfifo(path, 0o600)
    reading, _ = os.pipe()
    os.set_blocking(reading, False)
    return reading


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
        creator = host.ProcessIdentity(*json.loads(files.read(f"{folder}/creator")))
    except (OSError, ValueError, TypeError, RecursionError):
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
    data: dict[str, Any] = {name: getattr(job, name) for name in RunFiles.__match_args__}
    _write(_path(folder, digest), {**data, "workload": job.workload.to_json()})


def read(folder: str, digest: str = "") -> RunFiles:
    """Read what the run with that ``run_digest`` runs; without one, what it was created with.

    Raises:
        OSError, ValueError: it is not there, damaged or not this user's; the file is named.
    """
    path = _path(folder, digest)
    path = path if os.path.lexists(path) else _path(folder, "")
    _require_trusted(folder, path)
    try:
        return _read(json.loads(files.read(path)))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error


def _require_trusted(folder: str, path: str) -> None:
    from kfrun.observe import location

    try:
        location.require_trusted_run(folder)
    except StoreFailed as error:
        raise ValueError(f"{error.message}; {error.hint}") from error
    found = files.objection(path, is_folder=False)
    if found is not None:
        raise ValueError(f"{found.message}; {found.hint}")


def _read(data: dict[str, Any]) -> RunFiles:
    try:
        if "jobset" in data:
            from kfrun.execute.local import formerfiles

            data = formerfiles.converted(data)
        return RunFiles(
            **{
                **data,
                "workload": expand.of_jobset(**data["workload"]),
                "back_off": tuple(data["back_off"]),
                "objects": tuple(data.get("objects", ())),
            }
        )
    except Exception as error:  # whatever it stumbles over, the file does not hold what it should
        raise ValueError(f"it is damaged, or another version of kfrun wrote it: {error!r}") from error


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
    with open(f"{path}.new", "w", encoding="utf-8", opener=files.opener) as file:
        json.dump(data, file, separators=(",", ":"))
    os.replace(f"{path}.new", path)


def save_in_reserve(folder: str, state: dict[str, Any]) -> None:
    """Keep the state in the reserve while the store takes nothing; the one that was kept before stays beside it.

    Raises:
        OSError: even that failed.
    """
    text = json.dumps(state, separators=(",", ":")).encode()
    with open(f"{folder}/reserve", "r+b", opener=files.opener) as file:
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
        with open(f"{folder}/reserve", "rb", opener=files.opener) as file:
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
    except (ValueError, RecursionError):
        return None
    return state if isinstance(state, dict) and isinstance(state.get("sequence"), int) else None
