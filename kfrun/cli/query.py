"""What a command line asks for, read from the store. Called by get and describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import NotFound, UsageProblem
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.cli.kinds import Target
    from kfrun.model.state import StoredObject
    from kfrun.observe.selection import Requirement
    from kfrun.observe.store import Store


@dataclass(frozen=True, slots=True)
class Query:
    """What to list; ``namespace`` None means all of them."""

    targets: tuple[Target, ...]
    namespace: str | None
    selector: tuple[Requirement, ...] = ()
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

    def read(self, store: Store) -> list[StoredObject]:
        """The objects, each once, in the order asked for."""
        from kfrun.observe import selection

        found: dict[tuple[str, str, str], StoredObject] = {}
        for target in self.targets:
            for kind in target.kinds:
                for item in self._of(store, kind, target.name):
                    if selection.matches(item, self.selector):
                        found[item.key.kind, item.key.namespace, item.key.name] = item
        return self._sorted(list(found.values()))

    def _of(self, store: Store, kind: str, name: str | None) -> Sequence[StoredObject]:
        from kfrun.observe import selection

        if name is None:
            return selection.find(store, kind, self.namespace)
        try:
            return [selection.get(store, kind, self.namespace or "", name)]
        except NotFound:
            return []

    def _sorted(self, found: list[StoredObject]) -> list[StoredObject]:
        if self.sort_by is None:
            return found
        from kfrun.report import objects

        by_identity = {id(item.data): item for item in found}
        return [by_identity[id(data)] for data in objects.sort_objects([item.data for item in found], self.sort_by)]

    def missing(self, store: Store) -> list[NotFound]:
        """An error for each name that is nowhere."""
        from kfrun.observe import selection

        errors = []
        for target in self.targets:
            if target.name is not None and not any(self._of(store, kind, target.name) for kind in target.kinds):
                kind = target.kinds[0]
                place = "" if kind in selection.CLUSTER_SCOPED else self.namespace or ""
                errors.append(selection.missing(store, kind, place, target.name))
        return errors

    def nothing(self) -> str:
        """What to say when there are no such objects."""
        from kfrun.observe import selection

        hint = "; kfrun runtimes lists those that kfrun brings along" if "ClusterTrainingRuntime" in self.kinds else ""
        if self.namespace is None or all(kind in selection.CLUSTER_SCOPED for kind in self.kinds):
            return f"No resources found{hint}"
        return f"No resources found in {self.namespace} namespace{hint}."
