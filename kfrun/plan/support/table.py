"""What one backend supports, as data, and what of a JobSet it therefore does not enforce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.source import field_text
from kfrun.model.values import dataclass, field
from kfrun.model.workload import NotEnforced
from kfrun.plan.support import messagepatterns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.model.source import FieldPath

    Node = dict[str, Any]
    Reasons = Mapping[str, Mapping[str, str]]

_ROOT = 0
_MPI_HOSTS: Final = "mpi-hostfile"
"""The volume that only jobs of the ML policy mpi have."""
_CONTAINERS = ("initContainers", "containers")
_FALSE_MATTERS = frozenset({"hostUsers"})
_DEFAULTS = ("None", "Disabled")
"""Values that ask for nothing."""
_HUGE = "HugePages"
_ONLY_FALSE_MATTERS = frozenset({"allowPrivilegeEscalation"})


@dataclass(frozen=True, slots=True)
class Support:
    """What a backend honours and why not the rest, by the type of the Kubernetes API and its field.

    Every field of a type is in exactly one of the three tables. What is in none cannot occur:
    `kfrun.resolve.structs.decode` lets only known fields through.

    Attributes:
        honoured: does what it does on a cluster.
        without_effect: changes nothing here, and nobody would miss it.
        not_honoured: with the reason, one clause.
        of_root: what of that is honoured where root runs kfrun.
        refusals: operations that the backend has none of (``exec``, ``copy``, ``forward``, ``usage``), with the reason
            and the way out.
        policies: ML policies whose jobs it cannot run, and why: the end of a sentence about them.
        needs_command: why a container without a command cannot run; empty where it can.
        no_environment: why no Python environment is made for packages; empty where one is.
    """

    backend: str
    honoured: Mapping[str, frozenset[str]]
    without_effect: Mapping[str, frozenset[str]]
    not_honoured: Reasons
    of_root: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    needs_command: str = ""
    no_environment: str = ""

    def not_enforced(self, jobset: Node, *, own_images: bool, user: int | None = None) -> tuple[NotEnforced, ...]:
        """The fields of a resolved JobSet that are not honoured, in the JobSet's order.

        Args:
            jobset: as resolved.
            own_images: somebody chose the images, see `kfrun.model.workload.Workload`.
            user: the number of the user who runs kfrun, None when nobody knows.
        """
        known = None if _is_of_mpi(jobset) else user
        found = dict.fromkeys(_jobset(self._reasons(known), jobset["spec"], ("spec",)))
        own = () if known is None else tuple(_of_user(jobset["spec"], known))
        named = [item for item in found if item.path not in own]
        return tuple(item for item in named if own_images or not item.path.endswith(".image"))

    def _reasons(self, user: int | None) -> Reasons:
        if user != _ROOT:
            return self.not_honoured
        left_out = {name: self.of_root.get(name, frozenset()) for name in self.not_honoured}
        return {
            name: {key: why for key, why in reasons.items() if key not in left_out[name]}
            for name, reasons in self.not_honoured.items()
        }


def _is_of_mpi(jobset: Node) -> bool:
    pods = (item["template"]["spec"]["template"]["spec"] for item in jobset["spec"].get("replicatedJobs", []))
    return any(volume.get("name") == _MPI_HOSTS for pod in pods for volume in pod.get("volumes", ()))


def _named(reasons: Mapping[str, str], node: Node, path: FieldPath) -> Iterator[NotEnforced]:
    for key, value in node.items():
        matters = value is False if key in _ONLY_FALSE_MATTERS else value or (value is False and key in _FALSE_MATTERS)
        if key in reasons and matters and value not in _DEFAULTS:
            yield NotEnforced(field_text((*path, key)), reasons[key])


def _jobset(table: Reasons, spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    for index, replicated_job in enumerate(spec.get("replicatedJobs", [])):
        below = (*path, "replicatedJobs", index, "template", "spec")
        yield from _job(table, replicated_job["template"]["spec"], below)
    yield from _named(table["JobSetSpec"], spec, path)
    if "failurePolicy" not in table["JobSetSpec"]:
        yield from _patterns(spec.get("failurePolicy", {}), (*path, "failurePolicy"))


def _patterns(policy: Node, path: FieldPath) -> Iterator[NotEnforced]:
    for number, rule in enumerate(policy.get("rules", [])):
        for index, pattern in enumerate(rule.get("onJobFailureMessagePatterns", [])):
            if not messagepatterns.is_usable(pattern):
                below = (*path, "rules", number, "onJobFailureMessagePatterns", index)
                yield NotEnforced(field_text(below), "such an expression is not searched here, and fits nothing")


def _job(table: Reasons, spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    yield from _named(table["JobSpec"], spec, path)
    yield from _pod(table, spec["template"]["spec"], (*path, "template", "spec"))


def _pod(table: Reasons, spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    yield from _named(table["PodSpec"], spec, path)
    yield from _security(table, "PodSpec", spec, path)
    for index, volume in enumerate(spec.get("volumes", []) if "volumes" not in table["PodSpec"] else ()):
        below = (*path, "volumes", index)
        yield from _named(table["Volume"], volume, below)
        if "emptyDir" not in table["Volume"] and str((volume.get("emptyDir") or {}).get("medium")).startswith(_HUGE):
            yield NotEnforced(field_text((*below, "emptyDir", "medium")), "it lies on the disk")
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            yield from _named(table["VolumeProjection"], source, (*below, "projected", "sources", number))
    for key in _CONTAINERS:
        for index, container in enumerate(spec.get(key, [])):
            yield from _container(table, container, (*path, key, index))


def _security(table: Reasons, owner: str, node: Node, path: FieldPath) -> Iterator[NotEnforced]:
    below = "PodSecurityContext" if owner == "PodSpec" else "SecurityContext"
    if "securityContext" not in table[owner]:
        yield from _named(table[below], node.get("securityContext") or {}, (*path, "securityContext"))


def _of_user(spec: Node, user: int) -> Iterator[str]:
    """Where a process is to run as the user who starts it anyway."""
    for index, replicated_job in enumerate(spec.get("replicatedJobs", [])):
        pod = replicated_job["template"]["spec"]["template"]["spec"]
        path: FieldPath = ("spec", "replicatedJobs", index, "template", "spec", "template", "spec")
        places = [((*path, key, number), one) for key in _CONTAINERS for number, one in enumerate(pod.get(key, []))]
        for place, node in ((path, pod), *places):
            if (node.get("securityContext") or {}).get("runAsUser") == user:
                yield field_text((*place, "securityContext", "runAsUser"))


def _container(table: Reasons, container: Node, path: FieldPath) -> Iterator[NotEnforced]:
    yield from _named(table["Container"], container, path)
    yield from _security(table, "Container", container, path)
    is_sidecar = path[-2] == "initContainers" and container.get("restartPolicy") == "Always"
    if container.get("restartPolicy") and not is_sidecar:
        yield NotEnforced(field_text((*path, "restartPolicy")), "containers restart as their pod says")
    for index, mount in enumerate(
        container.get("volumeMounts", []) if "volumeMounts" not in table["Container"] else ()
    ):
        yield from _named(table["VolumeMount"], mount, (*path, "volumeMounts", index))
    for index, entry in enumerate(container.get("env", [])):
        below = (*path, "env", index, "valueFrom")
        source: Node | None = entry.get("valueFrom")
        if source is not None:
            yield from _named(table["EnvVarSource"], source, below)
        if source == {}:
            yield NotEnforced(field_text(below), "it names no source")
