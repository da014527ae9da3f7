"""Status as the controllers write it: Kubernetes objects made from the state of a run. Pure.

TrainJob conditions and jobsStatus: Trainer v2.3; replicatedJobsStatus: JobSet v0.12 (sorted by name, descending);
Job and Pod status: batch/v1 and core/v1.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfrun.model.runstate import Condition, ContainerState, JobState, PodState, RunState
    from kfrun.model.workload import ChildJob, Workload


_SIGNALLED, _LAST_SIGNAL = 128, 64


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC to the second, as the API server writes times."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def trainjob_status(workload: Workload, state: RunState) -> dict[str, Any]:
    """The status of the TrainJob; empty while there is nothing to say, as on a cluster."""
    status: dict[str, Any] = {}
    if state.conditions:
        status["conditions"] = conditions_json(state.conditions)
    if state.jobset.created is not None:
        status["jobsStatus"] = replicated_jobs_status(workload, state)
    return status


def jobset_status(workload: Workload, state: RunState) -> dict[str, Any]:
    """The status of the JobSet."""
    status: dict[str, Any] = {
        "restarts": state.jobset.restarts,
        "replicatedJobsStatus": replicated_jobs_status(workload, state),
    }
    if state.jobset.conditions:
        status["conditions"] = conditions_json(state.jobset.conditions)
    if state.jobset.terminal_state:
        status["terminalState"] = state.jobset.terminal_state
    return status


def replicated_jobs_status(workload: Workload, state: RunState) -> list[dict[str, Any]]:
    """Numbers of child Jobs by replicatedJob."""
    rows = []
    for name, _ in sorted(workload.replicated_jobs, reverse=True):
        jobs = [job for job in state.jobs if job.replicated_job == name and not job.deleted]
        pods = {job.uid: _pods_of(state, job) for job in jobs}
        sizes = {child.name: child.completions for child in workload.jobs}
        rows.append(
            {
                "name": name,
                "ready": sum(_is_ready(job, pods[job.uid], sizes[job.name]) for job in jobs),
                "succeeded": sum(job.is_true("Complete") for job in jobs),
                "failed": sum(job.is_true("Failed") for job in jobs),
                "active": sum(_active(pods[job.uid]) > 0 and not job.finished for job in jobs),
                "suspended": sum(job.is_true("Suspended") for job in jobs),
            }
        )
    return rows


def _pods_of(state: RunState, job: JobState) -> list[PodState]:
    return [pod for pod in state.pods if pod.job_uid == job.uid]


def _is_ready(job: JobState, pods: list[PodState], size: int) -> bool:
    if job.finished:
        return False
    return len(job.completed_indexes) + sum(pod.ready for pod in pods) >= size > 0


def _active(pods: list[PodState]) -> int:
    return sum(not pod.ended and pod.kill_at is None for pod in pods)


def jobset_object(workload: Workload, state: RunState) -> dict[str, Any] | None:
    """The JobSet as it is stored; None before it is created and when it was deleted."""
    if state.jobset.created is None or state.jobset.deleted:
        return None
    metadata = {
        **workload.jobset["metadata"],
        "uid": f"{state.uid}-jobset",
        "creationTimestamp": timestamp(state.jobset.created),
    }
    spec = {**workload.jobset["spec"], "suspend": state.suspend}
    return {**workload.jobset, "metadata": metadata, "spec": spec, "status": jobset_status(workload, state)}


def job_object(workload: Workload, state: RunState, job: JobState, child: ChildJob) -> dict[str, Any]:
    """A child Job as `kubectl get job -o yaml` would show it."""
    pods = _pods_of(state, job)
    status: dict[str, Any] = {"active": _active(pods), "failed": job.failed, "ready": sum(pod.ready for pod in pods)}
    status["succeeded"] = len(job.completed_indexes)
    if job.completed_indexes and child.is_indexed:
        status["completedIndexes"] = index_ranges(job.completed_indexes)
    if child.backoff_limit_per_index is not None:
        status["failedIndexes"] = index_ranges(job.failed_indexes)
    if job.started is not None:
        status["startTime"] = timestamp(job.started)
    if job.completed is not None:
        status["completionTime"] = timestamp(job.completed)
    if job.conditions:
        status["conditions"] = conditions_json(job.conditions)
    wanted = child.job_template
    template = {**wanted.spec["template"], "metadata": child.template_metadata(job.restart_attempt)}
    spec = {**wanted.spec, "suspend": state.suspend, "template": template}
    metadata = _metadata(workload, job.name, job.uid, job.created)
    metadata["ownerReferences"] = _owner("JobSet", workload.jobset_name, f"{state.uid}-jobset")
    added = child.added_by(job.restart_attempt)
    metadata["labels"] = {**wanted.labels, **added}
    metadata["annotations"] = {**wanted.annotations, **added}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": status}


def pod_object(workload: Workload, state: RunState, pod: PodState, child: ChildJob) -> dict[str, Any]:
    """A pod as `kubectl get pod -o yaml` would show it."""
    metadata = _metadata(workload, pod.name, f"{state.uid}-{pod.name}", pod.created)
    metadata |= child.pod_metadata(pod.index, pod.restart_attempt)
    metadata["ownerReferences"] = _owner("Job", pod.job, pod.job_uid)
    if pod.kill_at is not None:
        metadata["deletionGracePeriodSeconds"] = child.grace
    spec = {**child.job_template.pod, **({"hostname": child.hostname(pod.index)} if child.is_indexed else {})}
    status: dict[str, Any] = {"phase": pod.phase, **_lost(pod)}
    for key, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        rows = [_container_status(item) for item in pod.containers if item.init == init]
        if rows:
            status[key] = rows
    if any(item.started for item in pod.containers):
        status["startTime"] = timestamp(pod.created)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _lost(pod: PodState) -> dict[str, Any]:
    """Why a pod failed whatever its containers did; or why nothing is known of it, as of pods whose node is lost."""
    if pod.message:
        return {"reason": pod.reason, "message": pod.message}
    found = next((item for item in pod.containers if item.status == "running" and item.reason), None)
    return {"reason": found.reason, "message": found.message} if found else {}


def _container_status(container: ContainerState) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if container.status == "running":
        state["running"] = {"startedAt": timestamp(container.started or 0)}
    elif container.status == "terminated":
        state["terminated"] = _terminated(**container.end)
    else:
        state["waiting"] = {"reason": container.reason or "ContainerCreating"}
        if container.message:
            state["waiting"]["message"] = container.message
    return {
        "name": container.name,
        "ready": container.ready,
        "restartCount": container.restarts,
        "started": container.up,
        "state": state,
        **({"lastState": {"terminated": _terminated(**container.last)}} if container.last else {}),
    }


def _terminated(
    *, exit_code: int | None, reason: str, message: str, started: float | None, finished: float | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": timestamp(started or 0),
        "finishedAt": timestamp(finished or 0),
    }
    if message:
        found["message"] = message
    if reason == "Error" and exit_code is not None and _SIGNALLED < exit_code <= _SIGNALLED + _LAST_SIGNAL:
        found["signal"] = exit_code - _SIGNALLED
    return found


def conditions_json(conditions: list[Condition]) -> list[dict[str, Any]]:
    """Conditions as Kubernetes objects hold them."""
    return [
        {
            "type": item.type,
            "status": item.status,
            "reason": item.reason,
            "message": item.message,
            "lastTransitionTime": timestamp(item.since),
        }
        for item in conditions
    ]


def _metadata(workload: Workload, name: str, uid: str, created: float) -> dict[str, Any]:
    return {"name": name, "namespace": workload.namespace, "uid": uid, "creationTimestamp": timestamp(created)}


def _owner(kind: str, name: str, uid: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


def index_ranges(indexes: list[int]) -> str:
    """Sorted indexes as the Job controller writes them: ``0,2-4``; two neighbours are ``0,1``."""
    groups: list[list[int]] = []
    for index in indexes:
        if groups and groups[-1][-1] == index - 1:
            groups[-1].append(index)
        else:
            groups.append([index])
    return ",".join(f"{g[0]}-{g[-1]}" if len(g) > 2 else ",".join(map(str, g)) for g in groups)
