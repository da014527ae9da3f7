"""Containers as local processes: the process backend's `ContainerRuntime`."""

from __future__ import annotations

import errno
import os
import signal
import struct
import time
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.errors import Refused
from kfrun.execute.controller.facts import CONFIG_ERROR, START_ERROR, START_ERROR_CODE, Attempt, Ended, Waiting
from kfrun.execute.local.needs.environment import EnvironmentNeed
from kfrun.execute.local.needs.ports import PortsNeed
from kfrun.execute.local.pods.configs import MissingConfig
from kfrun.execute.local.process import identity, launch, programs
from kfrun.execute.local.process.addresses import LOOPBACK
from kfrun.execute.local.process.attempts import leftovers, mountpoints, pump, record, recorder
from kfrun.execute.local.process.attempts.orphan import code_of
from kfrun.execute.local.process.attempts.watch import Traces, Watch
from kfrun.execute.local.process.enclosure import Unstartable
from kfrun.execute.local.runtime import ContainerUsage
from kfrun.execute.local.supply.mounts import Unusable
from kfrun.host import files, orphans
from kfrun.model.values import replace
from kfrun.observe import segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from kfrun.execute.controller.facts import Fact
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.execute.local.needs.need import Need
    from kfrun.execute.local.supply.inputs import Supplies
    from kfrun.model.runstate import PodState, RunState
    from kfrun.model.workload import ChildJob
    from kfrun.observe.store import Run, Store

_REAP_SECONDS = 0.1
_NEVER_CODE = 137
_INDEX_ENTRY = struct.Struct("<dQ")


class ProcessRuntime:
    """Starts, signals and watches the processes of one job, which ``own`` makes the programs of."""

    def __init__(self, own: programs.Programs) -> None:
        self._programs = own
        self._pods: dict[str, tuple[ChildJob, PodState]] = {}
        self._watched: dict[Attempt, Watch] = {}
        self._reports = recorder.Reports()
        self._ending: list[int] = []
        self._facts: list[Fact] = []
        self._given: dict[Attempt, Supplies] = {}
        self._adopted: set[Attempt] = set()
        self._withheld: set[Attempt] = set()

    # ContainerRuntime

    @classmethod
    def of(cls, run: Run, job: RunFiles, state: RunState) -> Self:
        """See `ContainerRuntime.of`."""
        settings = launch.ProcessSettings.from_json(job.settings)
        # Before the first recorder: whatever that leaves if it is killed comes to us.
        orphans.become_subreaper()
        found = cls(programs.Programs(run.folder, run.uid, job.workload, settings, state.ports))
        for pod in state.pods:
            # What an earlier supervisor began may turn out never to have started.
            if any(container.active for container in pod.containers):
                found.prepare_pod(pod)
        return found

    @classmethod
    def clean(cls, uid: str, grace: float = 0.0) -> None:
        """See `ContainerRuntime.clean`."""
        leftovers.end_job(uid, grace)

    def needs(self, store: Store, job: RunFiles) -> list[Need]:
        """See `ContainerRuntime.needs`: the Python environment, and ports of the address that all processes share."""
        needed = [*self._programs.addresses.needed(self._programs.workload), *self._programs.probed_ports()]
        ports = PortsNeed(store, self._programs.uid, list(dict.fromkeys(needed)), self._programs.ports)
        if job.environment is None:
            return [ports]
        return [EnvironmentNeed(self._programs.folder, self._programs.uid, job, self._programs.settings.caller), ports]

    def prepare_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.prepare_pod`: processes share the machine, only MPI's want files."""
        if self._programs.launchpad is not None:
            self._programs.launchpad.prepare()
        job = next(item for item in self._programs.workload.jobs if item.name == pod.job)
        self._pods[pod.name] = job, pod

    def remove_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.remove_pod`."""
        self._pods.pop(pod.name, None)
        # Where a recorder was killed, it could not.
        mountpoints.clear(f"{self._programs.folder}/{mountpoints.NOTE}")
        if self._programs.launchpad is not None and not self._pods:
            self._programs.launchpad.clear()

    def start(self, attempt: Attempt, given: Supplies) -> None:
        """See `ContainerRuntime.start`."""
        self._given[attempt] = given
        refusal = self._refusal(attempt)
        if refusal:
            self._withheld.add(attempt)
            self._facts.append(Waiting(attempt, CONFIG_ERROR, refusal))
            return
        try:
            program = self._programs.of(self._find(attempt), attempt, given)
            if program.told:
                self._facts.append(Waiting(attempt, "ContainerCreating", program.told, "VolumesRewritten"))
            pid = recorder.spawn(program, record.create(self._programs.path(attempt, "attempt")), self._reports)
        except (OSError, Unstartable, Unusable) as error:
            self._fail_to_start(
                attempt, error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            )
            return
        self._watch(attempt, pid, is_child=True)

    def adopt(self, attempt: Attempt, given: Supplies | None) -> bool:
        """See `ContainerRuntime.adopt`."""
        if given is not None:
            self._given[attempt] = given
        path = self._programs.path(attempt, "attempt")
        found = record.read(path)
        # Held and new: it was forked a moment ago and is about to write.
        if found is None or (found.state == "new" and not record.is_held(path)):
            return False
        self._watch(attempt, found.recorder, is_child=False)
        self._adopted.add(attempt)
        return True

    def terminate(self, attempt: Attempt) -> None:
        """See `ContainerRuntime.terminate`."""
        if attempt in self._watched:
            self._watched[attempt].send(_stop_signal(self._find(attempt)[2]))
        self._give_up(attempt)

    def kill(self, attempts: Sequence[Attempt]) -> None:
        """See `ContainerRuntime.kill`: to the main processes; what these leave their recorders end."""
        for attempt in attempts:
            if attempt in self._watched:
                self._watched[attempt].kill()
            self._give_up(attempt)

    def execute(
        self,
        attempt: Attempt,
        argv: Sequence[str],
        streams: tuple[int, int, int],
        *,
        terminal: bool = False,
    ) -> int:
        """See `ContainerRuntime.execute`: beside the container's process, with all that this one was given."""
        if terminal:
            raise Refused(
                f"{attempt.pod}/{attempt.container} is a process of this machine: there is no container to execute in",
                "run the command yourself: it sees what the job sees",
            )
        if attempt not in self._given:
            raise FileNotFoundError(errno.ENOENT, "what its container was given is not there any more")
        try:
            found = record.read(self._programs.path(attempt, "attempt"))
            known = self._variables(attempt, found) if found is not None and attempt in self._adopted else None
            program = self._programs.of(self._find(attempt), attempt, self._given[attempt], argv, known)
            if program.binds and found is not None:
                # In a namespace of its own it would not see what that one made beside its volumes.
                program = replace(program, beside=(found.pid, found.start))
        except (Unstartable, MissingConfig, Unusable) as error:
            raise FileNotFoundError(errno.ENOENT, str(error)) from error
        try:
            pid = recorder.start(program, streams)
        except (OSError, ValueError, Unstartable) as error:
            raise FileNotFoundError(errno.ENOENT, recorder.why(program, error)) from error
        return code_of(os.waitpid(pid, 0)[1])

    def address(self, pod: PodState, port: int, host: str = "") -> tuple[str, int]:
        """See `ContainerRuntime.address`: pods share one, and have ports of their own where they are told them."""
        job, _ = self._pods[pod.name]
        name = host or self._programs.host(job, pod.index)
        if host and not self._programs.addresses.is_host(host):
            return host, port
        return LOOPBACK, self._programs.ports.get(f"{name}:{port}", port)

    def usage(self, attempt: Attempt) -> ContainerUsage | None:
        """See `ContainerRuntime.usage`."""
        found = host.marked_processes(self._programs.marker(attempt))
        return ContainerUsage(*host.usage(found)) if found else None

    def descriptors(self) -> Sequence[int]:
        """See `ContainerRuntime.descriptors`."""
        ends = [descriptor for item in self._watched.values() for descriptor in item.descriptors()]
        return [*ends, *self._reports.descriptors()]

    def poll_interval(self) -> float | None:
        """See `ContainerRuntime.poll_interval`."""
        if self._facts:
            return 0.0
        found = [interval for item in self._watched.values() if (interval := item.poll_interval()) is not None]
        return min([*found, *[_REAP_SECONDS for _ in self._ending[:1]]], default=None)

    def collect(self) -> list[Fact]:
        """See `ContainerRuntime.collect`."""
        watches = list(self._watched.values())
        self._ending = [pid for pid in self._ending if not _is_reaped(pid)]
        gone = [item.recorder for item in watches if item.look()]
        # Asked in this order, who has ended has said before that it started.
        self._reports.give_up(*gone, *self._note_reports())
        seen = leftovers.Leftovers(watches)
        for item in [item for item in watches if item.has_news]:
            news = item.advance(seen)
            self._facts += news
            if item.never_started or (news and isinstance(news[-1], Ended)):
                self._forget(item)
            if item.never_started:
                self._start_again(item.attempt)
        if any(item.is_lost for item in watches):
            seen.reap()
        facts, self._facts = self._facts, []
        return facts

    def _start_again(self, attempt: Attempt) -> None:
        try:
            self.start(attempt, self._given[attempt])
        except (KeyError, MissingConfig):
            self._fail_to_start(attempt, "what it was to be given is not there any more")

    def _fail_to_start(self, attempt: Attempt, message: str) -> None:
        self._given.pop(attempt, None)
        self._facts.append(Ended(attempt, START_ERROR_CODE, START_ERROR, message, time.time()))

    def _note_reports(self) -> list[int]:
        """Take in what recorders say. Returns those that have nothing more to do."""
        reports, ending = self._reports.collect(), list[int]()
        watches = {item.recorder: item for item in self._watched.values()} if reports else {}
        for pid, at in reports:
            if pid > 0:
                self._facts.append(watches[pid].note_start(at))
            elif watches[-pid].note_end():
                ending.append(-pid)
        self._ending += ending
        return ending

    def sample_logs(self) -> None:
        """See `ContainerRuntime.sample_logs`."""
        now = time.time()
        for item in self._watched.values():
            self._sample(item, now)
            if item.is_lost:
                pump.replace(
                    self._programs.path(item.attempt, "log"), self._programs.settings.log_max_size or programs.ENDLESS
                )

    def close(self) -> None:
        """See `ContainerRuntime.close`."""
        for item in self._watched.values():
            item.close()
        self._watched.clear()
        self._reports.close()

    # Starting

    def _refusal(self, attempt: Attempt) -> str:
        """Why its configuration lets nobody create the container."""
        job, pod, container = self._find(attempt)
        called = f'"{pod.name}_{self._programs.workload.namespace}({self._programs.uid}-{pod.name})"'
        return identity.objection(job.job_template.pod, container, called)

    def _give_up(self, attempt: Attempt) -> None:
        """What was never created ends without starting."""
        if attempt in self._withheld:
            self._withheld.remove(attempt)
            self._facts.append(Ended(attempt, _NEVER_CODE, "Error", "it was not started any more", time.time()))

    def _variables(self, attempt: Attempt, found: record.Record) -> dict[str, str] | None:
        """What the process of a container was started with, which an earlier supervisor knew; None if it hides that.

        Objects that its values came from may be others by now, or gone. They are written down nowhere, for secrets'
        sake.
        """
        entries = [os.fsdecode(entry).partition("=") for entry in host.environment(found.pid)]
        variables = {name: value for name, _, value in entries if name}
        marker, _, name = self._programs.marker(attempt).partition("=")
        is_whole = variables.get(marker) == name and "PATH" in variables and not host.is_portable()
        return variables if is_whole and host.start_time(found.pid) == found.start else None

    def _find(self, attempt: Attempt) -> tuple[ChildJob, PodState, dict[str, Any]]:
        job, pod = self._pods[attempt.pod]
        containers = (*job.job_template.init_containers, *job.job_template.containers)
        return job, pod, next(item for item in containers if item["name"] == attempt.container)

    # Watching

    def _watch(self, attempt: Attempt, recorder_pid: int, *, is_child: bool) -> None:
        traces = Traces(
            self._programs.uid, self._programs.prefix(attempt), self._programs.marker(attempt), self._programs.boot
        )
        self._watched[attempt] = Watch(attempt, traces, recorder_pid, is_child=is_child)

    def _forget(self, item: Watch) -> None:
        if item.is_lost:
            pump.wait(self._programs.path(item.attempt, "log"))
        self._sample(item, time.time())
        item.close()
        del self._watched[item.attempt]
        self._adopted.discard(item.attempt)
        if not item.never_started:
            self._given.pop(item.attempt, None)

    def _sample(self, item: Watch, now: float) -> None:
        try:
            log = self._programs.path(item.attempt, "log")
            size = segments.size(log) if self._programs.settings.log_max_size else os.stat(log).st_size
            if size == item.log_size:
                return
            with open(self._programs.path(item.attempt, "idx"), "ab", opener=files.opener) as file:
                file.write(_INDEX_ENTRY.pack(now, size))
            item.log_size = size
        except OSError:
            # No log yet, or no space for the index: times are then estimated on reading.
            return


def _is_reaped(pid: int) -> bool:
    """Whether a recorder that was about to go is gone, and is no zombie either."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        # It went with what others had left.
        return True


def _stop_signal(container: dict[str, Any]) -> int:
    """What asks a container to end: SIGTERM, unless it has a signal of its own, like ``SIGRTMIN+3``."""
    name = (container.get("lifecycle") or {}).get("stopSignal") or "SIGTERM"
    base, offset, number = name.partition("+") if "+" in name else name.partition("-")
    found = signal.Signals.__members__.get(base, signal.SIGTERM)
    return int(found) + int(f"{offset}{number}" or 0)
