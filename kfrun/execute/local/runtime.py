"""What a supervisor asks of whatever really runs containers: a kubelet's list (CRI), in our words.

A runtime prepares pods, and starts, signals and watches attempts of their containers. It decides nothing: retries,
order and status belong to `kfrun.execute.controller`, which it tells facts. It must survive the death of its
supervisor: whatever `start` began can be taken over by `adopt` in another process, with its true exit code.

`kfrun.execute.local.runtimes` names them; nothing else knows one from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol, Self

    from kfrun.execute.controller.facts import Attempt, Fact
    from kfrun.execute.local.jobfiles import RunFiles
    from kfrun.execute.local.needs.need import Need
    from kfrun.execute.local.supply.inputs import Supplies
    from kfrun.model.resolution import Resolution
    from kfrun.model.runstate import PodState, RunState
    from kfrun.model.source import Finding
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.observe.store import Run, Store
    from kfrun.settings import Settings

JOB_MARKER = "KFRUN_JOB_UID"
"""In the environment of every process that is started for a job, so that they are found wherever they fled to."""


class ContainerUsage(NamedTuple):
    """What a container has taken so far: seconds of CPU time; and takes now: bytes of memory."""

    cpu: float
    memory: int


class Way(NamedTuple):
    """How jobs are to be started: as the flags say, for whom, and as the settings say."""

    wishes: Wishes
    caller: Caller
    settings: Settings


class Launch(NamedTuple):
    """What a job is started with beside its manifest.

    Attributes:
        settings: the runtime's own part of the job's files.
        environment: an `EnvironmentRequest` as JSON, None when none is needed.
        environment_path: folder of the environment, empty when none is needed.
    """

    settings: dict[str, Any]
    environment: dict[str, Any] | None = None
    environment_path: str = ""


if TYPE_CHECKING:

    class Preparation(Protocol):
        """What a runtime does at the door, before its job is created; a module's functions will do."""

        def check(self, wishes: Wishes, caller: Caller) -> None:
            """Whether flags name what is there, though no job may be started.

            Raises:
                UsageProblem: one does not.
            """

        def preflight(self, resolution: Resolution, wishes: Wishes, caller: Caller) -> list[Finding]:
            """What a job needs and this machine lacks: errors, and warnings of what may still come."""

        def scripts(self, resolution: Resolution) -> Iterator[Finding]:
            """Warnings of scripts of a job's source folder that could not be run, for who checks its manifest."""

        def launch(self, resolution: Resolution, way: Way) -> Callable[[str], Launch]:
            """What a job is started with, once it has a uid; whatever is wrong is told now.

            Raises:
                EnvironmentFailed: no Python environment can be made.
            """

    class ContainerRuntime(Protocol):
        """What runs the containers of one job. Facts about them come from `collect`, and from nothing else."""

        @classmethod
        def of(cls, run: Run, job: RunFiles, state: RunState) -> Self:
            """The runtime of a job. ``job.settings`` is its own part of the job's files.

            Raises:
                ValueError: that part is damaged, or another version wrote it.
            """

        @classmethod
        def clean(cls, uid: str, grace: float = 0.0) -> None:
            """Remove whatever of a job still runs: it must leave nothing behind, though its files may be gone.

            What is there to run on is asked first, and has ``grace`` seconds.
            """

        def needs(self, store: Store, job: RunFiles) -> list[Need]:
            """What must be there before anything of the job starts, in this order."""

        def prepare_pod(self, pod: PodState) -> None:
            """Make what the containers of a pod share, before each start of one of them; what is there is kept.

            Its folder with ``pod.json`` is there. What takes long is told of its containers as `Waiting`.

            Raises:
                OSError: it cannot be made; the container that was about to start ends with StartError.
            """

        def remove_pod(self, pod: PodState) -> None:
            """Remove what `prepare_pod` made: all containers have ended. May be asked again by the next supervisor."""

        def start(self, attempt: Attempt, given: Supplies) -> None:
            """Start an attempt with what it is given.

            `Started` follows, or `Waiting`; or `Ended` with reason StartError if it cannot be.

            Raises:
                MissingConfig: one of its variables comes from what is not there yet; nothing has been done.
            """

        def adopt(self, attempt: Attempt, given: Supplies | None) -> bool:
            """Watch an attempt that an earlier supervisor started; False when it never was (start it then).

            ``given`` is what it was started with, None if that is not there any more.
            """

        def terminate(self, attempt: Attempt) -> None:
            """SIGTERM to the main process, and to nothing else; what has not started yet ends without starting."""

        def kill(self, attempts: Sequence[Attempt]) -> None:
            """SIGKILL to everything of these containers."""

        def execute(
            self,
            attempt: Attempt,
            argv: Sequence[str],
            streams: tuple[int, int, int],
            *,
            terminal: bool = False,
        ) -> int:
            """Run a further program in a container that has started, as probes and hooks do; its exit code.

            It is asked in a process of its own, which may be interrupted meanwhile. ``streams`` are descriptors for
            the program's standard input, output and error.

            Raises:
                OSError: it cannot be started.
                Refused: this runtime offers no terminal there; it says why.
            """

        def address(self, pod: PodState, port: int, host: str = "") -> tuple[str, int]:
            """Where this machine reaches a port of a pod; or of ``host``, as seen from the pod's node."""

        def usage(self, attempt: Attempt) -> ContainerUsage | None:
            """What a container takes; None when it does not run."""

        def descriptors(self) -> Sequence[int]:
            """Descriptors that become readable when `collect` has something."""

        def poll_interval(self) -> float | None:
            """Seconds until `collect` should be called, 0 for at once; None where descriptors tell."""

        def collect(self) -> list[Fact]:
            """What happened since the last call, in order."""

        def sample_logs(self) -> None:
            """Note how far each log has grown (the side index of times)."""

        def close(self) -> None:
            """Let go of what this process holds open; nothing is stopped."""
