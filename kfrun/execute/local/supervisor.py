"""The supervisor: one detached process a job, which reconciles until the job is over.

It waits on descriptors and a FIFO, tells the controller what happened, stores the new state, and only then does what
that says: whoever takes over after a kill -9 finds every intention written down. It has no threads.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.errors import StoreFailed
from kfrun.execute.controller import facts, trainjob
from kfrun.execute.controller import pod as pods
from kfrun.execute.controller.context import BackOff, KillContainer, Pass, RunHook, StartContainer
from kfrun.execute.controller.facts import Attempt
from kfrun.execute.local import jobfiles, runtimes, supervisors
from kfrun.execute.local.kubelet import handlers, messages
from kfrun.execute.local.ledger import Ledger
from kfrun.execute.local.needs.need import Denied, Met, Needs, Unmet
from kfrun.execute.local.supply import places, secretkeep
from kfrun.execute.local.supply.starts import HeldStarts
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.values import replace

if TYPE_CHECKING:
    from kfrun.execute.controller.facts import Fact
    from kfrun.model.runstate import ContainerState, PodState
    from kfrun.observe.store import Run, Store

_SAMPLE_SECONDS = 0.1
_RETRY_SECONDS = 0.5
_IDLE_SECONDS = 5.0
_CLOCK_STEP = 1.0


class Supervisor:
    """Reconciles one job."""

    def __init__(self, store: Store, run: Run, job: jobfiles.RunFiles) -> None:
        self._store = store
        self._run = run
        self._ledger = Ledger(store, run, job)
        self._state = self._ledger.load(time.time())
        self._facts: list[Fact] = []
        self._present: dict[str, PodState] = {}
        self._removed: set[str] = set()
        self._use(job)
        self._wake = jobfiles.open_wake(run.folder)
        self._seen = -1
        self._due: float | None = None
        self._offset = time.time() - time.monotonic()
        self._sampled = 0.0

    def _use(self, job: jobfiles.RunFiles) -> None:
        self._job = job
        self._runtime = runtimes.named(self._run.backend).of(self._run, job, self._state)
        self._needs = Needs(self._runtime.needs(self._store, job))
        self._starts = HeldStarts(self._store, self._run, job, self._runtime)
        self._handlers = handlers.of(job.workload, self._runtime, self._state)

    def work(self) -> None:
        """Reconcile until the job is over, or rests, and everything of it is stored."""
        again = self.take_over()
        while True:
            again = self.turn() or again
            if not again and self._is_over() and self._finish():
                return
            if not again and self._is_at_rest() and self._rest():
                return
            if not again:
                self._wait()
            again = False

    def close(self) -> None:
        """Let go of what this process holds open: another one of the same job comes after it."""
        self._close_runtime()
        os.close(self._wake)

    def _close_runtime(self) -> None:
        if self._handlers is not None:
            self._handlers.close()
        self._runtime.close()

    # One turn

    def turn(self) -> bool:
        """Take in what happened, decide, store, act. Returns whether there is more to do at once."""
        self._leave_if_folder_is_gone()
        self._mind_clock()
        self._read_wishes()
        p = self._pass()
        happened, self._facts = [*self._facts, *self._runtime.collect()], []
        if self._handlers is not None:
            happened += self._handlers.collect()
        for fact in happened:
            facts.note(p, self._with_message(p, fact))
        asked = self._mind_needs(p)
        self._starts.watch(p)
        trainjob.step(p)
        if not asked and self._is_first_to_start(p):
            self._ask_needs(p)
        if self._state.finished or self._state.request:
            self._needs.stop()
            trainjob.note_installation(p, "")
        if trainjob.is_over(self._state):
            # Before anybody hears that it is: after that nobody comes to do it.
            secretkeep.forget(self._run.folder)
        while not self._ledger.save(self._state, p.events):
            # Nothing is done that is not written down: neither the store nor the reserve takes it now.
            self._leave_if_folder_is_gone()
            time.sleep(_RETRY_SECONDS)
        self._perform(p)
        self._due = p.wake_at
        return bool(self._facts) or self._runtime.poll_interval() == 0.0

    def _with_message(self, p: Pass, fact: Fact) -> Fact:
        """An end that says why; what could not be started, or was lost, says so already."""
        if not isinstance(fact, facts.Ended) or fact.message:
            return fact
        pod, container = p.container(fact.attempt.pod, fact.attempt.container)
        message = messages.of(self._run.folder, self._job.workload, pod.job, fact, container.started)
        return replace(fact, message=message) if message else fact

    def _leave_if_folder_is_gone(self) -> None:
        """Somebody removed the state by hand: a job that nobody can see or stop must not run on."""
        if not Path(self._run.folder).is_dir():
            self._needs.stop()
            self._runtime.clean(self._run.uid, max((child.grace for child in self._job.workload.jobs), default=0.0))
            places.forget(self._run.uid)
            sys.exit("the job's folder was removed: its processes were stopped")

    def _mind_clock(self) -> None:
        """Waits are told as times of the wall clock, but must not change their length when that is set."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > _CLOCK_STEP:
            trainjob.shift_waits(self._state, offset - self._offset)
        self._offset = offset

    def _pass(self) -> Pass:
        return Pass(self._job.workload, self._state, time.time(), BackOff(*self._job.back_off))

    def _read_wishes(self) -> None:
        """What the user wants now: suspend, cancel, delete."""
        try:
            seen = self._store.changes()
            if seen == self._seen:
                return
            # Of one moment: a job that is changed and resumed at once must not be resumed as it was.
            with self._store.reading():
                wish = self._store.wish(self._run.uid)
                found = self._store.find(TRAIN_JOB, self._run.namespace, self._run.name)
                is_changed = wish is not None and wish[1] != self._run.run_digest
                changed = self._store.run(self._run.uid) if is_changed else None
        except StoreFailed:
            return
        self._seen = seen
        if wish is None or found is None or found.uid != self._run.uid:
            self._state.request = "delete"
            return
        self._state.request = wish[0] or self._state.request
        self._state.suspend = bool(found.data.get("spec", {}).get("suspend", False))
        if changed is not None:
            self._reload(changed)

    def _reload(self, run: Run) -> None:
        """A suspended job was changed: it will be resumed with another workload. Nothing of it runs now."""
        if any(container.active for _, container in self._containers()):
            # It was resumed or is still stopping: the next look will do.
            self._seen = -1
            return
        self._needs.stop()
        self._close_runtime()
        self._run, self._state.needs = run, ""
        job = jobfiles.read(run.folder, run.run_digest)
        self._ledger = Ledger(self._store, run, job)
        self._use(job)

    def _containers(self) -> list[tuple[PodState, ContainerState]]:
        return [(pod, container) for pod in self._state.pods for container in pod.containers]

    # Needs

    def _mind_needs(self, p: Pass) -> bool:
        """Before the first start, see to what the job needs. Returns whether that was asked about."""
        state = self._state
        if state.needs not in ("", "waiting") or state.finished or state.request:
            return False
        if state.suspend and not self._needs.is_waiting:
            # What is under way goes on, but nothing is begun for a job that must not run.
            return False
        self._ask_needs(p)
        return True

    def _is_first_to_start(self, p: Pass) -> bool:
        """Whether something is about to start while nothing of the job runs."""
        starting = {(c.pod, c.container) for c in p.commands if isinstance(c, StartContainer)}
        return bool(starting) and not any(
            container.active and (pod.name, container.name) not in starting for pod, container in self._containers()
        )

    def _ask_needs(self, p: Pass) -> None:
        answer = self._needs.advance(p)
        progress = f": {answer.progress}" if isinstance(answer, Unmet) and answer.progress else ""
        is_installing = answer.reason == "EnvironmentBuilding"
        trainjob.note_installation(p, f"{answer.message}{progress}" if is_installing else "", answer.reason)
        match answer:
            case Met():
                self._state.needs = "ready"
            case Unmet(reason, message):
                self._state.needs = "waiting"
                pods.withhold(p, reason, message)
            case Denied(reason, message):
                self._state.needs = "failed"
                pods.withhold(p, reason, message)
                trainjob.fail(p, reason, message)

    # Acting

    def _perform(self, p: Pass) -> None:
        killed: list[Attempt] = []
        for command in p.commands:
            attempt = Attempt.of(*p.container(command.pod, command.container))
            if isinstance(command, KillContainer):
                killed.append(attempt)
            elif isinstance(command, StartContainer):
                self._facts += self._starts.start(p, attempt)
            elif isinstance(command, RunHook):
                self._run_hook(attempt, command.hook)
            else:
                self._runtime.terminate(attempt)
        self._runtime.kill(killed)
        self._facts += self._starts.retry(p)
        if self._handlers is not None:
            self._handlers.mind(self._state, p.now)
        self._remove_ended()

    def _remove_ended(self) -> None:
        """Remove what was made for pods that have ended, also of those that the state keeps no more."""
        kept = {pod.name: pod for pod in self._state.pods}
        self._present |= {name: pod for name, pod in kept.items() if name not in self._removed}
        for name, pod in list(self._present.items()):
            if pod.ended or name not in kept:
                self._starts.remove(self._present.pop(name))
                self._removed.add(name)

    def _run_hook(self, attempt: Attempt, hook: str) -> None:
        assert self._handlers is not None, "a hook is a handler"
        self._handlers.run_hook(attempt, hook)

    # Waiting

    def _wait(self) -> None:
        """Sleep until something happens; meanwhile note how the logs grow."""
        poller = select.poll()
        probing = self._handlers.descriptors() if self._handlers is not None else ()
        for descriptor in (self._wake, *self._runtime.descriptors(), *self._needs.descriptors(), *probing):
            poller.register(descriptor, select.POLLIN)
        timeout = _IDLE_SECONDS
        if self._due is not None:
            timeout = min(timeout, self._due - time.time())
        intervals = [self._runtime.poll_interval(), self._needs.poll_interval(), self._starts.poll_interval()]
        if self._handlers is not None:
            intervals.append(self._handlers.interval())
        if self._ledger.is_behind:
            intervals.append(_RETRY_SECONDS)
        timeout = min([timeout, *(interval for interval in intervals if interval is not None)])
        self._sample_logs()
        # The clock of the wall may be set back while we sleep.
        self._sleep(poller, time.monotonic() + timeout)
        while _drain(self._wake):
            pass

    def _sleep(self, poller: select.poll, deadline: float) -> None:
        running = len(self._runtime.descriptors()) > 0
        while True:
            left = deadline - time.monotonic()
            step = min(left, _SAMPLE_SECONDS) if running else left
            if poller.poll(max(0.0, step) * 1000) or left <= step:
                # Of very many containers logs take a while to look at: what has happened comes first.
                return
            self._sample_logs()

    def _sample_logs(self) -> None:
        if time.monotonic() >= self._sampled + _SAMPLE_SECONDS:
            self._runtime.sample_logs()
            self._sampled = time.monotonic()

    # Beginning and end

    def take_over(self) -> bool:
        """Find out what became of what an earlier supervisor started. Returns whether there is more to do at once."""
        restarted = self._run.boot != host.boot_id()
        if restarted:
            self._store.change_run(self._run.uid, boot=host.boot_id())
        p = self._pass()
        active = [item for item in self._containers() if item[1].active]
        for found, container in active:
            attempt = Attempt.of(found, container)
            if restarted:
                message = "the machine was restarted while the container ran"
                facts.note(p, facts.Ended(attempt, 137, facts.NODE_RESTARTED, message, time.time()))
            elif not self._starts.adopt(p, attempt):
                never = facts.Ended(attempt, 137, "Error", "it was stopped before it could start", time.time())
                self._facts += [never] if container.stopping else self._starts.start(p, attempt)
            elif container.hook == "preStop":
                self._run_hook(attempt, container.hook)
            elif container.told:
                # It was to be told to stop; whether it was, nobody knows. A second SIGTERM does no harm.
                self._runtime.terminate(attempt)
        for _, container in active:
            container.killed = False
        self._ledger.save(self._state, p.events)
        return bool(active)

    def _is_over(self) -> bool:
        # What is deleted need not be stored first: on a full disk that is what makes room.
        return trainjob.is_over(self._state) and (self._state.is_deleting or not self._ledger.is_behind)

    def _is_at_rest(self) -> bool:
        return trainjob.is_at_rest(self._state) and not self._ledger.is_behind and not self._needs.is_waiting

    def _rest(self) -> bool:
        """Nothing happens to a suspended job: nobody has to wait for it. False when something is asked for now."""
        self._runtime.clean(self._run.uid)
        # Whoever asks for something from now on finds no listener, and starts a supervisor.
        os.close(self._wake)
        try:
            with self._store.writing():
                run = self._store.run(self._run.uid)
                found = self._store.find(TRAIN_JOB, self._run.namespace, self._run.name)
                is_same = run is not None and not run.request and run.run_digest == self._run.run_digest
                if is_same and found is not None and found.data["spec"].get("suspend"):
                    self._store.rest(self._run.uid)
                    return True
        except StoreFailed:
            time.sleep(_RETRY_SECONDS)
        self._wake = jobfiles.open_wake(self._run.folder)
        self._seen = -1
        return False

    def _finish(self) -> bool:
        """Leave nothing running, then say so. False when the user wants something else at the last moment."""
        self._runtime.clean(self._run.uid)
        try:
            self._needs.release()
            with self._store.writing():
                run = self._store.run(self._run.uid)
                deleting = run is None or self._state.is_deleting
                if run is not None and run.request.startswith("delete") and not deleting:
                    return False
                if not deleting:
                    self._store.change_run(self._run.uid, ended=1)
            if deleting:
                supervisors.remove(self._store, run or self._run)
            else:
                # Whoever gave it Secrets since the last turn saw a job that had not ended.
                secretkeep.forget(self._run.folder)
        except StoreFailed:
            time.sleep(_RETRY_SECONDS)
            return False
        return True


def _drain(descriptor: int) -> bool:
    try:
        return bool(os.read(descriptor, 4096))
    except BlockingIOError:
        return False
