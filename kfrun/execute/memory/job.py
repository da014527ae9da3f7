"""One job of the place in memory: its state, what its containers do, and what they wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kfrun.execute.controller import facts, trainjob
from kfrun.execute.controller.context import BackOff, KillContainer, Pass, RunHook, StartContainer
from kfrun.execute.controller.facts import Attempt
from kfrun.execute.memory.logs import MemoryLogs, MemoryText
from kfrun.model.runstate import RunState
from kfrun.model.values import NamedTuple
from kfrun.observe.logtexts import LogFile

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Command
    from kfrun.model.change import DesiredJob
    from kfrun.model.runstate import PodState
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import Event
    from kfrun.model.workload import Workload

_TERMINATED, _KILLED = 143, 137


class Call(NamedTuple):
    """A container that is started.

    Attributes:
        pod, node: the pod's name, and how users call it.
        container: as the manifest has it.
        restarts: how often it was started before in this pod.
    """

    pod: str
    node: str
    container: dict[str, Any]
    restarts: int


class Act(NamedTuple):
    """What a container does.

    Attributes:
        output: what it writes when it starts.
        exit_code: how it ends.
        seconds: after which it ends; None for when it is told to.
    """

    output: bytes = b""
    exit_code: int = 0
    seconds: float | None = 0.0


Script = Callable[[Call], Act]


class MemoryJob:
    """A TrainJob that runs in memory.

    Args:
        key, uid: of the TrainJob.
        desired: what it is created with.
        workload: what it runs.
        script: what its containers do.
        now: seconds since the epoch.

    Attributes:
        number: counts the runs of this name, from 1.
    """

    def __init__(
        self, key: ObjectKey, uid: str, desired: DesiredJob, workload: Workload, script: Script, now: float
    ) -> None:
        self.key, self.uid, self.desired, self.workload = key, uid, desired, workload
        self.digest, self.run_digest = desired.digest, desired.run_digest
        self.state = RunState(uid, now, needs="ready")
        self.logs = MemoryLogs()
        self.number = 1
        self.ended = False
        self._script = script
        self._running: dict[Attempt, tuple[Act, float | None]] = {}
        self._facts: list[facts.Fact] = []
        self._wake_at: float | None = None

    def due(self) -> float | None:
        """When something happens next by itself; None for never."""
        if self.ended:
            return None
        ends = [at for _, at in self._running.values() if at is not None]
        return min((at for at in (*ends, self._wake_at) if at is not None), default=None)

    def advance(self, now: float, back_off: BackOff) -> list[Event]:
        """Let happen what happens until ``now``; what there is to tell of it."""
        self._facts += [_end(item, act.exit_code, now) for item, (act, at) in self._running.items() if _is_due(at, now)]
        told: list[Event] = []
        while True:
            p = Pass(self.workload, self.state, now, back_off)
            happened, self._facts = self._facts, []
            for fact in happened:
                facts.note(p, fact)
                if isinstance(fact, facts.Ended):
                    self._running.pop(fact.attempt, None)
            trainjob.step(p)
            for command in p.commands:
                self._obey(p, command)
            told += p.events
            if not self._facts:
                break
        self._wake_at = p.wake_at
        self.ended = trainjob.is_over(self.state)
        return told

    def _obey(self, p: Pass, command: Command) -> None:
        pod, container = p.container(command.pod, command.container)
        attempt = Attempt.of(pod, container)
        if isinstance(command, StartContainer):
            self._start(p, pod, attempt)
        elif isinstance(command, RunHook):
            self._facts.append(facts.HookEnded(attempt, command.hook))
        else:
            code = _KILLED if isinstance(command, KillContainer) else _TERMINATED
            self._facts.append(_end(attempt, code, p.now))

    def _start(self, p: Pass, pod: PodState, attempt: Attempt) -> None:
        child = p.child(pod.job)
        template = child.job_template
        everything = (*template.init_containers, *template.containers)
        wanted = next(item for item in everything if item["name"] == attempt.container)
        node = child.node(pod.index)
        act = self._script(Call(pod.name, node, wanted, attempt.restarts))
        label = node if wanted is template.containers[0] else f"{node}/{attempt.container}"
        name = f"{pod.name}/{attempt.container}.{attempt.restarts}"
        place = (template.name, child.name, pod.index, attempt.container)
        file = LogFile(name, node, label, pod.name, *place, pod.created, attempt.restarts)
        self.logs.add(file, MemoryText(act.output, p.now))
        self._facts.append(facts.Started(attempt, p.now))
        # Nothing runs that could be unwell.
        self._facts += [
            facts.Probed(attempt, name, True) for name in ("startup", "readiness") if f"{name}Probe" in wanted
        ]
        if act.seconds == 0:
            self._facts.append(_end(attempt, act.exit_code, p.now))
        else:
            self._running[attempt] = act, None if act.seconds is None else p.now + act.seconds


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and at <= now


def _end(attempt: Attempt, code: int, now: float) -> facts.Ended:
    return facts.Ended(attempt, code, "Error" if code else "Completed", "", now)
