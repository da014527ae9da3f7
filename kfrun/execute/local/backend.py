"""This machine as a place where jobs run: the store, and supervisors that look after what is in it.

Whoever opens it also heals it: jobs whose supervisors were killed get new ones.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from kfrun.execute.sealedpods import SealedPods
from kfrun.model import kinds
from kfrun.model.source import without_text
from kfrun.model.state import JobRun, Observed, ObservedJob
from kfrun.observe import location
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from kfrun.execute.answers import Check, JobDetails
    from kfrun.execute.backend import Step, Wish
    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import ApplySet, Event, PastRun, StoredObject
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.observe.logtexts import JobLogs
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.selection import Selection
    from kfrun.observe.store import Run
    from kfrun.observe.watch import Change
    from kfrun.plan.support.table import Support
    from kfrun.settings import Settings

_ENDS = ("Complete", "Failed")


class LocalBackend(SealedPods):
    """See `kfrun.execute.backend.Backend`."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._behind: dict[str, int] = {}
        """Jobs whose state lies in their reserves, because the disk is full; and when that was written."""

    @classmethod
    def open(cls, settings: Settings, *, create: bool = False, heal: bool = True) -> Self:
        """This host's store; an empty one in memory when there is none yet and ``create`` is False.

        With ``heal``, runs without a living supervisor get one, so that what the caller reads is true.

        Raises:
            StoreFailed: it cannot be opened.
        """
        if not create and not location.has_database(settings):
            return cls(Store.empty(), settings)
        place = cls(Store.open(location.trusted_database(settings)), settings)
        if heal and place._store.has_unended_runs():
            place._heal()
        return place

    @property
    def support(self) -> Support:
        """See `Backend.support`."""
        from kfrun.plan import support

        return support.of(self._settings.backend)

    def close(self) -> None:
        """See `Backend.close`."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Plans

    def observe(self, keys: Iterable[ObjectKey], apply_set: ObjectKey | None = None) -> Observed:
        """See `Backend.observe`."""
        store = self._store
        jobs, objects, child_jobs = {}, {}, {}
        for key in set(keys):
            found = store.find(key.kind, key.namespace, key.name)
            if key.kind == kinds.TRAIN_JOB:
                for child in store.objects("Job", key.namespace, begins=f"{key.name}-"):
                    child_jobs[key.namespace, child.key.name] = child.data["metadata"]["labels"][
                        kinds.JOBSET_NAME_LABEL
                    ]
            if found is not None and key.kind == kinds.TRAIN_JOB:
                jobs[key] = self._observed(found)
            elif found is not None:
                objects[key] = found.data
        return Observed(self._runtimes(), jobs, objects, child_jobs, apply_set and self._apply_set(apply_set))

    def _runtimes(self) -> tuple[Document, ...]:
        return tuple(without_text(item.data, "store") for kind in kinds.RUNTIMES for item in self._store.objects(kind))

    def _observed(self, job: StoredObject) -> ObservedJob:
        from kfrun.execute import objects

        run = self._store.run(job.uid)
        return objects.observed_job(
            job,
            runtime=_runtime(run.runtime) if run else None,
            digest=run.digest if run else "",
            run_digest=run.run_digest if run else "",
            deleting=run is not None and run.request.startswith("delete"),
            **(_code(run) if run else {}),
        )

    def _apply_set(self, key: ObjectKey) -> ApplySet:
        from kfrun.plan import prune

        sets = self._store.objects(prune.KIND)
        return prune.observed(key, sets, lambda member: self._store.find(*member[1:]), self._observed)

    def preflight(self, jobs: Sequence[DesiredJob], wishes: Wishes, caller: Caller) -> Sequence[Finding]:
        """See `Backend.preflight`."""
        from kfrun.execute.local import runtimes

        return runtimes.preflight(jobs, wishes, caller, self._settings.backend)

    def perform(
        self,
        steps: Sequence[Step],
        wishes: Wishes,
        caller: Caller,
        emit: Callable[[Action], None],
        *,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """See `Backend.perform`."""
        from kfrun.execute.local import creation, supervisors
        from kfrun.execute.local.runtime import Way

        creation.perform(self._store, steps, Way(wishes, caller, self._settings), emit, begin)
        # No further supervisor is needed for now.
        supervisors.dismiss()

    def put(self, data: Mapping[str, Any]) -> None:
        """See `Backend.put`."""
        from kfrun.execute.local import creation

        creation.put(self._store, data)

    # Jobs

    def wish(
        self, key: ObjectKey, wish: Wish, *, uid: str = "", now: bool = False, grace: float | None = None
    ) -> bool | None:
        """See `Backend.wish`."""
        from kfrun.execute.local import requests

        if wish == "delete" and key.kind == kinds.TRAIN_JOB and self._store.is_read_only:
            self._make_room(key, uid)
        if key.kind != kinds.TRAIN_JOB:
            found = self._store.find(key.kind, key.namespace, key.name)
            if found is None or uid not in ("", found.uid):
                return None
            if wish != "delete":
                return False
            from kfrun.execute.local.supply import claims

            if key.kind == kinds.CLAIM:
                return claims.delete(self._store, key) or None
            return self._store.delete(key.kind, key.namespace, key.name) or None
        if wish in ("suspend", "resume"):
            return requests.set_suspend(self._store, key, suspend=wish == "suspend", uid=uid)
        return requests.request(self._store, key, wish, now=now, grace=grace, uid=uid)

    def _make_room(self, key: ObjectKey, uid: str) -> None:
        """The disk may be so full of the job that goes that its store could only be opened as it is."""
        from kfrun.execute.local import requests

        requests.make_room(self._store, key, uid)
        self._store.close()
        self._store = Store.open(self._store.path)

    def tidy(self, namespace: str) -> None:
        """See `Backend.tidy`."""
        from kfrun.execute.local import supervisors

        supervisors.sweep(self._store, namespace)
        if not self._store.is_read_only:
            from kfrun.execute.local.supply import claims

            claims.release(self._store, namespace)

    def runs(self, uids: Sequence[str] | None = None, *, brief: bool = False) -> Mapping[str, JobRun]:
        """See `Backend.runs`."""
        # Most jobs share a few runtimes.
        parsed: dict[str, Any] = {"": None}

        def runtime(text: str) -> Any:
            if text not in parsed:
                parsed[text] = _runtime(text)
            return parsed[text]

        if brief:
            return {uid: JobRun(uid, runtime=runtime(text)) for uid, text in self._store.runtimes().items()}
        # One query for all beats one a job, unless there are few.
        few = uids is not None and len(uids) < 2
        found = [self._store.run(uid) for uid in uids or ()] if few else self._store.runs()
        wanted = None if uids is None else frozenset(uids)
        return {
            run.uid: JobRun(run.uid, run.backend, runtime(run.runtime), run.ended, run.number)
            for run in found
            if run is not None and (wanted is None or run.uid in wanted)
        }

    def outcome(self, job: StoredObject) -> Outcome | None:
        """See `Backend.outcome`."""
        from kfrun.observe import outcome

        end = outcome.outcome(job.data, ())
        if end is None or end.succeeded:
            # Most are, of very many that may be listed.
            return end
        first = self._first_failure(job.uid)
        pods = () if first else self.objects(_selection("Pod", job.key.namespace, owner=job.uid))
        return outcome.outcome(job.data, [pod.data for pod in pods], first)

    def _first_failure(self, uid: str) -> dict[str, Any] | None:
        """What the supervisor noted of the container that failed first."""
        run = self._store.run(uid)
        if run is not None and uid in self._behind:
            from kfrun.execute.local import ledger

            state = ledger.latest(self._store, run)
            return state.to_json()["first_failure"] if state is not None else None
        return _noted_failure(run)

    def details(self, job: StoredObject) -> JobDetails:
        """See `Backend.details`."""
        from kfrun.execute.local import details

        run = self._store.run(job.uid)
        pods = [item.data for item in self._store.objects("Pod", job.key.namespace, owner=job.uid)]
        return details.of(self._store, run, pods)

    def history(self, job: StoredObject) -> Sequence[PastRun]:
        """See `Backend.history`."""
        from kfrun.execute.local import details

        return details.history(self._store, job.key.namespace, job.key.name)

    def logs(self, job: StoredObject, number: int = 0) -> JobLogs:
        """See `Backend.logs`."""
        from kfrun.execute.local import logs

        run = self._store.run(job.uid)
        if number and (run is None or run.number != number):
            return logs.FormerLogs(self._store, job, number)
        return logs.LocalLogs(self._store, job, self._heal)

    # Objects

    def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
        """See `Backend.find`."""
        if self._behind or kind in kinds.OF_JOBSETS:
            return next(iter(self.objects(_selection(kind, namespace, name))), None)
        return self._store.find(kind, namespace, name)

    def objects(self, wanted: Selection) -> list[StoredObject]:
        """See `Backend.objects`."""
        from kfrun.observe import selection

        found = self._candidates(wanted)
        if self._behind:
            found = self._as_they_are(found, wanted)
        if wanted.kind in kinds.OF_JOBSETS:
            from kfrun.observe import expiry

            found = expiry.left(found, self._store.limited(), time.time())
        return [item for item in found if selection.matches(item, wanted.labels)]

    def _as_they_are(self, stored: Iterable[StoredObject], wanted: Selection) -> list[StoredObject]:
        """What is stored, as the reserves of jobs have it where the store is behind."""
        from kfrun.execute.local import ledger

        found = {item.key: item for item in stored}
        for run in filter(None, map(self._store.run, self._behind)):
            for key, item in ledger.arrears(self._store, run):
                found.pop(key, None)
                is_meant = key.kind == wanted.kind and wanted.place in (None, key.namespace)
                if item and is_meant and wanted.name in ("", key.name) and wanted.owner in ("", item.owner):
                    found[key] = item
        return sorted(found.values(), key=lambda item: item.key[2:])

    def _candidates(self, wanted: Selection) -> Iterable[StoredObject]:
        owner = wanted.owner or None
        if wanted.kind == "Event":
            from kfrun.observe import selection

            rows = self._store.events(wanted.namespace, owner=owner)
            return [
                item for item in (selection.event_object(*row) for row in rows) if wanted.name in ("", item.key.name)
            ]
        if wanted.name and wanted.place is not None:
            item = self._store.find(wanted.kind, wanted.place, wanted.name)
            return () if item is None or wanted.owner not in ("", item.owner) else (item,)
        found = self._store.objects(wanted.kind, wanted.place, owner=owner)
        return [item for item in found if wanted.name in ("", item.key.name)]

    def events(
        self, namespace: str | None = None, *, owner: str | None = None, after: int = 0
    ) -> list[tuple[int, Event]]:
        """See `Backend.events`."""
        return self._store.events(namespace, owner=owner, after=after)

    def watch(self, *selections: Selection, timeout: float | None = None) -> Iterator[Sequence[Change]]:
        """See `Backend.watch`."""
        from kfrun.observe import watch

        feed, is_first = watch.ObjectFeed(), True
        for _ in watch.changes(self._store, timeout=timeout, heal=self._heal):
            changes = feed.update(item for wanted in selections for item in self.objects(wanted))
            if changes or is_first:
                yield changes
            is_first = False
            self._store.require_news()
        # What came in the last interval counts as well.
        changes = feed.update(item for wanted in selections for item in self.objects(wanted))
        if changes:
            yield changes

    def pause(self, seconds: float) -> bool:
        """See `Backend.pause`: another process can always do something."""
        time.sleep(seconds)
        return True

    def _heal(self) -> bool:
        """See to it that every job that runs is looked after. Whether something changed that the store does not tell.

        Where nothing can be written nothing can be looked after either.
        """
        from kfrun.execute.local import supervisors

        runs = self._store.unended_runs() if self._store.is_read_only else supervisors.revive(self._store)
        stamps = ((run.uid, supervisors.reserve_stamp(run.folder)) for run in runs)
        before, self._behind = self._behind, {uid: stamp for uid, stamp in stamps if stamp}
        return self._behind != before

    # The place itself

    def environments(self) -> frozenset[str]:
        """Folders of the Python environments that jobs use which have not ended."""
        from kfrun.execute.local import details

        return frozenset(path for run in self._store.unended_runs(resting=True) if (path := details.environment(run)))

    def checks(self) -> Iterator[Check]:
        """See `Backend.checks`."""
        import os

        from kfrun.execute.local import health

        return health.examine(self._settings, os.environ)


def _selection(kind: str, namespace: str, name: str = "", owner: str = "") -> Selection:
    from kfrun.observe.selection import Selection

    return Selection(kind, namespace, name, owner)


def _code(run: Run) -> dict[str, Any]:
    """The code that a run was started with, and when it had ended, as far as that is known."""
    from kfrun.model.code import SourceCode

    found = SourceCode.of_json(run.code)
    if found is None or not run.state:
        return {"code": found}
    try:
        conditions = json.loads(run.state)["conditions"]
        ends = [float(one["since"]) for one in conditions if one["type"] in _ENDS and one["status"] == "True"]
    except (ValueError, KeyError, TypeError):  # what is damaged is told by whoever needs it
        ends = []
    return {"code": found, "ended": max(ends, default=None)}


def _runtime(text: str) -> Any:
    """The runtime of a run; None where there is none, or it is damaged."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _noted_failure(run: Run | None) -> dict[str, Any] | None:
    try:
        state = json.loads(run.state) if run is not None and run.state else {}
    except (ValueError, RecursionError):
        # Damaged, or of another version: the supervisor says so.
        return None
    found = state.get("first_failure") if isinstance(state, dict) else None
    return found if isinstance(found, dict) and {"node", "exit_code"} <= found.keys() else None
