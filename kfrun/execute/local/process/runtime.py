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
from kfrun.execute.local.kubelet import messages
from kfrun.execute.local.needs.environment import EnvironmentNeed
from kfrun.execute.local.needs.ports import PortsNeed
from kfrun.execute.local.pods import variables
from kfrun.execute.local.process import identity, launch, leftovers, pump, record, recorder
from kfrun.execute.local.process.addresses import LOOPBACK, Addresses, LocalAddresses
from kfrun.execute.local.process.orphan import code_of
from kfrun.execute.local.process.watch import Traces, Watch
from kfrun.execute.local.runtime import JOB_MARKER, ContainerUsage
from kfrun.host import files, orphans
from kfrun.observe import segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Self

    from kfrun.execute.controller.facts import Fact
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.execute.local.needs.need import Need
    from kfrun.execute.local.process.mpi import Launchpad
    from kfrun.model.runstate import PodState, RunState
    from kfrun.model.workload import ChildJob, Workload
    from kfrun.observe.store import Run, Store

_NEVER_CODE = 137
_ENDLESS = 1 << 62
_INDEX_ENTRY = struct.Struct("<dQ")


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
        self._boot = host.boot_id()
        self._addresses = Addresses.of(workload)
        self._launchpad = _launchpad(f"{folder}/mpi", settings.mpi_hosts)
        self._pods: dict[str, tuple[ChildJob, PodState]] = {}
        self._watched: dict[Attempt, Watch] = {}
        self._starts = recorder.Starts()
        self._facts: list[Fact] = []
        self._withheld: set[Attempt] = set()

    # ContainerRuntime

    @classmethod
    def of(cls, run: Run, job: RunFiles, state: RunState) -> Self:
        """See `ContainerRuntime.of`."""
        settings = launch.ProcessSettings.from_json(job.settings)
        # Before the first recorder: whatever that leaves if it is killed comes to us.
        orphans.become_subreaper()
        found = cls(run.folder, run.uid, job.workload, settings, state.ports)
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
        needed = [*self._addresses.needed(self._workload), *self._probed_ports()]
        ports = PortsNeed(store, self._uid, list(dict.fromkeys(needed)), self._ports)
        if job.environment is None:
            return [ports]
        return [EnvironmentNeed(self._folder, self._uid, job, self._settings.caller), ports]

    def prepare_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.prepare_pod`: processes share the machine, only MPI's want files."""
        if self._launchpad is not None:
            self._launchpad.prepare()
        job = next(item for item in self._workload.jobs if item.name == pod.job)
        self._pods[pod.name] = job, pod

    def remove_pod(self, pod: PodState) -> None:
        """See `ContainerRuntime.remove_pod`."""
        self._pods.pop(pod.name, None)
        if self._launchpad is not None and not self._pods:
            self._launchpad.clear()

    def start(self, attempt: Attempt) -> None:
        """See `ContainerRuntime.start`."""
        refusal = self._refusal(attempt)
        if refusal:
            self._withheld.add(attempt)
            self._facts.append(Waiting(attempt, CONFIG_ERROR, refusal))
            return
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
        # Held and new: it was forked a moment ago and is about to write.
        if found is None or (found.state == "new" and not record.is_held(path)):
            return False
        self._watch(attempt, found.recorder, is_child=False)
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
        try:
            program = self._program(attempt, argv)
        except _NotFound as error:
            raise FileNotFoundError(errno.ENOENT, f'exec: "{argv[0] if argv else ""}": {error}') from error
        return code_of(os.waitpid(recorder.start(program, streams), 0)[1])

    def address(self, pod: PodState, port: int, host: str = "") -> tuple[str, int]:
        """See `ContainerRuntime.address`: pods share one, and have ports of their own where they are told them."""
        job, _ = self._pods[pod.name]
        name = host or self._host(job, pod.index)
        if host and not self._addresses.is_host(host):
            return host, port
        return LOOPBACK, self._ports.get(f"{name}:{port}", port)

    def usage(self, attempt: Attempt) -> ContainerUsage | None:
        """See `ContainerRuntime.usage`."""
        found = host.marked_processes(self._marker(attempt))
        return ContainerUsage(*host.usage(found)) if found else None

    def descriptors(self) -> Sequence[int]:
        """See `ContainerRuntime.descriptors`."""
        ends = [descriptor for item in self._watched.values() for descriptor in item.descriptors()]
        return [*ends, *self._starts.descriptors()]

    def poll_interval(self) -> float | None:
        """See `ContainerRuntime.poll_interval`."""
        if self._facts:
            return 0.0
        found = [interval for item in self._watched.values() if (interval := item.poll_interval()) is not None]
        return min(found, default=None)

    def collect(self) -> list[Fact]:
        """See `ContainerRuntime.collect`."""
        watches = list(self._watched.values())
        gone = [item for item in watches if item.look()]
        # Asked in this order, who has ended has said before that it started.
        self._note_starts()
        self._starts.give_up(*(item.recorder for item in gone))
        seen = leftovers.Leftovers(watches)
        for item in watches:
            news = item.advance(seen)
            self._facts += news
            if item.never_started or (news and isinstance(news[-1], Ended)):
                self._forget(item)
            if item.never_started:
                self.start(item.attempt)
        if any(item.is_lost for item in watches):
            seen.reap()
        facts, self._facts = self._facts, []
        return facts

    def _note_starts(self) -> None:
        started = self._starts.collect()
        if started:
            watches = {item.recorder: item for item in self._watched.values() if not item.has_started}
            self._facts += [watches[pid].note_start(at) for pid, at in started]

    def sample_logs(self) -> None:
        """See `ContainerRuntime.sample_logs`."""
        now = time.time()
        for item in self._watched.values():
            self._sample(item, now)
            if item.is_lost:
                pump.replace(self._path(item.attempt, "log"), self._settings.log_max_size or _ENDLESS)

    def close(self) -> None:
        """See `ContainerRuntime.close`."""
        for item in self._watched.values():
            item.close()
        self._watched.clear()
        self._starts.close()

    # Starting

    def _refusal(self, attempt: Attempt) -> str:
        """Why its configuration lets nobody create the container."""
        job, pod, container = self._find(attempt)
        called = f'"{pod.name}_{self._workload.namespace}({self._uid}-{pod.name})"'
        return identity.objection(job.job_template.pod, container, called)

    def _give_up(self, attempt: Attempt) -> None:
        """What was never created ends without starting."""
        if attempt in self._withheld:
            self._withheld.remove(attempt)
            self._facts.append(Ended(attempt, _NEVER_CODE, "Error", "it was not started any more", time.time()))

    def _program(self, attempt: Attempt, words: Sequence[str] | None = None) -> recorder.Program:
        """What is run as a container; or in it, where there are ``words``."""
        job, pod, container = self._find(attempt)
        local = LocalAddresses(self._addresses, self._ports)
        injected = job.job_template.injected.get(attempt.container, ())
        own = variables.environment(container, self._pod_facts(job, pod), local, injected)
        argv = variables.arguments(container, local, own) if words is None else [local.text(word) for word in words]
        folder = container.get("workingDir") or self._settings.folder
        # A log that may be opened anew is pumped, or it would be truncated.
        is_opened = launch.opens_streams(argv, folder, str(container.get("lifecycle", "")))
        for path, place in self._places(attempt, container).items():
            argv, own = launch.relocated(path, place, argv, own)
        # The user of an MPI job is that of its image, who can read nothing of ours.
        who = identity.of(job.job_template.pod, container) if self._launchpad is None else None
        marker, _, name = self._marker(attempt).partition("=")
        given = {**launch.base_environment(self._settings), **({} if who is None else {"HOME": who.home})}
        env = {**given, **own, JOB_MARKER: self._uid, marker: name}
        if self._launchpad is not None:
            host, asked = job.hostname(pod.index), self._probed(job, pod.index, container)
            env = self._launchpad.environment(env, own, host)
            argv = self._launchpad.arguments(argv, host, (self._ports[port] for port in asked))
        executable = _executable(argv, env["PATH"], folder, is_main=words is None)
        settings, log = self._settings, self._path(attempt, "log")
        limit = settings.log_max_size or (_ENDLESS if is_opened else 0)
        how = (folder, log, settings.umask, self._boot, limit, who)
        return recorder.Program(executable, tuple(argv), env, *how)

    def _host(self, job: ChildJob, index: int) -> str:
        """The whole host name of a pod."""
        return f"{job.hostname(index)}.{self._workload.subdomain}".rstrip(".")

    def _probed(self, job: ChildJob, index: int, container: dict[str, Any]) -> list[str]:
        """``host:port`` of a pod of an MPI job at which it is asked whether its sshd is there."""
        from kfrun.execute.local.process import mpi

        return [f"{self._host(job, index)}:{port}" for port in mpi.probed(container)]

    def _probed_ports(self) -> list[str]:
        if self._launchpad is None:
            return []
        return [
            port
            for job in self._workload.jobs
            for container in job.job_template.containers
            for index in range(job.completions)
            for port in self._probed(job, index, container)
        ]

    def _places(self, attempt: Attempt, container: dict[str, Any]) -> dict[str, str]:
        """Where paths are here that each container has of its own."""
        message = messages.file(self._folder, attempt.pod, attempt.container, attempt.restarts)
        return {messages.path(container): message, **dict.fromkeys(launch.STREAMS_OF_MAIN, self._path(attempt, "pipe"))}

    def _find(self, attempt: Attempt) -> tuple[ChildJob, PodState, dict[str, Any]]:
        job, pod = self._pods[attempt.pod]
        containers = (*job.job_template.init_containers, *job.job_template.containers)
        return job, pod, next(item for item in containers if item["name"] == attempt.container)

    def _pod_facts(self, job: ChildJob, pod: PodState) -> variables.PodFacts:
        return variables.PodFacts(
            name=pod.name,
            namespace=self._workload.namespace,
            uid=f"{self._uid}-{pod.name}",
            **job.pod_metadata(pod.index, pod.restart_attempt),
            service_account=job.job_template.pod.get("serviceAccountName", "default"),
            node=os.uname().nodename,
            addresses=(LOOPBACK,),
            host_addresses=(LOOPBACK,),
        )

    def _path(self, attempt: Attempt, suffix: str) -> str:
        return f"{self._prefix(attempt)}.{suffix}"

    def _prefix(self, attempt: Attempt) -> str:
        return f"{self._folder}/pods/{attempt.pod}/{attempt.container}.{attempt.restarts}"

    # Watching

    def _watch(self, attempt: Attempt, recorder_pid: int, *, is_child: bool) -> None:
        traces = Traces(self._uid, self._prefix(attempt), self._marker(attempt), self._boot)
        self._watched[attempt] = Watch(attempt, traces, recorder_pid, is_child=is_child)

    def _forget(self, item: Watch) -> None:
        if item.is_lost:
            pump.wait(self._path(item.attempt, "log"))
        self._sample(item, time.time())
        item.close()
        del self._watched[item.attempt]

    def _marker(self, attempt: Attempt) -> str:
        """What every process of the attempt has in its environment, and no process of any other."""
        return f"{launch.ATTEMPT_MARKER}={self._uid}/{attempt.pod}/{attempt.container}.{attempt.restarts}"

    def _sample(self, item: Watch, now: float) -> None:
        try:
            log = self._path(item.attempt, "log")
            size = segments.size(log) if self._settings.log_max_size else os.stat(log).st_size
            if size == item.log_size:
                return
            with open(self._path(item.attempt, "idx"), "ab", opener=files.opener) as file:
                file.write(_INDEX_ENTRY.pack(now, size))
            item.log_size = size
        except OSError:
            # No log yet, or no space for the index: times are then estimated on reading.
            return


def _stop_signal(container: dict[str, Any]) -> int:
    """What asks a container to end: SIGTERM, unless it has a signal of its own, like ``SIGRTMIN+3``."""
    name = (container.get("lifecycle") or {}).get("stopSignal") or "SIGTERM"
    base, offset, number = name.partition("+") if "+" in name else name.partition("-")
    found = signal.Signals.__members__.get(base, signal.SIGTERM)
    return int(found) + int(f"{offset}{number}" or 0)


class _NotFound(Exception):
    """What a container needs is not there."""


def _launchpad(folder: str, hosts: str) -> Launchpad | None:
    if not hosts:
        return None
    from kfrun.execute.local.process import mpi

    return mpi.Launchpad(folder, hosts)


def _executable(argv: list[str], path: str, folder: str, *, is_main: bool) -> str:
    """The file that is run.

    Raises:
        _NotFound: there is none, and why.
    """
    if not os.path.isdir(folder):
        raise _NotFound(_causes().no_folder(folder))
    if not argv:
        raise _NotFound("the container has no command")
    found = launch.find_executable(argv[0], path, folder)
    if found is None:
        raise _NotFound(_causes().missing(argv, folder, path) if is_main else "executable file not found in $PATH")
    return found


def _causes() -> ModuleType:
    # No supervisor carries them along: most start everything that they are asked for.
    from kfrun.execute.local.process import causes

    return causes
