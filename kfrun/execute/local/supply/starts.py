"""Starts containers once what they are given is there; until then they are held, and say why."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from kfrun.errors import StoreFailed
from kfrun.execute.controller import facts
from kfrun.execute.controller import pod as pods
from kfrun.execute.local import jobfiles
from kfrun.execute.local.pods.configs import SECRET, MissingConfig
from kfrun.execute.local.supply import claims, limits
from kfrun.execute.local.supply.inputs import Inputs, Unready
from kfrun.execute.local.supply.secretkeep import KeptSecrets
from kfrun.observe.claims import claimed

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
        self._has_claims = any(claimed(template.pod) for template in job.workload.templates)
        self._limits = limits.of(job.workload, self._inputs.volumes)
        self._scheduled: set[str] = set()
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
            self._schedule(p, pod)
            self._runtime.start(attempt, self._give(p, pod))
        except OSError as error:
            text = error.strerror or str(error)
            return [facts.Ended(attempt, facts.START_ERROR_CODE, facts.START_ERROR, text, time.time())]
        except Unready as error:
            return self._hold(attempt, told, *error.args)
        except MissingConfig as error:
            return self._hold(attempt, told, facts.CONFIG_ERROR, "", str(error))
        except StoreFailed as error:
            return self._hold(attempt, told, "StoreFailed", "", error.message)
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
        self._scheduled.add(attempt.pod)
        try:
            given = self._give(p, p.pod(attempt.pod))
        except (OSError, Unready, StoreFailed):
            given = None
        return self._runtime.adopt(attempt, given)

    def _schedule(self, p: Pass, pod: PodState) -> None:
        if pod.name in self._scheduled:
            return
        spec = p.child(pod.job).job_template.pod
        if message := claims.obstacle(self._store, self._run.namespace, pod.name, spec):
            raise Unready("", "FailedScheduling", message)
        self._scheduled.add(pod.name)

    def _give(self, p: Pass, pod: PodState) -> Supplies:
        return self._inputs.give(p.child(pod.job), pod, self._runtime.address(pod, 0)[0])

    def remove(self, pod: PodState) -> None:
        """Remove what was made for a pod that has ended."""
        self._runtime.remove_pod(pod)
        self._inputs.remove(pod.name)
        self._scheduled.discard(pod.name)
        if self._has_claims:
            with contextlib.suppress(StoreFailed):
                # Otherwise whoever runs kfrun next does it.
                claims.release(self._store, self._run.namespace)

    def watch(self, p: Pass) -> None:
        """See to it that no pod has more in its volumes than it may."""
        if self._limits is not None:
            for pod, message in self._limits.look(p.state.pods):
                pods.evict(p, pod, message)

    def poll_interval(self) -> float | None:
        """Seconds until `retry` or `watch` should be called; None where nothing is held and nothing limited."""
        if self._held:
            return _RETRY_SECONDS
        return self._limits.interval() if self._limits is not None else None
