"""A stored job run again: its manifest as it is stored, its code and its packages as they are now.

The runtime is the one that the job was created with: what differs from the last run is the code, and what the caller
says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import Refused
from kfrun.flow import givensecrets, plans
from kfrun.model.kinds import identity
from kfrun.model.source import without_text
from kfrun.model.values import replace
from kfrun.plan import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.model.source import Document, Finding
    from kfrun.model.state import Observed, ObservedJob, StoredObject
    from kfrun.model.wishes import Wishes
    from kfrun.settings import Settings


def make(
    job: StoredObject,
    wishes: Wishes,
    settings: Settings,
    backend: Backend,
    *,
    warn: Callable[[Sequence[Finding]], None] = lambda _: None,
) -> Ready:
    """The plan to run a stored TrainJob again.

    Raises:
        InvalidInput: it cannot be run any more. What cannot be done in the present state is in the plan's refusals.
        Refused: where its manifest lay is not known.
        UsageProblem: the wishes contradict each other.
    """
    observed = backend.observe([job.key])
    stored = observed.jobs[job.key]
    ready = plans.of(
        [_manifest(stored)],
        _with_snapshot(observed, stored),
        wishes.to_run(),
        settings,
        complete=plans.completion(observed, settings, of_all=True),
        secrets=givensecrets.read(wishes.secret_env_files, warn),
    )
    ready = plans.with_references(ready, backend.observe)
    if ready.desired.warnings:
        warn(ready.desired.warnings)
    return ready


def _manifest(stored: ObservedJob) -> Document:
    from kfrun.load import sources

    folder = stored.code.folder if stored.code else ""
    if not folder and stored.finished:
        raise Refused(
            f"{stored.key.name} was started by an earlier kfrun, which did not write down where its manifest lies",
            "run that once more: kfrun run -f FILE",
        )
    document = without_text(compare.visible(stored.data), f"the stored TrainJob {stored.key.name}")
    return sources.with_requirements(replace(document, folder=folder or None))


def _with_snapshot(observed: Observed, stored: ObservedJob) -> Observed:
    """What is there, with the runtime that the job was created with in the place of today's, if that is another."""
    from kfrun.resolve.runtimes import shipped

    if stored.runtime is None or any(item.data == stored.runtime for item in shipped.shipped()):
        return observed
    snapshot = without_text(stored.runtime, "the runtime that it was created with")
    others = (item for item in observed.runtimes if identity(item.key) != identity(snapshot.key))
    return observed._replace(runtimes=(snapshot, *others))
