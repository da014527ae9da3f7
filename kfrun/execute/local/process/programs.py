"""The programs of one job's containers: what is run, with which variables, and what it sees of the file system."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.execute.local.kubelet import messages
from kfrun.execute.local.pods import variables
from kfrun.execute.local.process import enclosure, identity, launch
from kfrun.execute.local.process.addresses import Addresses, LocalAddresses
from kfrun.execute.local.process.attempts import mountpoints, pump, recorder
from kfrun.execute.local.process.enclosure import Unstartable
from kfrun.execute.local.runtime import JOB_MARKER
from kfrun.execute.local.supply import inmemory, mounts
from kfrun.host import namespaces
from kfrun.host.namespaces import Bind
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.controller.facts import Attempt
    from kfrun.execute.local.process.identity import Identity
    from kfrun.execute.local.process.mpi import Launchpad
    from kfrun.execute.local.supply.inputs import Supplies
    from kfrun.model.runstate import PodState
    from kfrun.model.workload import ChildJob, Workload

    Found = tuple[ChildJob, PodState, dict[str, Any]]
    """A container with its pod and its Job."""

ENDLESS = 1 << 62
"""A size at which no log is kept."""


class Programs:
    """Makes the programs of one job.

    Attributes:
        folder: the job's folder.
        uid: the TrainJob's.
        workload: what it runs.
        settings: what its processes are given.
        ports: its local ports by ``host:port`` of the cluster, as they are when something starts.
        addresses: where names of the cluster lead to here.
        launchpad: what an MPI job is started with, None for others.
    """

    def __init__(
        self, folder: str, uid: str, workload: Workload, settings: launch.ProcessSettings, ports: dict[str, int]
    ) -> None:
        self.folder = folder
        self.uid = uid
        self.workload = workload
        self.settings = settings
        self.ports = ports
        self.boot = host.boot_id()
        self.addresses = Addresses.of(workload)
        self.launchpad = _launchpad(f"{folder}/mpi", settings.mpi_hosts)

    def of(
        self,
        found: Found,
        attempt: Attempt,
        given: Supplies,
        words: Sequence[str] | None = None,
        known: dict[str, str] | None = None,
    ) -> recorder.Program:
        """What is run as a container; or in it, where there are ``words``: with the variables ``known`` of it.

        Raises:
            Unstartable: there is nothing that could be run, and why.
            MissingConfig, Unusable: of what it was to be given something is not there, or leads elsewhere.
        """
        job, pod, container = found
        local = LocalAddresses(self.addresses, self.ports)
        injected = job.job_template.injected.get(attempt.container, ())
        own = known or variables.environment(container, given.facts, local, injected, given.sources)
        source = [Bind(path, seen) for path, seen in self.settings.mounts]
        volumes = mounts.binds(container, given.volumes, own, given.sources.pod)
        binds = mounts.sorted_binds([*source, *volumes])
        local_paths = partial(mounts.rewritten, found=() if namespaces.are_possible() else binds) if binds else str
        own = {name: local_paths(value) for name, value in own.items()}
        marker, _, name = self.marker(attempt).partition("=")
        folder = local_paths(container.get("workingDir") or self.settings.folder)
        # The user of an MPI job is that of its image, who can read nothing of ours.
        who = identity.of(job.job_template.pod, container) if self.launchpad is None else None
        base = launch.base_environment(self.settings)
        base = base if who is None else who.environment(base)
        argv = variables.arguments(container, local, own) if words is None else [local.text(word) for word in words]
        # A log that may be opened anew is pumped, or it would be truncated.
        is_opened = launch.opens_streams(argv, folder, str(container.get("lifecycle", "")))
        if is_opened and words is None and who is not None and who.uid != os.geteuid():
            self._open_stream(attempt, who)
        argv = [local_paths(word) for word in argv]
        for path, place in self._places(attempt, container, who).items():
            argv, own = launch.relocated(path, place, argv, own)
        env = known or {**base, **own, JOB_MARKER: self.uid, marker: name}
        if self.launchpad is not None:
            host, asked = job.hostname(pod.index), self._probed(job, pod.index, container)
            env = known or self.launchpad.environment(env, own, host)
            argv = self.launchpad.arguments(argv, host, (self.ports[port] for port in asked))
        if not argv:
            raise Unstartable("the container has no command")
        log, settings = self.path(attempt, "log"), self.settings
        limit = settings.log_max_size or (ENDLESS if is_opened else 0)
        how = (folder, log, settings.umask, self.boot, limit, who)
        told = "" if not binds or namespaces.are_possible() else _told(binds)
        if told and who is not None and who.uid != os.geteuid():
            _require_reachable(who, binds)
        program = recorder.Program("", tuple(argv), env, *how, told=told)
        if binds and namespaces.are_possible():
            # It may lie in one of them: it is looked for where these are.
            enclosure.require_usable(binds)
            places = mountpoints.on_disk(volumes, settings.mounts, settings.folder)
            program = replace(program, places=places, note=f"{self.folder}/{mountpoints.NOTE}")
            return replace(program, binds=tuple(binds), own=(settings.folder,))
        return replace(program, executable=enclosure.executable(argv, folder, env["PATH"]))

    def _places(self, attempt: Attempt, container: dict[str, Any], who: Identity | None) -> dict[str, str]:
        """Where paths are here that each container has of its own."""
        message = messages.file(self.folder, attempt)
        if who is not None and who.uid != os.geteuid():
            message = messages.open_to(who.uid, self.folder, attempt) or message
        stream = os.path.realpath(self.path(attempt, "pipe"))
        return {messages.path(container): message, **dict.fromkeys(launch.STREAMS_OF_MAIN, stream)}

    def _open_stream(self, attempt: Attempt, who: Identity) -> None:
        """Have the output of an attempt come from where its hooks get to, too."""
        if folder := inmemory.open_beside(os.path.basename(self.folder), attempt.pod):
            pump.open_to(who.uid, self.path(attempt, "log"), folder)

    def host(self, job: ChildJob, index: int) -> str:
        """The whole host name of a pod."""
        return f"{job.hostname(index)}.{self.workload.subdomain}".rstrip(".")

    def _probed(self, job: ChildJob, index: int, container: dict[str, Any]) -> list[str]:
        """``host:port`` of a pod of an MPI job at which it is asked whether its sshd is there."""
        from kfrun.execute.local.process import mpi

        return [f"{self.host(job, index)}:{port}" for port in mpi.probed(container)]

    def probed_ports(self) -> list[str]:
        """All of these, of all pods."""
        if self.launchpad is None:
            return []
        return [
            port
            for job in self.workload.jobs
            for container in job.job_template.containers
            for index in range(job.completions)
            for port in self._probed(job, index, container)
        ]

    def path(self, attempt: Attempt, suffix: str) -> str:
        """A file of an attempt: its ``log``, or its record, ``attempt``."""
        return f"{self.prefix(attempt)}.{suffix}"

    def prefix(self, attempt: Attempt) -> str:
        """What the names of all files of an attempt begin with."""
        return f"{self.folder}/pods/{attempt.pod}/{attempt.container}.{attempt.restarts}"

    def marker(self, attempt: Attempt) -> str:
        """What every process of the attempt has in its environment, and no process of any other."""
        return f"{launch.ATTEMPT_MARKER}={self.uid}/{attempt.pod}/{attempt.container}.{attempt.restarts}"


def _launchpad(folder: str, hosts: str) -> Launchpad | None:
    if not hosts:
        return None
    from kfrun.execute.local.process import mpi

    return mpi.Launchpad(folder, hosts)


def _require_reachable(who: Identity, binds: Sequence[Bind]) -> None:
    """Refuse what would find nothing: no other user gets into the folders of whoever runs kfrun.

    Raises:
        Unstartable: a volume lies there.
    """
    for bind in binds:
        if not who.reaches(bind.source):
            raise Unstartable(
                f"user {who.uid} cannot get to the volume at {bind.target}: this system mounts nothing for a process, "
                "and it lies in a folder of who runs kfrun; leave runAsUser away, or run kfrun with CAP_SYS_ADMIN"
            )


def _told(binds: Sequence[Bind]) -> str:
    """What is done where nothing can be mounted."""
    paths = ", ".join(bind.target for bind in binds)
    where = f"{paths} in its command, arguments and variables are paths of this machine, and nothing is read-only"
    return f"this system mounts nothing for a process: {where}"
