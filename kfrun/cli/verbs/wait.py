"""``kfrun wait``: until jobs end, however they end, or until what ``--for`` names holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, kinds, options
from kfrun.errors import NotFound
from kfrun.flow import waits
from kfrun.flow.waits import Waits, conditions
from kfrun.model.kinds import API_VERSION, TRAIN_JOB
from kfrun.model.source import ObjectKey
from kfrun.model.state import is_finished, true_condition
from kfrun.observe import selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.cli.query import Crowd
    from kfrun.execute.backend import Backend
    from kfrun.flow.waits import Vain
    from kfrun.flow.waits.conditions import Awaited
    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome


@options.verb("wait")
@click.argument("names", nargs=-1, metavar="[TYPE] NAME...", shell_complete=options.complete("trainjobs"))
@options.namespace
@options.crowd("All TrainJobs of the namespace.")
@click.option(
    "--for",
    "awaited",
    multiple=True,
    metavar="WHAT",
    shell_complete=options.complete("awaited"),
    help="condition=A,B (either), delete, create, jsonpath={.path}=value; several: all of them.",
)
@click.option("--timeout", metavar="TIME", help="Give up after 30s, 10m, 1h30m (exit code 124). Default: never.")
def command(
    names: tuple[str, ...], namespace: str | None, crowd: Crowd, awaited: tuple[str, ...], timeout: str | None
) -> int:
    """Wait until the jobs have ended, and exit with the job's own code.

    Without names, for the latest job. Without --for: 0 when all jobs are complete, else the exit code of the first job
    that failed: that of its first failing node. With --for: 0 when what was waited for came; when a job is over and it
    cannot come any more, that job's own code, or 1. Ctrl-C leaves the jobs alone.
    """
    settings = options.load_settings(namespace=namespace)
    wanted = [conditions.parse(text) for text in awaited]
    seconds = None if timeout is None else durations.parse_duration(timeout, "--timeout")
    with options.backend(settings) as backend:
        keys = _keys(backend, settings.namespace, names, crowd, wanted)
        waiting = Waits(backend, seconds)
        with attach.detachable(*_how_to_return(keys, settings.namespace)):
            if not wanted:
                ends = [_end(backend, waiting, key) for key in keys]
                return next((code for code in ends if code), 0)
            for job in (backend.find(*key[1:]) for key in keys):
                if job is not None and any(what.needs_end for what in wanted):
                    _tell_suspended(job)
            in_vain = None if not keys else waiting.until(keys, wanted, _tell_that_it_came)
    return 0 if in_vain is None else _tell_in_vain(in_vain)


def _keys(
    backend: Backend, namespace: str, arguments: Sequence[str], crowd: Crowd, wanted: Sequence[Awaited]
) -> list[ObjectKey]:
    """The jobs of ``NAME…``, ``trainjob/NAME…`` or ``trainjob NAME…``, or of a crowd; the latest where none is named.

    Raises:
        NotFound: there is none, and it is not their absence that is waited for.
    """
    if crowd.is_meant(arguments):
        found = crowd.jobs(backend, namespace)
        if not found and [what.kind for what in wanted] != ["delete"]:
            raise NotFound("no matching resources found")
        return [job.key for job in found]
    names = dict.fromkeys(kinds.trainjob_name(argument) for argument in kinds.named(arguments))
    names = names or dict.fromkeys([kinds.latest(backend, namespace)])
    return [ObjectKey(API_VERSION, TRAIN_JOB, namespace, name) for name in names]


def _how_to_return(keys: Sequence[ObjectKey], namespace: str) -> tuple[str, ...]:
    if any(key.namespace != namespace for key in keys):
        return ("detached: the jobs go on",)
    return attach.how_to_return("wait", " ".join(key.name for key in keys), namespace)


def _end(backend: Backend, waiting: Waits, key: ObjectKey) -> int:
    """Wait for the end of a job, tell it, and return the exit code."""
    job, name = selection.get(backend, *key[1:]), key.name
    waits.require_run(backend, job)
    _tell_suspended(job)
    ended = waiting.end(job)
    end = ended.outcome
    state = "Complete" if end.succeeded else "Failed"
    # further lines are the installer's last ones: `kfrun describe` shows them
    why = (end.message or end.reason).partition("\n")[0].rstrip(":")
    options.say(f"trainjob.trainer.kubeflow.org/{name} {state}: {why}")
    _tell_why(backend, ended.job, end)
    return end.exit_code


def _tell_why(backend: Backend, job: StoredObject, end: Outcome) -> None:
    """The last words of a job that failed, and what to do."""
    if end.succeeded:
        return
    from kfrun.flow.follower import epilogue

    found = epilogue.of(backend, job, end)
    for line in found.told:
        options.tell(line)
    if found.advice:
        options.tell(f"help: {found.advice}")


def _tell_suspended(job: StoredObject) -> None:
    if not is_finished(job.data) and true_condition(job.data, "Suspended") is not None:
        way = f"kfrun resume {job.key.name}{attach.namespace_flag(job.key.namespace)}"
        options.tell(f"{job.key.name} is suspended: {way} starts it")


def _tell_that_it_came(key: ObjectKey, what: Awaited) -> None:
    how = {"delete": "deleted", "create": "created"}.get(what.kind, "condition met")
    options.say(f"trainjob.trainer.kubeflow.org/{key.name} {how}")


def _tell_in_vain(vain: Vain) -> int:
    """Say that there is nothing to wait for any more; returns the job's own code, or 1 where that is 0."""
    name, end = vain.job.key.name, vain.outcome
    state = "Complete" if end.succeeded else "Failed"
    why = f"it is {state}: {end.message or end.reason}"
    options.tell(f"error: {vain.what.text} of {name} cannot come any more: {why}")
    flag = attach.namespace_flag(vain.job.key.namespace)
    options.tell(f"hint: kfrun wait {name}{flag} waits for the end, however it comes")
    return end.exit_code or 1
