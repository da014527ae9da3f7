"""Containers as local processes: the process backend's `ContainerRuntime`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import time
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.execute.local.process import launch, record, recorder
from kfrun.execute.local.process.addresses import Addresses
from kfrun.execute.local.runtime import RECORDER_LOST, START_ERROR, START_ERROR_CODE, Attempt, Exit
from kfrun.model.workload import node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.model.running import PodState
    from kfrun.model.workload import ChildJob, Container, Pod, Workload

_POLL_SECONDS = 0.02
_INDEX_ENTRY = struct.Struct("<dQ")


class _Watched:
    """An attempt whose recorder is alive."""

    __slots__ = ("attempt", "descriptor", "is_child", "log_size", "recorder", "status")

    def __init__(self, attempt: Attempt, recorder_pid: int, descriptor: int | None, *, is_child: bool) -> None:
        self.attempt = attempt
        self.recorder = recorder_pid
        self.descriptor = descriptor
        self.is_child = is_child
        self.log_size = 0
        # What the recorder ended with, where we are its parent.
        self.status: int | None = None


class ProcessRuntime:
    """Starts, signals and watches the processes of one job.

    Args:
        folder: the job's folder.
        uid: the TrainJob's.
        workload: what it runs.
        settings: what its processes are given.
        pod_state: finds a pod's state by name.
    """

    def __init__(
        self,
        folder: str,
        uid: str,
        workload: Workload,
        settings: launch.Settings,
        pod_state: Callable[[str], PodState],
    ) -> None:
        self._folder = folder
        self._uid = uid
        self._workload = workload
        self._settings = settings
        self._pod_state = pod_state
        self._addresses = Addresses.of(workload)
        self._watched: dict[Attempt, _Watched] = {}
        self._exits: list[Exit] = []

    # ContainerRuntime

    def needed_ports(self) -> tuple[str, ...]:
        """Every ``host:port`` of the cluster that needs a local port."""
        return self._addresses.needed(self._workload)

    def start(self, attempt: Attempt, ports: dict[str, int]) -> None:
        """See `ContainerRuntime.start`."""
        try:
            program = self._program(attempt, ports)
            pid = recorder.spawn(program, record.create(self._path(attempt, "attempt")))
        except (OSError, _NotFound) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._exits.append(Exit(attempt, START_ERROR_CODE, START_ERROR, text, time.time()))
            return
        self._watch(attempt, pid, is_child=True)

    def adopt(self, attempt: Attempt) -> bool:
        """See `ContainerRuntime.adopt`."""
        path = self._path(attempt, "attempt")
        found = record.read(path)
        # Held but without a recorder's pid: it was forked a moment ago and is about to write.
        deadline = time.monotonic() + 5
        while record.is_held(path) and (found is None or found.state == "new") and time.monotonic() < deadline:
            time.sleep(0.005)
            found = record.read(path)
        if found is None or found.state == "new":
            return False
        if not record.is_held(path):
            self._end([_Watched(attempt, found.recorder, None, is_child=False)])
            return True
        self._watch(attempt, found.recorder, is_child=False)
        return True

    def terminate(self, attempt: Attempt) -> None:
        """See `ContainerRuntime.terminate`."""
        found = self._running_record(attempt)
        if found is not None:
            self._signal(found, signal.SIGTERM)

    def kill(self, attempts: Sequence[Attempt]) -> None:
        """See `ContainerRuntime.kill`."""
        for attempt in attempts:
            found = self._running_record(attempt)
            if found is not None and self._is_same(found):
                _kill_tree(found.pid)
        if attempts:
            host.kill_marked(*map(self._marker, attempts))

    def descriptors(self) -> Sequence[int]:
        """See `ContainerRuntime.descriptors`."""
        return [item.descriptor for item in self._watched.values() if item.descriptor is not None]

    def poll_interval(self) -> float | None:
        """See `ContainerRuntime.poll_interval`."""
        if self._exits:
            return 0.0
        return _POLL_SECONDS if any(item.descriptor is None for item in self._watched.values()) else None

    def collect(self) -> list[Exit]:
        """See `ContainerRuntime.collect`."""
        ended = [item for item in self._watched.values() if self._has_ended(item)]
        for item in ended:
            self._forget(item)
        self._end(ended)
        exits, self._exits = self._exits, []
        return exits

    def sample_logs(self) -> None:
        """See `ContainerRuntime.sample_logs`."""
        now = time.time()
        for item in self._watched.values():
            self._sample(item, now)

    def clean(self) -> None:
        """See `ContainerRuntime.clean`."""
        host.kill_marked(f"{launch.JOB_MARKER}={self._uid}")

    # Starting

    def _program(self, attempt: Attempt, ports: dict[str, int]) -> recorder.Program:
        job, pod, container = self._find(attempt)
        self._prepare_pod(attempt, job, pod)
        fields = launch.pod_fields(self._workload.namespace, self._uid, attempt.pod, job, pod)
        own = launch.container_environment(container, self._addresses, ports, fields)
        marker, _, name = self._marker(attempt).partition("=")
        env = {**launch.base_environment(self._settings), **own, launch.JOB_MARKER: self._uid, marker: name}
        argv = launch.arguments(container, self._addresses, ports, own)
        folder = container.working_dir or self._settings.folder
        if not os.path.isdir(folder):  # noqa: PTH112
            raise _NotFound(f"working directory {folder}: no such folder")
        if not argv:
            raise _NotFound("the container has no command")
        executable = launch.find_executable(argv[0], env["PATH"], folder)
        if executable is None:
            where = "no such executable file" if "/" in argv[0] else "executable file not found in $PATH"
            raise _NotFound(f'exec: "{argv[0]}": {where}')
        log = self._path(attempt, "log")
        return recorder.Program(executable, tuple(argv), env, folder, log, self._settings.umask)

    def _find(self, attempt: Attempt) -> tuple[ChildJob, Pod, Container]:
        state = self._pod_state(attempt.pod)
        job = next(item for item in self._workload.jobs if item.name == state.job)
        pod = next(item for item in job.pods if item.index == state.index)
        containers = (*pod.init_containers, *pod.containers)
        return job, pod, next(item for item in containers if item.name == attempt.container)

    def _prepare_pod(self, attempt: Attempt, job: ChildJob, pod: Pod) -> None:
        folder = f"{self._folder}/pods/{attempt.pod}"
        if os.path.exists(f"{folder}/pod.json"):  # noqa: PTH110
            return
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        state = self._pod_state(attempt.pod)
        data = {
            "name": attempt.pod,
            "job": job.name,
            "replicatedJob": job.replicated_job,
            "jobIndex": job.index,
            "index": pod.index,
            "attempt": state.attempt,
            "node": node_name(self._workload, job, pod.index),
            "main": pod.containers[0].name if pod.containers else "",
            "created": state.created,
        }
        with open(f"{folder}/pod.json.new", "w", encoding="utf-8", opener=_private) as file:
            json.dump(data, file)
        os.replace(f"{folder}/pod.json.new", f"{folder}/pod.json")  # noqa: PTH105

    def _path(self, attempt: Attempt, suffix: str) -> str:
        return f"{self._folder}/pods/{attempt.pod}/{attempt.container}.{attempt.restarts}.{suffix}"

    # Watching

    def _watch(self, attempt: Attempt, recorder_pid: int, *, is_child: bool) -> None:
        descriptor = host.open_pidfd(recorder_pid)
        self._watched[attempt] = _Watched(attempt, recorder_pid, descriptor, is_child=is_child)

    def _forget(self, item: _Watched) -> None:
        self._sample(item, time.time())
        if item.descriptor is not None:
            os.close(item.descriptor)
        del self._watched[item.attempt]

    def _has_ended(self, item: _Watched) -> bool:
        if item.is_child:
            pid, status = os.waitpid(item.recorder, os.WNOHANG)
            item.status = status if pid else None
            return pid != 0
        return not record.is_held(self._path(item.attempt, "attempt"))

    def _end(self, ended: list[_Watched]) -> None:
        """Take note of what recorders left, and end whatever their programs left in other sessions."""
        if not ended:
            return
        found = [record.read(self._path(item.attempt, "attempt")) for item in ended]
        for left in found:
            if left is not None and left.state == "running" and self._is_same(left):
                _kill_tree(left.pid)
        # One look at all processes for all of them: a thousand nodes may end at once.
        host.kill_marked(*(self._marker(item.attempt) for item in ended))
        self._exits += [_exit(item, left) for item, left in zip(ended, found, strict=True)]

    def _running_record(self, attempt: Attempt) -> record.Record | None:
        """The record once the main process runs; None when it ended or never will run."""
        path = self._path(attempt, "attempt")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = record.read(path)
            if found is not None and found.state == "running":
                return found
            if found is None or found.state == "exited" or not record.is_held(path):
                return None
            time.sleep(0.002)
        return None

    def _is_same(self, found: record.Record) -> bool:
        return found.pid > 0 and host.start_time(found.pid) == found.start

    def _signal(self, found: record.Record, number: int) -> None:
        descriptor = host.open_pidfd(found.pid)
        try:
            if not self._is_same(found):
                return
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)
            else:
                os.kill(found.pid, number)
        except ProcessLookupError:
            return
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _marker(self, attempt: Attempt) -> str:
        """What every process of the attempt has in its environment, and no process of any other."""
        return f"{launch.ATTEMPT_MARKER}={self._uid}/{attempt.pod}/{attempt.container}.{attempt.restarts}"

    def _sample(self, item: _Watched, now: float) -> None:
        try:
            size = os.stat(self._path(item.attempt, "log")).st_size  # noqa: PTH116
            if size == item.log_size:
                return
            with open(self._path(item.attempt, "idx"), "ab", opener=_private) as file:
                file.write(_INDEX_ENTRY.pack(now, size))
            item.log_size = size
        except OSError:
            # No log yet, or no space for the index: times are then estimated on reading.
            return


class _NotFound(Exception):
    """What a container needs is not there."""


def _kill_tree(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _exit(item: _Watched, found: record.Record | None) -> Exit:
    if found is not None and found.state == "exited" and found.exit_code is not None:
        return Exit(item.attempt, found.exit_code, found.reason, found.message, found.at)
    if item.status is not None and os.WIFEXITED(item.status):
        # It could not write (or the job removed its record), so it told its parent.
        return _told(item.attempt, os.WEXITSTATUS(item.status), found)
    message = "the recorder of this container was killed: its exit code is unknown"
    return Exit(item.attempt, 137, RECORDER_LOST, message, time.time())


def _told(attempt: Attempt, code: int, found: record.Record | None) -> Exit:
    if found is not None and found.state != "running":
        return Exit(attempt, code, START_ERROR, "the container's record could not be written", time.time())
    return Exit(attempt, code, "Completed" if code == 0 else "Error", "", time.time())
