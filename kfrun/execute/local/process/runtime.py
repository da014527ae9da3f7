"""Containers as local processes: the process backend's `ContainerRuntime`."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.errors import Refused
from kfrun.execute.controller.facts import RECORDER_LOST, START_ERROR, START_ERROR_CODE, Attempt, Ended, Started
from kfrun.execute.local.needs.environment import EnvironmentNeed
from kfrun.execute.local.needs.ports import PortsNeed
from kfrun.execute.local.pods import variables
from kfrun.execute.local.process import launch, record, recorder
from kfrun.execute.local.process.addresses import LOOPBACK, Addresses, LocalAddresses
from kfrun.execute.local.runtime import JOB_MARKER, ContainerUsage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Self

    from kfrun.execute.controller.facts import Fact
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.execute.local.needs.need import Need
    from kfrun.model.runstate import PodState, RunState
    from kfrun.model.workload import ChildJob, Workload
    from kfrun.observe.store import Run, Store

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
        ports: its local ports by ``host:port`` of the cluster, as they are when something starts.
    """

    def __init__(
        self, folder: str, uid: str, workload: Workload, settings: launch.ProcessSettings, ports: dict[str, int]
    ) -> None:
        self._folder = folder
        self._uid = uid
        self._workload = workload
        self._settings = settings
        self._ports = ports
        self._addresses = Addresses.of(workload)
        self._pods: dict[str, tuple[ChildJob, PodState]] = {}
        self._watched: dict[Attempt, _Watched] = {}
        self._starts = recorder.Starts()
        self._facts: list[Fact] = []

    # ContainerRuntime

    @classmethod
    def of(cls, run: Run, job: RunFiles, state: RunState) -> Self:
        """See `ContainerRuntime.of`."""
        settings = launch.ProcessSettings.from_json(job.settings)
        return cls(run.folder, run.uid, job.workload, settings, state.ports)

    @classmethod
    def clean(cls, uid: str) -> None:
        """See `ContainerRuntime.clean`."""
        host.kill_marked(f"{JOB_MARKER}={uid}")

    def needs(self, store: Store, job: RunFiles) -> list[Need]:
        """See `ContainerRuntime.needs`: the Python environment, and ports of the address that all processes share."""
        ports = PortsNeed(store, self._uid, self._addresses.needed(self._workload), self._ports)
        if job.environment is None:
            return [ports]
        return [EnvironmentNeed(self._folder, self._uid, job, self._settings.caller), ports]

    def prepare_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.prepare_pod`: processes share the machine, there is nothing to make."""
        job = next(item for item in self._workload.jobs if item.name == pod.job)
        self._pods[pod.name] = job, pod

    def remove_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.remove_pod`."""
        self._pods.pop(pod.name, None)

    def start(self, attempt: Attempt) -> None:
        """See `ContainerRuntime.start`."""
        try:
            program = self._program(attempt)
            pid = recorder.spawn(program, record.create(self._path(attempt, "attempt")), self._starts)
        except (OSError, _NotFound) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._facts.append(Ended(attempt, START_ERROR_CODE, START_ERROR, text, time.time()))
            return
        self._watch(attempt, pid, is_child=True)

    def adopt(self, attempt: Attempt) -> bool:
        """See `ContainerRuntime.adopt`."""
        path = self._path(attempt, "attempt")
        found = record.read(path)
        # Held but not running: it was forked a moment ago and is about to write.
        deadline = time.monotonic() + 5
        while record.is_held(path) and (found is None or found.is_starting) and time.monotonic() < deadline:
            time.sleep(0.005)
            found = record.read(path)
        if found is None or found.state == "new":
            return False
        if not record.is_held(path):
            self._end([_Watched(attempt, found.recorder, None, is_child=False)])
            return True
        self._facts.append(Started(attempt, found.at))
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

    def execute(
        self,
        attempt: Attempt,
        argv: Sequence[str],
        streams: tuple[int, int, int],
        *,
        terminal: bool = False,
        deadline: float | None = None,
    ) -> int:
        """See `ContainerRuntime.execute`."""
        del argv, streams, terminal, deadline
        raise Refused(
            f"{attempt.pod}/{attempt.container} is a process of this machine: there is no container to execute in",
            "run the command yourself: it sees what the job sees",
        )

    def address(self, pod: PodState) -> str:
        """See `ContainerRuntime.address`."""
        del pod
        return LOOPBACK

    def usage(self, attempt: Attempt) -> ContainerUsage | None:
        """See `ContainerRuntime.usage`."""
        found = host.marked_processes(self._marker(attempt))
        return ContainerUsage(*host.usage(found)) if found else None

    def descriptors(self) -> Sequence[int]:
        """See `ContainerRuntime.descriptors`."""
        ends = [item.descriptor for item in self._watched.values() if item.descriptor is not None]
        return [*ends, *self._starts.descriptors()]

    def poll_interval(self) -> float | None:
        """See `ContainerRuntime.poll_interval`."""
        if self._facts:
            return 0.0
        return _POLL_SECONDS if any(item.descriptor is None for item in self._watched.values()) else None

    def collect(self) -> list[Fact]:
        """See `ContainerRuntime.collect`."""
        ended = [item for item in self._watched.values() if self._has_ended(item)]
        # Asked in this order, who has ended has said before that it started.
        started = self._starts.collect()
        if started:
            attempts = {item.recorder: item.attempt for item in self._watched.values()}
            self._facts += [Started(attempts[pid], at) for pid, at in started]
        for item in ended:
            self._forget(item)
        self._end(ended)
        facts, self._facts = self._facts, []
        return facts

    def sample_logs(self) -> None:
        """See `ContainerRuntime.sample_logs`."""
        now = time.time()
        for item in self._watched.values():
            self._sample(item, now)

    def close(self) -> None:
        """See `ContainerRuntime.close`."""
        for item in self._watched.values():
            if item.descriptor is not None:
                os.close(item.descriptor)
        self._watched.clear()
        self._starts.close()

    # Starting

    def _program(self, attempt: Attempt) -> recorder.Program:
        job, pod, container = self._find(attempt)
        local = LocalAddresses(self._addresses, self._ports)
        injected = job.job_template.injected.get(attempt.container, ())
        own = variables.environment(container, self._pod_facts(job, pod), local, injected)
        marker, _, name = self._marker(attempt).partition("=")
        env = {**launch.base_environment(self._settings), **own, JOB_MARKER: self._uid, marker: name}
        argv = variables.arguments(container, local, own)
        folder = container.get("workingDir") or self._settings.folder
        if not os.path.isdir(folder):
            raise _NotFound(_causes().no_folder(folder))
        if not argv:
            raise _NotFound("the container has no command")
        executable = launch.find_executable(argv[0], env["PATH"], folder)
        if executable is None:
            raise _NotFound(_causes().missing(argv, folder, env["PATH"]))
        log = self._path(attempt, "log")
        return recorder.Program(executable, tuple(argv), env, folder, log, self._settings.umask)

    def _find(self, attempt: Attempt) -> tuple[ChildJob, PodState, dict[str, Any]]:
        job, pod = self._pods[attempt.pod]
        containers = (*job.job_template.init_containers, *job.job_template.containers)
        return job, pod, next(item for item in containers if item["name"] == attempt.container)

    def _pod_facts(self, job: ChildJob, pod: PodState) -> variables.PodFacts:
        return variables.PodFacts(
            name=pod.name,
            namespace=self._workload.namespace,
            uid=f"{self._uid}-{pod.name}",
            **job.pod_metadata(pod.index),
            service_account=job.job_template.pod.get("serviceAccountName", "default"),
            node=os.uname().nodename,
            addresses=(LOOPBACK,),
            host_addresses=(LOOPBACK,),
        )

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
        self._starts.give_up(item.recorder)
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
        self._facts += [_ended(item, left) for item, left in zip(ended, found, strict=True)]

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
            size = os.stat(self._path(item.attempt, "log")).st_size
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


def _causes() -> ModuleType:
    # No supervisor carries them along: most start everything that they are asked for.
    from kfrun.execute.local.process import causes

    return causes


def _kill_tree(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _ended(item: _Watched, found: record.Record | None) -> Ended:
    if found is not None and found.state == "exited" and found.exit_code is not None:
        return Ended(item.attempt, found.exit_code, found.reason, found.message, found.at)
    if item.status is not None and os.WIFEXITED(item.status):
        # It could not write (or the job removed its record), so it told its parent.
        return _told(item.attempt, os.WEXITSTATUS(item.status), found)
    message = "the recorder of this container was killed: its exit code is unknown"
    return Ended(item.attempt, 137, RECORDER_LOST, message, time.time())


def _told(attempt: Attempt, code: int, found: record.Record | None) -> Ended:
    if found is not None and found.state != "running":
        return Ended(attempt, code, START_ERROR, "the container's record could not be written", time.time())
    return Ended(attempt, code, "Completed" if code == 0 else "Error", "", time.time())
