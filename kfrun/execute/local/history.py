"""Runs of this machine that were replaced: what is kept of them, and for how long."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from kfrun.errors import Refused
from kfrun.execute import objects
from kfrun.execute.local import ledger
from kfrun.model import change
from kfrun.model.state import PastRun
from kfrun.model.values import NamedTuple, asdict
from kfrun.observe import outcome
from kfrun.observe.store import FormerRun

if TYPE_CHECKING:
    from kfrun.execute.backend import Step
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Run, Store


class Replaced(NamedTuple):
    """What came of the run that another one replaces.

    Attributes:
        folder: its own, where its logs stay; empty where it has none.
        left: folders that nobody knows any more.
    """

    folder: str = ""
    left: tuple[str, ...] = ()


def take_place(store: Store, step: Step, *, most: int) -> Replaced:
    """Put the finished job that this one replaces into the history, which holds at most so many runs of a name.

    Raises:
        Refused: it is not the one that was planned with, or it runs.
    """
    key = step.action.key
    found = store.find(key.kind, key.namespace, key.name) if isinstance(step.action, change.ReplaceJob) else None
    if found is None:
        return Replaced()
    run = store.run(found.uid)
    objects.refuse_changed(found, step.planned)
    if run is not None and not run.ended:
        raise Refused(f"{key.resource} was changed by another kfrun meanwhile", "try again")
    gone = store.keep(_former(found, run), most=most) if run is not None else []
    known = {one.folder for one in store.former_runs(key.namespace, key.name)}
    store.forget(found.uid)
    if run is None:
        return Replaced()
    # what an earlier kfrun replaced is in no history
    left = {run.folder, run.previous, *(one.folder for one in gone)} - known - {""}
    return Replaced(run.folder if run.folder in known else "", tuple(left))


def of(store: Store, namespace: str, name: str) -> list[PastRun]:
    """The runs of a name that were replaced, the latest first; what of them cannot be read is left out."""
    return [run for row in store.former_runs(namespace, name) if (run := _past(row)) is not None]


def _former(job: StoredObject, run: Run) -> FormerRun:
    state = ledger.latest(run)
    first = state.first_failure if state is not None else None
    return FormerRun(
        namespace=run.namespace,
        name=run.name,
        number=run.number,
        uid=run.uid,
        folder=run.folder,
        backend=run.backend,
        digest=run.digest,
        run_digest=run.run_digest,
        runtime=run.runtime,
        code=run.code,
        failure=json.dumps(asdict(first)) if first is not None else "",
        data=json.dumps(job.data, separators=(",", ":")),
    )


def _past(row: FormerRun) -> PastRun | None:
    from kfrun.model.code import SourceCode

    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        data = json.loads(row.data)
        end = outcome.outcome(data, (), json.loads(row.failure) if row.failure else None)
        return PastRun(
            row.number,
            row.uid,
            data,
            end.shown_code if end is not None else "",
            row.backend,
            json.loads(row.runtime) if row.runtime else None,
            row.digest,
            row.run_digest,
            SourceCode.of_json(row.code),
        )
    return None
