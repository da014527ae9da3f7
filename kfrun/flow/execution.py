"""A plan carried out at a place, as ``apply`` and ``run`` do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import InvalidInput
from kfrun.execute import choice
from kfrun.execute.backend import Step
from kfrun.flow import givensecrets, plans, sourcecode
from kfrun.model import change
from kfrun.model.source import Severity
from kfrun.model.values import replace
from kfrun.plan import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.source import Finding
    from kfrun.model.wishes import Caller

_DONE = {
    change.ApplyObject: "configured",
    change.CreateJob: "created",
    change.ReplaceJob: "replaced",
    change.UpdateJob: "configured",
    change.SuspendJob: "suspended",
    change.ResumeJob: "resumed",
    change.DeleteJob: "deleted",
    change.DeleteObject: "deleted",
    change.Unchanged: "unchanged",
}


def obstacles(ready: Ready, caller: Caller) -> list[Finding]:
    """What would keep the jobs of a plan from being started here now: warnings, for it may be carried out later."""
    if ready.plan.refusals or ready.plan.is_empty:
        return []
    found = [*choice.preflight(ready.settings, plans.starting(ready), ready.wishes, caller)]
    return _untold([replace(one, severity=Severity.WARNING) for one in found], ready)


def require_possible(
    ready: Ready, backend: Backend, caller: Caller, *, warn: Callable[[Sequence[Finding]], None] = lambda _: None
) -> None:
    """Refuse a plan that cannot be carried out, before anything is done; ``warn`` is told what refuses nothing.

    Raises:
        InvalidInput: with why not, in the present state or at this place.
    """
    of_place = _untold(backend.preflight(plans.starting(ready), ready.wishes, caller), ready)
    findings = [*ready.plan.refusals, *of_place]
    if any(one.severity is Severity.ERROR for one in findings):
        raise InvalidInput(findings)
    if findings:
        warn(findings)


def _untold(findings: Sequence[Finding], ready: Ready) -> list[Finding]:
    """The findings without warnings of what was told already: that no program has the name of a command line."""
    told = {one.object for one in ready.desired.warnings if one.code == "KF725"}
    return [one for one in findings if one.severity is Severity.ERROR or one.code != "KF603" or one.object not in told]


def carry_out(ready: Ready, backend: Backend, caller: Caller, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Execute the plan; ``say`` gets kubectl's line for each object that was touched.

    Raises:
        InvalidInput: it has refusals; `require_possible` tells as well what the place has against it.
        Conflict, Refused, Unavailable, UsageProblem: see `kfrun.execute.backend.Backend.perform`.
    """

    def emit(action: Action) -> None:
        word = _word(action)
        if word:
            say(f"{action.key.resource} {word}")

    if ready.plan.refusals:
        raise InvalidInput(ready.plan.refusals)
    steps, chosen = _steps(ready), ready.observed.apply_set
    caller = givensecrets.without(ready.secrets, caller)
    if chosen is None:
        backend.perform(steps, ready.wishes, caller, emit)
        return
    from kfrun.flow import applysets

    keys = [*(document.key for document in ready.desired.objects), *ready.keys]
    backend.perform(steps, ready.wishes, caller, emit, begin=lambda: applysets.claim(backend, chosen, keys))
    applysets.settle(backend, chosen, keys, prune=ready.wishes.prune)


def lines(ready: Ready) -> list[str]:
    """Kubectl's line for each object that the plan touches."""
    return [f"{action.key.resource} {word}" for action in ready.plan.actions if (word := _word(action))]


def _steps(ready: Ready) -> list[Step]:
    jobs_by_key = {job.resolution.trainjob: job for job in ready.plan.jobs}
    objects = {document.key: document.data for document in ready.desired.objects}
    planned = {
        key: (job.data["metadata"]["uid"], int(job.data["metadata"].get("generation", 1)))
        for key, job in ready.observed.jobs.items()
    }
    return [
        Step(
            action,
            ready.desired.trainjobs.get(action.key) or objects.get(action.key),
            _with_code(action, jobs_by_key.get(action.key), ready),
            planned.get(action.key),
            givensecrets.of_job(ready.secrets, jobs_by_key.get(action.key)),
        )
        for action in ready.plan.actions
    ]


def _with_code(action: Action, job: DesiredJob | None, ready: Ready) -> DesiredJob | None:
    """A job that is to be started, with the code that is kept with its run."""
    if job is None or job.code is not None or not jobs.starts(action):
        return job
    return sourcecode.of(job, ready.settings)


def _word(action: Action) -> str | None:
    if isinstance(action, change.ApplyObject) and not action.changes:
        return "created"
    return _DONE.get(type(action))
