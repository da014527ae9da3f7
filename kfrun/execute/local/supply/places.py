"""Where a pod's volumes lie on this machine: made before its first container starts, removed when it has ended."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.execute.local.pods.configs import MissingConfig
from kfrun.execute.local.supply import claims, content, hostpaths, inmemory
from kfrun.host import files
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.execute.local.pods.variables import PodFacts, Sources
    from kfrun.model.workload import ChildJob, Workload

_GENERATION = "..1"
_READERS, _WRITERS, _ENTERED = 0o440, 0o660, 0o2110
_SHARED, _STICKY, _READABLE = 0o777, 0o1777, 0o755


class Unsupplied(Exception):
    """A volume cannot be made now. Args: its name, and why, as a kubelet says it."""


class Volumes(NamedTuple):
    """The volumes of one job's pods.

    Attributes:
        folder: the job's.
        uid: of the TrainJob.
    """

    folder: str
    uid: str
    workload: Workload

    def make(self, job: ChildJob, pod: str, facts: PodFacts, sources: Sources) -> dict[str, str]:
        """The folder or file of each of a pod's volumes that this machine has a place for; what is there is kept.

        Raises:
            Unsupplied: one cannot be made yet.
        """
        found = {}
        group = (job.job_template.pod.get("securityContext") or {}).get("fsGroup") if os.geteuid() == 0 else None
        for volume in job.job_template.pod.get("volumes", ()):
            try:
                place = self._place(volume, pod, facts, sources)
                if group is not None and place is not None and "hostPath" not in volume:
                    _share(place, group, _READERS if content.KINDS & volume.keys() else _WRITERS)
            except OSError as error:
                raise Unsupplied(volume["name"], f"{error.filename or ''}: {error.strerror}".lstrip(": ")) from error
            except (hostpaths.WrongType, MissingConfig) as error:
                raise Unsupplied(volume["name"], str(error)) from error
            if place is not None:
                found[volume["name"]] = place
        return found

    def _place(self, volume: Mapping[str, Any], pod: str, facts: PodFacts, sources: Sources) -> str | None:
        if "hostPath" in volume:
            hostpaths.require(volume["hostPath"]["path"], volume["hostPath"].get("type") or "")
            return str(volume["hostPath"]["path"])
        if "persistentVolumeClaim" in volume:
            return claims.folder(self.folder, self.workload, volume["persistentVolumeClaim"]["claimName"])
        own = f"{self._of(pod)}/{volume['name']}"
        kind = next((kind for kind in content.KINDS if kind in volume), "")
        if kind:
            if content.is_secret(volume) and os.access(inmemory.PLACE, os.W_OK):
                own = f"{self._in_memory(pod)}/{volume['name']}"
            mode = _SHARED if kind in content.ON_DISK else _STICKY
            if not os.path.isdir(own):
                # What it was filled with stays, whatever became of the objects.
                _fill(own, content.files(volume, facts, sources), mode)
            return own
        if "emptyDir" not in volume and "ephemeral" not in volume and len(volume) > 1:
            return None
        path = self.empty(volume, pod)
        if not os.path.isdir(path):
            # Others may write into the volume, but only those who are led to it: what is above it is nobody else's.
            host.make_private_folder(os.path.dirname(path))
            new = f"{path}.new"
            os.makedirs(new, 0o700, exist_ok=True)
            os.chmod(new, _STICKY if _is_in_memory(volume) else _SHARED)
            os.rename(new, path)
        return path

    def empty(self, volume: Mapping[str, Any], pod: str) -> str:
        """The folder of a volume that begins empty and goes with its pod."""
        is_there = _is_in_memory(volume) and os.access(inmemory.PLACE, os.W_OK)
        return f"{self._in_memory(pod) if is_there else self._of(pod)}/{volume['name']}"

    def remove(self, pod: str) -> None:
        """Remove what was made for a pod; claims and the machine's own paths stay."""
        for path in (self._of(pod), self._in_memory(pod), inmemory.beside(self.uid, pod)):
            files.remove_tree(path)

    def _of(self, pod: str) -> str:
        return f"{self.folder}/pods/{pod}/volumes"

    def _in_memory(self, pod: str) -> str:
        return inmemory.of_pod(self.uid, pod)


def forget(uid: str, folder: str = "") -> None:
    """Remove what pods of a job left in memory, of which its folder tells nothing; and in that, if it is given."""
    import glob

    for pattern in (
        f"{glob.escape(inmemory.of_job(uid))}*",
        *([f"{glob.escape(folder)}/pods/*/volumes"] if folder else []),
    ):
        for path in glob.glob(pattern):
            files.remove_tree(path)


def _is_in_memory(volume: Mapping[str, Any]) -> bool:
    return (volume.get("emptyDir") or {}).get("medium") == "Memory"


def _share(place: str, group: int, more: int) -> None:
    """Give a volume to the group of its pod, as a kubelet does; one that it has already is left alone."""
    if os.stat(place).st_gid == group:
        return
    for _, _, names, descriptor in os.fwalk(place, topdown=False):
        # The folder itself last: until then it is not done.
        for name in (*names, "."):
            with contextlib.suppress(OSError):
                # A link leads elsewhere, and a socket has no content.
                entry = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
                mode = os.fstat(entry).st_mode
                os.fchown(entry, -1, group)
                os.fchmod(entry, stat.S_IMODE(mode) | more | (_ENTERED if stat.S_ISDIR(mode) else 0))
                os.close(entry)


def _fill(folder: str, wanted: list[content.VolumeFile], mode: int) -> None:
    """Write the files of a volume, whole or not at all.

    They lie as a kubelet lays them: behind links, which programs may look at.
    """
    new = f"{folder}.new"
    files.remove_tree(new)
    host.make_private_folder(os.path.dirname(folder))
    os.makedirs(f"{new}/{_GENERATION}", 0o700)
    os.symlink(_GENERATION, f"{new}/..data")
    paths = {item.path for item in wanted}
    for path in sorted(paths):
        parts = path.split("/")
        if path.startswith(("/", "..")) or ".." in parts:
            raise OSError(errno.EINVAL, f'"{path}" leads out of the volume')
        if any("/".join(parts[:number]) in paths for number in range(1, len(parts))):
            raise OSError(errno.EINVAL, f'"{path}" lies below another file')
    for name in sorted({item.path.split("/")[0] for item in wanted}):
        os.symlink(f"..data/{name}", f"{new}/{name}")
    for item in wanted:
        path = os.path.join(new, _GENERATION, item.path)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path, "wb", opener=files.opener) as file:
            file.write(item.data)
        os.chmod(path, item.mode)
    for parent, _, _ in os.walk(new):
        with contextlib.suppress(OSError):
            os.chmod(parent, _READABLE)
    os.chmod(new, mode)
    os.rename(new, folder)
