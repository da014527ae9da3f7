"""Rows of tables for stored objects, with what only their place knows beside them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kfrun.model.kinds import TRAIN_JOB
from kfrun.report import columns
from kfrun.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.state import JobRun, StoredObject
    from kfrun.observe.outcome import Outcome


class Tables:
    """One growing table per kind.

    Args:
        backend: asked for what is not in an object itself.
        wide: with the columns of ``-o wide``.
        namespaces: with the column NAMESPACE.
        headers: with a header above the first rows.
        kinds: with the kind before each name, where several kinds are listed.
        marked: with the column EVENT first.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        wide: bool,
        namespaces: bool,
        headers: bool,
        kinds: bool = False,
        marked: bool = False,
    ) -> None:
        self._backend = backend
        self._wide, self._namespaces, self._headers, self._kinds, self._marked = (
            wide, namespaces, headers, kinds, marked,
        )  # fmt: skip
        self._tables: dict[str, Table] = {}

    def render(self, kind: str, objects: Sequence[StoredObject], *, mark: str = "", now: float | None = None) -> str:
        """The rows of objects of one kind; the header comes with the first ones."""
        now = time.time() if now is None else now
        facts = self._facts(objects) if kind == TRAIN_JOB else {}
        rows = [self._row(item, facts.get(item.uid, columns.JobFacts()), now, mark) for item in objects]
        return self._table(kind).render(rows)

    def _row(self, item: StoredObject, facts: columns.JobFacts, now: float, mark: str) -> tuple[str, ...]:
        cells = columns.of(item.key.kind).row(item.data, now, facts, wide=self._wide)
        if self._kinds and item.key.kind != "Event":
            cells = (f"{item.key.kind.lower()}/{cells[0]}", *cells[1:])
        if mark == "DELETED" and item.key.kind == TRAIN_JOB:
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

    def _facts(self, jobs: Sequence[StoredObject]) -> dict[str, columns.JobFacts]:
        if not self._wide:
            return self._narrow_facts(jobs)
        runs = self._backend.runs([job.uid for job in jobs])
        return {job.uid: self._fact(job, runs[job.uid]) for job in jobs if job.uid in runs}

    def _narrow_facts(self, jobs: Sequence[StoredObject]) -> dict[str, columns.JobFacts]:
        missing = [job for job in jobs if not (job.data["spec"].get("trainer") or {}).get("numNodes")]
        runs = self._backend.runs([job.uid for job in missing], brief=True) if missing else {}
        return {job.uid: columns.JobFacts(nodes_of(runs.get(job.uid))) for job in missing}

    def _fact(self, job: StoredObject, run: JobRun) -> columns.JobFacts:
        end = self._backend.outcome(job)
        return facts_of(run, end)


def facts_of(run: JobRun | None, end: Outcome | None) -> columns.JobFacts:
    """What a run adds to its TrainJob."""
    code = "" if end is None else end.shown_code
    if run is None:
        return columns.JobFacts(exit_code=code)
    return columns.JobFacts(nodes_of(run), code, run.backend, str(run.number or ""))


def nodes_of(run: JobRun | None) -> str:
    """``numNodes`` of the runtime that a job was created with; 1 where it says nothing, empty where it is not known."""
    if run is None or run.runtime is None:
        return ""
    spec = run.runtime.get("spec") or {}
    return str((spec.get("mlPolicy") or {}).get("numNodes") or 1)
