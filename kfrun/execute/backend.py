"""The interface of a place where jobs run: what verbs, a Python API and a page ask of any of them.

A place keeps objects, carries plans out, and tells what became of jobs. Which there are is known by
`kfrun.execute.choice` alone. Whatever a place cannot do it refuses with `Unsupported`, for the reason that its
`Support` names, which can be asked before.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO, Protocol, Self

    from kfrun.execute.answers import Check, JobDetails, Usage
    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Finding, ObjectKey
    from kfrun.model.state import Event, JobRun, Observed, PastRun, StoredObject
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.observe.logtexts import JobLogs
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.selection import Selection
    from kfrun.observe.watch import Change
    from kfrun.plan.support.table import Support

Wish = Literal["suspend", "resume", "cancel", "kill", "delete"]
"""What can be asked of a stored job at any time; ``cancel`` is Ctrl-C, ``kill`` the second one."""


class Step(NamedTuple):
    """An action with what it is carried out with.

    Attributes:
        data: the object as it is to be stored, where one is.
        job: the desired job, of actions on TrainJobs that are not deleted.
        planned: uid and generation of the stored TrainJob that the plan was made with; None where there was none.
        secrets: by name, what is in the Secrets that are given to this job alone. They go with its end, and are written
            down nowhere else.
    """

    action: Action
    data: Mapping[str, Any] | None = None
    job: DesiredJob | None = None
    planned: tuple[str, int] | None = None
    secrets: Mapping[str, Mapping[str, str]] = MappingProxyType({})


if TYPE_CHECKING:

    class Backend(Protocol):
        """A place where jobs run. Use it in one thread; close it, or use it as a context manager.

        Every method may raise `kfrun.errors.Unavailable`: the place cannot be reached.
        """

        @property
        def support(self) -> Support:
            """What it honours of manifests and what it can do, as data."""

        def close(self) -> None:
            """Let it go; jobs go on."""

        def __enter__(self) -> Self:
            """Itself."""

        def __exit__(self, *_: object) -> None:
            """Close it."""

        # Plans

        def observe(self, keys: Iterable[ObjectKey], apply_set: ObjectKey | None = None) -> Observed:
            """What is there of the objects of an input, and of an apply set."""

        def preflight(self, jobs: Sequence[DesiredJob], wishes: Wishes, caller: Caller) -> Sequence[Finding]:
            """What keeps jobs from being started here, found before anything is done; warnings of what may."""

        def perform(
            self,
            steps: Sequence[Step],
            wishes: Wishes,
            caller: Caller,
            emit: Callable[[Action], None],
            *,
            begin: Callable[[], None] = lambda: None,
        ) -> None:
            """Carry steps out in their order; ``emit`` is told of each, ``begin`` is called when nothing was refused.

            Raises:
                Conflict: somebody else changed one of the objects since the plan was made.
                Refused: it cannot be done in the present state.
                UsageProblem: a wish names what is not there.
            """

        def put(self, data: Mapping[str, Any]) -> None:
            """Create or replace an object of kfrun's own, an apply set."""

        # Jobs

        def wish(
            self, key: ObjectKey, wish: Wish, *, uid: str = "", now: bool = False, grace: float | None = None
        ) -> bool | None:
            """Ask something of a stored object; None when there is none, False where it is so already.

            ``now`` shortens the grace period of a deletion to nothing, ``grace`` gives it that many seconds; with
            ``uid``, a later object of that name is left alone. Objects other than TrainJobs can only be deleted, and so
            can jobs that another controller runs.
            """

        def tidy(self, namespace: str) -> None:
            """Remove what calls that were killed half-way left behind in a namespace."""

        def runs(self, uids: Sequence[str] | None = None, *, brief: bool = False) -> Mapping[str, JobRun]:
            """How TrainJobs run, all or those with these uids; who does not run here is missing.

            ``brief``: only their runtimes are asked for.
            """

        def outcome(self, job: StoredObject) -> Outcome | None:
            """How a stored TrainJob ended; None while it has not."""

        def details(self, job: StoredObject) -> JobDetails:
            """What is known of a stored TrainJob beside its objects."""

        def history(self, job: StoredObject) -> Sequence[PastRun]:
            """The runs of its name that came before a stored TrainJob's own, the latest first."""

        def logs(self, job: StoredObject, number: int = 0) -> JobLogs:
            """The logs of a stored TrainJob, or of the run of its name with that number.

            Raises:
                NotFound: it does not run here, or there is no such run.
            """

        # Objects

        def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
            """The object of that kind and name; ``namespace`` is empty for cluster-scoped kinds."""

        def objects(self, selection: Selection) -> list[StoredObject]:
            """The objects that are selected, by namespace and name."""

        def events(
            self, namespace: str | None = None, *, owner: str | None = None, after: int = 0
        ) -> list[tuple[int, Event]]:
            """Events with their numbers in order, of a namespace, of a TrainJob's uid, or all; later than ``after``."""

        def watch(self, *selections: Selection, timeout: float | None = None) -> Iterator[Sequence[Change]]:
            """First all that are selected as ``ADDED`` (none is an answer, too), then what changes, as it comes.

            Ends after ``timeout`` seconds; None for never.
            """

        def pause(self, seconds: float) -> bool:
            """Let time pass: that of this place. False when nothing can happen any more by itself."""

        # Pods

        def execute(
            self, pod: StoredObject, container: str, command: Sequence[str], *, stdin: BinaryIO | None, terminal: bool
        ) -> int:
            """Run a command in a running container, its output on standard output; the command's exit code.

            Raises:
                Unsupported: there is no way into a container.
            """

        def copy(self, pod: StoredObject, container: str, source: str, target: str, *, upload: bool) -> None:
            """Copy a file or folder into a container, or out of it.

            Raises:
                Unsupported: a container has no files of its own.
            """

        def forward(self, pod: StoredObject, ports: Sequence[tuple[int, int]]) -> None:
            """Make ports of a pod (the second of each pair) ports of this machine, until interrupted.

            Raises:
                Unsupported: they are reached otherwise.
            """

        def usage(self, namespace: str | None) -> Sequence[Usage]:
            """What running pods take now.

            Raises:
                Unsupported: it is not measured.
            """

        # The place itself

        def checks(self) -> Iterator[Check]:
            """What could keep jobs from running here, in the order in which it matters."""


def working_folder(resolution: Resolution, current: str) -> str:
    """The working directory of a job: ``kfrun.dev/source`` (relative to the manifest), else the manifest's folder."""
    base = resolution.job.folder or current
    return os.path.normpath(os.path.join(base, resolution.source)) if resolution.source else base
