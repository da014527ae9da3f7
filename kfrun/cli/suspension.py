"""What ``suspend`` and ``resume`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import options
from kfrun.cli.query import chosen_jobs
from kfrun.errors import Refused
from kfrun.model.state import is_finished

if TYPE_CHECKING:
    from kfrun.cli.query import Crowd


def set_suspend(names: tuple[str, ...], namespace: str | None, crowd: Crowd, *, suspend: bool) -> None:
    """Set spec.suspend of TrainJobs.

    Raises:
        NotFound: there is no such job.
        Refused: one that is named is finished.
    """
    settings = options.load_settings(namespace=namespace)
    with options.backend(settings) as backend:
        for job in chosen_jobs(backend, settings.namespace, names, crowd, "suspend" if suspend else "resume"):
            hangs = () if suspend else backend.details(job).hangs
            word = "suspended" if suspend else "resumed"
            if is_finished(job.data):
                if crowd.is_meant(()):
                    continue
                raise Refused(
                    f"{job.key.name} is finished: it cannot be {word}", f"kfrun rerun {job.key.name} runs it once more"
                )
            changed = backend.wish(job.key, "suspend" if suspend else "resume")
            options.say(f"{job.key.resource} {word if changed else 'unchanged'}")
            if changed:
                options.tell(*(f"{job.key.name}: {one.message}" for one in hangs if one.moment == "resume"))
