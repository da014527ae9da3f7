"""The code of a job: what lies in the folder that it runs in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.execute.backend import working_folder
from kfrun.model.values import replace

if TYPE_CHECKING:
    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.settings import Settings


def of(job: DesiredJob, settings: Settings) -> DesiredJob:
    """The job with the code that it would run now."""
    from kfrun.load import code

    try:
        base = job.resolution.job.folder or os.getcwd()
    except OSError:  # the current folder is gone, and the manifest came through a pipe
        return job
    found = code.read(working_folder(job.resolution, base), settings.cache_dir, words(job.resolution))
    return replace(job, code=found._replace(folder=base))


def words(resolution: Resolution) -> set[str]:
    """The words of a job's commands that may name files."""
    return {
        word
        for group in (resolution.jobset or {"spec": {}})["spec"].get("replicatedJobs", ())
        for kind in ("initContainers", "containers")
        for container in group["template"]["spec"]["template"]["spec"].get(kind, ())
        for word in (*container.get("command", ()), *container.get("args", ()))
        if word and not word.startswith("-") and "\0" not in word and "\n" not in word
    }
