"""The Job controller's part: retries, policies, a deadline and suspension of one Job (batch/v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.controller import pod as pods
from kfrun.execute.controller import podfailures
from kfrun.execute.controller.context import set_condition
from kfrun.model.runstate import ContainerState, PodState
from kfrun.model.state import DEADLINE_EXCEEDED

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import JobState
    from kfrun.model.workload import ChildJob

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def advance(p: Pass, job: JobState, *, suspend: bool) -> None:
    """Bring one Job a step further."""
    if job.finished:
        _expire(p, job)
        return
    child = p.child(job.name)
    if suspend:
        # What ended in this very moment ended by itself.
        for pod in p.pods_of(job):
            pods.conclude(p, pod, child)
        _count(p, job, child)
        if not job.is_true("FailureTarget"):
            _suspend(p, job, child)
            return
    _start(p, job)
    _check_deadline(p, job, child)
    for pod in p.pods_of(job):
        pods.advance(p, pod, child)
    _count(p, job, child)
    _judge(p, job, child)
    if job.is_true("FailureTarget"):
        _fail(p, job, child)
    elif job.is_true("SuccessCriteriaMet"):
        _complete(p, job, child)
    else:
        _create_missing(p, job, child)


def remove(p: Pass, job: JobState) -> None:
    """Delete a Job with its pods, as its JobSet does when it is done with it."""
    job.deleted = True
    for pod in p.pods_of(job):
        pods.stop(p, pod, p.grace(p.child(job.name)))
        pod.deleted = True


def _expire(p: Pass, job: JobState) -> None:
    """Remove a finished Job when its own ttl is over; its JobSet, which misses it, makes it anew."""
    ttl, end = p.child(job.name).ttl, job.condition("Complete") or job.condition("Failed")
    if ttl is None or end is None:
        return
    if p.now >= end.since + ttl:
        remove(p, job)
    else:
        p.wake(end.since + ttl)


def _suspend(p: Pass, job: JobState, child: ChildJob) -> None:
    for pod in p.pods_of(job):
        if not pod.ended and pod.kill_at is None:
            p.event("Job", job.name, "SuccessfulDelete", f"Deleted pod: {pod.name}")
            pods.stop(p, pod, p.grace(child))
        pods.advance(p, pod, child)
        # A pod that suspension removed counts neither as failed nor as succeeded.
        pod.counted = True
    if set_condition(job.conditions, "Suspended", "JobSuspended", "Job suspended", p.now):
        job.started = None
        p.event("Job", job.name, "Suspended", "Job suspended")


def _start(p: Pass, job: JobState) -> None:
    if job.started is None:
        job.started = p.now
    if job.is_true("Suspended"):
        set_condition(job.conditions, "Suspended", "JobResumed", "Job resumed", p.now, status="False")
        p.event("Job", job.name, "Resumed", "Job resumed")


def _check_deadline(p: Pass, job: JobState, child: ChildJob) -> None:
    if child.active_deadline is None or job.is_true("FailureTarget") or job.is_true("SuccessCriteriaMet"):
        return
    assert job.started is not None
    due = job.started + child.active_deadline
    if p.now >= due:
        _fail_with(p, job, DEADLINE_EXCEEDED, "Job was active longer than specified deadline")
        running = next((pod for pod in p.pods_of(job) if not pod.ended), None)
        if running is not None:
            cause = f"was active longer than its Job's activeDeadlineSeconds of {int(child.active_deadline)} s"
            pods.blame(p, running, DEADLINE_EXCEEDED, cause)
    else:
        p.wake(due)


def _fail_with(p: Pass, job: JobState, reason: str, message: str) -> None:
    if not (job.is_true("FailureTarget") or job.is_true("SuccessCriteriaMet")):
        set_condition(job.conditions, "FailureTarget", reason, message, p.now)


def _count(p: Pass, job: JobState, child: ChildJob) -> None:
    waiting = [pod for pod in p.pods_of(job) if not pod.counted]
    if any(pod.reason == "BackoffLimitExceeded" for pod in waiting):
        _fail_with(p, job, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    # What failed before others succeeded makes nobody wait any more.
    for pod in sorted((pod for pod in waiting if pod.ended), key=lambda pod: (_finished(p, pod), _succeeded(pod))):
        pod.counted = True
        if _succeeded(pod):
            job.completed_indexes = sorted({*job.completed_indexes, pod.index})
            job.failures.pop("", None)
            job.next_try.pop("", None)
        else:
            _count_failure(p, job, child, pod)


def _succeeded(pod: PodState) -> bool:
    return pod.phase == "Succeeded" and not pod.deleted


def _finished(p: Pass, pod: PodState) -> float:
    """When its last container ended; one that never began ends when it is removed."""
    return max((one.finished for one in pod.containers if one.finished is not None), default=p.now)


def _waits_for(child: ChildJob, index: int) -> str:
    """By which key the failures that a pod of that index waits for are counted; see `JobState`."""
    return "" if child.backoff_limit_per_index is None else str(index)


def _count_failure(p: Pass, job: JobState, child: ChildJob, pod: PodState) -> None:
    is_own_end = not (pod.deleted or job.is_true("FailureTarget"))
    matched = podfailures.match(child, pod, p.workload.namespace) if is_own_end else None
    action, index = matched.action if matched is not None else "Count", str(pod.index)
    if action != "Ignore":
        job.failed += 1
        if is_own_end and child.backoff_limit_per_index is not None:
            job.index_failures[index] = job.index_failures.get(index, 0) + 1
    if matched is not None and action == "FailJob":
        _fail_with(p, job, "PodFailurePolicy", matched.message)
    elif is_own_end and _is_index_spent(job, child, index, action):
        job.failed_indexes = sorted({*job.failed_indexes, pod.index})
    if job.failed > child.backoff_limit:
        _fail_with(p, job, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    key = _waits_for(child, pod.index)
    job.failures[key] = job.failures.get(key, 0) + 1
    job.next_try[key] = _finished(p, pod) + p.back_off.wait_for_pod(job.failures[key])
    wait = max(0.0, job.next_try[key] - p.now)
    if not is_own_end or job.is_true("FailureTarget") or pod.index in job.failed_indexes:
        return
    if action == "Ignore":
        pods.tell_back_off(p, pod, wait, job.tries[index] + 1, None)
    else:
        limit = child.backoff_limit if child.backoff_limit_per_index is None else child.backoff_limit_per_index
        pods.tell_back_off(p, pod, wait, job.index_failures.get(index, job.failed) + 1, limit + 1)


def _is_index_spent(job: JobState, child: ChildJob, index: str, action: str) -> bool:
    limit = child.backoff_limit_per_index
    return limit is not None and (action == "FailIndex" or job.index_failures.get(index, 0) > limit)


def _judge(p: Pass, job: JobState, child: ChildJob) -> None:
    """Whether what has succeeded and failed so far decides about the Job."""
    failed, completed = len(job.failed_indexes), len(job.completed_indexes)
    if child.max_failed_indexes is not None and failed > child.max_failed_indexes:
        message = "Job has exceeded the specified maximal number of failed indexes"
        _fail_with(p, job, "MaxFailedIndexesExceeded", message)
    elif failed and failed + completed >= child.completions:
        _fail_with(p, job, "FailedIndexes", "Job has failed indexes")
    if job.is_true("FailureTarget") or job.is_true("SuccessCriteriaMet"):
        return
    rule = next((number for number, one in enumerate(child.success_rules) if _is_enough(one, job)), None)
    if rule is not None:
        set_condition(job.conditions, "SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {rule}", p.now)
    elif completed == child.completions:
        message = "Reached expected number of succeeded pods"
        set_condition(job.conditions, "SuccessCriteriaMet", "CompletionsReached", message, p.now)


def _is_enough(rule: dict[str, Any], job: JobState) -> bool:
    """Whether a rule of the Job's successPolicy is met."""
    wanted = podfailures.index_numbers(rule["succeededIndexes"]) if rule.get("succeededIndexes") else None
    found = set(job.completed_indexes) if wanted is None else wanted & set(job.completed_indexes)
    return len(found) >= int(rule.get("succeededCount", len(wanted or ())))


def _stop_pods(p: Pass, job: JobState, child: ChildJob) -> bool:
    """Remove the pods that have not ended. Whether all have."""
    active = [pod for pod in p.pods_of(job) if not pod.ended]
    if sum(pods.spare(p, pod) for pod in active):
        return False
    for pod in active:
        if not pod.deleted:
            p.event("Job", job.name, "SuccessfulDelete", f"Deleted pod: {pod.name}")
        pods.stop(p, pod, p.grace(child))
        pods.advance(p, pod, child)
    if any(not pod.ended for pod in active):
        return False
    _count(p, job, child)
    return True


def _fail(p: Pass, job: JobState, child: ChildJob) -> None:
    """The FailureTarget condition stands: remove active pods, and fail once they are gone."""
    if not _stop_pods(p, job, child):
        return
    target = job.condition("FailureTarget")
    assert target is not None
    set_condition(job.conditions, "Failed", target.reason, target.message, p.now)
    p.event("Job", job.name, target.reason, target.message, warning=True)


def _complete(p: Pass, job: JobState, child: ChildJob) -> None:
    """Success is certain: remove active pods, and complete once they are gone."""
    if not _stop_pods(p, job, child):
        return
    met = job.condition("SuccessCriteriaMet")
    assert met is not None
    set_condition(job.conditions, "Complete", met.reason, met.message, p.now)
    job.completed = p.now
    p.event("Job", job.name, "Completed", "Job completed")


def _create_missing(p: Pass, job: JobState, child: ChildJob) -> None:
    if any(pod.counted and not pod.ended for pod in p.state.pods):
        # Resumed while pods of before still stop. On a cluster both have addresses of their own; here the new ones
        # would find their ports taken, or meet the old ones at the rendezvous.
        return
    present = {pod.index for pod in p.pods_of(job) if not pod.counted}
    present.update(job.completed_indexes, job.failed_indexes)
    for index in range(child.completions):
        if index in present:
            continue
        due = job.next_try.get(_waits_for(child, index), 0.0)
        if due > p.now:
            p.wake(due)
            continue
        created = _create(p, job, child, index)
        pods.advance(p, created, child)


def _create(p: Pass, job: JobState, child: ChildJob, index: int) -> PodState:
    attempt = job.tries.get(str(index), 0)
    for former in p.pods_of(job) if attempt else ():
        if former.index == index:
            pods.forget_failure(p, former)
    job.tries[str(index)] = attempt + 1
    name = f"{child.hostname(index)}-{_suffix(p.state.uid, p.state.jobset.pods_made)}"
    template = child.job_template
    containers = [
        ContainerState(c["name"], init=True, sidecar=c.get("restartPolicy") == "Always")
        for c in template.init_containers
    ]
    containers += [ContainerState(c["name"]) for c in template.containers]
    pod = PodState(name, job.name, job.uid, index, attempt, p.now, containers, restart_attempt=p.state.jobset.restarts)
    p.add(pod)
    p.event("Job", job.name, "SuccessfulCreate", f"Created pod: {pod.name}")
    return pod


def _suffix(uid: str, number: int) -> str:
    """Five characters, different for every pod of a job and the same on every computation."""
    import zlib

    value = zlib.crc32(f"{uid}/{number}".encode()) * len(_SUFFIX) + number
    text = ""
    for _ in range(5):
        value, digit = divmod(value, len(_SUFFIX))
        text += _SUFFIX[digit]
    return text
