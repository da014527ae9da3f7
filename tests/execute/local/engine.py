"""A fake engine, for what cannot be provoked with a real one: pulls, losses, slow starts.

Its containers outlive supervisors, as those of an engine do. Everything around it is real: store, files, supervisor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kfrun import host
from kfrun.execute.controller.facts import Attempt, Ended, Lost, Started
from kfrun.execute.local import jobfiles
from kfrun.execute.local.needs.need import Answer, Met
from kfrun.execute.local.supervisor import Supervisor
from kfrun.observe.store import Store
from tests import workloads
from tests.observe import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kfrun.execute.controller.facts import Fact
    from kfrun.execute.local.supply.inputs import Supplies
    from kfrun.model.runstate import PodState, RunState
    from kfrun.model.workload import Workload
    from kfrun.observe.store import Run

UID = "uid-default-tj"
_MET = Met()


class Engine:
    """What every supervisor's runtime speaks to.

    Attributes:
        log: what was asked of it.
        facts: what the runtime is going to tell next.
        containers: those that were started and have not ended, and whether they run.
        stored: the status of each container in the store, at the moment when it was asked to start.
        away: it cannot be asked.
        broken: why it can prepare no pod.
    """

    def __init__(self, broken: str) -> None:
        self.log: list[str] = []
        self.facts: list[Fact] = []
        self.containers: dict[Attempt, bool] = {}
        self.stored: list[str] = []
        self.away = False
        self.broken = broken

    def tell(self, *facts: Fact) -> None:
        for fact in facts:
            if isinstance(fact, Started):
                self.containers[fact.attempt] = True
            if isinstance(fact, Ended):
                self.containers.pop(fact.attempt, None)
        self.facts += facts

    def taken(self) -> list[str]:
        log, self.log = self.log, []
        return log


class FakeNeed:
    """A need that says what it is told to."""

    descriptor = None

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.log: list[str] = []

    def advance(self) -> Answer:
        self.log.append("advance")
        return self.answer

    def stop(self) -> None:
        self.log.append("stop")

    def release(self) -> None:
        self.log.append("release")


class FakeRuntime:
    """The fake engine's `ContainerRuntime`."""

    engine: ClassVar[Engine]
    need: ClassVar[FakeNeed]

    def __init__(self, run: Run) -> None:
        self._run = run

    @classmethod
    def of(cls, run: Run, job: jobfiles.RunFiles, state: RunState) -> FakeRuntime:
        del state
        assert job.settings == {"engine": "unix:///fake"}, "as it was written"
        return cls(run)

    @classmethod
    def clean(cls, uid: str, grace: float = 0.0) -> None:
        cls.engine.log.append(f"clean {uid}")
        cls.engine.containers.clear()

    def needs(self, store: Store, job: jobfiles.RunFiles) -> list[FakeNeed]:
        del job
        self._store = store
        return [self.need]

    def prepare_pod(self, pod: PodState) -> None:
        if self.engine.broken:
            raise OSError(28, self.engine.broken)
        self.engine.log.append(f"prepare {pod.name[:-6]}")

    def remove_pod(self, pod: PodState) -> None:
        self.engine.log.append(f"remove {pod.name[:-6]}")

    def start(self, attempt: Attempt, given: Supplies) -> None:
        assert given.facts.name == attempt.pod
        pod = next(item for item in self._store.state(self._run.uid)["pods"] if item["name"] == attempt.pod)
        self.engine.stored += [item["status"] for item in pod["containers"] if item["name"] == attempt.container]
        self.engine.containers[attempt] = False
        self.engine.log.append(f"start {attempt.pod[:-6]}.{attempt.restarts}")

    def adopt(self, attempt: Attempt, given: Supplies | None) -> bool:
        assert given is not None
        if self.engine.away:
            self.engine.tell(Lost(attempt, "EngineLost", "it does not answer"))
            return True
        known = attempt in self.engine.containers
        if known and self.engine.containers[attempt]:
            self.engine.tell(Started(attempt, 5.0))
        return known

    def address(self, pod: PodState, port: int, host: str = "") -> tuple[str, int]:
        del pod, host
        return "192.0.2.1", port

    def terminate(self, attempt: Attempt) -> None:
        self.engine.log.append(f"terminate {attempt.pod[:-6]}")
        if not self.engine.containers[attempt]:
            self.engine.tell(Ended(attempt, 137, "Error", "it was not started any more", 6.0))

    def kill(self, attempts: Sequence[Attempt]) -> None:
        self.engine.log += [f"kill {attempt.pod[:-6]}" for attempt in attempts]

    def descriptors(self) -> list[int]:
        return []

    def poll_interval(self) -> float:
        return 0.0 if self.engine.facts else 1.0

    def collect(self) -> list[Fact]:
        facts, self.engine.facts = self.engine.facts, []
        return facts

    def sample_logs(self) -> None:
        pass

    def close(self) -> None:
        self.engine.log.append("close")


class Site:
    """One job in the fake engine, with a real store, real files and one real supervisor after another."""

    def __init__(
        self, store: Store, folder: Path, *groups: str, need: Answer = _MET, broken: str = "", **child: Any
    ) -> None:
        self.engine, self.need = Engine(broken), FakeNeed(need)
        FakeRuntime.engine, FakeRuntime.need = self.engine, self.need
        self.store = store
        self.folder = str(folder)
        jobfiles.write(self.folder, jobfiles.RunFiles(workload(*groups, **child), {"engine": "unix:///fake"}))
        runs.add(store, runs.trainjob("tj"), folder, ended=False, backend="fake", boot=host.boot_id())
        self.supervisor = self.supervise()

    def run(self) -> Run:
        run = self.store.run(UID)
        assert run is not None
        return run

    def supervise(self) -> Supervisor:
        """A supervisor that finds what the one before left, as after a kill -9."""
        self.supervisor = Supervisor(self.store, self.run(), jobfiles.read(self.folder))
        self.supervisor.take_over()
        self.turn()
        return self.supervisor

    def turn(self, *facts: Fact) -> None:
        self.engine.tell(*facts)
        while self.supervisor.turn():
            pass

    def request(self, wish: str) -> None:
        """What a command line asks for, through a connection of its own."""
        with Store.open(self.store.path) as other:
            other.change_run(UID, request=wish)
        self.turn()

    def attempt(self, group: str = "node", restarts: int = 0) -> Attempt:
        """The latest attempt at the first node of that group."""
        (*_, found) = [item for item in self.engine.containers if f"-{group}-0-0-" in item.pod]
        assert found.restarts == restarts
        return found

    def pod(self, group: str = "node") -> dict[str, Any]:
        """The stored status of the latest pod of that group."""
        (*_, found) = [item.data for item in self.store.objects("Pod", "default") if f"-{group}-0" in item.key.name]
        status: dict[str, Any] = found["status"]
        return status

    def container(self, group: str = "node") -> dict[str, Any]:
        state: dict[str, Any] = self.pod(group)["containerStatuses"][0]["state"]
        return state

    def conditions(self) -> list[tuple[str, str]]:
        found = self.store.find("TrainJob", "default", "tj")
        assert found is not None
        return [(item["type"], item["reason"]) for item in found.data["status"].get("conditions", [])]

    def events(self) -> list[str]:
        return [event.reason for _, event in self.store.events("default")]


def workload(*groups: str, **job: Any) -> Workload:
    """One Job of one node for each group; what it depends on is said of the last one."""
    names, depends_on = groups or ("node",), job.pop("dependsOn", [])
    containers = [{"name": "node", "image": "example/image:1"}]
    jobs = [workloads.replicated(name, containers=containers, **job) for name in names]
    return workloads.workload(*jobs[:-1], {**jobs[-1], "dependsOn": depends_on})
