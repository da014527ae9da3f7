"""Starts containers once what they are given is there; until then they are held, and say why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kfrun.errors import StoreFailed
from kfrun.execute.controller import facts
from kfrun.execute.local import jobfiles
from kfrun.execute.local.pods.configs import SECRET
from kfrun.execute.local.supply.inputs import Inputs, Unready
from kfrun.execute.local.supply.secretkeep import KeptSecrets

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.execute.controller.facts import Attempt, Fact
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.execute.local.runtime import ContainerRuntime
    from kfrun.execute.local.supply.inputs import Supplies
    from kfrun.model.runstate import PodState
    from kfrun.observe.store import Run, Store

_RETRY_SECONDS = 0.5
_KILLED = 137


class HeldStarts:
    """The starts of one job's containers.

    Args:
        store: where ConfigMaps and Secrets are looked up that did not come with the job.
        runtime: whatever runs containers.
    """

    def __init__(self, store: Store, run: Run, job: RunFiles, runtime: ContainerRuntime) -> None:
        self._store = store
        self._run = run
        self._job = job
        self._runtime = runtime
        self._inputs = Inputs(run.folder, run.uid, job.workload, self._config)
        self._secrets = KeptSecrets(run.folder)
        self._held: dict[Attempt, str] = {}
        self._due = 0.0

    def _config(self, kind: str, name: str) -> dict[str, Any] | None:
        own = self._job.find(kind, name)
        if own is None and kind == SECRET:
            own = self._secrets.find(name)
        found = self._store.find(kind, self._run.namespace, name) if own is None else None
        return own if found is None else found.data

    def start(self, p: Pass, attempt: Attempt) -> list[Fact]:
        """Start an attempt, or hold it; what there is to tell of it."""
        pod, told = p.pod(attempt.pod), self._held.pop(attempt, "")
        try:
            jobfiles.write_pod(self._run.folder, self._job.workload, pod)
            self._runtime.prepare_pod(pod)
            given = self._give(p, pod, attempt.container)
        except OSError as error:
            text = error.strerror or str(error)
            return [facts.Ended(attempt, facts.START_ERROR_CODE, facts.START_ERROR, text, time.time())]
        except Unready as error:
            return self._hold(attempt, told, *error.args)
        except StoreFailed as error:
            return self._hold(attempt, told, "StoreFailed", "", error.message)
        self._runtime.start(attempt, given)
        return []

    def _hold(self, attempt: Attempt, told: str, reason: str, event: str, message: str) -> list[Fact]:
        self._held[attempt], self._due = message, time.monotonic() + _RETRY_SECONDS
        return [facts.Waiting(attempt, reason, message, event)] if message != told else []

    def retry(self, p: Pass) -> list[Fact]:
        """What could not start for want of something may now; what is not wanted any more never will."""
        news: list[Fact] = []
        is_due = bool(self._held) and time.monotonic() >= self._due
        for attempt in list(self._held):
            pod, container = p.container(attempt.pod, attempt.container)
            if pod.kill_at is not None or not container.active:
                del self._held[attempt]
                message = "it was stopped before it could start"
                news.append(facts.Ended(attempt, _KILLED, "Error", message, time.time()))
            elif is_due:
                news += self.start(p, attempt)
        return news

    def adopt(self, p: Pass, attempt: Attempt) -> bool:
        """Watch an attempt that an earlier supervisor started; False when it never was."""
        try:
            given = self._give(p, p.pod(attempt.pod), attempt.container)
        except (OSError, Unready, StoreFailed):
            given = None
        return self._runtime.adopt(attempt, given)

    def _give(self, p: Pass, pod: PodState, container: str) -> Supplies:
        return self._inputs.give(p.child(pod.job), pod, container, self._runtime.address(pod, 0)[0])

    def remove(self, pod: PodState) -> None:
        """Remove what was made for a pod that has ended."""
        self._runtime.remove_pod(pod)
        self._inputs.remove(pod.name)

    def poll_interval(self) -> float | None:
        """Seconds until `retry` should be called; None where nothing is held."""
        return _RETRY_SECONDS if self._held else None
