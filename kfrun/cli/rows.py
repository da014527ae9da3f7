"""Rows of tables for stored objects, with what only the store knows beside them. Called by get and events."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from kfrun.report import columns
from kfrun.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.store import Run, Store


class Tables:
    """One growing table per kind.

    Args:
        store: asked for what is not in an object itself.
        wide: with the columns of ``-o wide``.
        namespaces: with the column NAMESPACE.
        headers: with a header above the first rows.
        kinds: with the kind before each name, where several kinds are listed.
        marked: with the column EVENT first.
    """

    def __init__(
        self, store: Store, *, wide: bool, namespaces: bool, headers: bool, kinds: bool = False, marked: bool = False
    ) -> None:
        self._store = store
        self._wide, self._namespaces, self._headers, self._kinds, self._marked = (
            wide, namespaces, headers, kinds, marked,
        )  # fmt: skip
        self._tables: dict[str, Table] = {}
        self._nodes: dict[str, str] = {}

    def render(self, kind: str, objects: Sequence[StoredObject], *, mark: str = "", now: float | None = None) -> str:
        """The rows of objects of one kind; the header comes with the first ones."""
        now = time.time() if now is None else now
        facts = self._facts(objects) if kind == "TrainJob" else {}
        rows = [self._row(item, facts.get(item.uid, columns.Facts()), now, mark) for item in objects]
        return self._table(kind).render(rows)

    def _row(self, item: StoredObject, facts: columns.Facts, now: float, mark: str) -> tuple[str, ...]:
        cells = columns.of(item.key.kind).row(item.data, now, facts, wide=self._wide)
        if self._kinds and item.key.kind != "Event":
            cells = (f"{item.key.kind.lower()}/{cells[0]}", *cells[1:])
        if mark == "DELETED" and item.key.kind == "TrainJob":
            cells = (cells[0], "Deleted", *cells[2:])
        if self._namespaces:
            cells = (item.key.namespace, *cells)
        return (mark, *cells) if self._marked else cells

    def _table(self, kind: str) -> Table:
        if kind not in self._tables:
            names = columns.of(kind).header(wide=self._wide)
            names = ("NAMESPACE", *names) if self._namespaces else names
            self._tables[kind] = Table(("EVENT", *names) if self._marked else names, headers=self._headers)
        return self._tables[kind]

    def _facts(self, jobs: Sequence[StoredObject]) -> dict[str, columns.Facts]:
        if not self._wide:
            return self._narrow_facts(jobs)
        # One query for all beats one a job, unless there is just one job.
        runs = self._store.runs() if len(jobs) > 1 else [self._store.run(job.uid) for job in jobs]
        known = {run.uid: run for run in runs if run is not None}
        return {job.uid: self._fact(job, known[job.uid]) for job in jobs if job.uid in known}

    def _narrow_facts(self, jobs: Sequence[StoredObject]) -> dict[str, columns.Facts]:
        missing = [job for job in jobs if not (job.data["spec"].get("trainer") or {}).get("numNodes")]
        runtimes = self._store.runtimes() if missing else {}
        return {job.uid: columns.Facts(self._nodes_of(runtimes.get(job.uid, ""))) for job in missing}

    def _fact(self, job: StoredObject, run: Run) -> columns.Facts:
        end = outcome_of(self._store, job, run)
        return columns.Facts(self._nodes_of(run.runtime), "" if end is None else str(end.exit_code), run.backend)

    def _nodes_of(self, runtime: str) -> str:
        if runtime not in self._nodes:
            # Most jobs share a few runtimes.
            self._nodes[runtime] = nodes_of(runtime)
        return self._nodes[runtime]


def nodes_of(runtime: str) -> str:
    """``numNodes`` of a runtime's snapshot (JSON); 1 where it says nothing, empty without a snapshot."""
    if not runtime:
        return ""
    spec: dict[str, Any] = json.loads(runtime).get("spec") or {}
    return str((spec.get("mlPolicy") or {}).get("numNodes") or 1)


def first_failure(run: Run | None) -> dict[str, Any] | None:
    """What the supervisor noted of the container that failed first."""
    if run is None or not run.state:
        return None
    found: dict[str, Any] | None = json.loads(run.state).get("first_failure")
    return found


def outcome_of(store: Store, job: StoredObject, run: Run | None) -> Outcome | None:
    """How a stored job ended, None while it has not."""
    from kfrun.observe import outcome

    if not outcome.is_finished(job.data):
        return None
    pods: Iterable[StoredObject] = store.objects("Pod", job.key.namespace, owner=job.uid)
    return outcome.outcome(job.data, [pod.data for pod in pods], first_failure(run))
