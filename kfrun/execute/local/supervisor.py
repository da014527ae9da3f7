"""The supervisor: one detached process a job, which reconciles until the job is over.

It waits on pidfds and a FIFO, asks the controller what to do, stores the new state, and only then does it: whoever
takes over after a kill -9 finds every intention written down. It holds no client libraries and no threads.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.errors import KfrunError, StoreFailed
from kfrun.execute.controller import trainjob
from kfrun.execute.controller.context import BackOff, KillPod, Pass, StartContainer
from kfrun.execute.controller.pod import container_ended, is_exhausted
from kfrun.execute.local import jobfiles, supervisors
from kfrun.execute.local.ledger import Ledger
from kfrun.execute.local.needs import ports
from kfrun.execute.local.needs.environment import Builder
from kfrun.execute.local.process.runtime import ProcessRuntime
from kfrun.execute.local.runtime import RECORDER_LOST, Attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.controller.context import Command
    from kfrun.execute.local.runtime import Exit
    from kfrun.model.running import ContainerState, PodState
    from kfrun.observe.store import Run, Store

NODE_RESTARTED = "NodeRestarted"
_SAMPLE_SECONDS = 0.1
_RETRY_SECONDS = 0.5
_IDLE_SECONDS = 5.0
_CLOCK_STEP = 1.0


class Supervisor:
    """Reconciles one job."""

    def __init__(self, store: Store, run: Run, job: jobfiles.Job) -> None:
        self._store = store
        self._run = run
        self._pods: dict[str, PodState] = {}
        self._use(job)
        self._state = self._ledger.load(time.time())
        self._wake = os.open(f"{run.folder}/wake", os.O_RDWR | os.O_NONBLOCK)
        self._seen = -1
        self._due: float | None = None
        self._offset = time.time() - time.monotonic()

    def _use(self, job: jobfiles.Job) -> None:
        self._job = job
        self._ledger = Ledger(self._store, self._run, job)
        self._runtime = ProcessRuntime(self._run.folder, self._run.uid, job.workload, job.settings, self._pod)
        self._builder = Builder(self._run.folder, self._run.uid, job)

    def work(self) -> None:
        """Reconcile until the job is over and everything of it is stored."""
        again = self._take_over()
        while True:
            again += self._turn()
            if not again and self._is_over() and self._finish():
                return
            if not again:
                self._wait()
            again = 0

    # One turn

    def _turn(self) -> int:
        """Take in what happened, decide, store, act. Returns how much more there is to do at once."""
        self._leave_if_folder_is_gone()
        self._mind_clock()
        self._read_wishes()
        p = self._pass()
        for ended in self._runtime.collect():
            self._note_exit(p, ended)
        self._mind_environment(p)
        trainjob.step(p)
        if self._state.finished:
            self._builder.kill()
        starts = [command for command in p.commands if isinstance(command, StartContainer)]
        if starts:
            self._lease_ports(p)
        while not self._ledger.save(self._state, p.events):
            # Nothing is done that is not written down: neither the store nor the reserve takes it now.
            self._leave_if_folder_is_gone()
            time.sleep(_RETRY_SECONDS)
        self._perform(p.commands)
        self._due = p.wake_at
        return len(starts) if self._runtime.poll_interval() == 0.0 else 0

    def _leave_if_folder_is_gone(self) -> None:
        """Somebody removed the state by hand: a job that nobody can see or stop must not run on."""
        if not Path(self._run.folder).is_dir():
            self._builder.kill()
            self._runtime.clean()
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
                run = self._store.run(self._run.uid)
                found = self._store.find("TrainJob", self._run.namespace, self._run.name)
        except StoreFailed:
            return
        self._seen = seen
        if run is None or found is None or found.uid != self._run.uid:
            self._state.request = "delete"
            return
        self._state.request = run.request or self._state.request
        self._state.suspend = bool(found.data.get("spec", {}).get("suspend", False))
        if run.run_digest != self._run.run_digest:
            self._reload(run)

    def _reload(self, run: Run) -> None:
        """A suspended job was changed: it will be resumed with another workload. Nothing of it runs now."""
        if any(container.status == "running" for pod in self._state.pods for container in pod.containers):
            # It was resumed or is still stopping: the next look will do.
            self._seen = -1
            return
        self._builder.kill()
        self._run = run
        self._state.environment = ""
        self._use(jobfiles.read(run.folder, run.run_digest))

    def _note_exit(self, p: Pass, ended: Exit) -> None:
        pod = self._pod(ended.attempt.pod)
        container = _container(pod, ended.attempt.container)
        container_ended(
            p, pod, container, exit_code=ended.exit_code, reason=ended.reason, message=ended.message, at=ended.at
        )
        if ended.reason == RECORDER_LOST:
            trainjob.fail(p, RECORDER_LOST, f"{pod.name}/{container.name}: {ended.message}")

    def _mind_environment(self, p: Pass) -> None:
        state, builder = self._state, self._builder
        if builder.is_running:
            self._mind_building(p)
        elif state.environment in ("", "building") and not state.suspend and not state.finished and not state.request:
            if builder.is_needed:
                self._start_building(p)
            else:
                state.environment = "ready"

    def _start_building(self, p: Pass) -> None:
        self._state.environment = "building"
        p.event("TrainJob", self._job.workload.jobset_name, "EnvironmentBuilding", "Installing Python packages")
        try:
            self._builder.start()
        except OSError as error:
            self._state.environment = "failed"
            message = f"the Python environment could not be built: {error.strerror or error}"
            trainjob.fail(p, "EnvironmentFailed", message)

    def _mind_building(self, p: Pass) -> None:
        name = self._job.workload.jobset_name
        if self._state.request or self._state.finished:
            self._builder.kill()
            return
        code = self._builder.poll()
        if code == 0:
            self._state.environment = "ready"
            p.event("TrainJob", name, "EnvironmentReady", "Python packages are installed")
        elif code is not None:
            self._state.environment = "failed"
            message = f"the Python environment could not be built:\n{self._builder.last_lines()}"
            trainjob.fail(p, "EnvironmentFailed", message)

    def _lease_ports(self, p: Pass) -> None:
        if any(item.status == "running" for item in self._containers_before(p)):
            return
        needed = self._runtime.needed_ports()
        while True:
            try:
                self._state.ports = ports.lease(self._store, self._run.uid, needed, self._state.ports)
            except StoreFailed:
                # A full disk, or a busy one: no reason to fail.
                self._leave_if_folder_is_gone()
                time.sleep(_RETRY_SECONDS)
            except KfrunError as error:
                self._fail_unstarted(p, error.message)
                return
            else:
                return

    def _fail_unstarted(self, p: Pass, message: str) -> None:
        p.commands.clear()
        for pod in self._state.pods:
            for container in pod.containers:
                if container.status == "running":
                    container.status = "waiting"
        trainjob.fail(p, "EnvironmentFailed", message)

    def _containers_before(self, p: Pass) -> list[ContainerState]:
        """Containers that ran already before this pass: their ports must stay."""
        starting = {(c.pod, c.container) for c in p.commands if isinstance(c, StartContainer)}
        return [c for pod in self._state.pods for c in pod.containers if (pod.name, c.name) not in starting]

    def _perform(self, commands: Sequence[Command]) -> None:
        killed: list[Attempt] = []
        for command in commands:
            pod = self._pod(command.pod)
            if isinstance(command, KillPod):
                killed += [_attempt(pod, item) for item in pod.containers if item.status == "running"]
                continue
            attempt = _attempt(pod, _container(pod, command.container))
            if isinstance(command, StartContainer):
                self._runtime.start(attempt, self._state.ports)
            else:
                self._runtime.terminate(attempt)
        self._runtime.kill(killed)

    # Waiting

    def _wait(self) -> None:
        """Sleep until something happens; meanwhile note how the logs grow."""
        poller = select.poll()
        watched = [self._wake, *self._runtime.descriptors()]
        if self._builder.descriptor is not None:
            watched.append(self._builder.descriptor)
        for descriptor in watched:
            poller.register(descriptor, select.POLLIN)
        timeout = _IDLE_SECONDS
        if self._due is not None:
            timeout = min(timeout, self._due - time.time())
        interval = self._runtime.poll_interval()
        if interval is None and self._builder.is_running and self._builder.descriptor is None:
            interval = _SAMPLE_SECONDS
        if self._ledger.is_behind:
            interval = _RETRY_SECONDS
        if interval is not None:
            timeout = min(timeout, interval)
        # The clock of the wall may be set back while we sleep.
        self._sleep(poller, time.monotonic() + timeout)
        while _drain(self._wake):
            pass

    def _sleep(self, poller: select.poll, deadline: float) -> None:
        running = len(self._runtime.descriptors()) > 0
        while True:
            left = deadline - time.monotonic()
            step = min(left, _SAMPLE_SECONDS) if running else left
            if poller.poll(max(0.0, step) * 1000):
                break
            if left <= step:
                break
            self._runtime.sample_logs()
        self._runtime.sample_logs()

    # Beginning and end

    def _take_over(self) -> int:
        """Find out what became of what an earlier supervisor started. Returns how much there is to do at once."""
        restarted = self._run.boot != host.boot_id()
        if restarted:
            self._store.release_ports(self._run.uid)
            self._state.ports = {}
            self._store.change_run(self._run.uid, boot=host.boot_id())
        p = self._pass()
        running = [(pod, c) for pod in self._state.pods for c in pod.containers if c.status == "running"]
        for pod, container in running:
            if restarted:
                self._note_restart(p, pod, container)
            elif not self._runtime.adopt(_attempt(pod, container)):
                self._runtime.start(_attempt(pod, container), self._state.ports)
            elif container.stopping:
                # It was to be told to stop; whether it was, nobody knows. A second SIGTERM does no harm.
                self._runtime.terminate(_attempt(pod, container))
        for pod in self._state.pods:
            pod.killed = False
        self._ledger.save(self._state, p.events)
        return len(running)

    def _note_restart(self, p: Pass, pod: PodState, container: ContainerState) -> None:
        message = "the machine was restarted while the container ran"
        container_ended(p, pod, container, exit_code=137, reason=NODE_RESTARTED, message=message, at=time.time())
        child = p.child(pod.job)
        failed = sum(job.failed for job in self._state.jobs if job.name == pod.job)
        spent = failed + 1 > child.backoff_limit if child.restart_policy == "Never" else is_exhausted(pod, child)
        if spent:
            trainjob.fail(p, NODE_RESTARTED, f"{pod.name}: {message}, and no retry is left")

    def _is_over(self) -> bool:
        return trainjob.is_over(self._state) and not self._ledger.is_behind and not self._builder.is_running

    def _finish(self) -> bool:
        """Leave nothing running, then say so. False when the user wants something else at the last moment."""
        self._runtime.clean()
        if not self._job.keep_environment:
            self._builder.remove_isolated()
        try:
            with self._store.writing():
                run = self._store.run(self._run.uid)
                deleting = run is None or self._state.is_deleting
                if run is not None and run.request.startswith("delete") and not deleting:
                    return False
                if not deleting:
                    self._store.release_ports(self._run.uid)
                    self._store.change_run(self._run.uid, ended=1)
            if deleting:
                supervisors.remove(self._store, run or self._run)
        except StoreFailed:
            time.sleep(_RETRY_SECONDS)
            return False
        return True

    def _pod(self, name: str) -> PodState:
        if name not in self._pods:
            self._pods = {pod.name: pod for pod in self._state.pods}
        return self._pods[name]


def _container(pod: PodState, name: str) -> ContainerState:
    return next(item for item in pod.containers if item.name == name)


def _attempt(pod: PodState, container: ContainerState) -> Attempt:
    return Attempt(pod.name, container.name, container.restarts)


def _drain(descriptor: int) -> bool:
    try:
        return bool(os.read(descriptor, 4096))
    except BlockingIOError:
        return False
