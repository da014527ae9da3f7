"""The JobSet controller's part (JobSet v0.12): child Jobs in order, success and failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import job as jobs
from kfrun.execute.controller import pod as pods
from kfrun.execute.controller.context import set_condition
from kfrun.model.runstate import JobState, is_true, job_uid

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.model.workload import ChildJob


def advance(p: Pass, *, suspend: bool) -> None:
    """Bring the JobSet a step further."""
    jobset = p.state.jobset
    if jobset.deleted or jobset.terminal_state:
        settle(p)
        return
    jobset.created = p.now if jobset.created is None else jobset.created
    _note_suspension(p, suspend=suspend)
    _create_jobs(p)
    for job in _current(p):
        jobs.advance(p, job, suspend=suspend)
    if _fail(p) or _succeed(p):
        settle(p)
    else:
        # A Job that has just ended may be what another one waited for.
        before = len(p.state.jobs)
        _create_jobs(p)
        for job in p.state.jobs[before:]:
            jobs.advance(p, job, suspend=suspend)


def remove(p: Pass) -> None:
    """Delete the JobSet with everything below it."""
    p.state.jobset.deleted = True
    for job in p.state.jobs:
        if not job.deleted:
            jobs.remove(p, job)
    settle(p)


def settle(p: Pass) -> None:
    """Go on stopping what is being stopped."""
    for pod in p.state.pods:
        if pod.kill_at is not None:
            pods.advance(p, pod, p.child(pod.job))


def _current(p: Pass) -> list[JobState]:
    return [job for job in p.state.jobs if not job.deleted]


def _note_suspension(p: Pass, *, suspend: bool) -> None:
    conditions, name = p.state.jobset.conditions, p.workload.jobset_name
    suspended = is_true(conditions, "Suspended")
    if suspend and not suspended:
        set_condition(conditions, "Suspended", "SuspendedJobs", "jobset is suspended", p.now)
        p.event("JobSet", name, "SuspendedJobs", "jobset is suspended")
    elif suspended and not suspend:
        set_condition(conditions, "Suspended", "ResumeJobs", "jobset is resumed", p.now, status="False")
        p.event("JobSet", name, "ResumeJobs", "jobset is resumed")


def _create_jobs(p: Pass) -> None:
    """Create the Jobs whose turn it is; after a restart once nothing of before runs any more.

    On a cluster a Job is made anew as soon as the one of its name is gone. Here all wait for the last one: its pods
    would find the ports taken, or meet those of before at the rendezvous.
    """
    existing = {job.name: job for job in _current(p)}
    if any(not pod.ended and pod.counted_out for pod in p.state.pods):
        return
    blocked: str | None = None
    for child in p.workload.jobs:
        if blocked is not None and blocked != child.replicated_job:
            return
        if child.name in existing:
            if p.workload.in_order and not _is_started(p, existing[child.name]):
                blocked = child.replicated_job
            continue
        if all(_is_met(p, name, status) for name, status in child.depends_on):
            p.state.jobs.append(_job(p, child))
            if p.workload.in_order:
                blocked = child.replicated_job


def _job(p: Pass, child: ChildJob) -> JobState:
    number = sum(job.name == child.name for job in p.state.jobs)
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
    ready = {pod.index for pod in p.pods_of(job) if pod.phase == "Succeeded" or pod.ready}
    return len(ready) >= p.child(job.name).completions


def _fail(p: Pass) -> bool:
    failed = [job for job in _current(p) if job.is_true("Failed")]
    if not failed:
        return False

    def since(job: JobState) -> float:
        condition = job.condition("Failed")
        return condition.since if condition else 0.0

    first = min(failed, key=since)
    message = f"jobset failed due to one or more job failures (first failed job: {first.name})"
    set_condition(p.state.jobset.conditions, "Failed", "FailedJobs", message, p.now)
    p.event("JobSet", p.workload.jobset_name, "FailedJobs", message, warning=True)
    _remove_active(p)
    return True


def _succeed(p: Pass) -> bool:
    targets = p.workload.success_targets
    counts = [(name, number) for name, number in p.workload.replicated_jobs if not targets or name in targets]
    names = {name for name, _ in counts}
    succeeded = sum(job.is_true("Complete") for job in _current(p) if job.replicated_job in names)
    wanted = 1 if p.workload.success_operator == "Any" else sum(number for _, number in counts)
    if succeeded < wanted:
        return False
    message = "jobset completed successfully"
    set_condition(p.state.jobset.conditions, "Completed", "AllJobsCompleted", message, p.now)
    p.event("JobSet", p.workload.jobset_name, "AllJobsCompleted", message)
    _remove_active(p)
    return True


def _remove_active(p: Pass) -> None:
    for job in _current(p):
        if not job.finished:
            jobs.remove(p, job)
