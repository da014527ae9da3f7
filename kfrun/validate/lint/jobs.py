"""Policies on the fields of TrainJobs and runtimes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.lint.subject import entries, items, label, trainer_containers
from kfrun.validate.located import Problem
from kfrun.validate.rules import defaulter
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath
    from kfrun.validate.lint.subject import Subject

FRAMEWORK_LABEL: Final = "trainer.kubeflow.org/framework"
SUPPORT_LABEL: Final = "trainer.kubeflow.org/support"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
_DISTRIBUTED: Final = ("torch", "jax", "xgboost", "flux")
_SCHEMES: Final = {"dataset": ("hf", "s3", "cache"), "model": ("hf", "s3")}
"""What Kubeflow's own initializer images can fetch."""


def no_resources(subject: Subject) -> Iterator[Problem]:
    """KF703: neither the job nor its runtime says what a node needs."""
    own = get(subject.data, "spec", "trainer", "resourcesPerNode")
    if (
        _asks(own)
        or subject.runtime is None
        or any(_asks(one.get("resources")) for one in trainer_containers(subject.runtime))
    ):
        return
    path = ("spec", "trainer", "resourcesPerNode")
    yield Problem("KF703", path, "no resources are asked for: pods are best effort, evicted first", at="parent")


def no_deadline(subject: Subject) -> Iterator[Problem]:
    """KF712: many nodes that nothing stops."""
    if subject.nodes < 2 or get(subject.data, "spec", "activeDeadlineSeconds") is not None:
        return
    for _, job in items(subject.runtime, "spec", "template", "spec", "replicatedJobs"):
        if get(job, "template", "spec", "activeDeadlineSeconds") is not None:
            return
    path = ("spec", "activeDeadlineSeconds")
    yield Problem("KF712", path, f"{subject.nodes} nodes and no deadline: a hanging job keeps all of them", at="parent")


def deprecated_runtime(subject: Subject) -> Iterator[Problem]:
    """KF706: the runtime's owners say that it goes away."""
    if label(subject.runtime, SUPPORT_LABEL) == "deprecated":
        name = get(subject.data, "spec", "runtimeRef", "name")
        yield Problem("KF706", ("spec", "runtimeRef", "name"), f'runtime "{name}" is marked as deprecated')


def bare_quantities(subject: Subject) -> Iterator[Problem]:
    """KF708: numbers where quantities belong."""
    patched = " with runtimePatches applying the same file again is refused" if _patches(subject) else ""
    for kind in ("limits", "requests"):
        for path, value in entries(subject.data, "spec", "trainer", "resourcesPerNode", kind):
            if isinstance(value, int | float) and not isinstance(value, bool):
                why = patched or " changing it to text later is refused"
                yield Problem("KF708", path, f"{path[-1]} is a number, not text:{why}", f'write "{value}"')


def rewritten(subject: Subject) -> Iterator[Problem]:
    """KF723: what a webhook writes otherwise, where nothing may change afterwards."""
    is_stamped = defaulter.is_stamped(subject.data)
    then = "applying the same file again is refused" if is_stamped else "no patch can be added, Kueue's neither"
    for path, given, written in defaulter.rewritten(subject.data):
        if isinstance(given, int) and path[:3] == ("spec", "trainer", "resourcesPerNode"):
            continue  # KF708 says so
        value = f'"{written}"' if isinstance(written, str) else "{}"
        field = str(path[-1])
        if given is None:
            message = f"{field} is missing, and a cluster adds it when it stamps a patch: {then}"
            yield Problem("KF723", path, message, f"write {field}: {value}", "parent")
        else:
            message = f'{field} is "{given}", and a cluster writes {value} when it stamps a patch: {then}'
            yield Problem("KF723", path, message, f"write {value}")


def suspended_claims(subject: Subject) -> Iterator[Problem]:
    """KF709: a suspended job whose runtime makes claims can never be resumed."""
    if not get(subject.runtime, "spec", "template", "spec", "volumeClaimPolicies"):
        return
    path: FieldPath
    if get(subject.data, "spec", "suspend") is True:
        path, what = ("spec", "suspend"), "suspend"
    elif label(subject.data, QUEUE_LABEL) is not None:
        path, what = ("metadata", "labels", QUEUE_LABEL), "a queue of Kueue, which suspends it"
    else:
        return
    message = f"{what} and a runtime with volumeClaimPolicies: a cluster's controller can never resume it"
    yield Problem("KF709", path, message, at="key")


def no_framework(subject: Subject) -> Iterator[Problem]:
    """KF711: the SDK lists runtimes by this label."""
    if not label(subject.data, FRAMEWORK_LABEL):
        path = ("metadata", "labels", FRAMEWORK_LABEL)
        yield Problem(
            "KF711", path, f"the label {FRAMEWORK_LABEL} is missing: the SDK passes over this runtime", at="parent"
        )


def missing_labels(subject: Subject) -> Iterator[Problem]:
    """KF717: labels that the team asks for."""
    for name in subject.choice.required_labels:
        if not label(subject.data, name):
            yield Problem("KF717", ("metadata", "labels", name), f'the label "{name}" is missing', at="parent")


def unreachable_storage(subject: Subject) -> Iterator[Problem]:
    """KF720: admitted, and then the initializer fails."""
    for part, known in _SCHEMES.items():
        path = ("spec", "initializer", part, "storageUri")
        uri = get(subject.data, *path)
        scheme, found, _ = uri.partition("://") if isinstance(uri, str) else ("", "", "")
        if found and scheme not in known:
            message = f'Kubeflow\'s {part} initializer cannot fetch "{scheme}://"; it knows {", ".join(known)}'
            yield Problem("KF720", path, message)


def no_trainer(subject: Subject) -> Iterator[Problem]:
    """KF721: without a trainer section the controller sets up nothing distributed."""
    policy = next((name for name in _DISTRIBUTED if get(subject.runtime, "spec", "mlPolicy", name) is not None), None)
    if policy is not None and get(subject.data, "spec", "trainer") is None:
        message = f"no trainer section: the {policy} policy of the runtime sets no variable in its pods"
        yield Problem("KF721", ("spec", "trainer"), message, at="parent")


def _asks(resources: Any) -> bool:
    return bool(get(resources, "limits") or get(resources, "requests"))


def _patches(subject: Subject) -> bool:
    return bool(get(subject.data, "spec", "runtimePatches"))
