"""``kfrun stop``: ends jobs as Cancelled and keeps everything of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, options
from kfrun.cli.query import chosen_jobs
from kfrun.flow import waits
from kfrun.flow.waits import Waits
from kfrun.model.state import is_finished
from kfrun.report.columns import CANCELLED, trainjob_state

if TYPE_CHECKING:
    from kfrun.cli.query import Crowd
    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject


@options.verb("stop")
@click.argument("names", nargs=-1, metavar="[TYPE] NAME...", shell_complete=options.complete("trainjobs"))
@options.namespace
@options.crowd("All TrainJobs of the namespace that have not ended.")
@click.option("--now", is_flag=True, help="Do not wait for the grace period: SIGKILL at once.")
@click.option("--wait/--no-wait", default=True, help="Return when they have ended (default), or at once.")
@click.option(
    "--timeout", metavar="DURATION", help="Exit 124 when the time is up; they are being stopped all the same."
)
def command(
    names: tuple[str, ...], namespace: str | None, crowd: Crowd, now: bool, wait: bool, timeout: str | None
) -> None:
    """End jobs as Cancelled, and keep them with their logs; kfrun rerun NAME runs one again.

    They get SIGTERM first, and SIGKILL after their grace period. What has ended already is left alone.
    """
    settings = options.load_settings(namespace=namespace)
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    with options.backend(settings) as backend:
        jobs = chosen_jobs(backend, settings.namespace, names, crowd, "stop")
        active = [job for job in jobs if not (crowd.everything and is_finished(job.data))]
        stopping = [job for job in active if _is_asked(backend, job, now=now)]
        for job in stopping if wait else ():
            way = f"kfrun wait {job.key.name}{attach.namespace_flag(job.key.namespace)} waits for it"
            with attach.detachable(f"{job.key.name} is being stopped; {way}"):
                ended = Waits(backend, seconds).stopped(job)
            _tell(ended.job)


def _is_asked(backend: Backend, job: StoredObject, *, now: bool) -> bool:
    """Ask a job to stop; False where it has ended already.

    Raises:
        Unavailable: another controller runs it.
    """
    if is_finished(job.data):
        _tell(job)
        return False
    waits.require_run(backend, job)
    backend.wish(job.key, "kill" if now else "cancel", uid=job.uid)
    return True


def _tell(job: StoredObject) -> None:
    state = trainjob_state(job.data)
    options.say(f"{job.key.resource} {'stopped' if state == CANCELLED else f'unchanged: it is {state}'}")
