"""Decides what to do with one TrainJob: create, replace, update, suspend, resume, leave alone or refuse. Pure.

What may change of a stored job is decided by validate.rules.update, as the cluster would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun import masking
from kfrun.model.change import CreateJob, FieldChange, ReplaceJob, ResumeJob, SuspendJob, Unchanged, UpdateJob
from kfrun.model.source import Severity
from kfrun.model.state import true_condition
from kfrun.model.values import NamedTuple, replace
from kfrun.plan import code, compare, details, refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import ObservedJob
    from kfrun.model.wishes import Wishes

TRAINER = "trainer.kubeflow.org/trainjob-controller"
"""The controller that kfrun stands in for; a job ``managedBy`` another one is recorded and left alone."""

NO_EFFECT = "no effect on running pods"


class Contribution(NamedTuple):
    """What one object contributes to the plan. ``starts``: its pods are going to run, now or when it is resumed."""

    action: Action | None = None
    refusals: tuple[Finding, ...] = ()
    starts: bool = False


def plan_job(job: DesiredJob, stored: ObservedJob | None, wishes: Wishes) -> Contribution:
    """The step for one desired job; of the wishes ``replace``, ``rerun`` and ``force`` count."""
    if stored is None:
        return _create(job)
    if stored.deleting:
        name, flag = stored.key.name, _namespace_flag(stored.key)
        hint = f"apply again when it is gone: kfrun wait trainjob/{name}{flag} --for=delete"
        return _refuse("KF503", f"TrainJob {name} is being deleted", job, hint)
    if stored.finished:
        return _plan_finished(job, stored, may_replace=wishes.replace or wishes.force, rerun=wishes.rerun)
    if wishes.force and (action := _stopped_first(job, stored, rerun=wishes.rerun)) is not None:
        return Contribution(action, starts=not is_managed_elsewhere(job.resolution.job.data))
    if wishes.rerun and not is_managed_elsewhere(stored.data):
        return _refuse_running(job, stored)
    return _plan_unfinished(job, stored)


def starts(action: Action) -> bool:
    """Whether pods are going to be started from this manifest, now or when the job is resumed."""
    if isinstance(action, UpdateJob):
        return action.reaches_pods
    if isinstance(action, ResumeJob):
        return bool(action.changes)
    return isinstance(action, CreateJob | ReplaceJob)


def backend_of(job: DesiredJob, wishes: Wishes, default: str) -> str:
    """The backend of a job: the flag, else the manifest, else the setting."""
    return wishes.backend or job.resolution.backend or default


def is_managed_elsewhere(job: Mapping[str, Any]) -> bool:
    """Whether a TrainJob is left to another controller than the Trainer's."""
    return _manager(job) not in (None, TRAINER)


def state(job: ObservedJob) -> str:
    """The state of a stored job in words that end a sentence."""
    if job.finished:
        return f"finished: {_outcome(job.data)}"
    if is_managed_elsewhere(job.data):
        return f"managed by {_manager(job.data)}"
    return "suspended" if job.suspended else "running"


def immutable(old: dict[str, Any] | Document, new: Document, *, version: str | None = None) -> tuple[Finding, ...]:
    """The refusals of a change that the cluster would not accept either; see `kfrun.validate.rules.update.check`."""
    from kfrun.validate.rules import update
    from kfrun.validate.schema import schemas

    problems = update.check(old, new, version=version or schemas.DEFAULT_VERSION)
    found = tuple(finding for finding in problems if finding.severity is Severity.ERROR)
    differences = compare.changes(old if isinstance(old, dict) else old.data, new.data)
    if not any(masking.is_masked(value) for change in differences for value in (change.old, change.new)):
        return found
    # Findings of this code would quote the value of a secret, before and after.
    message = f"field is immutable: {_named(differences)} changed"
    return tuple(replace(finding, message=message) if finding.code == "KF320" else finding for finding in found)


def _create(job: DesiredJob) -> Contribution:
    key, data = job.resolution.trainjob, job.resolution.job.data
    if is_managed_elsewhere(data):
        return Contribution(CreateJob(key, f"not stored yet; managed by {_manager(data)}: recorded, not run here"))
    cause = "not stored yet"
    if compare.wants_suspend(job, "", suspended=False):
        cause = f"{cause}; created suspended, kfrun resume starts it"
    return Contribution(CreateJob(key, cause, details.of_job(job.resolution)), starts=True)


def _plan_finished(job: DesiredJob, stored: ObservedJob, *, may_replace: bool, rerun: bool) -> Contribution:
    outcome = _outcome(stored.data)
    differences = _differences(job, stored)
    changed = code.changes(stored.code, job.code, stored.ended)
    if not differences and not rerun and not (changed and may_replace):
        what = f"; {code.said(changed)}: --replace runs it again" if changed else ""
        return Contribution(Unchanged(stored.key, f"unchanged; finished: {outcome}{what}", code=changed))
    if rerun or may_replace:
        why = "changed since" if differences else "" if changed else "run starts it anew"
        cause = "; ".join(filter(None, (f"finished: {outcome}", why, code.said(changed))))
        action = ReplaceJob(stored.key, cause, details.of_job(job.resolution), changes=differences, code=changed)
        return Contribution(action, starts=not is_managed_elsewhere(job.resolution.job.data))
    message = f"TrainJob {stored.key.name} is finished, {outcome}, and has changed since: {_named(differences)}"
    return _refuse("KF501", message, job, "kfrun apply --replace creates it anew, and so does kfrun run")


def _stopped_first(job: DesiredJob, stored: ObservedJob, *, rerun: bool) -> ReplaceJob | None:
    """A job that has not finished stopped and created anew; None where it is so already, or can become so as it is."""
    differences = _differences(job, stored)
    # what is suspended takes both up when it is resumed
    changed = () if stored.suspended else code.changes(stored.code, job.code, stored.ended)
    # it may have been applied before, and not have reached the pods
    is_late = stored.run_digest != job.run_digest
    if not (rerun or changed or is_late or (differences and immutable(stored.data, job.resolution.job))):
        return None
    why = "changed since" if differences or is_late else "" if changed else "run starts it anew"
    cause = "; ".join(filter(None, (f"{state(stored)}: it is stopped first", why, code.said(changed))))
    lines = details.of_job(job.resolution)
    return ReplaceJob(stored.key, cause, lines, changes=differences, code=changed, stops=True)


def _plan_unfinished(job: DesiredJob, stored: ObservedJob) -> Contribution:
    differences = _differences(job, stored)
    wanted = compare.wants_suspend(job, stored.digest, suspended=stored.suspended)
    if not differences and wanted == stored.suspended:
        changed = code.changes(stored.code, job.code, stored.ended)
        what = f"; {code.said(changed)}" if changed else ""
        return Contribution(Unchanged(stored.key, f"unchanged; {state(stored)}{what}", code=changed))
    if differences and (found := immutable(stored.data, job.resolution.job)):
        return Contribution(refusals=found)
    if wanted == stored.suspended:
        return Contribution(_update(job, stored, differences))
    differences = (*differences, FieldChange("spec.suspend", _yaml(stored.suspended), _yaml(wanted)))
    if is_managed_elsewhere(stored.data):
        return Contribution(_update(job, stored, differences))
    if wanted:
        cause = "suspended: its pods are stopped, the job stays"
        return Contribution(SuspendJob(stored.key, cause, changes=differences))
    lines = details.of_job(job.resolution)
    return Contribution(ResumeJob(stored.key, "resumed: its pods are started", lines, changes=differences), starts=True)


def _update(job: DesiredJob, stored: ObservedJob, differences: tuple[FieldChange, ...]) -> UpdateJob:
    if is_managed_elsewhere(stored.data):
        return UpdateJob(stored.key, f"changed; {state(stored)}: recorded, not run here", changes=differences)
    if stored.suspended and stored.run_digest != job.run_digest:
        return UpdateJob(stored.key, "changed; takes effect when resumed", changes=differences, reaches_pods=True)
    return UpdateJob(stored.key, f"changed; {NO_EFFECT}", changes=differences)


def _differences(job: DesiredJob, stored: ObservedJob) -> tuple[FieldChange, ...]:
    """The differences of the TrainJob, then those of the runtime; none when the digests agree."""
    if compare.is_same(stored.digest, job.digest):
        return ()
    own = compare.changes(stored.data, job.resolution.job.data)
    source = job.resolution.runtime
    if source is None or stored.runtime is None:
        return own
    runtime = compare.changes(stored.runtime, source.document.data)
    return own + tuple(FieldChange(f"{source.key.resource}: {item.path}", item.old, item.new) for item in runtime)


def _refuse_running(job: DesiredJob, stored: ObservedJob) -> Contribution:
    name, flag = stored.key.name, _namespace_flag(stored.key)
    first = (
        f"kfrun resume trainjob {name}{flag} starts it"
        if stored.suspended
        else f"kfrun logs -f {name}{flag} follows it"
    )
    hint = f"{first}, kfrun stop {name}{flag} ends it, --force stops it and starts it anew"
    return _refuse("KF502", f"TrainJob {name} exists and is {state(stored)}", job, hint)


def _refuse(code: str, message: str, job: DesiredJob, hint: str) -> Contribution:
    return Contribution(refusals=(refusals.of_job(code, message, job, hint),))


def _manager(job: Mapping[str, Any]) -> Any:
    spec = job.get("spec")
    return spec.get("managedBy") if isinstance(spec, dict) else None


def _outcome(data: Mapping[str, Any]) -> str:
    """The terminal condition: ``Failed (DeadlineExceeded)``."""
    end = true_condition(data, "Complete", "Failed")
    return f"{end['type']} ({end.get('reason', '')})" if end else "its end was not recorded"


def _named(differences: Sequence[FieldChange]) -> str:
    paths = [change.path for change in differences]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more


def _yaml(value: bool) -> str:
    return "true" if value else "false"


def _namespace_flag(key: ObjectKey) -> str:
    return "" if key.namespace in ("", "default") else f" -n {key.namespace}"
