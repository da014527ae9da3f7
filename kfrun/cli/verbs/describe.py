"""``kfrun describe``: everything about one object."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import kinds, options
from kfrun.cli.query import JOBS, Crowd
from kfrun.cli.rows import facts_of
from kfrun.flow.follower import epilogue
from kfrun.model.kinds import CLAIM, TRAIN_JOB
from kfrun.observe import claims, selection
from kfrun.observe.outcome import node_of
from kfrun.observe.selection import Selection
from kfrun.report import columns, describe
from kfrun.report.describe import TrainJobView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.execute.backend import Backend
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import Event, StoredObject


@options.verb("describe")
@click.argument("targets", nargs=-1, metavar="[[TYPE] NAME...]", shell_complete=options.complete("jobs_or_types"))
@options.namespace
@options.all_namespaces
@options.selector
def command(targets: tuple[str, ...], namespace: str | None, all_namespaces: bool, selector: str | None) -> None:
    """Tell everything about objects: what was asked for, what became of it, and what happened.

    A name without a type is a TrainJob's; without a name it is the latest job, with -l or -A alone all TrainJobs.
    """
    settings = options.load_settings(namespace=namespace)
    chosen = Crowd(selector, everything=selector is None, everywhere=all_namespaces)
    chosen.is_meant(())
    with options.backend(settings) as backend:
        if not targets and selector is None and not all_namespaces:
            targets = (kinds.latest(backend, settings.namespace),)
        query = chosen.query(_targets(targets, chosen), settings.namespace)
        query.check()
        for error in query.missing(backend):
            raise error
        texts = [_describe(backend, item) for item in query.read(backend)]
        if not texts:
            options.tell(query.nothing())
            return
    options.write("\n\n".join(texts))


def _targets(arguments: tuple[str, ...], chosen: Crowd) -> list[kinds.Target]:
    if not arguments:
        return [JOBS]
    typed = any("/" in argument for argument in arguments) or arguments[0].split(",")[0].lower() in kinds.KINDS
    found = kinds.parse(arguments if typed else ("trainjob", *arguments))
    if chosen.selector is not None:
        chosen.refuse([target.name for target in found])
    return found


def _describe(backend: Backend, item: StoredObject) -> str:
    if item.key.kind == TRAIN_JOB:
        return describe.trainjob(_view(backend, item), time.time())
    mine = (item.key.kind, item.key.name)
    rows = backend.events(item.key.namespace or None, owner=item.owner or None)
    events = _in_order(row for row in rows if (row[1].object.kind, row[1].object.name) == mine)
    return describe.generic({**item.data, **_use(backend, item.key)}, events, time.time())


def _use(backend: Backend, key: ObjectKey) -> dict[str, Any]:
    """The pods that use a claim."""
    if key.kind != CLAIM:
        return {}
    return {"usedBy": claims.users(backend.objects(Selection("Pod", key.namespace)), key.name) or columns.NONE}


def _in_order(rows: Iterable[tuple[int, Event]]) -> list[dict[str, Any]]:
    """Events as objects, by the time that they were seen last."""
    ordered = sorted(rows, key=lambda row: row[1].last_time)
    return [selection.event_object(number, event).data for number, event in ordered]


def _view(backend: Backend, job: StoredObject) -> TrainJobView:
    run, details, end = backend.runs([job.uid]).get(job.uid), backend.details(job), backend.outcome(job)
    words = epilogue.of(backend, job, end) if end is not None and not end.succeeded else None
    pods = sorted(details.pods, key=lambda pod: (node_of(pod), pod["metadata"].get("creationTimestamp", "")))
    return TrainJobView(
        job=job.data,
        jobs=[item.data for item in backend.objects(Selection("Job", job.key.namespace, owner=job.uid))],
        pods=pods,
        events=_in_order(backend.events(job.key.namespace, owner=job.uid)),
        facts=facts_of(run, end),
        nodes=[node_of(pod) for pod in pods],
        packages=details.packages,
        environment=details.environment,
        folder=details.folder,
        not_enforced=details.not_enforced,
        failure="" if end is None or end.succeeded else end.message or end.reason,
        help=words.advice if words else "",
        last_lines=words.lines if words else (),
        history=backend.history(job),
    )
