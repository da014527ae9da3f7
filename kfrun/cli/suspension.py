"""What ``suspend`` and ``resume`` share."""

from __future__ import annotations

from kfrun.cli import kinds, options
from kfrun.errors import Refused
from kfrun.model.state import is_finished


def set_suspend(names: tuple[str, ...], namespace: str | None, *, suspend: bool) -> None:
    """Set spec.suspend of TrainJobs.

    Raises:
        NotFound: there is no such job.
        Refused: it is finished.
    """
    settings = options.load_settings(namespace=namespace)
    with options.backend(settings) as backend:
        jobs = [kinds.trainjob(backend, settings.namespace, name) for name in kinds.named(names)]
        for job in jobs:
            if is_finished(job.data):
                verb = "suspended" if suspend else "resumed"
                raise Refused(
                    f"{job.key.name} is finished: it cannot be {verb}", f"kfrun rerun {job.key.name} runs it once more"
                )
            changed = backend.wish(job.key, "suspend" if suspend else "resume")
            word = "suspended" if suspend else "resumed"
            options.say(f"{job.key.resource} {word if changed else 'unchanged'}")
