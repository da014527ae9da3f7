"""The JobSet controller's part (JobSet v0.12): child Jobs in order, restarts, success and failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import failurepolicy
from kfrun.execute.controller import job as jobs
from kfrun.execute.controller import pod as pods
from kfrun.execute.controller.context import set_condition
from kfrun.model.runstate import JobState, is_true, job_uid

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.execute.controller.failurepolicy import Decision
    from kfrun.model.runstate import PodState
    from kfrun.model.workload import ChildJob

_KEPT = 50
"""Pods of attempts that are over."""
_RESTARTING = "RestartingJobSet"
_SUSPENDED = "jobset is suspended"
_COMPLETED = "jobset completed successfully"


def advance(p: Pass, *, suspend: bool) -> None:
    """Bring the JobSet a step further."""
    settle(p)
    jobset = p.state.jobset
    if jobset.deleted or jobset.terminal_state:
        return
    if jobset.created is None:
        jobset.created = p.now
    responses, is_changed = 0, True
    while is_changed:
        before = _progress(p)
        _advance_jobs(p, suspend=suspend)
        has_responded = _respond(p)
        # A Job that has just ended may be what another one waited for.
        is_changed = has_responded or _progress(p) != before
        if _is_decided(p):
            settle(p)
            return
        responses += has_responded
        if responses > 1:
            # What fails at once and for ever is written down each time.
            p.wake(p.now)
            return
    _forget(p)
    _note_suspension(p, suspend=suspend)


def remove(p: Pass) -> None:
    """Delete the JobSet with everything below it."""
    p.state.jobset.deleted = True
    for job in _current(p):
        jobs.remove(p, job)
    settle(p)


def settle(p: Pass) -> None:
    """Go on stopping what is being stopped."""
    for pod in p.state.pods:
        if pod.kill_at is not None and not pod.ended:
            pods.advance(p, pod, p.child(pod.job))


def _progress(p: Pass) -> tuple[int, int, int]:
    jobs = p.state.jobs
    return len(jobs), sum(job.finished for job in jobs), sum(job.deleted for job in jobs)


def _is_decided(p: Pass) -> bool:
    return bool(p.state.jobset.terminal_state)


def _forget(p: Pass) -> None:
    """Of many attempts the state keeps the last: it is written as a whole with each change. Logs are kept."""
    state = p.state
    if len(state.pods) <= _KEPT:
        return
    removed = {job.uid for job in state.jobs if job.deleted}
    over = [pod.name for pod in state.pods if pod.ended and (pod.job_uid in removed or _is_counted_failure(pod))]
    gone = set(over[:-_KEPT])
    if gone:
        state.pods = [pod for pod in state.pods if pod.name not in gone]
        shown = {pod.job_uid for pod in state.pods}
        state.jobs = [job for job in state.jobs if not job.deleted or job.uid in shown]


def _is_counted_failure(pod: PodState) -> bool:
    return pod.counted and pod.phase == "Failed"


def _current(p: Pass) -> list[JobState]:
    return [job for job in p.state.jobs if not job.deleted]


# Jobs in their order


def _advance_jobs(p: Pass, *, suspend: bool) -> None:
    """Create the Jobs whose turn it is, and bring all a step further."""
    due = _due(p, suspend=suspend)
    _create_jobs(p, due)
    for job in _current(p):
        # One that was created suspended is resumed when its turn comes, and not with all others.
        is_held = job.is_true("Suspended") and job.replicated_job not in due
        jobs.advance(p, job, suspend=suspend or is_held)
    if not suspend and _are_all_ready(p):
        _set_restarted(p, "JobsReady", "all jobs are ready")
    if p.workload.in_order and not suspend:
        _note_startup(p)


def _due(p: Pass, *, suspend: bool) -> set[str]:
    """The replicatedJobs whose Jobs may be there, and run."""
    due: set[str] = set()
    for template in p.workload.templates:
        if all(_is_met(p, name, status) for name, status in template.depends_on):
            due.add(template.name)
            if p.workload.in_order and not suspend and not _is_met(p, template.name, "Ready"):
                break
    return due


def _create_jobs(p: Pass, due: set[str]) -> None:
    """Create the Jobs that are due; after a restart once nothing of before runs any more.

    On a cluster a Job is made anew as soon as the one of its name is gone. Here all wait for the last one: its pods
    would find the ports taken, or meet those of before at the rendezvous.
    """
    existing = {job.name for job in _current(p)}
    missing = [child for child in p.workload.jobs if child.replicated_job in due and child.name not in existing]
    if missing and not _is_removing(p):
        p.state.jobs += [_job(p, child) for child in missing]


def _is_removing(p: Pass) -> bool:
    """Whether pods of Jobs that were removed still run."""
    removed = {job.uid for job in p.state.jobs if job.deleted}
    return bool(removed) and any(not pod.ended and pod.job_uid in removed for pod in p.state.pods)


def _job(p: Pass, child: ChildJob) -> JobState:
    made = p.state.jobset.made
    number = made.get(child.name, 0)
    made[child.name] = number + 1
    uid = job_uid(p.state.uid, child.name, number)
    restarts = p.state.jobset.restarts
    return JobState(child.name, uid, child.replicated_job, child.index, p.now, restart_attempt=restarts)


def _is_met(p: Pass, name: str, status: str) -> bool:
    """dependsOn: Complete needs all Jobs succeeded; Ready also takes failed ones (JobSet v0.12)."""
    wanted = dict(p.workload.replicated_jobs)[name]
    found = [job for job in _current(p) if job.replicated_job == name]
    if status == "Complete":
        return sum(job.is_true("Complete") for job in found) == wanted
    return sum(job.finished or _is_ready(p, job) for job in found) == wanted


def _is_ready(p: Pass, job: JobState) -> bool:
    ready = {*job.completed_indexes, *(pod.index for pod in p.pods_of(job) if pod.ready)}
    return len(ready) >= p.child(job.name).completions


def _are_all_ready(p: Pass) -> bool:
    found = _current(p)
    return len(found) == len(p.workload.jobs) and all(job.is_true("Complete") or _is_ready(p, job) for job in found)


# Conditions


def _condition(p: Pass, kind: str, reason: str, message: str, *, status: str = "True", warning: bool = False) -> None:
    """Set one with its event; one that never was True is not set to False."""
    conditions = p.state.jobset.conditions
    if status == "False" and all(item.type != kind for item in conditions):
        return
    if set_condition(conditions, kind, reason, message, p.now, status=status):
        p.event("JobSet", p.workload.jobset_name, reason, message, warning=warning)


def _note_suspension(p: Pass, *, suspend: bool) -> None:
    if suspend:
        _condition(p, "Suspended", "SuspendedJobs", _SUSPENDED)
        _set_restarted(p, "JobSetSuspended", _SUSPENDED)
    elif not (p.workload.in_order and is_true(p.state.jobset.conditions, "StartupPolicyInProgress")):
        _condition(p, "Suspended", "ResumeJobs", "jobset is resumed", status="False")


def _note_startup(p: Pass) -> None:
    """Of startupPolicy InOrder: one of the two conditions is True, and the other one no more."""
    is_done = all(_is_met(p, template.name, "Ready") for template in p.workload.templates)
    kind, other = "StartupPolicyCompleted", "StartupPolicyInProgress"
    said = "in order startup policy has completed" if is_done else "in order startup policy is in progress"
    if not is_done:
        kind, other = other, kind
    for item in p.state.jobset.conditions:
        if item.type == other:
            item.status = "False"
    _condition(p, kind, f"InOrder{kind}", said)


def _set_restarted(p: Pass, reason: str, message: str) -> None:
    _condition(p, _RESTARTING, reason, message, status="False")


# Failure and success


def _respond(p: Pass) -> bool:
    """Restart or fail because of failed Jobs, or complete. Whether any of these was done."""
    failed = [job for job in _current(p) if job.is_true("Failed")]
    if not failed:
        return _succeed(p)
    jobset = p.state.jobset
    decision = failurepolicy.decide(p.workload.failure_policy, failed, jobset.restarts_towards_max)
    if decision.is_restart:
        _restart(p, decision)
        return True
    _condition(p, "Failed", decision.reason, decision.message, warning=True)
    _set_restarted(p, "JobSetFailed", "jobset failed")
    _remove_active(p)
    return True


def _restart(p: Pass, decision: Decision) -> None:
    """Delete what is to be made anew: all Jobs, or the one that failed."""
    jobset = p.state.jobset
    jobset.restarts_towards_max += decision.counts
    if decision.is_of_all:
        jobset.restarts += 1
        reason = f"FailurePolicy_{decision.rule}" if decision.rule else "DefaultFailurePolicy"
        _condition(p, _RESTARTING, reason, decision.message, warning=True)
    p.event("JobSet", p.workload.jobset_name, decision.reason, decision.message, warning=True)
    # What failed in an attempt that is repeated decides about nothing.
    p.state.first_failure = None
    for job in _current(p) if decision.is_of_all else [decision.job]:
        jobs.remove(p, job)


def _succeed(p: Pass) -> bool:
    targets = p.workload.success_targets
    counts = [(name, number) for name, number in p.workload.replicated_jobs if not targets or name in targets]
    names = {name for name, _ in counts}
    succeeded = sum(job.is_true("Complete") for job in _current(p) if job.replicated_job in names)
    wanted = 1 if p.workload.success_operator == "Any" else sum(number for _, number in counts)
    if succeeded < wanted:
        return False
    _condition(p, "Completed", "AllJobsCompleted", _COMPLETED)
    _set_restarted(p, "JobSetCompleted", _COMPLETED)
    _remove_active(p)
    return True


def _remove_active(p: Pass) -> None:
    for job in _current(p):
        if not job.finished:
            jobs.remove(p, job)
