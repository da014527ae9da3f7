"""What a command line asks for, asked of a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import NotFound, UsageProblem
from kfrun.model.kinds import CLUSTER_RUNTIME, CLUSTER_SCOPED
from kfrun.model.values import dataclass
from kfrun.observe import selection
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        return self.ordered(item for wanted in self.selections for item in backend.objects(wanted))

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
        errors = []
        for target in self.targets:
            name = target.name
            wanted = [] if name is None else [Selection(kind, self.namespace, name) for kind in target.kinds]
            if name is not None and not any(backend.objects(one) for one in wanted):
                errors.append(selection.missing(backend, target.kinds[0], self.namespace or "", name))
        return errors

    def nothing(self) -> str:
        """What to say when there are no such objects."""
        hint = "; kfrun runtimes lists those that kfrun brings along" if CLUSTER_RUNTIME in self.kinds else ""
        if self.namespace is None or all(kind in CLUSTER_SCOPED for kind in self.kinds):
            return f"No resources found{hint}"
        return f"No resources found in {self.namespace} namespace{hint}."
