"""Rules that a schema cannot state: what the CRDs say in CEL, and what kfrun's own annotations must hold.

A table of small functions; each yields problems and passes over values of wrong types, which `structure` reports.
(Rules that need the runtime a TrainJob refers to are checked where it is resolved.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kfrun.model import kinds
from kfrun.model.source import Document, FieldPath, Finding, Stage
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern
from kfrun.validate import located
from kfrun.validate.located import Problem
from kfrun.validate.rules import extensions, names
from kfrun.validate.schema import schemas

CODES: Final = {
    "KF301": "a name or namespace that the API server refuses",
    "KF302": "a storageUri that is no URI",
    "KF303": "an unknown managedBy",
    "KF304": "more than one policy in mlPolicy",
    "KF305": "a number of nodes or processes that is too small",
    "KF306": "startupPolicy InOrder together with dependsOn",
    "KF307": "a namespace in a volume claim template",
    "KF308": "envInjection into the container node",
    "KF309": "an unknown kfrun.dev/ annotation",
    "KF310": "a kfrun.dev/ annotation with a value that is not allowed",
    "KF311": "a label or annotation that the API server refuses",
    "KF313": "an owner or a finalizer that the API server refuses",
}

MANAGERS: Final = ("trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue")
POLICIES: Final = ("torch", "mpi", "jax", "xgboost", "flux")
_URI = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
_JOBS: FieldPath = ("spec", "template", "spec", "replicatedJobs")

Check = Callable[[dict[str, Any]], Iterator[Problem]]


class CelRule(NamedTuple):
    """One rule.

    Attributes:
        code: of its findings, a key of `CODES`.
        source: where upstream states it.
        kinds: the kinds that it is for.
        check: yields the problems of an object.
        versions: Trainer versions that have it; empty for all.
    """

    code: str
    source: str
    kinds: tuple[str, ...]
    check: Check
    versions: tuple[str, ...] = ()


def check(document: Document, *, version: str = schemas.DEFAULT_VERSION) -> list[Finding]:
    """The findings of every rule for the document's kind, in the order of the source."""
    kind = document.data.get("kind")
    problems = [
        problem if problem.hint else problem._replace(hint=_mend(problem.code))
        for rule in RULES
        if kind in rule.kinds and (not rule.versions or version in rule.versions)
        for problem in rule.check(document.data)
    ]
    return [extensions.discreet(one) for one in located.findings(document, problems, Stage.RULE)]


def _mend(code: str) -> str:
    """How to mend what the rule itself says nothing about."""
    from kfrun.validate.reasons import REASONS

    return REASONS[code].mend


def get(data: Any, *path: str | int) -> Any:
    """The value at ``path``; None where there is none or a value on the way has the wrong type."""
    for part in path:
        if isinstance(part, str):
            data = data.get(part) if isinstance(data, dict) else None
        else:
            data = data[part] if isinstance(data, list) and part < len(data) else None
    return data


def items(data: Any, *path: str | int) -> Iterator[tuple[FieldPath, Any]]:
    """The items of the list at ``path`` with their paths; none where there is no list."""
    value = get(data, *path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield (*path, index), item


def _storage_uri(data: dict[str, Any]) -> Iterator[Problem]:
    for part in ("dataset", "model"):
        path = ("spec", "initializer", part, "storageUri")
        uri = get(data, *path)
        if isinstance(uri, str) and uri and not _URI.match(uri):
            message = f'"{uri}" is no URI; allowed: scheme://..., or an empty string'
            yield Problem("KF302", path, message, "for example hf://owner/name, s3://bucket/path")


def _managed_by(data: dict[str, Any]) -> Iterator[Problem]:
    value = get(data, "spec", "managedBy")
    if isinstance(value, str) and value not in MANAGERS:
        message = f'"{value}" is not allowed; allowed: {", ".join(MANAGERS)}'
        from kfrun.validate.schema import hints

        hint = hints.near_value(value, MANAGERS) or "leave the field out for the Trainer's own controller"
        yield Problem("KF303", ("spec", "managedBy"), message, hint)


def _one_policy(data: dict[str, Any]) -> Iterator[Problem]:
    policy = get(data, "spec", "mlPolicy")
    chosen = [name for name in POLICIES if get(policy, name) is not None]
    if len(chosen) > 1:
        message = f"{' and '.join(chosen)} are set; only one of {', '.join(POLICIES)} is allowed"
        yield Problem("KF304", ("spec", "mlPolicy"), message, f"keep one of {', '.join(chosen)}", "key")


def _at_least(minimum: int, *path: str) -> Check:
    """A rule that a number, where it is set, is no smaller."""

    def rule(data: dict[str, Any]) -> Iterator[Problem]:
        value = get(data, *path)
        if isinstance(value, int) and not isinstance(value, bool) and value < minimum:
            yield Problem("KF305", path, f"{value} is out of bounds; allowed: {minimum} or more")

    return rule


def _startup_or_depends(data: dict[str, Any]) -> Iterator[Problem]:
    order = get(data, "spec", "template", "spec", "startupPolicy", "startupPolicyOrder")
    if order != "InOrder":
        return
    if get(data, *_JOBS) is None:
        message = "startupPolicy InOrder needs jobs to start in order, and replicatedJobs is missing"
        yield Problem("KF306", ("spec", "template", "spec"), message, "remove startupPolicy, or add the jobs", "key")
    for path, job in items(data, *_JOBS):
        if get(job, "dependsOn") is not None:
            message = (
                "startupPolicy InOrder and dependsOn exclude each other; "
                f"{'.'.join(map(str, path[-2:-1]))}[{path[-1]}] has dependsOn"
            )
            hint = "remove startupPolicy, or every dependsOn"
            yield Problem("KF306", ("spec", "template", "spec"), message, hint, "key")
            return


def _claim_namespace(data: dict[str, Any]) -> Iterator[Problem]:
    for policy, _ in items(data, "spec", "template", "spec", "volumeClaimPolicies"):
        for path, template in items(data, *policy, "templates"):
            if get(template, "metadata", "namespace"):
                message = "a claim of volumeClaimPolicies takes the job's namespace; none may be set"
                yield Problem("KF307", (*path, "metadata", "namespace"), message, "remove the field", "key")


def _injection_into_node(data: dict[str, Any]) -> Iterator[Problem]:
    for target, _ in items(data, "spec", "mlPolicy", "torch", "envInjection", "targets"):
        path = (*target, "containerNames")
        if any(name == "node" for _, name in items(data, *path)):
            message = "the container node has the PET_* variables anyway; it may not be listed"
            yield Problem("KF308", path, message, "remove node from containerNames", "key")


_CEL: Final = "CEL rule of the CRD"
_HEAD: Final = ("head",)
_JOB: Final = (kinds.TRAIN_JOB,)

RULES: Final[tuple[CelRule, ...]] = (
    CelRule("KF301", f"{_CEL}: metadata.name; API server", _JOB, names.train_job),
    CelRule("KF301", "API server: names of custom resources", kinds.RUNTIMES, names.runtime),
    CelRule("KF301", "API server: names of core objects", kinds.CORE_KINDS, names.core_object),
    CelRule("KF311", "API server: labels and annotations", kinds.TRAINER_KINDS, names.labels),
    CelRule("KF313", "API server: owners and finalizers", kinds.TRAINER_KINDS, names.owners),
    CelRule("KF302", f"{_CEL}: initializer.*.storageUri", _JOB, _storage_uri),
    CelRule("KF303", f"{_CEL}: spec.managedBy", _JOB, _managed_by),
    CelRule("KF305", "minimum of trainer.numNodes", _JOB, _at_least(0, "spec", "trainer", "numNodes"), _HEAD),
    CelRule("KF305", f"{_CEL}: trainer", _JOB, _at_least(1, "spec", "trainer", "numProcPerNode"), _HEAD),
    CelRule("KF304", f"{_CEL}: spec.mlPolicy", kinds.RUNTIMES, _one_policy),
    CelRule("KF305", f"{_CEL}: flux", kinds.RUNTIMES, _at_least(1, "spec", "mlPolicy", "flux", "numProcPerNode")),
    CelRule("KF305", f"{_CEL}: mpi", kinds.RUNTIMES, _at_least(1, "spec", "mlPolicy", "mpi", "numProcPerNode"), _HEAD),
    CelRule("KF306", f"{_CEL}: spec.template.spec", kinds.RUNTIMES, _startup_or_depends),
    CelRule("KF307", f"{_CEL}: volumeClaimPolicies", kinds.RUNTIMES, _claim_namespace),
    CelRule("KF308", f"{_CEL}: torch.envInjection", kinds.RUNTIMES, _injection_into_node),
    CelRule("KF309", "kfrun: annotations", kinds.TRAINER_KINDS, extensions.known),
    CelRule("KF310", "kfrun: annotations", kinds.TRAINER_KINDS, extensions.allowed),
)
"""Every rule; the order does not matter."""

_STATED: Final[dict[tuple[str, str], tuple[str, tuple[str, ...]]]] = {
    (kinds.TRAIN_JOB, "metadata.name"): ("lower-case letters, digits and -, a letter first; at most 63 characters", ()),
    (kinds.TRAIN_JOB, "spec.managedBy"): (f"one of {', '.join(MANAGERS)}", ()),
    (kinds.TRAIN_JOB, "spec.initializer.dataset.storageUri"): ("a URI, scheme://..., or empty", ()),
    (kinds.TRAIN_JOB, "spec.initializer.model.storageUri"): ("a URI, scheme://..., or empty", ()),
    (kinds.TRAIN_JOB, "spec.trainer.numNodes"): ("at least 0", _HEAD),
    (kinds.TRAIN_JOB, "spec.trainer.numProcPerNode"): ("at least 1", _HEAD),
    (kinds.TRAIN_JOB, "status.trainerStatus"): ("with lastUpdatedTime", ()),
    ("runtime", "spec.mlPolicy"): (f"only one of {', '.join(POLICIES)}", ()),
    ("runtime", "spec.mlPolicy.flux.numProcPerNode"): ("at least 1", ()),
    ("runtime", "spec.mlPolicy.mpi.numProcPerNode"): ("at least 1", _HEAD),
    ("runtime", "spec.mlPolicy.torch.envInjection.targets[].containerNames[]"): ("any container but node", ()),
    ("runtime", "spec.template.spec"): ("startupPolicy InOrder or dependsOn, not both", ()),
}
"""What rules say of one field, in words: (kind, path) -> the clause, and the versions that have the rule."""


def stated(kind: str, path: str, version: str) -> tuple[str, ...]:
    """What the rules ask of the field at ``path`` beyond its schema, for ``explain``."""
    group = "runtime" if kind in kinds.RUNTIMES else kind
    clause, versions = _STATED.get((group, path), ("", ()))
    return (clause,) if clause and (not versions or version in versions) else ()
