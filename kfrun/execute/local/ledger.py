"""What a supervisor writes: the state and the objects of one run, whole or not at all, and where the disk is full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfrun.errors import StoreFailed
from kfrun.execute.local import jobfiles
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.runstate import RunState
from kfrun.model.source import ObjectKey
from kfrun.model.state import StoredObject
from kfrun.model.values import asdict, stamp
from kfrun.observe import status

if TYPE_CHECKING:
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.model.runstate import PodState
    from kfrun.model.state import Event
    from kfrun.observe.store import Run, Store

_Stamp = tuple[tuple[Any, ...], list[tuple[Any, ...]]]

_GONE = ""


class Ledger:
    """Stores a run's progress. What the store does not take now is kept and stored later.

    Attributes:
        is_behind: the store does not hold the latest state yet.
    """

    def __init__(self, store: Store, run: Run, job: RunFiles) -> None:
        self._store = store
        self._run = run
        self._job = job
        self._written: dict[tuple[str, str], str] = {}
        self._rest: dict[str, Any] = {}
        self._pods: dict[str, _Stamp] = {}
        self._events: list[Event] = []
        self.is_behind = False

    def load(self, created: float) -> RunState:
        """The latest state: of the store or, when the disk was full, of the reserve.

        Raises:
            ValueError: it cannot be read; the file is named.
        """
        reserved = newer_in_reserve(self._run)
        self.is_behind = reserved is not None
        if reserved is None and not self._run.state:
            return RunState(self._run.uid, created)
        try:
            return RunState.from_json(reserved or self._store.state(self._run.uid))
        except (ValueError, RecursionError) as error:
            place = f"{self._run.folder}/reserve" if reserved else self._store.path
            raise ValueError(f"{place}: {error}") from error

    def save(self, state: RunState, events: list[Event]) -> bool:
        """Store state, objects and events; True if they are safe, in the store or in the reserve."""
        self._events += events
        rest = {**state.without_pods(), "sequence": 0}
        # Of a thousand pods one has changed: the others are neither written nor made anew.
        pods = [pod for pod in state.pods if self._pods.get(pod.name) != _stamp(pod)]
        gone = self._pods.keys() - {pod.name for pod in state.pods}
        is_changed = bool(pods or gone) or rest != self._rest
        if not (is_changed or self._events or self.is_behind):
            return True
        state.sequence += is_changed
        try:
            self._store_all(state, {**rest, "sequence": state.sequence}, pods, gone)
        except StoreFailed:
            self.is_behind = True
            return self._reserve(state.to_json())
        self._rest, self._events, self.is_behind = rest, [], False
        return True

    def _reserve(self, data: dict[str, Any]) -> bool:
        try:
            jobfiles.save_in_reserve(self._run.folder, data)
        except OSError:
            return False
        return True

    def _store_all(self, state: RunState, rest: dict[str, Any], pods: list[PodState], gone: set[str]) -> None:
        objects = self._objects(state)
        texts = {key: _dumps(item) if item else _GONE for key, item in objects.items()}
        with self._store.writing():
            for key, item in objects.items():
                if self._written.get(key) != texts[key]:
                    self._put(key, item)
            for pod in pods:
                self._put(("Pod", pod.name), self._pod(state, pod))
            self._store.record(self._events)
            if not self._rest:
                # What somebody before this supervisor has stored.
                gone |= self._store.part(self._run.uid)
            states = {pod.name: _dumps(asdict(pod)) for pod in pods}
            self._store.keep_state(self._run.uid, _dumps(rest), states, gone)
        self._written = texts
        for name in gone:
            self._pods.pop(name, None)
        self._pods |= {pod.name: _stamp(pod) for pod in pods}

    def _put(self, key: tuple[str, str], data: dict[str, Any] | None) -> None:
        kind, name = key
        namespace = self._job.workload.namespace
        if kind == TRAIN_JOB:
            found = self._store.find(kind, namespace, name)
            if found is not None and found.uid == self._run.uid:
                self._store.update({**found.data, "status": data})
        elif data is None:
            self._store.delete(kind, namespace, name)
        else:
            self._store.put(data, owner=self._run.uid)

    def _objects(self, state: RunState) -> dict[tuple[str, str], dict[str, Any] | None]:
        """Every object but the pods, by kind and name; None for those that are gone."""
        workload = self._job.workload
        objects: dict[tuple[str, str], dict[str, Any] | None] = {}
        objects[TRAIN_JOB, workload.jobset_name] = status.trainjob_status(workload, state)
        objects["JobSet", workload.jobset_name] = status.jobset_object(workload, state)
        children = {child.name: child for child in workload.jobs}
        for job in state.jobs:
            gone = job.deleted or state.jobset.deleted
            data = None if gone else status.job_object(workload, state, job, children[job.name])
            objects["Job", job.name] = data
        return objects

    def told(self, state: RunState) -> list[tuple[ObjectKey, StoredObject | None]]:
        """Every object of a state, as if it were stored already."""
        objects = self._objects(state)
        objects.update({("Pod", pod.name): self._pod(state, pod) for pod in state.pods})
        return [self._as_stored(kind, name, data, state.sequence) for (kind, name), data in objects.items()]

    def _as_stored(
        self, kind: str, name: str, data: dict[str, Any] | None, sequence: int
    ) -> tuple[ObjectKey, StoredObject | None]:
        found = self._store.find(kind, self._job.workload.namespace, name)
        if kind == TRAIN_JOB and found is not None and data is not None:
            data = {**found.data, "status": data}
        if data is None:
            api_version = found.key.api_version if found is not None else ""
            return ObjectKey(api_version, kind, self._job.workload.namespace, name), None
        key = ObjectKey(data["apiVersion"], kind, self._job.workload.namespace, name)
        # Another version than the stored one: it has changed.
        version = sequence + (found.resource_version if found is not None else 0)
        owner = "" if kind == TRAIN_JOB else self._run.uid
        return key, StoredObject(key, data["metadata"]["uid"], version, owner, data)

    def _pod(self, state: RunState, pod: PodState) -> dict[str, Any] | None:
        if pod.deleted and pod.ended:
            return None
        workload = self._job.workload
        child = next(child for child in workload.jobs if child.name == pod.job)
        return status.pod_object(workload, state, pod, child)


def arrears(store: Store, run: Run) -> list[tuple[ObjectKey, StoredObject | None]]:
    """The objects of a run that the store does not hold as they are: its disk was full; None for one that is gone."""
    reserved = newer_in_reserve(run)
    if reserved is None:
        return []
    try:
        job, state = jobfiles.read(run.folder, run.run_digest), RunState.from_json(reserved)
    except (OSError, ValueError):
        return []
    return Ledger(store, run, job).told(state)


def latest(store: Store, run: Run) -> RunState | None:
    """The state of a run as it is, stored or not; None where there is none, or it cannot be read."""
    try:
        return RunState.from_json(newer_in_reserve(run) or store.state(run.uid))
    except (ValueError, RecursionError):
        return None


def newer_in_reserve(run: Run) -> dict[str, Any] | None:
    """The state in a run's reserve if it is later than the stored one: the store did not take that yet."""
    reserved = jobfiles.read_reserve(run.folder)
    if reserved is None:
        return None
    try:
        stored = json.loads(run.state) if run.state else {}
    except (ValueError, RecursionError):
        return None
    known = stored.get("sequence", -1) if isinstance(stored, dict) else None
    return reserved if isinstance(known, int) and reserved["sequence"] > known else None


def _stamp(pod: PodState) -> _Stamp:
    return stamp(pod), [stamp(container) for container in pod.containers]


def _dumps(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))
