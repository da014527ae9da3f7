"""The place in memory as a `kfrun.execute.backend.Backend`."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from kfrun.errors import UsageProblem
from kfrun.execute import objects
from kfrun.execute.answers import Check, JobDetails
from kfrun.execute.controller.context import BackOff
from kfrun.execute.memory.job import Act, MemoryJob
from kfrun.execute.memory.logs import FormerJob, MemoryJobLogs
from kfrun.execute.memory.shelf import Shelf
from kfrun.execute.sealedpods import SealedPods
from kfrun.model import change, kinds
from kfrun.model.source import without_text
from kfrun.model.state import JobRun, Observed, ObservedJob, PastRun
from kfrun.model.values import asdict
from kfrun.observe import expiry, outcome, status, watch
from kfrun.plan import jobs, prune, support
from kfrun.resolve.pods import expand
from kfrun.settings import RUNS_KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from kfrun.execute.backend import Step, Wish
    from kfrun.execute.memory.job import Call, Script
    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.source import Finding, ObjectKey
    from kfrun.model.state import ApplySet, Event, StoredObject
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.selection import Selection
    from kfrun.observe.watch import Change
    from kfrun.plan.support.table import Support

_MOMENT = 0.001
"""Seconds by which time passes at least whenever somebody waits."""

_ENDS = ("Complete", "Failed")


def succeed(_: Call) -> Act:
    """The script of containers that end at once and well."""
    return Act()


class MemoryBackend(SealedPods):
    """Jobs in memory. Time passes when somebody waits, and never by itself.

    Args:
        script: what containers do.
        now: the time at the beginning, seconds since the epoch; that of the machine without one.
        back_off: waits between tries.

    Attributes:
        keep: how many runs of a name are kept, the latest included.
    """

    def __init__(self, script: Script = succeed, *, now: float | None = None, back_off: BackOff | None = None) -> None:
        self.now = time.time() if now is None else now
        self.script = script
        self.keep = RUNS_KEEP
        self._history: dict[tuple[str, str], list[FormerJob]] = {}
        self._back_off = back_off or BackOff()
        self._shelf = Shelf()
        self._jobs: dict[str, MemoryJob] = {}

    @property
    def support(self) -> Support:
        """See `Backend.support`."""
        return support.of("memory")

    def close(self) -> None:
        """See `Backend.close`: whoever opens it again finds it as it was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens meanwhile."""
        end, before = self.now + seconds, None
        while (due := self._due()) is not None and due <= end and due != before:
            self.now, before = max(self.now, due), due
            self._settle()
        self.now = end
        self._settle()

    def _due(self) -> float | None:
        return min((at for job in self._jobs.values() if (at := job.due()) is not None), default=None)

    def _settle(self) -> None:
        for job in list(self._jobs.values()):
            if not job.ended or job.state.request:
                self._run(job)

    def _run(self, job: MemoryJob) -> None:
        self._shelf.record(job.advance(self.now, self._back_off))
        if job.ended and job.state.is_deleting:
            self._history.pop(job.key[2:], None)
            self._forget(job.uid)
            return
        for (kind, name), data in _objects(job):
            if data is None:
                self._shelf.remove((kind, job.key.namespace, name))
            else:
                self._shelf.put(data, job.uid)
        found = self._shelf[job.key]
        self._shelf.put({**found.data, "status": status.trainjob_status(job.workload, job.state)})

    def _forget(self, uid: str) -> None:
        """A TrainJob is gone, with everything that it owned."""
        self._shelf.forget(uid)
        self._jobs.pop(uid, None)

    # Plans

    def observe(self, keys: Iterable[ObjectKey], apply_set: ObjectKey | None = None) -> Observed:
        """See `Backend.observe`."""
        wanted = list(keys)
        stored = {key: item for key in wanted if (item := self._shelf.get(key[1:])) is not None}
        runtimes = [without_text(item.data, "store") for item in self._shelf.of(*kinds.RUNTIMES)]
        names = tuple((key.namespace, f"{key.name}-") for key in wanted if key.kind == kinds.TRAIN_JOB)
        child_jobs = {
            (item.key.namespace, item.key.name): item.data["metadata"]["labels"][kinds.JOBSET_NAME_LABEL]
            for item in self._shelf.of("Job")
            if any(item.key.namespace == place and item.key.name.startswith(begin) for place, begin in names)
        }
        return Observed(
            tuple(runtimes),
            {key: self._observed(item) for key, item in stored.items() if key.kind == kinds.TRAIN_JOB},
            {key: item.data for key, item in stored.items() if key.kind != kinds.TRAIN_JOB},
            child_jobs,
            apply_set and self._apply_set(apply_set),
        )

    def _apply_set(self, key: ObjectKey) -> ApplySet:
        return prune.observed(
            key, self._shelf.of(prune.KIND), lambda member: self._shelf.get(member[1:]), self._observed
        )

    def _observed(self, item: StoredObject) -> ObservedJob:
        job = self._jobs.get(item.uid)
        runtime = job.desired.resolution.runtime if job else None
        return objects.observed_job(
            item,
            runtime=runtime.document.data if runtime else None,
            digest=job.digest if job else "",
            run_digest=job.run_digest if job else "",
            deleting=job is not None and job.state.is_deleting,
            code=job.desired.code if job else None,
            ended=next((one.since for one in job.state.conditions if one.type in _ENDS), None) if job else None,
        )

    def preflight(self, jobs: Sequence[DesiredJob], wishes: Wishes, caller: Caller) -> Sequence[Finding]:  # noqa: ARG002
        """See `Backend.preflight`: nothing is needed.

        Raises:
            UsageProblem: an interpreter is named, and nobody would use it.
        """
        if wishes.python is not None:
            raise UsageProblem("--python names an interpreter, and in memory nothing is run", "leave it away")
        return ()

    def perform(
        self,
        steps: Sequence[Step],
        wishes: Wishes,
        caller: Caller,  # noqa: ARG002
        emit: Callable[[Action], None],
        *,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """See `Backend.perform`."""
        begin()
        for step in steps:
            self._perform(step, wishes)
            emit(step.action)

    def _perform(self, step: Step, wishes: Wishes) -> None:
        key = step.action.key
        found = self._shelf.get(key[1:])
        match step.action:
            case change.ApplyObject():
                assert step.data is not None
                self._shelf.put(
                    objects.updated(step.data, found.data, key)
                    if found
                    else objects.created(step.data, key, objects.new_uid(), self.now)
                )
            case change.CreateJob() | change.ReplaceJob():
                self._create(step, found, wishes)
            case change.UpdateJob() | change.SuspendJob() | change.ResumeJob():
                self._update(step, found, wishes)
            case change.DeleteJob() | change.DeleteObject():
                self.wish(key, "delete")

    def _create(self, step: Step, found: StoredObject | None, wishes: Wishes) -> None:
        key = step.action.key
        assert step.job is not None
        assert step.data is not None
        if found is not None and isinstance(step.action, change.CreateJob):
            raise objects.created_meanwhile(key)
        if found is not None:
            objects.refuse_changed(found, step.planned)
            self._replace(step.action, found)
        uid = objects.new_uid()
        self._shelf.put(objects.created(step.data, key, uid, self.now))
        if jobs.is_managed_elsewhere(step.data):
            return
        workload = expand.expand(step.job.resolution, cluster_defaults=wishes.cluster_defaults)
        job = self._jobs[uid] = MemoryJob(key, uid, step.job, workload, self.script, self.now)
        job.number = 1 + max((former.past.number for former in self._former(key)), default=0)
        job.state.suspend = bool(step.data["spec"].get("suspend", False))
        self._run(job)

    def _replace(self, action: Action, found: StoredObject) -> None:
        """Put a job into the history of its name; one that has not finished is stopped first."""
        job = self._jobs.get(found.uid)
        if job is not None and isinstance(action, change.ReplaceJob) and action.stops:
            job.state.request = objects.stronger(job.state.request, "cancel")
            self._run(job)
            while not job.ended and (due := job.due()) is not None:
                self.advance(max(due - self.now, 0.0))
        if job is not None:
            self._history[job.key[2:]] = [self._as_former(job), *self._former(job.key)][: self.keep - 1]
        self._forget(found.uid)

    def _former(self, key: ObjectKey) -> list[FormerJob]:
        return self._history.get(key[2:], [])

    def _as_former(self, job: MemoryJob) -> FormerJob:
        stored, run = self._shelf[job.key], _run_of(job)
        end, code = self.outcome(stored), job.desired.code
        shown = end.shown_code if end else ""
        past = PastRun(
            job.number, job.uid, stored.data, shown, run.backend, run.runtime, job.digest, job.run_digest, code
        )
        return FormerJob(past, job.logs)

    def _update(self, step: Step, found: StoredObject | None, wishes: Wishes) -> None:
        key = step.action.key
        assert step.job is not None
        assert step.data is not None
        if found is None:
            raise objects.deleted_meanwhile(key)
        objects.refuse_changed(found, step.planned)
        self._shelf.put(objects.updated(step.data, found.data, key))
        job = self._jobs.get(found.uid)
        if job is None:
            return
        job.digest = step.job.digest
        job.state.suspend = bool(step.data["spec"].get("suspend", False))
        if jobs.starts(step.action):
            # Nothing runs now: what the job is resumed with is the new manifest.
            job.workload = expand.expand(step.job.resolution, cluster_defaults=wishes.cluster_defaults)
            job.run_digest = step.job.run_digest
        self._run(job)

    def put(self, data: Mapping[str, Any]) -> None:
        """See `Backend.put`."""
        metadata = data["metadata"]
        found = self._shelf.get((data["kind"], metadata["namespace"], metadata["name"]))
        self._shelf.put({**data, "metadata": {**metadata, "uid": found.uid if found else objects.new_uid()}})

    # Jobs

    def wish(
        self, key: ObjectKey, wish: Wish, *, uid: str = "", now: bool = False, grace: float | None = None
    ) -> bool | None:
        """See `Backend.wish`."""
        found = self._shelf.get(key[1:])
        if found is None or (uid and found.uid != uid):
            return None
        if key.kind == kinds.TRAIN_JOB and wish in ("suspend", "resume"):
            return self._set_suspend(found, suspend=wish == "suspend")
        job = self._jobs.get(found.uid)
        if job is None:
            if wish == "delete":
                self._shelf.remove(key[1:])
            return wish == "delete"
        if wish == "delete":
            self._shelf.put(objects.being_deleted(found.data, self.now))
        if not job.ended or wish == "delete":
            request = objects.asked(wish, now=now, grace=grace, at=self.now)
            job.state.request = objects.stronger(job.state.request, request)
            self._run(job)
        return True

    def _set_suspend(self, found: StoredObject, *, suspend: bool) -> bool:
        if bool(found.data["spec"].get("suspend", False)) == suspend:
            return False
        self._shelf.put(objects.with_suspend(found.data, suspend=suspend))
        job = self._jobs.get(found.uid)
        if job is not None:
            job.state.suspend = suspend
            self._run(job)
        return True

    def tidy(self, namespace: str) -> None:
        """See `Backend.tidy`: nothing can be left behind."""

    def runs(self, uids: Sequence[str] | None = None, *, brief: bool = False) -> Mapping[str, JobRun]:
        """See `Backend.runs`."""
        chosen = [job for job in self._jobs.values() if uids is None or job.uid in uids]
        return {job.uid: _brief(job) if brief else _run_of(job) for job in chosen}

    def outcome(self, job: StoredObject) -> Outcome | None:
        """See `Backend.outcome`."""
        pods = [item.data for item in self._shelf.of("Pod") if item.owner == job.uid]
        found = self._jobs.get(job.uid)
        first = found.state.first_failure if found else None
        return outcome.outcome(job.data, pods, asdict(first) if first else None)

    def details(self, job: StoredObject) -> JobDetails:
        """See `Backend.details`."""
        found = self._jobs.get(job.uid)
        if found is None:
            return JobDetails()
        workload, children = found.workload, {child.name: child for child in found.workload.jobs}
        pods = [status.pod_object(workload, found.state, pod, children[pod.job]) for pod in found.state.pods]
        left_out = self.support.not_enforced(workload.jobset, own_images=workload.own_images)
        return JobDetails(pods, not_enforced=[f"{item.path} ({item.why})" for item in left_out], hangs=workload.hangs)

    def history(self, job: StoredObject) -> Sequence[PastRun]:
        """See `Backend.history`."""
        return [former.past for former in self._former(job.key)]

    def logs(self, job: StoredObject, number: int = 0) -> MemoryJobLogs:
        """See `Backend.logs`."""
        found, former = self._jobs.get(job.uid), self._former(job.key)
        runs = [*([(found.number, found.logs)] if found else ()), *((one.past.number, one.logs) for one in former)]
        at = next((at for at, run in enumerate(runs) if run[0] == number), None) if number else 0 if found else None
        if at is None:
            raise objects.no_run(job, number, [run[0] for run in runs] if number else ())
        before = runs[at + 1][1] if at + 1 < len(runs) else None
        return MemoryJobLogs(runs[at][1], before, found if found is not None and at == 0 else None)

    # Objects

    def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
        """See `Backend.find`."""
        found = self._shelf.get((kind, namespace, name))
        return found if found is None or kind not in kinds.OF_JOBSETS else next(iter(self._left([found])), None)

    def _left(self, found: list[StoredObject]) -> list[StoredObject]:
        limited = [item for kind in ("JobSet", "Job") for item in self._shelf.of(kind)]
        return expiry.left(found, limited, self.now)

    def objects(self, wanted: Selection) -> list[StoredObject]:
        """See `Backend.objects`."""
        found = self._shelf.select(wanted)
        return self._left(found) if wanted.kind in kinds.OF_JOBSETS else found

    def events(
        self, namespace: str | None = None, *, owner: str | None = None, after: int = 0
    ) -> list[tuple[int, Event]]:
        """See `Backend.events`."""
        return self._shelf.events(namespace, owner=owner, after=after)

    def watch(self, *selections: Selection, timeout: float | None = None) -> Iterator[Sequence[Change]]:
        """See `Backend.watch`. It ends, too, when nothing can happen any more by itself."""
        feed, end = watch.ObjectFeed(), None if timeout is None else self.now + timeout
        yield feed.update(item for wanted in selections for item in self.objects(wanted))
        before = None
        while (due := self._due()) is not None and (end is None or due <= end) and due != before:
            before = due
            self.advance(max(due - self.now, 0.0))
            changes = feed.update(item for wanted in selections for item in self.objects(wanted))
            if changes:
                yield changes
        if end is not None:
            self.advance(max(end - self.now, 0.0))
        changes = feed.update(item for wanted in selections for item in self.objects(wanted))
        if changes:
            yield changes

    def pause(self, seconds: float) -> bool:
        """See `Backend.pause`: to the next thing that happens, where that is later."""
        due = self._due()
        self.advance(max(seconds, _MOMENT, 0.0 if due is None else due - self.now))
        return due is not None

    # The place itself

    def checks(self) -> Iterator[Check]:
        """See `Backend.checks`."""
        yield Check("memory", "ok", f"{len(self._jobs)} jobs in memory; they end with this process")


@cache
def shared() -> MemoryBackend:
    """The one of this process, for whoever names it by settings."""
    return MemoryBackend()


def _objects(job: MemoryJob) -> Iterator[tuple[tuple[str, str], dict[str, Any] | None]]:
    """What belongs to a job, by kind and name; None for what is gone."""
    workload, state, children = job.workload, job.state, {child.name: child for child in job.workload.jobs}
    yield ("JobSet", workload.jobset_name), status.jobset_object(workload, state)
    for item in state.jobs:
        is_gone = item.deleted or state.jobset.deleted
        yield ("Job", item.name), None if is_gone else status.job_object(workload, state, item, children[item.name])
    for pod in state.pods:
        is_gone = pod.deleted and pod.ended
        yield ("Pod", pod.name), None if is_gone else status.pod_object(workload, state, pod, children[pod.job])


def _brief(job: MemoryJob) -> JobRun:
    runtime = job.desired.resolution.runtime
    return JobRun(job.uid, runtime=runtime.document.data if runtime else None)


def _run_of(job: MemoryJob) -> JobRun:
    return _brief(job)._replace(backend="memory", ended=job.ended, number=job.number)
