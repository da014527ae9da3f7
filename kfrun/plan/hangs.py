"""Where a cluster hangs without a word and kfrun goes on: one table, and which of its cases a job is. Pure.

A TrainJob of these gets no condition on a cluster: at most an event tells. kfrun runs it, and says so beforehand, as an
event of the TrainJob, and in the documentation, which is made from the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.source import Stage
from kfrun.model.values import NamedTuple
from kfrun.model.workload import Hang
from kfrun.plan.support.findings import located

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding

    Node = dict[str, Any]

CODES = {
    "KF509": "a cluster would hang without a word; here the job goes on",
}

START: Final = "start"
RESUME: Final = "resume"
_OF_JOBSETS: Final = "jobset.sigs.k8s.io/jobset-controller"
_OF_JOBS: Final = "kubernetes.io/job-controller"
_REFUSING: Final = frozenset({Stage.JOBSET, Stage.JOB})
_MAY_CHANGE: Final = ("nodeSelector", "tolerations", "schedulingGates")
"""Of a pod template, while its JobSet is suspended; and labels and annotations."""


class HangCase(NamedTuple):
    """A case of the table.

    Attributes:
        name: of the case, for programs and tests.
        moment: when it is told as an event: the job starts, or is resumed.
        condition: of the job, the beginning of a sentence.
        cluster: what a cluster does, after "on a cluster".
        here: what kfrun does, after "kfrun".
        source: where upstream decides so.
        find: the field of a JobSet that it is because of; ``before`` is the JobSet that was there, None without one.
        codes: findings that tell it already.
    """

    name: str
    moment: str
    condition: str
    cluster: str
    here: str
    source: str
    find: Callable[[Node, Node | None], FieldPath | None] = lambda _jobset, _before: None
    codes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.condition}: on a cluster {self.cluster}; kfrun {self.here}"


class Hanging(NamedTuple):
    """A case that a job is, and the field that it is because of; None where findings tell it already."""

    case: HangCase
    path: FieldPath | None


def of(resolution: Resolution, findings: Collection[Finding], before: Node | None = None) -> list[Hanging]:
    """The cases that a resolution is, in the order of the table.

    Args:
        resolution: of a job that is to run here.
        findings: what is said of it already.
        before: the JobSet of a suspended job that it takes the place of.
    """
    if resolution.jobset is None:
        return []
    codes = {one.code for one in findings if one.object == resolution.trainjob and one.stage in _REFUSING}
    found = []
    for case in CASES:
        path = case.find(resolution.jobset, before)
        if path is not None or codes & case.codes:
            found.append(Hanging(case, None if codes & case.codes else path))
            codes -= case.codes
    return found


def notes(told: Collection[Hanging]) -> tuple[Hang, ...]:
    """What a supervisor is to say of them, when the moment has come."""
    return tuple(Hang(one.case.moment, str(one.case)) for one in told)


def findings(resolution: Resolution, told: Collection[Hanging], *, is_suspended: bool) -> list[Finding]:
    """Warnings of those cases that no finding tells, where they are written; of a resume, only of suspended jobs."""
    is_suspended = is_suspended or resolution.job.data["spec"].get("suspend") is True
    return [
        located(resolution, "KF509", str(one.case), one.path)
        for one in told
        if one.path is not None and (is_suspended or one.case.moment != RESUME)
    ]


def _restarted_alone(jobset: Node, _before: Node | None) -> FieldPath | None:
    rules = jobset["spec"].get("failurePolicy", {}).get("rules", ())
    gated = ("RestartJob", "RestartJobAndIgnoreMaxRestarts")
    found = (index for index, rule in enumerate(rules) if rule.get("action") in gated)
    number = next(found, None)
    return None if number is None else ("spec", "failurePolicy", "rules", number, "action")


def _without_jobs(jobset: Node, _before: Node | None) -> FieldPath | None:
    return None if any(replicas for _, _, replicas in _replicated(jobset)) else ("spec", "replicatedJobs")


def _gone_early(jobset: Node, _before: Node | None) -> FieldPath | None:
    if sum(replicas for _, _, replicas in _replicated(jobset)) < 2:
        return None
    return _first(jobset, lambda job: ("ttlSecondsAfterFinished",) if "ttlSecondsAfterFinished" in job else None)


def _managed(jobset: Node, _before: Node | None) -> FieldPath | None:
    if jobset["spec"].get("managedBy", _OF_JOBSETS) != _OF_JOBSETS:
        return ("spec", "managedBy")
    return _first(jobset, lambda job: ("managedBy",) if job.get("managedBy", _OF_JOBS) != _OF_JOBS else None)


def _gated(jobset: Node, _before: Node | None) -> FieldPath | None:
    def held(job: Node) -> FieldPath | None:
        return ("template", "spec", "schedulingGates") if job["template"]["spec"].get("schedulingGates") else None

    return _first(jobset, held)


def _claimed(jobset: Node, _before: Node | None) -> FieldPath | None:
    return ("spec", "volumeClaimPolicies") if jobset["spec"].get("volumeClaimPolicies") else None


def _changed(jobset: Node, before: Node | None) -> FieldPath | None:
    if before is None:
        return None
    there = [_fixed(job) for _, job, _ in _replicated(before)]
    return next(((*path, "template") for path, job, _ in _replicated(jobset) if _fixed(job) not in there), None)


def _fixed(replicated: Node) -> Node:
    """What of a replicatedJob cannot change while its JobSet is suspended."""
    template = replicated["template"]
    pods: Node = template["spec"]["template"]
    pod = {key: value for key, value in pods["spec"].items() if key not in _MAY_CHANGE}
    return {**replicated, "template": {**template, "spec": {**template["spec"], "template": {"spec": pod}}}}


def _replicated(jobset: Node) -> Iterator[tuple[FieldPath, Node, int]]:
    """Path, replicatedJob and its replicas."""
    for index, job in enumerate(jobset["spec"].get("replicatedJobs", ())):
        yield ("spec", "replicatedJobs", index), job, job.get("replicas", 1)


def _first(jobset: Node, find: Callable[[Node], FieldPath | None]) -> FieldPath | None:
    """The first field that ``find`` finds in a Job's spec."""
    for path, job, _ in _replicated(jobset):
        if (below := find(job["template"]["spec"])) is not None:
            return (*path, "template", "spec", *below)
    return None


_TRIES = "event TrainJobResourcesCreationFailed, again and again"

CASES: Final = (
    HangCase(
        "restart-of-one-job",
        START,
        "failurePolicy restarts one Job (RestartJob, RestartJobAndIgnoreMaxRestarts)",
        f"the JobSet is refused while the feature gate RestartJob is off, as it is by default: {_TRIES}",
        "restarts the Job",
        "jobset webhook: failurePolicy, feature gate RestartJob",
        _restarted_alone,
        frozenset({"KF354"}),
    ),
    HangCase(
        "jobset-refused",
        START,
        "JobSet's webhook refuses the JobSet",
        f"the TrainJob is admitted and no JobSet is made: {_TRIES}",
        "runs it: what is refused matters to no process",
        "jobset webhook; trainer controller: a failed build is tried again",
        codes=frozenset({"KF351", "KF354", "KF355", "KF356", "KF358"}),
    ),
    HangCase(
        "jobs-refused",
        START,
        "the API server refuses the Jobs of the JobSet",
        "TrainJob and JobSet are admitted and no Job is made: event JobCreationFailed of the JobSet, again and again",
        "runs them: what is refused matters to no process; for what processes run by, the job is refused here, too",
        "batch/validation and core/validation; jobset controller: a failed creation is tried again",
        codes=frozenset(f"KF{number}" for number in (360, 362, 372, 375, 377, 380, 381, 382, 383, 384, 385)),
    ),
    HangCase(
        "no-jobs",
        START,
        "the JobSet has no Jobs",
        "it never ends: success is looked for only once a Job has succeeded",
        "completes it at once",
        "jobset controller: reconcile, executeSuccessPolicy",
        _without_jobs,
    ),
    HangCase(
        "job-gone-early",
        START,
        "a Job of several has a ttlSecondsAfterFinished of its own",
        "it is removed when that is over, and JobSet, which misses it, makes it anew: the work is done again, and may "
        "never be complete at one time",
        "does the same",
        "Job controller: ttl-after-finished; jobset controller: Jobs that are missing are created",
        _gone_early,
    ),
    HangCase(
        "managed-by-another",
        START,
        "managedBy of the JobSet or of a Job names another controller",
        "it waits for that controller, for ever where there is none",
        "runs it",
        "jobset controller and Job controller: managedBy",
        _managed,
    ),
    HangCase(
        "scheduling-gates",
        START,
        "the pods have schedulingGates",
        "they stay Pending until somebody removes the gates",
        "starts them",
        "scheduler: SchedulingGates",
        _gated,
    ),
    HangCase(
        "resume-with-claims",
        RESUME,
        "a suspended TrainJob with volumeClaimPolicies is resumed",
        f"the JobSet that was suspended cannot be changed, and it stays suspended: {_TRIES}",
        "resumes it",
        "jobset webhook: volumeClaimPolicies are immutable, and defaults are filled into the stored ones",
        _claimed,
    ),
    HangCase(
        "resume-with-changed-pods",
        RESUME,
        "a suspended TrainJob was changed beyond labels, annotations, nodeSelector, tolerations and schedulingGates of "
        "its pods",
        f"JobSet refuses the change, and it stays suspended: {_TRIES}",
        "takes the change and resumes it",
        "jobset webhook: what may change of a suspended JobSet's pod templates",
        _changed,
    ),
)
"""Every such case that is known."""
