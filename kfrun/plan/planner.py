"""Decides what to do: desired jobs and objects against what is stored become a `Plan`. Pure.

Every action says why. What cannot be done in the present state becomes a refusal: a finding with the place in the
manifest and the way out. After the actions of a plan were carried out, planning again yields an empty plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.change import ApplyObject, BuildEnvironment, DeleteJob, DeleteObject, Plan, Unchanged
from kfrun.model.kinds import RUNTIMES
from kfrun.model.values import NamedTuple
from kfrun.plan import compare, jobs, refusals, support
from kfrun.plan.jobs import Contribution
from kfrun.plan.support.findings import named, not_enforced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.change import DesiredJob
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import Observed, ObservedJob
    from kfrun.model.wishes import Wishes
    from kfrun.model.workload import NotEnforced


class Limits(NamedTuple):
    """What bounds a plan beside the wishes of its caller.

    Attributes:
        strict: what the backend cannot honour is a refusal.
        backend: for jobs that name none, where the caller named none.
        backends: those that are available.
        user: the number of the user who runs kfrun.
    """

    strict: bool = False
    backend: str = "process"
    backends: tuple[str, ...] = ("process",)
    user: int | None = None


def plan(
    desired: Sequence[DesiredJob],
    objects: Sequence[Document],
    observed: Observed,
    wishes: Wishes,
    limits: Limits,
    *,
    delete: Sequence[ObjectKey] = (),
) -> Plan:
    """What to do so that ``desired`` and ``objects`` are what is stored and runs.

    ``objects`` are the runtimes and core objects of the input, with their defaults. Objects come first, then
    environments, then jobs: each leans on the former. Deletions come last: what ``delete`` names, and with
    ``wishes.prune`` what the apply set had and the input has not.
    """
    job_steps = [jobs.plan_job(job, observed.jobs.get(job.resolution.trainjob), wishes) for job in desired]
    starting = [job for job, step in zip(desired, job_steps, strict=True) if step.starts]
    steps = [
        *(_plan_object(document, observed.objects.get(document.key)) for document in objects),
        *(_plan_environment(job, wishes, limits) for job in starting),
        *job_steps,
        *(_plan_delete(key, observed.jobs, observed.objects) for key in delete),
    ]
    found = [finding for step in steps for finding in step.refusals]
    found += [finding for job in starting for finding in _limits(job, wishes, limits)]
    found += refusals.taken_names(starting, observed.child_jobs)
    made = Plan(
        actions=tuple(step.action for step in steps if step.action is not None),
        not_enforced=tuple(
            (job.resolution.trainjob, item) for job in starting for item in _not_enforced(job, wishes, limits)
        ),
        refusals=tuple(found),
        jobs=tuple(desired),
        backends={job.resolution.trainjob: jobs.backend_of(job, wishes, limits.backend) for job in starting},
    )
    if observed.apply_set is None:
        return made
    from kfrun.plan import prune

    documents = [*objects, *(job.resolution.job for job in desired)]
    return prune.with_set(made, observed.apply_set, documents, prune=wishes.prune)


def _plan_object(document: Document, stored: dict[str, Any] | None) -> Contribution:
    if stored is None:
        return Contribution(ApplyObject(document.key, "not stored yet"))
    if stored["metadata"].get("deletionTimestamp"):
        return Contribution(refusals=(refusals.going(document),))
    differences = compare.changes(stored, document.data)
    if not differences:
        return Contribution(Unchanged(document.key, "unchanged"))
    if found := jobs.immutable(stored, document):
        return Contribution(refusals=found)
    is_runtime = document.key.kind in RUNTIMES
    cause = "changed; jobs keep the one that they were created with" if is_runtime else "changed"
    return Contribution(ApplyObject(document.key, cause, changes=differences))


def _plan_environment(job: DesiredJob, wishes: Wishes, limits: Limits) -> Contribution:
    packages, backend = job.resolution.packages, jobs.backend_of(job, wishes, limits.backend)
    if not packages.needs_environment or (backend in limits.backends and support.of(backend).no_environment):
        return Contribution()
    shared = "built unless one with the same packages is there"
    cause = "built for this job alone" if packages.isolated else shared
    return Contribution(BuildEnvironment(job.resolution.trainjob, cause, packages=packages))


def _plan_delete(
    key: ObjectKey, observed: Mapping[ObjectKey, ObservedJob], stored_objects: Mapping[ObjectKey, dict[str, Any]]
) -> Contribution:
    job = observed.get(key)
    if job is not None and job.deleting:
        return Contribution(Unchanged(key, "is being deleted already"))
    if job is not None:
        return Contribution(DeleteJob(key, f"delete was asked for; {jobs.state(job)}"))
    if key in stored_objects:
        return Contribution(DeleteObject(key, "delete was asked for", _users(key, observed)))
    return Contribution(refusals=(refusals.missing(key),))


def _users(key: ObjectKey, observed: Mapping[ObjectKey, ObservedJob]) -> tuple[str, ...]:
    """Unfinished jobs that were created with the runtime ``key``."""
    names = sorted(job.key.name for job in observed.values() if not job.finished and _is_object(job, key))
    return (f"used by {', '.join(names)}: a job keeps the one that it was created with",) if names else ()


def _is_object(job: ObservedJob, key: ObjectKey) -> bool:
    if job.runtime is None or job.runtime.get("kind") != key.kind:
        return False
    return job.runtime["metadata"]["name"] == key.name and key.namespace in ("", job.key.namespace)


def _limits(job: DesiredJob, wishes: Wishes, limits: Limits) -> tuple[Finding, ...]:
    """What the backend cannot do of a job that is to be started."""
    backend = jobs.backend_of(job, wishes, limits.backend)
    if backend not in limits.backends:
        message = f'backend "{backend}" is not available'
        hint = f"available: {', '.join(limits.backends)}; --backend wins over the manifest and the setting"
        return (refusals.of_job("KF506", message, job, hint),)
    if not limits.strict:
        return ()
    return tuple(named(job.resolution, item, backend) for item in _not_enforced(job, wishes, limits))


def _not_enforced(job: DesiredJob, wishes: Wishes, limits: Limits) -> tuple[NotEnforced, ...]:
    """What the backend does not honour of a job that is to be started."""
    backend = jobs.backend_of(job, wishes, limits.backend)
    return not_enforced(job.resolution, backend, limits.user) if backend in limits.backends else ()
