"""Watches one job as it runs: everything that a scenario's observation speaks of, in the observation's own form."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kfrun.model.runstate import RunState
from kfrun.model.state import WAITING
from kfrun.observe import expiry, status

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.observe.store import Store

_SHOWN = ("type", "status", "reason", "message")


class Observer:
    """Looks at the store again and again; `report` says what was seen."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._flow: list[Any] = []
        self._state: RunState | None = None
        self._events: dict[int, Any] = {}
        self._logs: dict[str, str] = {}
        self._jobs_status: list[dict[str, Any]] | None = None
        self._folder: Path | None = None
        self._seen = -1
        self._uid = ""
        self._last: dict[str, Any] = {}
        self.deleted = False
        self.ended = False
        self.finished = False

    def close(self) -> None:
        self._store.close()

    def look(self) -> None:
        """Note what has changed."""
        seen = self._store.changes()
        if seen == self._seen:
            return
        self._seen = seen
        job = self._store.find("TrainJob", "default", self._name)
        if job is None:
            self.deleted = bool(self._flow)
            if self.deleted and self._flow[-1] != "deleted":
                self._flow.append("deleted")
            return
        state = job.data.get("status", {})
        # A cluster has no condition of this type, nor a word for what it tells.
        conditions = [item for item in _conditions(state.get("conditions", [])) if item["type"] != WAITING]
        if not self._flow or self._flow[-1] != conditions:
            self._flow.append(conditions)
        self._jobs_status = state.get("jobsStatus")
        self.finished = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
        self._uid = job.uid
        run = self._store.run(job.uid)
        self._note_events(job.uid)
        if run is not None:
            self.ended = run.ended
            stored = self._store.state(job.uid)
            if stored:
                self._state = RunState.from_json(stored)
                self._read_logs(run.folder)

    def expired(self) -> bool:
        """Whether the ttl of the JobSet is over."""
        return any(expiry.is_over(item.data, time.time()) for item in self._store.objects("JobSet"))

    def glance(self) -> None:
        """Keep the state only: the last one of a job that is being deleted is there for some milliseconds."""
        state = self._store.state(self._uid)
        if state:
            self._last = state
            self._note_events(self._uid)

    def _note_events(self, uid: str) -> None:
        self._events.update(self._store.events(owner=uid))

    def _read_logs(self, folder: str) -> None:
        from pathlib import Path

        for path in Path(folder, "pods").glob("*/*.log"):
            self._logs[f"{path.parent.name}/{path.stem}"] = path.read_text(errors="replace")

    def report(self) -> dict[str, Any]:
        """What was seen, in the form of ``observed.yaml``."""
        state = RunState.from_json(self._last) if self.deleted and self._last else self._state
        return {
            "conditionsFlow": self._flow,
            "finalJobsStatus": None if self.deleted else self._jobs_status,
            "jobSet": self._jobset(state) if state else {},
            "jobs": [self._job(state, job) for job in state.jobs] if state else [],
            "pods": [self._pod(pod) for pod in state.pods] if state else [],
            "events": [
                {"on": e.object.kind, "type": e.type, "reason": e.reason, "message": e.message}
                for e in self._events.values()
            ],
        }

    def _jobset(self, state: RunState) -> dict[str, Any]:
        if state.jobset.created is None:
            return {}
        return {
            "deleted": state.jobset.deleted or self.deleted or self.expired(),
            "restarts": state.jobset.restarts,
            "terminalState": state.jobset.terminal_state or None,
            "conditions": [{key: getattr(c, key) for key in _SHOWN} for c in state.jobset.conditions],
        }

    def _job(self, state: RunState, job: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "name": job.name,
            "deleted": job.deleted or state.jobset.deleted or self.deleted or self.expired(),
            "restartAttempt": str(job.restart_attempt),
            "conditions": [{key: getattr(c, key) for key in _SHOWN} for c in job.conditions],
        }
        if job.failed:
            shown["failed"] = job.failed
        if job.completed_indexes:
            shown["succeeded"] = len(job.completed_indexes)
            shown["completedIndexes"] = status.index_ranges(job.completed_indexes)
        return shown

    def _pod(self, pod: Any) -> dict[str, Any]:
        containers = []
        for container in pod.containers:
            shown = {"name": container.name, "restartCount": container.restarts}
            if container.exit_code is not None:
                shown |= {"exitCode": container.exit_code, "reason": container.reason}
            shown["log"] = self._logs.get(f"{pod.name}/{container.name}.{container.restarts}", "")
            containers.append(shown)
        return {
            "pod": pod.name,
            "job": pod.job,
            "index": str(pod.index),
            "deleted": pod.deleted or self.deleted,
            "phase": pod.phase,
            "containers": containers,
        }


def _conditions(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: item[key] for key in _SHOWN} for item in conditions]
