"""The log files of a run on disk: which there are, whose they are, and when what was written; a source of logs.

A run's folder holds ``pods/<pod>/pod.json``, ``pods/<pod>/<container>.<restart>.log`` (bytes as the container wrote
them) and ``….idx`` beside it: records of 16 bytes, (time, size of the file at that time). Files outlive their pods
in the store, so this module asks the disk alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from typing import TYPE_CHECKING

from kfrun.host import files
from kfrun.model.values import NamedTuple
from kfrun.observe import segments
from kfrun.observe.logtexts import LogFile, Sample, TimeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RECORD = struct.Struct("<dQ")
_BLOCK_RECORDS = 4096
_TRIES = 10
_SETTLED_NANOSECONDS = 100_000_000
"""A file changed longer ago than this cannot change again without a new time stamp (clocks tick every 10 ms)."""
_FACTS = {
    "name": str,
    "job": str,
    "replicatedJob": str,
    "jobIndex": int,
    "index": int,
    "created": int | float,
}
"""What a ``pod.json`` tells at least."""


class _Pod(NamedTuple):
    folder: str
    facts: dict[str, object]
    logs: tuple[tuple[str, int], ...]


def discover(folder: str) -> list[LogFile]:
    """Every log file of the run in ``folder``, by label and then in order of the attempts.

    Pods whose ``pod.json`` is not there yet, or is no JSON, are left out: the next look finds them.
    """
    pods = _pods(folder)
    several = {pod.facts["replicatedJob"] for pod in pods if pod.facts["jobIndex"]}
    mains = _main_containers(pods)
    files = [
        _log_file(pod, container, restart, mains, several=pod.facts["replicatedJob"] in several)
        for pod in pods
        for container, restart in pod.logs
    ]
    return sorted(files, key=lambda file: (_natural(file), file.created, file.pod, file.restart))


def _natural(file: LogFile) -> tuple[str, str, int, str]:
    # node-10 comes after node-9; the main container before its sidecars, since its label is the shorter one.
    return (file.replicated_job, file.job, file.index, file.label)


def signature(folder: str) -> tuple[int, ...]:
    """A value that changes when a pod or a log file is added: cheap enough to be asked 50 times a second."""
    stamps = []
    try:
        stamps.append(os.stat(f"{folder}/pods").st_mtime_ns)
        with os.scandir(f"{folder}/pods") as entries:
            for entry in entries:
                stamps.append(os.stat(entry.path).st_mtime_ns)  # noqa: PERF401 (may vanish half way)
    except OSError:
        stamps.append(-1)
    return tuple(stamps)


def _pods(folder: str) -> list[_Pod]:
    try:
        with os.scandir(f"{folder}/pods") as entries:
            found = sorted(entry.path for entry in entries if entry.is_dir())
    except OSError:
        return []
    pods = []
    for path in found:
        facts = _facts(path)
        if facts is not None:
            pods.append(_Pod(path, facts, tuple(_log_names(path))))
    return pods


def _facts(path: str) -> dict[str, object] | None:
    try:
        facts = json.loads(files.read(f"{path}/pod.json"))
    except (OSError, ValueError, RecursionError):
        return None
    is_sound = isinstance(facts, dict) and all(isinstance(facts.get(key), kind) for key, kind in _FACTS.items())
    return facts if is_sound else None


def _log_names(path: str) -> Iterator[tuple[str, int]]:
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return
    for name in names:
        container, _, restart = name.removesuffix(".log").rpartition(".")
        if name.endswith(".log") and container and restart.isdigit():
            yield container, int(restart)


def _main_containers(pods: Sequence[_Pod]) -> dict[object, str]:
    """The main container of each replicatedJob's pods: as the pods say, else the likeliest name."""
    seen: dict[object, set[str]] = {}
    mains: dict[object, str] = {}
    for pod in pods:
        group = pod.facts["replicatedJob"]
        seen.setdefault(group, set()).update(container for container, _ in pod.logs)
        if isinstance(pod.facts.get("main"), str):
            mains[group] = str(pod.facts["main"])
    for group, names in seen.items():
        # Trainer calls the trainer's container "node" and an initializer's like its replicatedJob.
        likely = [name for name in ("node", group) if name in names]
        mains.setdefault(group, str((likely or sorted(names) or [""])[0]))
    return mains


def _log_file(pod: _Pod, container: str, restart: int, mains: dict[object, str], *, several: bool) -> LogFile:
    facts = pod.facts
    group, index = str(facts["replicatedJob"]), int(str(facts["index"]))
    node = f"{group}-{facts['jobIndex']}-{index}" if several else f"{group}-{index}"
    node = str(facts.get("node") or node)
    label = node if container == mains[facts["replicatedJob"]] else f"{node}/{container}"
    return LogFile(
        name=f"{pod.folder}/{container}.{restart}.log",
        node=node,
        label=label,
        pod=str(facts["name"]),
        replicated_job=group,
        job=str(facts["job"]),
        index=index,
        container=container,
        created=float(str(facts["created"])),
        restart=restart,
    )


class FileIndex(TimeIndex):
    """The side index of one log file. Missing or cut off (the supervisor was killed), it just knows less."""

    def __init__(self, log: str) -> None:
        self._path = f"{log.removesuffix('.log')}.idx"
        self._count = 0
        try:
            os.close(files.open_regular(self._path))
            self._count = os.stat(self._path).st_size // _RECORD.size
        except FileNotFoundError:
            return
        except OSError as error:
            self.damage = self._useless(str(error.strerror))
        if self._count and not (_can_be(self[0]) and _can_be(self[self._count - 1])):
            self._count, self.damage = 0, self._useless("it holds something else")

    def _useless(self, why: str) -> str:
        return f"{self._path} cannot be read ({why}): times are those of the log's last change"

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        # Cut off meanwhile, there is nothing to be known.
        return Sample(*next(self._read(number, 1), (0.0, 0)))

    def _from(self, number: int) -> Iterator[tuple[float, int]]:
        while number < self._count:
            yield from filter(_can_be, self._read(number, min(_BLOCK_RECORDS, self._count - number)))
            number += _BLOCK_RECORDS

    def _read(self, number: int, count: int) -> Iterator[tuple[float, int]]:
        try:
            with open(self._path, "rb", opener=files.opener) as file:
                block = os.pread(file.fileno(), count * _RECORD.size, number * _RECORD.size)
        except OSError:
            return iter(())
        return _RECORD.iter_unpack(block[: len(block) // _RECORD.size * _RECORD.size])


def _can_be(sample: tuple[float, int]) -> bool:
    """Whether it was taken: another time than between 2001 and 2096, or that many bytes, are rubbish."""
    return 1e9 < sample[0] < 4e9 and sample[1] < 1 << 60


class FileText:
    """A log file that is being read; one that is kept at a size has several parts, see `kfrun.observe.segments`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._parts: list[tuple[int, int]] = []
        """Where each begins, and its descriptor: what is dropped meanwhile can be read to the end of this look."""
        self._mark, self._settled = (-1, -1), False
        self._look()

    def _look(self) -> None:
        parts = _opened(self._path)
        self.close()
        self._parts = parts

    def start(self) -> int:
        """See `LogText.start`."""
        return self._parts[0][0]

    def state(self) -> tuple[int, float]:
        """The file's size now, and when it was written last."""
        found = os.fstat(self._parts[-1][1])
        mark = found.st_size, found.st_ctime_ns
        if mark != self._mark or not self._settled:
            # A new part may have begun: then this one has another name since.
            if _inode(self._path) not in (None, found.st_ino):
                with contextlib.suppress(OSError):
                    self._look()
                found = os.fstat(self._parts[-1][1])
            self._mark, self._settled = mark, time.time_ns() - found.st_ctime_ns > _SETTLED_NANOSECONDS
        return self._parts[-1][0] + found.st_size, found.st_mtime

    def read(self, count: int, offset: int) -> bytes:
        """Up to ``count`` bytes from ``offset`` on; NUL in the place of those that were dropped."""
        end = offset + count
        found = [b"\0" * (min(end, self.start()) - offset)]
        for number, (start, descriptor) in enumerate(self._parts):
            last = self._parts[number + 1][0] if number + 1 < len(self._parts) else end
            begin, last = max(offset, start), min(end, last)
            if begin < last:
                found.append(os.pread(descriptor, last - begin, begin - start))
        return b"".join(found)

    def index(self) -> TimeIndex:
        """When the file had grown how far."""
        return FileIndex(self._path)

    def close(self) -> None:
        """Close the file."""
        for _, descriptor in self._parts:
            os.close(descriptor)
        self._parts.clear()


def _opened(path: str) -> list[tuple[int, int]]:
    """The parts of a log: where each begins, and a descriptor of it.

    Raises:
        OSError: there is no log, or something else lies there.
    """
    for _ in range(_TRIES):
        parts = list[tuple[int, int]]()
        if _open_parts(path, parts):
            return parts
        for _, descriptor in parts:
            os.close(descriptor)
    return [(0, files.open_regular(path))]


def _open_parts(path: str, parts: list[tuple[int, int]]) -> bool:
    """Open the parts of a log into a list; False when a new one began meanwhile, so that they do not fit together."""
    older = segments.older(path)
    try:
        for start, name in older:
            parts.append((start, files.open_regular(name)))
        start = parts[-1][0] + os.fstat(parts[-1][1]).st_size if parts else 0
        parts.append((start, files.open_regular(path)))
    except FileNotFoundError:
        if not older:
            raise
        return False
    return segments.older(path) == older


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


class FolderLogs:
    """The logs of the run in ``folder``, as a `kfrun.observe.logtexts.LogSource`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def files(self) -> list[LogFile]:
        """See `LogSource.files`."""
        return discover(self._folder)

    def signature(self) -> tuple[int, ...]:
        """See `LogSource.signature`."""
        return signature(self._folder)

    def open(self, file: LogFile) -> FileText:
        """See `LogSource.open`."""
        return FileText(file.name)


class InstallerLog(FolderLogs):
    """The output of the installer that built the run's environment, as the only log of a source."""

    def files(self) -> list[LogFile]:
        """The installer's output; nothing when there is none."""
        path = f"{self._folder}/environment.log"
        if not os.path.isfile(path):
            return []
        return [LogFile(path, "environment", "environment", "", "", "", 0, "environment", 0.0, 0)]
