"""The containers of one pod with their environment. Called by expand.

Values that are known before the pod starts are filled in; the others travel as field paths to the executor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import dataclass
from kfrun.model.workload import Container, EnvVar
from kfrun.patterns import pattern
from kfrun.resolve.podsets import COMPLETION_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.model.resolution import Origin
    from kfrun.model.source import FieldPath

    Node = dict[str, Any]

_INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
_SUBSCRIPT = pattern(r"metadata\.(labels|annotations)\['(.*)'\]")
_AT_START = frozenset(
    {
        "metadata.name",
        "metadata.uid",
        "spec.nodeName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
"""Field paths that only the executor can fill in."""

_CHANGING = frozenset(
    {
        "batch.kubernetes.io/controller-uid",
        "controller-uid",
        "jobset.sigs.k8s.io/jobset-uid",
        "jobset.sigs.k8s.io/restart-attempt",
    }
)
"""Labels whose values differ from attempt to attempt, or come with the running job."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod before it starts; ``labels`` and ``annotations`` are those of its template."""

    namespace: str
    job: str
    index: int
    labels: dict[str, str]
    annotations: dict[str, str]
    service_account: str

    def field(self, path: str) -> str | None:
        """The value of a downward-API field, None when it is not known yet; unknown labels are empty."""
        match = _SUBSCRIPT.fullmatch(path)
        if match is not None:
            return None if match[2] in _CHANGING else self._subscript(match[1], match[2])
        if path == "metadata.namespace":
            return self.namespace
        if path == "spec.serviceAccountName":
            return self.service_account
        return None if path in _AT_START else ""

    def _subscript(self, kind: str, key: str) -> str:
        added = {COMPLETION_INDEX: str(self.index)}
        if kind == "labels":
            added |= {"batch.kubernetes.io/job-name": self.job, "job-name": self.job}
        values = self.labels if kind == "labels" else self.annotations
        return added.get(key, values.get(key, ""))


def containers(
    pod: Node, key: str, path: FieldPath, facts: PodFacts, origins: Mapping[FieldPath, Origin]
) -> tuple[Container, ...]:
    """The containers of a pod spec.

    Args:
        pod: the pod spec.
        key: ``containers`` or ``initContainers``.
        path: where ``pod`` stands in the JobSet.
        facts: the pod.
        origins: of the JobSet; they tell what an ML policy injected.
    """
    return tuple(
        Container(
            name=item["name"],
            image=item.get("image"),
            command=tuple(item.get("command", ())),
            args=tuple(item.get("args", ())),
            env=tuple(_env(item, (*path, key, number), facts, origins)),
            working_dir=item.get("workingDir"),
            ports=tuple(port["containerPort"] for port in item.get("ports", [])),
            restart_always=key == "initContainers" and item.get("restartPolicy") == "Always",
        )
        for number, item in enumerate(pod.get(key, []))
    )


def _env(item: Node, path: FieldPath, facts: PodFacts, origins: Mapping[FieldPath, Origin]) -> Iterator[EnvVar]:
    names = set()
    for number, entry in enumerate(item.get("env", [])):
        names.add(entry["name"])
        origin = origins.get((*path, "env", number))
        variable = _variable(entry, facts, injected=origin is not None and origin.layer == "policy")
        if variable is not None:
            yield variable
    if _INDEX_VARIABLE not in names:
        yield EnvVar(_INDEX_VARIABLE, str(facts.index))


def _variable(entry: Node, facts: PodFacts, *, injected: bool) -> EnvVar | None:
    """One variable; None when its value comes from where local processes cannot read (`enforcement` names it)."""
    source: Node | None = entry.get("valueFrom")
    if source is None:
        return EnvVar(entry["name"], entry.get("value", ""), injected=injected)
    if "fieldRef" not in source:
        return None
    path: str = source["fieldRef"].get("fieldPath", "")
    value = facts.field(path)
    if value is None:
        return EnvVar(entry["name"], field=path, injected=injected)
    # unlike a literal value, a field is not searched for $(VAR)
    return EnvVar(entry["name"], value.replace("$", "$$"), injected=injected)
