"""The code of a job: what lies in the folder that it runs in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.execute.backend import working_folder
from kfrun.model.values import replace

if TYPE_CHECKING:
    from kfrun.model.change import DesiredJob
    from kfrun.settings import Settings


def of(job: DesiredJob, settings: Settings) -> DesiredJob:
    """The job with the code that it would run now."""
    from kfrun.load import code

    try:
        folder = working_folder(job.resolution, os.getcwd())
    except OSError:  # the current folder is gone, and the manifest came through a pipe
        return job
    return replace(job, code=code.read(folder, settings.cache_dir))
