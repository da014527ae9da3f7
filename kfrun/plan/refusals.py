"""Why something cannot be done in the present state, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.load import excerpts
from kfrun.model.source import Finding, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, ObjectKey

CODES = {
    "KF501": "a finished job was changed, and nobody said that it may be replaced",
    "KF502": "run: a job of that name is there and has not finished",
    "KF503": "the object is being deleted",
    "KF504": "there is no such object to delete",
    "KF505": "the backend cannot honour a field",
    "KF506": "the backend asked for is not available",
    "KF508": "two TrainJobs would make a Job of the same name",
}


def of_job(code: str, message: str, job: DesiredJob, hint: str) -> Finding:
    """A refusal that points at the name of the job in its manifest."""
    return _of(code, message, job.resolution.job, hint, job.resolution.trainjob)


def going(document: Document) -> Finding:
    """The refusal of an object whose deletion has begun."""
    message = f"{document.key.kind} {document.key.name} is being deleted: pods that have not ended use it"
    hint = f"apply again when it is gone: kfrun get {document.key.resource} tells"
    return _of("KF503", message, document, hint, document.key)


def _of(code: str, message: str, document: Document, hint: str, key: ObjectKey) -> Finding:
    path = ("metadata", "name")
    position = document.positions.value(path)
    return Finding(
        code,
        message,
        Stage.BACKEND,
        path=path,
        position=position,
        hint=hint,
        object=key,
        excerpt=excerpts.excerpt(document, position),
    )


def taken_names(jobs: Iterable[DesiredJob], child_jobs: Mapping[tuple[str, str], str]) -> Iterator[Finding]:
    """Jobs that are to be started although another TrainJob has, or gets, a Job of the same name.

    JobSet names Jobs JOBSET-REPLICATEDJOB-INDEX, so ``a`` with ``b-node`` and ``a-b`` with ``node`` collide. On a
    cluster the second JobSet cannot create its Job, for ever.
    """
    owners = dict(child_jobs)
    for job in jobs:
        key = job.resolution.trainjob
        names = [(key.namespace, name) for name in _child_jobs(job.resolution)]
        twice = next((name for name in names if owners.get(name, key.name) != key.name), None)
        if twice is not None:
            message = f"TrainJob {key.name} needs a Job {twice[1]}, and so does TrainJob {owners[twice]}"
            yield of_job("KF508", message, job, "rename one of the two TrainJobs, or a job of its runtime")
            continue
        owners.update(dict.fromkeys(names, key.name))


def _child_jobs(resolution: Resolution) -> Iterator[str]:
    for replicated in (resolution.jobset or {"spec": {}})["spec"].get("replicatedJobs", ()):
        count = replicated.get("replicas", 1)
        yield from (f"{resolution.trainjob.name}-{replicated['name']}-{index}" for index in range(count))


def missing(key: ObjectKey) -> Finding:
    """The object to delete is not there."""
    place = f" in namespace {key.namespace}" if key.namespace else ""
    return Finding("KF504", f"there is no {key.resource}{place}", Stage.BACKEND, object=key)
