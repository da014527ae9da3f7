"""What plan yields: actions with causes. One small class an action, own fields only."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.model.code import SourceCode
    from kfrun.model.resolution import PackageSet, Resolution
    from kfrun.model.source import Finding, ObjectKey
    from kfrun.model.workload import NotEnforced


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference between the stored object and the desired one; None means absent."""

    path: str
    old: str | None
    new: str | None


class CodeChange(NamedTuple):
    """A file of the code that differs: ``~`` changed, ``+`` has come, ``-`` is gone."""

    mark: str
    name: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, and why.

    Attributes:
        key: the object it is done to.
        cause: why, in words a user understands.
        details: further lines for the reader: what will run, with what.
    """

    key: ObjectKey
    cause: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildEnvironment(Action):
    """Build the Python environment of the job ``key`` (or find it built)."""

    packages: PackageSet | None = None


@dataclass(frozen=True, slots=True)
class ApplyObject(Action):
    """Store a runtime (or another object a job leans on). ``changes`` is empty when it is new."""

    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateJob(Action):
    """Record a TrainJob and start it (or keep it suspended)."""


@dataclass(frozen=True, slots=True)
class ReplaceJob(Action):
    """Put a finished TrainJob into the history of its name and create it anew, with a new uid and number.

    Attributes:
        code: what of its code has changed.
        stops: it has not finished: it is stopped first.
    """

    changes: tuple[FieldChange, ...] = ()
    code: tuple[CodeChange, ...] = ()
    stops: bool = False


@dataclass(frozen=True, slots=True)
class UpdateJob(Action):
    """Record a changed TrainJob. ``reaches_pods`` is False when running pods do not notice."""

    changes: tuple[FieldChange, ...] = ()
    reaches_pods: bool = False


@dataclass(frozen=True, slots=True)
class SuspendJob(Action):
    """Stop the pods, keep the job."""

    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ResumeJob(Action):
    """Start the pods of a suspended job."""

    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteJob(Action):
    """Stop a TrainJob and remove everything of it."""


@dataclass(frozen=True, slots=True)
class DeleteObject(Action):
    """Remove a stored runtime or other object."""


@dataclass(frozen=True, slots=True)
class Unchanged(Action):
    """Nothing to do; shown so that the reader knows it was looked at. ``code`` is what of its code has changed."""

    code: tuple[CodeChange, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredJob:
    """A resolved TrainJob as the planner sees it.

    Attributes:
        digest: of the desired object (TrainJob and the runtime it was resolved with).
        run_digest: of what would run (the JobSet and the packages); a change of it cannot reach running pods.
        code: the code of its source folder; None where it was not read.
    """

    resolution: Resolution
    digest: str
    run_digest: str
    code: SourceCode | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order in which they are carried out.

    Attributes:
        not_enforced: fields that the backend does not honour, of the jobs that are to be started.
        backends: where each of those jobs is to run.
        refusals: why the input cannot be applied in the present state; a plan with refusals is not executed.
        jobs: the desired jobs the actions speak of, by key.
    """

    actions: tuple[Action, ...] = ()
    not_enforced: tuple[tuple[ObjectKey, NotEnforced], ...] = ()
    refusals: tuple[Finding, ...] = ()
    jobs: tuple[DesiredJob, ...] = ()
    backends: Mapping[ObjectKey, str] = MappingProxyType({})

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return all(isinstance(action, Unchanged) for action in self.actions)
