"""What ``kfrun.dev/mount`` shows to containers: looked at before anything is done, and proposed where it would help."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.execute.backend import working_folder
from kfrun.model.source import Finding, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.resolution import Resolution

CODES = {"KF607": "kfrun.dev/mount shows a folder that is not there, or shows it where a volume is"}


def faults(resolution: Resolution, current: str) -> Iterator[Finding]:
    """What is wrong with the lines of the annotation."""
    base = working_folder(resolution, current)
    for folder, path in resolution.mounts:
        if not os.path.isdir(os.path.join(base, folder)):
            message = f'there is no folder "{folder}" in {base} that could be shown at {path}'
            yield _finding(resolution, (folder, path), message, "make it, or name one that is there: FOLDER=/PATH")
        for container, volume in _hiding(resolution, path):
            message = (
                f'container {container} has the volume "{volume}" at {path}, which would hide the folder "{folder}"'
            )
            yield _finding(
                resolution, (folder, path), message, "show the folder at another path, or mount the volume below"
            )


def _hiding(resolution: Resolution, path: str) -> Iterator[tuple[str, str]]:
    """The containers with a volume at just that path."""
    for group in (resolution.jobset or {}).get("spec", {}).get("replicatedJobs", ()):
        pod = group["template"]["spec"]["template"]["spec"]
        for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
            for mount in container.get("volumeMounts") or ():
                if os.path.normpath(mount.get("mountPath", "")) == os.path.normpath(path):
                    yield container["name"], mount["name"]


def _finding(resolution: Resolution, line: tuple[str, str], message: str, hint: str) -> Finding:
    from kfrun.resolve import extensions

    runtime = () if resolution.runtime is None else (resolution.runtime.document,)
    place = extensions.place_of_mount((resolution.job, *runtime), line)
    return Finding("KF607", message, Stage.BACKEND, hint=hint, **place)


def proposal(missing: str, folder: str) -> str:
    """The line with which the source folder would have a file at the absolute path where there is none; or empty."""
    parts = missing.split("/")
    for number in range(2, len(parts)):
        place, rest = "/".join(parts[:number]), "/".join(parts[number:])
        if os.path.isabs(missing) and not os.path.lexists(place) and os.path.isfile(os.path.join(folder, rest)):
            return f".={place}"
    return ""
