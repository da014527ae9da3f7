"""A machine of the mind for the controllers: a clock of our own and no process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kfrun.execute.controller import trainjob
from kfrun.execute.controller.context import BackOff, KillContainer, Pass, RunHook, StartContainer, TerminateContainer
from kfrun.execute.controller.facts import Attempt, Ended, Started, note
from kfrun.model.runstate import ContainerState, PodState, RunState
from tests import workloads

if TYPE_CHECKING:
    from kfrun.execute.controller.facts import Fact
    from kfrun.model.workload import Workload


class Machine:
    """Runs a workload in the mind: what is to start runs at once, or when told so, until `end` says how it ended."""

    def __init__(self, workload: Workload, *, suspend: bool = False, slow: bool = False) -> None:
        self.workload = workload
        self.slow = slow
        self.state = RunState("uid", 0.0, suspend=suspend, needs="ready")
        self.now = 0.0
        self.log: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []
        self.wake_at: float | None = None
        self.asked: set[Attempt] = set()
        self.turn()

    def turn(self, p: Pass | None = None) -> None:
        """One pass, as the supervisor makes it; the state must survive being stored."""
        p = p or self.begin()
        trainjob.step(p)
        for command in p.commands:
            word = {StartContainer: "start", TerminateContainer: "term", KillContainer: "kill"}.get(type(command), "")
            word = word or f"hook {command.hook}" if isinstance(command, RunHook) else word
            self.log.append(f"{word} {command.pod[:-6]}/{command.container}")
        self.events += [(event.object.kind, event.reason) for event in p.events]
        self.told += [(event.reason, event.message) for event in p.events]
        self.wake_at = p.wake_at
        assert RunState.from_json(self.state.to_json()) == self.state
        starts = [command for command in p.commands if isinstance(command, StartContainer)]
        for command in starts:
            one = attempt(*p.container(command.pod, command.container))
            assert one not in self.asked, "an attempt is asked for once"
            self.asked.add(one)
        if starts and not self.slow:
            p = self.begin()
            for command in starts:
                pod, container = p.container(command.pod, command.container)
                note(p, Started(attempt(pod, container), self.now))
            self.turn(p)

    def begin(self) -> Pass:
        return Pass(self.workload, self.state, self.now, BackOff(10.0, 300.0))

    def end(self, index: int, code: int = 0, *, container: str = "node", job: str = "", reason: str = "") -> None:
        """The current attempt of a container ends."""
        word = reason or ("Completed" if code == 0 else "Error")
        self.tell(Ended(self.attempt(index, container, job), code, word, "", self.now))

    def tell(self, *facts: Fact) -> None:
        p = self.begin()
        for fact in facts:
            note(p, fact)
        self.turn(p)

    def attempt(self, index: int = 0, container: str = "node", job: str = "") -> Attempt:
        return attempt(*self.running(index, container, job))

    def running(self, index: int, container: str = "node", job: str = "") -> tuple[PodState, ContainerState]:
        for pod in reversed(self.state.pods):
            for item in pod.containers:
                if (pod.index, item.name, item.active) == (index, container, True) and job in pod.job:
                    return pod, item
        raise AssertionError(f"{container} of {index} does not run: {self.state.pods}")

    def started(self, index: int = 0, container: str = "node") -> None:
        self.tell(Started(self.attempt(index, container), self.now))

    def at(self, now: float) -> None:
        self.now = now
        self.turn()

    def ask(self, request: str) -> None:
        """What a user asks for."""
        self.state.request = request
        self.turn()

    def messages(self, reason: str) -> list[str]:
        """The messages of the events of that reason."""
        return [message for why, message in self.told if why == reason]

    def taken(self) -> list[str]:
        """The commands since the last call."""
        log, self.log = self.log, []
        return log

    @property
    def conditions(self) -> list[tuple[str, str, str]]:
        return [(item.type, item.status, item.reason) for item in self.state.conditions]

    def job(self, name: str = "job-node-0") -> list[tuple[str, str]]:
        job = next(item for item in self.state.jobs if item.name == name)
        return [(item.type, item.reason) for item in job.conditions if item.status == "True"]


def attempt(pod: PodState, container: ContainerState) -> Attempt:
    return Attempt(pod.name, container.name, container.restarts)


def child(
    group: str = "node", *, nodes: int = 1, containers: int = 1, pod: dict[str, Any] | None = None, **job: Any
) -> dict[str, Any]:
    names = [group, *[f"side{number}" for number in range(1, containers)]]
    return workloads.replicated(group, nodes=nodes, containers=[{"name": name} for name in names], pod=pod, **job)


def workload(*jobs: dict[str, Any], spec: dict[str, Any] | None = None, **fields: Any) -> Workload:
    return replace(workloads.workload(*jobs, name="job", **(spec or {})), **fields)


NEVER = {"restartPolicy": "Never"}


def grace(seconds: int) -> dict[str, Any]:
    return {"terminationGracePeriodSeconds": seconds}


def inits(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"initContainers": list(containers)}


PROXY = {"name": "proxy", "restartPolicy": "Always"}


COMPLETE = [("Complete", "True", "AllJobsCompleted")]
FAILED = [("Failed", "True", "FailedJobs")]
