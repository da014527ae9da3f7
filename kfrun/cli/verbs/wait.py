"""``kfrun wait``: until jobs end, however they end, or until what ``--for`` names holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, kinds, options
from kfrun.errors import Unavailable
from kfrun.flow import conditions
from kfrun.flow.waits import Waits
from kfrun.model.kinds import API_VERSION, TRAIN_JOB
from kfrun.model.source import ObjectKey
from kfrun.model.state import is_finished, true_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.backend import Backend
    from kfrun.flow.conditions import Awaited
    from kfrun.model.state import StoredObject


@click.command("wait")
@click.argument("names", nargs=-1, required=True, shell_complete=kinds.complete_trainjobs)
@options.namespace
@click.option(
    "--for",
    "awaited",
    multiple=True,
    metavar="WHAT",
    help="condition=A,B (either), delete, create, jsonpath={.path}=value; several: all of them.",
)
@click.option("--timeout", metavar="TIME", help="Give up after 30s, 10m, 1h30m (exit code 124). Default: never.")
def command(names: tuple[str, ...], namespace: str | None, awaited: tuple[str, ...], timeout: str | None) -> int:
    """Wait until the jobs have ended, and exit with the job's own code.

    Without --for: 0 when all jobs are complete, else the exit code of the first job that failed: that of its first
    failing node. With --for: 0 when what was waited for came. Ctrl-C leaves the jobs alone.
    """
    settings = options.load_settings(namespace=namespace)
    wanted = [conditions.parse(text) for text in awaited]
    seconds = None if timeout is None else durations.parse_duration(timeout, "--timeout")
    jobs = _names(names)
    with options.backend(settings) as backend:
        waiting = Waits(backend, seconds)
        message = attach.how_to_return("wait", " ".join(jobs), settings.namespace)
        with attach.detachable(*message):
            if not wanted:
                ends = [_end(backend, waiting, settings.namespace, name) for name in jobs]
                return next((code for code in ends if code), 0)
            for name in jobs:
                for what in wanted:
                    waiting.until(ObjectKey(API_VERSION, TRAIN_JOB, settings.namespace, name), what)
                    options.say(f"trainjob.trainer.kubeflow.org/{name} {_came(what)}")
    return 0


def _names(arguments: Sequence[str]) -> list[str]:
    """The jobs of ``NAME…``, ``trainjob/NAME…`` or ``trainjob NAME…``."""
    if len(arguments) > 1 and kinds.KINDS.get(arguments[0].lower()) == (TRAIN_JOB,):
        arguments = arguments[1:]
    return list(dict.fromkeys(kinds.trainjob_name(argument) for argument in arguments))


def _end(backend: Backend, waiting: Waits, namespace: str, name: str) -> int:
    """Wait for the end of a job, tell it, and return the exit code."""
    job = kinds.trainjob(backend, namespace, name)
    _warn(backend, job)
    end = waiting.end(job).outcome
    state = "Complete" if end.succeeded else "Failed"
    # further lines are the installer's last ones: `kfrun describe` shows them
    why = (end.message or end.reason).partition("\n")[0].rstrip(":")
    options.say(f"trainjob.trainer.kubeflow.org/{name} {state}: {why}")
    return end.exit_code


def _warn(backend: Backend, job: StoredObject) -> None:
    if is_finished(job.data):
        return
    if job.uid not in backend.runs([job.uid]):
        manager = job.data["spec"].get("managedBy")
        raise Unavailable(
            f"{job.key.name} does not run on this machine" + (f": it is managed by {manager}" if manager else "")
        )
    if true_condition(job.data, "Suspended") is not None:
        options.tell(f"{job.key.name} is suspended: kfrun resume {job.key.name} starts it")


def _came(what: Awaited) -> str:
    return {"delete": "deleted", "create": "created"}.get(what.kind, "condition met")
