"""What a table shows of each kind of object: column names and cells, after kubectl's.

Cells are made from the object alone, but for `JobFacts`, which only kfrun knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.state import INSTALLING, WAITING, true_condition
from kfrun.model.values import dataclass
from kfrun.report.table import age, epoch, human_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Object = Mapping[str, Any]

NONE = "<none>"
CANCELLED = "Cancelled"
"""Reason of Failed where a user ended the job; shown as a state of its own."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is not in a TrainJob itself.

    Attributes:
        nodes: numNodes after resolving, empty when unknown.
        exit_code: of a finished job, empty otherwise.
        backend: which one runs it.
        run: its number.
    """

    nodes: str = ""
    exit_code: str = ""
    backend: str = ""
    run: str = ""


_UNKNOWN = JobFacts()


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind: names, those added by ``-o wide``, and how the cells of both are made."""

    names: tuple[str, ...]
    wide: tuple[str, ...]
    cells: Callable[[_Object, float, JobFacts], tuple[str, ...]]
    wide_cells: Callable[[_Object, float, JobFacts], tuple[str, ...]] = lambda _obj, _now, _facts: ()

    def header(self, *, wide: bool) -> tuple[str, ...]:
        """The names of the columns shown."""
        return self.names + self.wide if wide else self.names

    def row(self, obj: _Object, now: float, facts: JobFacts = _UNKNOWN, *, wide: bool) -> tuple[str, ...]:
        """The cells of one object; ``now`` is in seconds since the epoch."""
        cells = self.cells(obj, now, facts)
        return cells + self.wide_cells(obj, now, facts) if wide else cells


def of(kind: str) -> Columns:
    """The columns of a kind; name and age for kinds that have no own ones."""
    return _COLUMNS.get(kind, Columns(("NAME", "AGE"), (), lambda obj, now, _: (_name(obj), _age(obj, now))))


def trainjob_state(job: _Object) -> str:
    """One word: Terminating, Failed, Cancelled, Complete, Suspended, Installing, Running or Pending.

    A cluster's own column shows the last condition, hence nothing at all while a job runs.
    """
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for kind in ("Failed", "Complete", "Suspended", INSTALLING):
        if (found := true_condition(job, kind)) is not None:
            return CANCELLED if kind == "Failed" and found.get("reason") == CANCELLED else kind
    if true_condition(job, WAITING) is not None:
        return "Pending"
    counts = job.get("status", {}).get("jobsStatus") or []
    busy = any(row.get(name, 0) for row in counts for name in ("active", "ready", "succeeded", "failed"))
    return "Running" if busy else "Pending"


def waits_for(job: _Object) -> str:
    """What a TrainJob waits for of which nothing runs, as far as something is not there; empty otherwise."""
    found = true_condition(job, WAITING)
    return f"{found['reason']}: {found['message']}" if found and trainjob_state(job) == "Pending" else ""


def pod_status(pod: _Object) -> str:
    """What kubectl shows as STATUS: the phase, or the more telling reason of a container."""
    status = pod.get("status", {})
    if "deletionGracePeriodSeconds" in pod["metadata"] and status.get("phase") not in ("Succeeded", "Failed"):
        return "Terminating"
    inits = status.get("initContainerStatuses") or []
    mains = status.get("containerStatuses") or []
    # Sidecars end after the others, and how does not matter.
    is_initialized = status.get("phase") == "Running" or any(
        {"running", "terminated"} & set(container.get("state") or {}) for container in mains
    )
    for number, container in enumerate(inits):
        reason = _init_reason(container)
        if reason is not None and not is_initialized:
            return f"Init:{reason or f'{number}/{len(inits)}'}"
    reasons = [_reason(container) for container in mains]
    told = [reason for reason in reasons if reason]
    if not told or (any(not reason for reason in reasons) and set(told) == {"Completed"}):
        return str(status.get("reason") or status.get("phase") or "Unknown")
    return next((reason for reason in told if reason != "Completed"), "Completed")


def _init_reason(container: _Object) -> str | None:
    """None when the init container is done, else what it is stuck at, empty while it just runs."""
    state = container.get("state") or {}
    if "terminated" in state:
        return None if state["terminated"].get("exitCode") == 0 else _reason(container)
    reason = _reason(container)
    return "" if reason in ("", "PodInitializing", "ContainerCreating") else reason


def _reason(container: _Object) -> str:
    state = container.get("state") or {}
    return str((state.get("waiting") or state.get("terminated") or {}).get("reason") or "")


def _trainjob(job: _Object, now: float, facts: JobFacts) -> tuple[str, ...]:
    spec = job.get("spec", {})
    nodes = (spec.get("trainer") or {}).get("numNodes") or facts.nodes
    return (
        _name(job),
        trainjob_state(job),
        str(nodes or NONE),
        str((spec.get("runtimeRef") or {}).get("name") or NONE),
        _age(job, now),
    )


def _trainjob_wide(job: _Object, now: float, facts: JobFacts) -> tuple[str, ...]:
    last = (job.get("status", {}).get("conditions") or [])[-1:]
    installing = true_condition(job, INSTALLING)
    reason = str(last[0].get("reason", "")) if last else NONE
    if installing is not None and trainjob_state(job) == INSTALLING:
        reason = str(installing.get("message", "")).partition(": ")[2] or reason
    return (reason, facts.exit_code or NONE, duration(job, now), facts.backend or NONE, facts.run or NONE)


def duration(job: _Object, now: float) -> str:
    """How long a TrainJob ran, or has been running, for people."""
    start = epoch(job["metadata"].get("creationTimestamp"))
    ended = true_condition(job, "Complete", "Failed")
    end = epoch(ended.get("lastTransitionTime")) if ended else now
    return NONE if start is None or end is None else human_duration(max(0.0, end - start))


def _jobset(jobset: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    status = jobset.get("status", {})
    return (
        _name(jobset),
        str(status.get("terminalState") or ""),
        str(status.get("restarts", 0)),
        str(true_condition(jobset, "Completed") is not None),
        str(bool(jobset.get("spec", {}).get("suspend"))).lower(),
        _age(jobset, now),
    )


def _job(job: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    status, spec = job.get("status", {}), job.get("spec", {})
    state = next((name for name in ("Complete", "Failed", "Suspended") if true_condition(job, name)), "Running")
    start, end = epoch(status.get("startTime")), epoch(status.get("completionTime"))
    duration = "" if start is None else human_duration(max(0.0, (now if end is None else end) - start))
    return (_name(job), state, f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}", duration, _age(job, now))


def _pod(pod: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    containers = pod.get("status", {}).get("containerStatuses") or []
    total = len(pod.get("spec", {}).get("containers") or containers)
    return (
        _name(pod),
        f"{sum(bool(c.get('ready')) for c in containers)}/{total}",
        pod_status(pod),
        str(sum(c.get("restartCount", 0) for c in containers)),
        _age(pod, now),
    )


def _pod_wide(pod: _Object, _now: float, _: JobFacts) -> tuple[str, ...]:
    containers = pod.get("status", {}).get("containerStatuses") or []
    codes = [(c.get("state") or {}).get("terminated", {}).get("exitCode") for c in containers]
    index = (pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-completion-index", NONE)
    return (str(index), ",".join(str(code) for code in codes if code is not None) or NONE)


def _runtime(runtime: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    labels = runtime["metadata"].get("labels") or {}
    policy = runtime.get("spec", {}).get("mlPolicy") or {}
    framework = labels.get("trainer.kubeflow.org/framework", NONE)
    return (_name(runtime), str(framework), str(policy.get("numNodes") or 1), origin(runtime), _age(runtime, now))


def origin(runtime: _Object) -> str:
    """Where a runtime is from: only what was applied has a uid."""
    return "applied" if runtime["metadata"].get("uid") else "shipped"


def _claim(claim: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    status = claim.get("status") or {}
    state = "Terminating" if claim["metadata"].get("deletionTimestamp") else str(status.get("phase") or "Pending")
    modes = ",".join(_MODES.get(str(mode), str(mode)) for mode in status.get("accessModes") or ())
    return (_name(claim), state, str((status.get("capacity") or {}).get("storage") or ""), modes, _age(claim, now))


def _event(event: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    about = event["involvedObject"]
    seen = age(event.get("lastTimestamp"), now)
    if event.get("count", 1) > 1:
        seen = f"{seen} (x{event['count']} over {age(event.get('firstTimestamp'), now)})"
    what, message = f"{about['kind'].lower()}/{about['name']}", event["message"].rstrip("\n")
    return (seen, event["type"], event["reason"], what, message)


def _config_map(config: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    return (_name(config), _entries(config, "data", "binaryData"), _age(config, now))


def _secret(secret: _Object, now: float, _: JobFacts) -> tuple[str, ...]:
    kind = str(secret.get("type") or "Opaque")
    return (_name(secret), kind, _entries(secret, "data", "stringData"), _age(secret, now))


def _entries(obj: _Object, *fields: str) -> str:
    return str(len({key for field in fields for key in obj.get(field) or ()}))


def _name(obj: _Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: _Object, now: float) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_RUNTIME = Columns(("NAME", "FRAMEWORK", "NODES", "FROM", "AGE"), (), _runtime)
_COLUMNS = {
    "TrainJob": Columns(
        ("NAME", "STATE", "NODES", "RUNTIME", "AGE"),
        ("REASON", "EXIT", "DURATION", "BACKEND", "RUN"),
        _trainjob,
        _trainjob_wide,
    ),
    "ClusterTrainingRuntime": _RUNTIME,
    "TrainingRuntime": _RUNTIME,
    "JobSet": Columns(("NAME", "TERMINALSTATE", "RESTARTS", "COMPLETED", "SUSPENDED", "AGE"), (), _jobset),
    "Job": Columns(("NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"), (), _job),
    "Pod": Columns(("NAME", "READY", "STATUS", "RESTARTS", "AGE"), ("INDEX", "EXIT"), _pod, _pod_wide),
    "PersistentVolumeClaim": Columns(("NAME", "STATUS", "CAPACITY", "ACCESS MODES", "AGE"), (), _claim),
    "ConfigMap": Columns(("NAME", "DATA", "AGE"), (), _config_map),
    "Secret": Columns(("NAME", "TYPE", "DATA", "AGE"), (), _secret),
    "Event": Columns(("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"), (), _event),
}
