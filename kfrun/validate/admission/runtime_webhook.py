"""What the Trainer's validating webhook says of runtimes.

Upstream: pkg/webhooks, ClusterTrainingRuntime and TrainingRuntime. A TrainingRuntime is checked on create only; it is
checked here always, for it could not have been created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.kinds import CLUSTER_RUNTIME
from kfrun.model.source import Severity
from kfrun.validate.admission.causes import (
    INVALID,
    Cause,
    Node,
    Place,
    Rule,
    invalid,
    items,
    node,
    number,
    text,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES: Final = {
    "KF341": "a job with a part in training that has several replicas",
    "KF342": "a job with a part in training that lacks the container for it",
    "KF343": "a deprecated runtime",
}

ANCESTOR_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
SUPPORT_LABEL: Final = "trainer.kubeflow.org/support"
OPT_OUT_LABEL: Final = "trainer.kubeflow.org/webhook-validation"
CONTAINERS: Final = {
    "trainer": "node",
    "dataset-initializer": "dataset-initializer",
    "model-initializer": "model-initializer",
}
"""The part that a job plays -> the container that it must have."""


_LATER: Final = "take the runtime that follows it: kfrun runtimes lists them"


def found(runtime: Node) -> Iterator[tuple[Rule, Cause]]:
    """Every cause with the rule that found it; none where the runtime opts out by label."""
    if node(runtime, "metadata", "labels").get(OPT_OUT_LABEL) == "disabled":
        return
    for rule in RULES:
        for cause in rule.check(runtime):
            yield rule, cause


def deprecated(runtime: Node) -> Iterator[Cause]:
    """A ClusterTrainingRuntime that is marked as deprecated: a warning upstream, for it and for jobs that use it."""
    if runtime.get("kind") == CLUSTER_RUNTIME and _support(runtime) == "deprecated":
        at = (Place() / "metadata" / "labels").key(SUPPORT_LABEL)
        message = "the runtime is deprecated: it will be removed in a future release of Trainer"
        yield Cause(at.path, at.text, INVALID, message, _LATER)


def _support(runtime: Node) -> str:
    return text(node(runtime, "metadata", "labels"), SUPPORT_LABEL)


def _parts(runtime: Node) -> Iterator[tuple[Place, Node, str]]:
    spec = Place() / "spec" / "template" / "spec"
    for at, job in items(node(runtime, "spec", "template", "spec"), "replicatedJobs", spec):
        ancestor = text(node(job, "template", "metadata", "labels"), ANCESTOR_LABEL)
        if ancestor in CONTAINERS:
            yield at, job, ancestor


def _one_replica(runtime: Node) -> Iterator[Cause]:
    for at, job, ancestor in _parts(runtime):
        count = number(job, "replicas")
        if count not in (None, 1):
            yield invalid(
                at / "replicas",
                count,
                f'the job of the step "{ancestor}" must have 1',
                "remove it: numNodes says how many nodes there are",
            )


def _rename(names: list[str], needed: str) -> str:
    return f'rename "{names[0]}" to "{needed}"' if len(names) == 1 else f'rename the one that is meant to "{needed}"'


def _container(runtime: Node) -> Iterator[Cause]:
    for at, job, ancestor in _parts(runtime):
        pod = node(job, "template", "spec", "template", "spec")
        names = [text(one, "name") for one in values(pod, "containers")]
        if CONTAINERS[ancestor] not in names:
            place = at / "template" / "spec" / "template" / "spec" / "containers"
            needed = f'the job of the step "{ancestor}" needs a container named "{CONTAINERS[ancestor]}"'
            yield invalid(place, ", ".join(names), needed, _rename(names, CONTAINERS[ancestor]))


_SOURCE: Final = "trainer webhook: validateReplicatedJobs"

RULES: Final = (
    Rule("KF341", _SOURCE, Severity.ERROR, _one_replica),
    Rule("KF342", _SOURCE, Severity.ERROR, _container),
)

DEPRECATED: Final = Rule("KF343", "trainer webhook: support label", Severity.WARNING, deprecated)
"""The one rule that only warns, everywhere."""
