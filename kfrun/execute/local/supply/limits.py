"""How much is in emptyDir volumes that have a ``sizeLimit``: a look every ten seconds, as a kubelet's."""

from __future__ import annotations

import contextlib
import os
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from kfrun.validate.admission import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.local.supply.places import Volumes
    from kfrun.model.runstate import PodState
    from kfrun.model.workload import JobTemplate, Workload

_PERIOD = 10.0
_MOST = 20_000
"""Entries that one look takes in: 0.1 s or so. The next one goes on behind them."""
_BLOCK = 512


def of(workload: Workload, volumes: Volumes) -> SizeLimits | None:
    """Those of a workload; None where no volume has any, so that nothing is paid for them."""
    if not any(list(_limited(template)) for template in workload.templates):
        return None
    return SizeLimits(workload, volumes)


def _limited(template: JobTemplate) -> Iterator[tuple[dict[str, Any], str, int]]:
    for volume in template.pod.get("volumes", ()):
        text = str((volume.get("emptyDir") or {}).get("sizeLimit") or "")
        limit = quantity.ceiling(text)
        if limit > 0:
            yield volume, quantity.canonical(text) or text, limit


class SizeLimits:
    """Watches the volumes of one job's pods."""

    def __init__(self, workload: Workload, volumes: Volumes) -> None:
        self._limited = {job.name: list(_limited(job.job_template)) for job in workload.jobs}
        self._volumes = volumes
        self._due = time.monotonic() + _PERIOD
        self._round: Iterator[tuple[PodState, str] | None] = iter(())

    def look(self, pods: Sequence[PodState]) -> list[tuple[PodState, str]]:
        """The pods that have more in a volume than they may, and a kubelet's words for it; nothing until it is due."""
        if self.interval():
            return []
        self._due = time.monotonic() + _PERIOD
        found = list(islice(self._round, _MOST))
        if len(found) < _MOST:
            self._round = self._look([pod for pod in pods if not pod.ended])
            found += islice(self._round, _MOST - len(found))
        return [item for item in found if item is not None]

    def interval(self) -> float:
        """Seconds until the next look is due."""
        return max(0.0, self._due - time.monotonic())

    def _look(self, pods: Sequence[PodState]) -> Iterator[tuple[PodState, str] | None]:
        """The pods that have too much in a volume; None for each entry that was looked at."""
        for pod in pods:
            for volume, text, limit in self._limited[pod.job]:
                taken = 0
                for size in _sizes(self._volumes.empty(volume, pod.name)):
                    yield None
                    taken += size
                    if taken > limit:
                        yield pod, f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{text}". '
                        break


def _sizes(folder: str) -> Iterator[int]:
    """What each entry of a folder takes on its disk; a file of several names counts once, other disks not at all."""
    seen, folders = set[int](), [folder]
    device: int | None = None
    while folders:
        path = folders.pop()
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            device = os.stat(path).st_dev if device is None else device
            for entry in entries:
                # What is removed meanwhile takes nothing.
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if found.st_dev != device or found.st_ino in seen:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif found.st_nlink > 1:
                        seen.add(found.st_ino)
                    yield found.st_blocks * _BLOCK
