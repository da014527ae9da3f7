"""What a container is given beside its manifest's own words: variables of ConfigMaps and Secrets, and its volumes."""

from __future__ import annotations

import errno
import os
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.execute.local.pods.configs import Configs, MissingConfig
from kfrun.execute.local.pods.variables import PodFacts, Sources
from kfrun.execute.local.supply import room
from kfrun.execute.local.supply.places import Unsupplied, Volumes
from kfrun.host import files
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.execute.local.pods.configs import Find
    from kfrun.model.runstate import PodState
    from kfrun.model.workload import ChildJob, Workload


_LARGEST_ENV_FILE = 1 << 20


class Unready(Exception):
    """A container cannot start yet. Args: the reason that it waits for, the reason of the event, and its message."""


class Supplies(NamedTuple):
    """What a container is started with.

    Attributes:
        facts: what the downward API tells of its pod.
        sources: where values of its variables come from.
        volumes: the folder or file of each volume of its pod.
    """

    facts: PodFacts
    sources: Sources = Sources()
    volumes: Mapping[str, str] = MappingProxyType({})


class Inputs:
    """Gives the containers of one job what they need.

    Args:
        folder: the job's folder.
        uid: the TrainJob's.
        workload: what it runs.
        find: looks up ConfigMaps and Secrets of its namespace.
    """

    def __init__(self, folder: str, uid: str, workload: Workload, find: Find) -> None:
        self._uid = uid
        self._workload = workload
        self._find = find
        self.volumes = Volumes(folder, uid, workload)

    def give(self, job: ChildJob, pod: PodState, address: str) -> Supplies:
        """What containers of a pod are started with; its volumes are made. ``address`` is its own.

        Raises:
            Unready: something is not there that they cannot start without.
        """
        spec = job.job_template.pod
        machine = host.capacity()
        _require_room(spec, machine)
        facts = self._facts(job, pod, address)
        sources = Sources(Configs(self._find, self._workload.namespace), spec, machine)
        try:
            volumes = self.volumes.make(job, pod.name, facts, sources)
        except Unsupplied as error:
            name, why = error.args
            message = f'MountVolume.SetUp failed for volume "{name}" : {why}'
            raise Unready("ContainerCreating", "FailedMount", message) from error
        sources = sources._replace(read=partial(_read, volumes))
        return Supplies(facts, sources, volumes)

    def remove(self, pod: str) -> None:
        """Remove what was made for a pod that has ended."""
        self.volumes.remove(pod)

    def _facts(self, job: ChildJob, pod: PodState, address: str) -> PodFacts:
        return PodFacts(
            name=pod.name,
            namespace=self._workload.namespace,
            uid=f"{self._uid}-{pod.name}",
            **job.pod_metadata(pod.index, pod.restart_attempt),
            service_account=job.job_template.pod.get("serviceAccountName", "default"),
            node=os.uname().nodename,
            addresses=(address,),
            host_addresses=(address,),
        )


def _read(volumes: Mapping[str, str], name: str, path: str) -> bytes | None:
    """A file of a volume, see `Sources`.

    Raises:
        MissingConfig: it cannot be read.
    """
    folder = volumes.get(name)
    try:
        return None if folder is None else _content(os.path.realpath(folder), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MissingConfig(f'env file {path} in volume "{name}" cannot be read: {error.strerror}') from error


def _content(folder: str, path: str) -> bytes:
    """What is in a file of a folder in which containers write: it must not lead out, and be of some size."""
    whole = os.path.realpath(os.path.join(folder, path))
    if not whole.startswith(f"{folder}/"):
        raise OSError(errno.EINVAL, "it leads out of the volume")
    with open(whole, "rb", opener=files.opener) as file:
        content = file.read(_LARGEST_ENV_FILE + 1)
    if len(content) > _LARGEST_ENV_FILE:
        raise OSError(errno.EFBIG, "it has more than 1 MiB")
    return content


def _require_room(pod: Mapping[str, Any], machine: dict[str, int]) -> None:
    """Whether the whole machine would do; what is in use just now does not count.

    Raises:
        Unready: it would not.
    """
    missing = room.lacking(pod, machine, host.accelerators)
    if missing:
        raise Unready("", "FailedScheduling", room.told(missing))
