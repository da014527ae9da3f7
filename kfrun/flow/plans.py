"""From wishes to a plan: load, check, resolve, compare. What ``plan`` shows is made here, and what ``apply`` does."""

from __future__ import annotations

import os
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun.execute import choice
from kfrun.flow import applysets, desired, documents, givensecrets, sourcecode
from kfrun.model.kinds import RUNTIMES, identity
from kfrun.model.source import ObjectKey, Severity
from kfrun.model.values import NamedTuple, replace
from kfrun.plan import code, jobs, planner, references
from kfrun.plan.compare import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kfrun.flow.desired import DesiredState
    from kfrun.model.change import DesiredJob, Plan
    from kfrun.model.source import Document, Finding
    from kfrun.model.state import Observed
    from kfrun.model.wishes import Wishes
    from kfrun.settings import Settings


class Ready(NamedTuple):
    """A plan, and everything that it was made of.

    Attributes:
        sources: what was read, by name as given, and its text's digest.
        secrets: those that the caller gives, by name; see `kfrun.flow.givensecrets`.
    """

    plan: Plan
    desired: DesiredState
    observed: Observed
    wishes: Wishes
    settings: Settings
    sources: Mapping[str, str] = MappingProxyType({})
    secrets: Mapping[str, Mapping[str, str]] = MappingProxyType({})

    @property
    def keys(self) -> list[ObjectKey]:
        """The TrainJobs of the input."""
        return [job.resolution.trainjob for job in self.plan.jobs]


def make(
    wishes: Wishes,
    settings: Settings,
    observe: Callable[[Sequence[ObjectKey], ObjectKey | None], Observed],
    *,
    warn: Callable[[Sequence[Finding]], None] = lambda _: None,
    with_code: bool = False,
) -> Ready:
    """Load, validate, resolve and plan.

    Args:
        wishes: what is wanted.
        settings: of this call, with those of the wishes in them.
        observe: `kfrun.execute.backend.Backend.observe` of the place where the jobs are to run.
        warn: is told findings that refuse nothing, if there are any.
        with_code: read the code of every job now, and not only of those that are compared with an earlier run.

    Raises:
        InvalidInput: the input is refused. What cannot be done in the present state is in the plan's refusals.
        UsageProblem: the wishes contradict each other.
    """
    sources: dict[str, str] = {}
    apply_set = applysets.key(wishes, settings)
    secrets = givensecrets.read(wishes.secret_env_files, warn)
    read = documents.read(wishes, settings, note=lambda name, text: sources.update({name: digest(text)}))
    observed = observe([document.key for document in read], apply_set)
    complete = completion(observed, settings, of_all=with_code)
    ready = of(read, observed, wishes, settings, complete=complete, secrets=secrets)
    ready = with_references(ready, lambda keys: observe(keys, None))
    if ready.desired.warnings:
        warn(ready.desired.warnings)
    return ready._replace(sources=sources)


def starting(ready: Ready) -> list[DesiredJob]:
    """The jobs of a plan whose pods are to be started."""
    keys = {action.key for action in ready.plan.actions if jobs.starts(action)}
    return [job for job in ready.plan.jobs if job.resolution.trainjob in keys]


def with_references(ready: Ready, observe: Callable[[Sequence[ObjectKey]], Observed]) -> Ready:
    """The plan, with what is said of ConfigMaps, Secrets and claims that are nowhere: ``strict`` refuses them."""
    resolutions = [job.resolution for job in starting(ready)]
    wanted = {
        ObjectKey("v1", one.kind, job.trainjob.namespace, one.name)
        for job in resolutions
        for one in references.of(job.jobset or {"spec": {}})
        if not one.is_optional
    }
    if not wanted:
        return ready
    there = {identity(key): data for key, data in observe(sorted(wanted)).objects.items()}
    there |= {identity(document.key): document.data for document in ready.desired.objects}
    severity = Severity.ERROR if ready.settings.strict else Severity.WARNING
    found: list[Finding] = []
    for job in resolutions:

        def find(kind: str, name: str, namespace: str = job.trainjob.namespace) -> Mapping[str, Any] | None:
            if kind == references.SECRET and name in ready.secrets:
                return {"data": ready.secrets[name]}
            return there.get(identity(ObjectKey("v1", kind, namespace, name)))

        found += references.missing(job, find, severity)
    if ready.settings.strict:
        plan = replace(ready.plan, refusals=(*ready.plan.refusals, *found))
        return ready._replace(plan=plan)
    return ready._replace(desired=ready.desired._replace(warnings=(*ready.desired.warnings, *found)))


def completion(observed: Observed, settings: Settings, *, of_all: bool) -> Callable[[DesiredJob], DesiredJob]:
    """What adds their code to jobs, to all of them or to those that an earlier run is known of."""
    return partial(_code, observed, settings, of_all)


def _code(observed: Observed, settings: Settings, of_all: bool, job: DesiredJob) -> DesiredJob:
    """The job with its code, where anybody is going to compare it."""
    stored = observed.jobs.get(job.resolution.trainjob)
    if not of_all and (stored is None or stored.code is None):
        return job
    found = sourcecode.of(job, settings)
    if stored is None or found.code is None:
        return found
    return replace(found, code=code.following(stored.code, found.code, stored.ended))


def of(
    read: Sequence[Document],
    observed: Observed,
    wishes: Wishes,
    settings: Settings,
    *,
    complete: Callable[[DesiredJob], DesiredJob] = lambda job: job,
    secrets: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Ready:
    """The plan for documents that were read before. Pure, but for ``complete``, which adds its code to a job.

    Raises:
        InvalidInput: they are refused.
        UsageProblem: a Secret is given that no job wants.
    """
    read = documents.with_arguments(read, observed, wishes.arguments, settings)
    state = desired.prepare(read, observed, settings=settings, anew=wishes.force)
    givensecrets.require_wanted(secrets, read, state.jobs)
    objects = tuple(one for one in state.objects if not (wishes.transient and one.key.kind in RUNTIMES))
    state = state._replace(jobs=tuple(map(complete, state.jobs)), objects=objects)
    limits = planner.Limits(settings.strict, settings.backend, choice.served(settings), os.geteuid())
    plan = planner.plan(state.jobs, state.objects, observed, wishes, limits)
    return Ready(plan, state, observed, wishes, settings, secrets=secrets)
