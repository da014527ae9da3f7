"""Scripts that a manifest names and that should lie beside it: looked for where there is code at all.

A folder of manifests alone says nothing: the script may be in an image. Most jobs give no reason to look closer, so
that no more is imported for them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kfrun.execute.backend import working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Finding

_ENDINGS: Final = (".py", ".sh", ".bash")


def check(resolution: Resolution) -> Sequence[Finding]:
    """Warnings of scripts that are not there, or cannot be started."""
    folder = working_folder(resolution, "")
    if resolution.job.folder is None or not any(_is_doubtful(folder, word) for word in _names(resolution)):
        return ()
    from kfrun.execute import choice

    return list(choice.scripts(resolution))


def _names(resolution: Resolution) -> Iterator[str]:
    """Words of commands that may name a script in the source folder."""
    jobs = (resolution.jobset or {}).get("spec", {}).get("replicatedJobs", ())
    pods = (job["template"]["spec"]["template"]["spec"] for job in jobs)
    containers = (item for pod in pods for kind in ("initContainers", "containers") for item in pod.get(kind) or ())
    words = (word for item in containers for key in ("command", "args") for word in item.get(key) or ())
    return (word for word in words if word.endswith(_ENDINGS) or word.startswith(("./", "../")))


def _is_doubtful(folder: str, name: str) -> bool:
    try:
        if os.path.lexists(f"{folder}/{name}"):
            return not name.endswith(".py") or name.startswith("./")
        if any(os.path.isfile(f"{folder}/{above}/{name}") for above in ("..", "../..")):
            return True
        return any(name.endswith(_ENDINGS) for name in os.listdir(folder))
    except (OSError, ValueError):
        return False
