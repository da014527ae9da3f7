"""What a command line asks for, asked of a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import console, kinds
from kfrun.errors import NotFound, UsageProblem
from kfrun.flow.objects import shipped
from kfrun.model.kinds import CLUSTER_SCOPED, OF_JOBSETS, TRAIN_JOB
from kfrun.model.values import NamedTuple, dataclass
from kfrun.observe import selection
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kfrun.cli.kinds import Target
    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject
    from kfrun.observe.selection import LabelRequirement


@dataclass(frozen=True, slots=True)
class Query:
    """What to list; ``namespace`` None means all of them."""

    targets: tuple[Target, ...]
    namespace: str | None
    labels: tuple[LabelRequirement, ...] = ()
    sort_by: str | None = None

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if self.namespace is None and any(target.name for target in self.targets):
            raise UsageProblem("a name and --all-namespaces do not go together", "say which namespace with -n")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds asked for, in order."""
        return tuple(dict.fromkeys(kind for target in self.targets for kind in target.kinds))

    @property
    def is_single(self) -> bool:
        """One object is asked for by its name: it is printed by itself, not in a List."""
        return len(self.targets) == 1 and self.targets[0].name is not None

    @property
    def selections(self) -> list[Selection]:
        """What to ask a place for, in order."""
        return [
            Selection(kind, self.namespace, target.name or "", labels=self.labels)
            for target in self.targets
            for kind in target.kinds
        ]

    def read(self, backend: Backend) -> list[StoredObject]:
        """The objects, each once, in the order asked for."""
        place = shipped.around(backend, self.kinds)
        return self.ordered(item for wanted in self.selections for item in place.objects(wanted))

    def ordered(self, objects: Iterable[StoredObject]) -> list[StoredObject]:
        """Each object once, in the order asked for."""
        return self._sorted(list({item.key: item for item in objects}.values()))

    def _sorted(self, found: list[StoredObject]) -> list[StoredObject]:
        if self.sort_by is None:
            return found
        from kfrun.report import objects

        by_identity = {id(item.data): item for item in found}
        return [by_identity[id(data)] for data in objects.sort_objects([item.data for item in found], self.sort_by)]

    def missing(self, backend: Backend) -> list[NotFound]:
        """An error for each name that is nowhere."""
        errors, place = [], shipped.around(backend, self.kinds)
        for target in self.targets:
            name = target.name
            wanted = [] if name is None else [Selection(kind, self.namespace, name) for kind in target.kinds]
            if name is not None and not any(place.objects(one) for one in wanted):
                errors.append(selection.missing(place, target.kinds[0], self.namespace or "", name))
        return errors

    def nothing(self) -> str:
        """What to say when there are no such objects."""
        if self.namespace is None or all(kind in CLUSTER_SCOPED for kind in self.kinds):
            return "No resources found"
        return f"No resources found in {self.namespace} namespace."


JOBS = kinds.Target((TRAIN_JOB,), None)
"""All TrainJobs."""


class Crowd(NamedTuple):
    """Objects that are meant without their names: by labels, or all; ``selector`` None where there is none."""

    selector: str | None = None
    everything: bool = False
    everywhere: bool = False

    def is_meant(self, names: Sequence[str]) -> bool:
        """Whether it is, instead of ``names`` of jobs; ``TYPE`` alone may stand before it.

        Raises:
            UsageProblem: they contradict each other.
        """
        if self.selector is not None and not self.selector.strip():
            raise UsageProblem(
                "the label selector is empty: it would mean all", "--all means all, where that is wanted"
            )
        if self.selector and self.everything:
            raise UsageProblem("--all and a label selector do not go together", "leave one of them out")
        how = self._how
        typed = kinds.KINDS.get(names[0].lower(), ()) if len(names) == 1 else ()
        if how and typed and TRAIN_JOB not in typed:
            what = "objects belong to their TrainJob" if typed[0] in OF_JOBSETS else "objects are no TrainJobs"
            raise UsageProblem(f"{typed[0]} {what}", "TrainJobs are meant: leave the type out")
        if how and not typed:
            self.refuse(names)
        if self.everywhere and not how:
            raise UsageProblem("--all-namespaces needs --all or a label selector", "say which namespace with -n")
        return bool(how)

    @property
    def _how(self) -> str:
        return "--all" if self.everything else "a label selector" if self.selector else ""

    def refuse(self, names: Sequence[str | None]) -> None:
        """Refuse names beside it."""
        if any(names):
            raise UsageProblem(f"names cannot be given together with {self._how}", "leave one of them out")

    def jobs(self, backend: Backend, namespace: str) -> list[StoredObject]:
        """The TrainJobs."""
        return self.query([JOBS], namespace).read(backend)

    def query(self, targets: Sequence[Target], namespace: str) -> Query:
        """What is asked for, of ``namespace`` where nothing else is said."""
        labels = selection.parse_selector(self.selector or "")
        return Query(tuple(targets), None if self.everywhere else namespace, labels)


def chosen_jobs(
    backend: Backend, namespace: str, arguments: Sequence[str], crowd: Crowd, what: str
) -> list[StoredObject]:
    """The TrainJobs that are named, or meant by a crowd, each once; says so where there are none.

    Args:
        backend: where they are.
        namespace: where nothing else is said.
        arguments: names, with or without types.
        crowd: instead of names.
        what: the verb, for what is said where neither is given.

    Raises:
        NotFound: there is none of a name.
        UsageProblem: names and crowd contradict each other, or what is named is no TrainJob.
    """
    if crowd.is_meant(arguments):
        found = crowd.jobs(backend, namespace)
        if not found:
            console.tell(crowd.query([JOBS], namespace).nothing())
        return found
    if not arguments:
        raise UsageProblem(f"say what to {what}: names, -l LABELS, or --all", f"kfrun {what} --help tells more")
    found = [kinds.trainjob(backend, namespace, name) for name in kinds.named(arguments)]
    return list({job.key: job for job in found}.values())
