"""The log files of a run on disk: which there are, whose they are, and when what was written. Called by observe.logs.

A run's folder holds ``pods/<pod>/pod.json``, ``pods/<pod>/<container>.<restart>.log`` (bytes as the container wrote
them) and ``….idx`` beside it: records of 16 bytes, (time, size of the file at that time). Files outlive their pods
in the store, so this module asks the disk alone.
"""

from __future__ import annotations

import json
import os
import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_RECORD = struct.Struct("<dQ")
_BLOCK = 1 << 18
_BLOCK_RECORDS = 4096


@dataclass(frozen=True, slots=True)
class LogFile:
    """The output of one attempt of one container.

    Attributes:
        node: how users name the pod: ``node-0``, ``worker-2-0`` where a replicatedJob has several Jobs.
        label: ``node`` for the pod's main container, ``node-0/sidecar`` for the others.
        replicated_job, job, index: where the pod belongs; ``index`` is the completion index.
        created: when the pod was made, seconds since the epoch.
        restart: how often the container had been restarted in its pod before.
    """

    path: Path
    node: str
    label: str
    pod: str
    replicated_job: str
    job: str
    index: int
    container: str
    created: float
    restart: int

    @property
    def place(self) -> tuple[str, int, str]:
        """What stays the same over all attempts: child Job, completion index, container."""
        return (self.job, self.index, self.container)


class _Pod(NamedTuple):
    folder: Path
    facts: dict[str, object]
    logs: tuple[tuple[str, int], ...]


def discover(folder: Path) -> list[LogFile]:
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


def signature(folder: Path) -> tuple[int, ...]:
    """A value that changes when a pod or a log file is added: cheap enough to be asked 50 times a second."""
    stamps = []
    try:
        stamps.append((folder / "pods").stat().st_mtime_ns)
        with os.scandir(folder / "pods") as entries:
            for entry in entries:
                stamps.append(os.stat(entry.path).st_mtime_ns)  # noqa: PTH116, PERF401 (may vanish half way)
    except OSError:
        stamps.append(-1)
    return tuple(stamps)


def _pods(folder: Path) -> list[_Pod]:
    try:
        found = sorted(path for path in (folder / "pods").iterdir() if path.is_dir())
    except OSError:
        return []
    pods = []
    for path in found:
        facts = _facts(path)
        if facts is not None:
            pods.append(_Pod(path, facts, tuple(_log_names(path))))
    return pods


def _facts(path: Path) -> dict[str, object] | None:
    try:
        facts = json.loads((path / "pod.json").read_bytes())
    except (OSError, ValueError):
        return None
    wanted = {"name", "job", "replicatedJob", "jobIndex", "index", "created"}
    return facts if isinstance(facts, dict) and wanted <= facts.keys() else None


def _log_names(path: Path) -> Iterator[tuple[str, int]]:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 (names, not paths)
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
        path=pod.folder / f"{container}.{restart}.log",
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


class Sample(NamedTuple):
    """At ``time`` (seconds since the epoch) the log had ``size`` bytes."""

    time: float
    size: int


class TimeIndex:
    """The side index of one log file. Missing or cut off (the supervisor was killed), it just knows less."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".idx")
        try:
            self._count = self._path.stat().st_size // _RECORD.size
        except OSError:
            self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        with self._path.open("rb") as file:
            return Sample(*_RECORD.unpack(os.pread(file.fileno(), _RECORD.size, number * _RECORD.size)))

    def size_at(self, time: float) -> int | None:
        """How large the log was just before ``time``, as far as is known; None when all samples are older."""
        number = bisect_left(self, time, key=lambda sample: sample.time)
        if number == self._count:
            return None
        return self[number - 1].size if number else 0

    def after(self, size: int) -> Iterator[Sample]:
        """The samples taken when the log had more than ``size`` bytes, oldest first; times never run backwards."""
        number = bisect_left(self, size + 1, key=lambda sample: sample.size)
        latest = 0.0
        while number < self._count:
            for time, length in self._block(number):
                latest = max(latest, time)
                yield Sample(latest, length)
            number += _BLOCK_RECORDS

    def _block(self, number: int) -> Iterator[tuple[float, int]]:
        wanted = min(_BLOCK_RECORDS, self._count - number)
        try:
            with self._path.open("rb") as file:
                block = os.pread(file.fileno(), wanted * _RECORD.size, number * _RECORD.size)
        except FileNotFoundError:
            return iter(())
        return _RECORD.iter_unpack(block[: len(block) // _RECORD.size * _RECORD.size])


def line_end(fd: int, low: int, high: int) -> int:
    """The offset behind the last line break within ``low``..``high``, or ``low`` when there is none."""
    while high > low:
        start = max(low, high - _BLOCK)
        found = os.pread(fd, high - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        high = start
    return low


def tail_start(fd: int, size: int, lines: int) -> int:
    """Where the last ``lines`` lines of the first ``size`` bytes begin; an unfinished last line is one of them."""
    if lines <= 0:
        return size
    high = size
    # The line break that ends the very last line begins no further line.
    missing = lines + (1 if size and os.pread(fd, 1, size - 1) == b"\n" else 0)
    while high > 0:
        start = max(0, high - _BLOCK)
        block = os.pread(fd, high - start, start)
        count = block.count(b"\n")
        if count >= missing:
            return start + _nth_last(block, missing) + 1
        missing -= count
        high = start
    return 0


def _nth_last(block: bytes, number: int) -> int:
    position = len(block)
    for _ in range(number):
        position = block.rfind(b"\n", 0, position)
    return position
