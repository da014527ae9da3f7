"""``kfrun describe``: everything about one object."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import kinds, options
from kfrun.cli.query import Query
from kfrun.errors import NotFound

if TYPE_CHECKING:
    from kfrun.execute.local.jobfiles import Job
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Run, Store


@click.command("describe")
@click.argument("targets", nargs=-1, required=True, metavar="[TYPE] NAME...", shell_complete=kinds.complete_targets)
@options.namespace
def command(targets: tuple[str, ...], namespace: str | None) -> None:
    """Tell everything about objects: what was asked for, what became of it, and what happened.

    A name without a type is a TrainJob's.
    """
    from kfrun.cli import session

    settings = options.load_settings(namespace=namespace)
    with session.open_store(settings) as store:
        texts = [_describe(store, item) for item in _find(store, settings.namespace, targets)]
    options.write("\n\n".join(texts))


def _find(store: Store, namespace: str, arguments: tuple[str, ...]) -> list[StoredObject]:
    typed = "/" in arguments[0] or arguments[0].split(",")[0].lower() in kinds.KINDS
    query = Query(tuple(kinds.parse(arguments if typed else ("trainjob", *arguments))), namespace)
    for error in query.missing(store):
        raise error
    found = query.read(store)
    if not found:
        raise NotFound(f"there are no {arguments[0]} in namespace {namespace}")
    return found


def _describe(store: Store, item: StoredObject) -> str:
    from kfrun.report import describe

    if item.key.kind == "TrainJob":
        return describe.trainjob(_view(store, item), time.time())
    return describe.generic(item.data, _events(store, item, item.owner or None), time.time())


def _events(store: Store, item: StoredObject, owner: str | None) -> list[dict[str, Any]]:
    from kfrun.observe import selection

    found = store.events(item.key.namespace or None, owner=owner)
    everything = item.key.kind == "TrainJob"
    mine = [
        row for row in found if everything or (row[1].object.kind, row[1].object.name) == (item.key.kind, item.key.name)
    ]
    mine.sort(key=lambda row: row[1].last_time)
    return [selection.event_object(number, event).data for number, event in mine]


def _view(store: Store, job: StoredObject) -> Any:
    from kfrun.cli import rows
    from kfrun.observe.outcome import node_of
    from kfrun.report.columns import Facts
    from kfrun.report.describe import TrainJobView

    run = store.run(job.uid)
    files = _files(run)
    pods = _pods(store, job, run, files)
    pods.sort(key=lambda pod: (node_of(pod), pod["metadata"].get("creationTimestamp", "")))
    end = rows.outcome_of(store, job, run)
    nodes = rows.nodes_of(run.runtime) if run else ""
    return TrainJobView(
        job=job.data,
        jobs=[item.data for item in store.objects("Job", job.key.namespace, owner=job.uid)],
        pods=pods,
        events=_events(store, job, job.uid),
        facts=Facts(nodes, "" if end is None else str(end.exit_code), run.backend if run else ""),
        nodes=[node_of(pod) for pod in pods],
        folder=run.folder if run else "",
        failure="" if end is None or end.succeeded else end.message or end.reason,
        **({} if files is None else _of_files(files)),
    )


def _files(run: Run | None) -> Job | None:
    """The run's own files; None when they are gone, damaged or of another version."""
    from kfrun.execute.local import jobfiles

    try:
        return None if run is None else jobfiles.read(run.folder, run.run_digest)
    except (OSError, ValueError):
        return None


def _pods(store: Store, job: StoredObject, run: Run | None, files: Job | None) -> list[dict[str, Any]]:
    """Every pod that there was, those that were removed too where the supervisor's state tells of them."""
    import json

    from kfrun.model.running import RunState
    from kfrun.observe import status

    if run is None or files is None or not run.state:
        return [item.data for item in store.objects("Pod", job.key.namespace, owner=job.uid)]
    state = RunState.from_json(json.loads(run.state))
    children = {child.name: child for child in files.workload.jobs}
    return [status.pod_object(files.workload, state, pod, children[pod.job]) for pod in state.pods]


def _of_files(files: Job) -> dict[str, Any]:
    from kfrun.execute.environments.credentials import without_credentials

    return {
        "environment": files.environment_path,
        "packages": [without_credentials(item) for item in (files.environment or {}).get("requirements", ())],
        "not_enforced": [f"{item.path} ({item.why})" for item in files.workload.not_enforced],
    }
