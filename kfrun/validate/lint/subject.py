"""What a lint policy looks at: a manifest, the runtime that it refers to, and what the team has configured.

Everything here passes over values of wrong types: `structure` reports those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kfrun.model import kinds
from kfrun.model.resolution import Effects
from kfrun.model.values import NamedTuple
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath, Severity

STEP_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
TRAINER_CONTAINER: Final = "node"
_JOBS: Final[FieldPath] = ("spec", "template", "spec", "replicatedJobs")
_POD: Final[FieldPath] = ("template", "spec", "template", "spec")


class Choice(NamedTuple):
    """Which policies a team wants, and what it asks of its manifests.

    Attributes:
        enabled: codes that are on whatever else is said.
        disabled: codes that are off; ``all`` for every policy that is not enabled by name.
        severities: of policies that do not keep their own.
        required_labels: labels that every TrainJob and runtime must have (KF717).
        registries: how image names may begin (KF718); empty for any.
    """

    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = MappingProxyType({})
    required_labels: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()

    def is_on(self, code: str) -> bool:
        """Whether the policy is to be checked."""
        return code in self.enabled or not (code in self.disabled or "all" in self.disabled)


class Subject(NamedTuple):
    """One manifest to be looked at.

    Attributes:
        data: of the manifest.
        runtime: data of the runtime that a TrainJob refers to; None where it is unknown, and for runtimes.
        choice: what the team has configured.
        effects: what becomes of a TrainJob.
    """

    data: dict[str, Any]
    runtime: dict[str, Any] | None
    choice: Choice
    effects: Effects = Effects()

    @property
    def is_job(self) -> bool:
        """Whether it is a TrainJob; otherwise it is a runtime."""
        return self.data.get("kind") == kinds.TRAIN_JOB

    @property
    def nodes(self) -> int:
        """How many nodes a TrainJob has; as it and its runtime say it where it is not known what becomes of it."""
        if self.effects.nodes is not None:
            return self.effects.nodes
        for given in (get(self.data, "spec", "trainer", "numNodes"), get(self.runtime, "spec", "mlPolicy", "numNodes")):
            if isinstance(given, int) and not isinstance(given, bool):
                return given
        return 1


Check = Callable[[Subject], Iterator[Problem]]


def items(data: Any, *path: str | int) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """The mappings of the list at ``path``, each with its path."""
    value = get(data, *path)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield (*path, index), item


def entries(data: Any, *path: str | int) -> Iterator[tuple[FieldPath, Any]]:
    """The values of the mapping at ``path``, each with its path."""
    value = get(data, *path)
    for name, item in value.items() if isinstance(value, dict) else ():
        yield (*path, name), item


def pods(data: dict[str, Any]) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """The pod specs of a runtime, or those that a TrainJob patches, in the fields of every Trainer version."""
    for job, item in items(data, *_JOBS):
        if isinstance(get(item, *_POD), dict):
            yield (*job, *_POD), get(item, *_POD)
    for patch, _ in items(data, "spec", "runtimePatches"):
        for job, item in items(data, *patch, "trainingRuntimeSpec", *_JOBS[1:]):
            if isinstance(get(item, *_POD), dict):
                yield (*job, *_POD), get(item, *_POD)
    for older, inner in (("podTemplateOverrides", ("spec",)), ("podSpecOverrides", ())):
        for patch, item in items(data, "spec", older):
            if isinstance(get(item, *inner), dict):
                yield (*patch, *inner), get(item, *inner)


def containers(data: dict[str, Any]) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """The containers and init containers of `pods`."""
    for pod, _ in pods(data):
        for kind in ("initContainers", "containers"):
            yield from items(data, *pod, kind)


def trainer_pods(runtime: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The pod specs of a runtime's training step."""
    for _, job in items(runtime, *_JOBS):
        if get(job, "template", "metadata", "labels", STEP_LABEL) == "trainer":
            pod = get(job, *_POD)
            if isinstance(pod, dict):
                yield pod


def trainer_containers(runtime: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The containers that a TrainJob's ``trainer`` section changes."""
    for pod in trainer_pods(runtime):
        for _, container in items(pod, "containers"):
            if container.get("name") == TRAINER_CONTAINER:
                yield container


def label(data: dict[str, Any] | None, name: str) -> Any:
    """A label of an object."""
    return get(data, "metadata", "labels", name)


def is_document_of_interest(document: Document) -> bool:
    """Whether there are policies for the kind of this document."""
    return document.data.get("kind") in kinds.TRAINER_KINDS
