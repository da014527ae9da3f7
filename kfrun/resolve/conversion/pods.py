"""Replica specs of kubeflow.org/v1 as replicatedJobs of a runtime and the trainer section of a TrainJob.

The container that trains is called ``node`` in a runtime; what a TrainJob can say of it itself (command, args, env,
resources) moves into the job, so that the next job can change it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from kfrun.resolve.conversion.notes import Node, Notes, mapping, mappings, without_empty
from kfrun.resolve.podsets import ANCESTOR_LABEL, NODE, TRAINER

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

_MOVED: Final = {"command": "command", "args": "args", "env": "env", "resources": "resourcesPerNode"}
"""Field of a container -> field of ``spec.trainer``."""

_REPLICA_FIELDS: Final = frozenset({"replicas", "restartPolicy", "template"})
_PORTS: Final = frozenset({"pytorchjob-port", "jaxjob-port", "xgboostjob-port", "mpijob-port"})
"""Names of ports by which the operator found its pods; the policies of the Trainer bring their own."""


@dataclass(slots=True)
class ConvertedJob:
    """A converted job, in parts.

    Attributes:
        trainer: ``spec.trainer`` of the TrainJob.
        policy: ``mlPolicy`` of the runtime.
        runtime_ref: a runtime that is there already and does, None for one of the job's own.
        fields: further fields of the TrainJob's spec.
        jobset: further fields of the JobSet's spec.
    """

    trainer: Node
    policy: Node
    replicated_jobs: list[Node]
    runtime_ref: Node | None = None
    fields: Node = field(default_factory=dict)
    jobset: Node = field(default_factory=dict)


@dataclass(slots=True)
class Replica:
    """The pods of one replica type.

    Attributes:
        metadata: labels and annotations of the pods.
        spec: the pod spec; its container ``node`` lacks what ``trainer`` holds.
        trainer: what a TrainJob says of that container.
    """

    metadata: Node
    spec: Node
    trainer: Node

    @property
    def is_simple(self) -> bool:
        """Whether a container with an image is all that is left for a runtime to say."""
        containers = self.spec.get("containers", [])
        is_alone = set(self.spec) <= {"containers", "restartPolicy"} and len(containers) == 1
        restarts = self.spec.get("restartPolicy") in (None, "OnFailure")
        return is_alone and restarts and not self.metadata and set(containers[0]) <= {"name", "image"}

    def replicated_job(self, name: str, *, is_trainer: bool, keeps: bool = False) -> Node:
        """As a replicatedJob; ``keeps`` puts into the container what would otherwise move to the TrainJob."""
        spec = copy.deepcopy(self.spec)
        if keeps:
            back = {key: self.trainer[moved] for key, moved in _MOVED.items() if moved in self.trainer}
            spec["containers"] = [
                {**item, **copy.deepcopy(back)} if item.get("name") == NODE else item for item in spec["containers"]
            ]
        pod = without_empty({"metadata": self.metadata}) | {"spec": spec}
        metadata = {"metadata": {"labels": {ANCESTOR_LABEL: TRAINER}}} if is_trainer else {}
        return {"name": name, "template": {**metadata, "spec": {"template": pod}}}


def replicas(spec: Node) -> int:
    """The number of pods of a replica spec; 1 where it says nothing."""
    value = spec.get("replicas", 1)
    return value if isinstance(value, int) else 1


def read(spec: Node, path: FieldPath, main: str, notes: Notes) -> Replica:
    """Take a replica spec to pieces; ``main`` is the container that trains, or else the first."""
    notes.rest(path, spec, _REPLICA_FIELDS)
    template = mapping(spec.get("template"))
    metadata = {key: value for key, value in mapping(template.get("metadata")).items() if value}
    known: Node = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    pod: Node = copy.deepcopy(mapping(template.get("spec")))
    containers = mappings(pod.get("containers"))
    named = [item for item in containers if item.get("name") == main]
    chosen = (named or containers or [{}])[0]
    trainer = {_MOVED[key]: chosen.pop(key) for key in list(_MOVED) if chosen.get(key)}
    chosen["name"] = NODE
    _without_own_port(chosen)
    pod["containers"] = containers or [chosen]
    _rename_strangers(pod, chosen, path, notes)
    if restart := _restart_policy(spec, path, notes):
        pod["restartPolicy"] = restart
    elif pod.get("restartPolicy") == "Always":
        del pod["restartPolicy"]  # the operator wrote its default over it
    return Replica(copy.deepcopy(known), pod, trainer)


def _rename_strangers(pod: Node, chosen: Node, path: FieldPath, notes: Notes) -> None:
    """Only the container that trains can have its name."""
    others = [
        item for kind in ("containers", "initContainers") for item in mappings(pod.get(kind)) if item is not chosen
    ]
    taken = [item.get("name") for item in others]
    for item in others:
        if item.get("name") == NODE:
            item["name"] = next(name for number in count(1) if (name := f"{NODE}-{number}") not in taken)
            taken.append(item["name"])
            message = f'a container "{NODE}" became "{item["name"]}": the one that trains has that name now'
            notes.add((*path, "template", "spec"), message)


def _without_own_port(container: Node) -> None:
    ports = [port for port in mappings(container.pop("ports", None)) if str(port.get("name")) not in _PORTS]
    if ports:
        container["ports"] = ports


def _restart_policy(spec: Node, path: FieldPath, notes: Notes) -> Any:
    """The pods' own restartPolicy is overwritten by that of the replica spec, as the operator did."""
    policy = spec.get("restartPolicy")
    if policy == "Always":
        notes.add((*path, "restartPolicy"), "Always became OnFailure: the pods of a Job end", None)
        return "OnFailure"
    if policy == "ExitCode":
        hint = "write podFailurePolicy into the replicatedJob of the runtime"
        notes.add((*path, "restartPolicy"), "ExitCode became Never: nothing tells exit codes apart by itself", hint)
        return "Never"
    return policy
