"""Which settings of a TrainJob reach no container, although a cluster accepts them, and how many pods there will be.

The controller finds the pods that train, and those that fetch data and models, by a label of the Job template, and in
them a container by its name. Where it finds none it says nothing. Pure.

Source: upstream's builders of JobSets and its plugins, trainer v2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.resolution import Effects
from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple
from kfrun.resolve.podsets import (
    ANCESTOR_LABEL,
    DATASET_INITIALIZER,
    MODEL_INITIALIZER,
    NODE,
    TRAINER,
    ancestor,
    pod_spec,
)
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get, items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath

    Node = dict[str, Any]

CODE: Final = "KF722"

_INITIALIZERS: Final = {"dataset": DATASET_INITIALIZER, "model": MODEL_INITIALIZER}
_MERGED: Final = frozenset(
    {
        "affinity", "annotations", "containers", "env", "imagePullSecrets", "initContainers", "labels", "nodeSelector",
        "replicatedJobs", "schedulingGates", "securityContext", "template", "tolerations", "volumeMounts", "volumes",
    }
)  # fmt: skip
"""Fields of a patch that change nothing when they are empty: a patch can add and replace, not remove."""


def of(resolution: Resolution) -> Effects:
    """What is known of the pods of a resolved TrainJob; nothing of one that could not be resolved."""
    if resolution.jobset is None or resolution.runtime is None:
        return Effects()
    view = _View.of(resolution)
    problems = (*_trainer(view), *_no_pods(view), *_initializers(view), *_patches(view))
    return Effects(view.nodes(), tuple(one._replace(severity=Severity.WARNING, at="key") for one in problems))


class _View(NamedTuple):
    """A TrainJob's spec as it was written, and what became of it.

    Attributes:
        runtime: the runtime as messages name it, and ``data`` of it.
        policy: its ``mlPolicy``, None without one.
        jobs: the replicatedJobs of the JobSet.
    """

    spec: Node
    runtime: str
    data: Node
    policy: Node | None
    jobs: list[Node]

    @classmethod
    def of(cls, resolution: Resolution) -> _View:
        assert resolution.jobset is not None
        assert resolution.runtime is not None
        data = resolution.runtime.document.data
        spec: Node = resolution.job.data.get("spec") or {}
        jobs = resolution.jobset["spec"].get("replicatedJobs", [])
        return cls(spec, f'runtime "{resolution.runtime.key.name}"', data, get(data, "spec", "mlPolicy"), jobs)

    def playing(self, part: str) -> list[Node]:
        """The jobs that play a part of the TrainJob."""
        return [job for job in self.jobs if ancestor(job) == part]

    def named(self, name: str) -> list[Node]:
        """The jobs of that name; the MPI policy knows its nodes by it."""
        return [job for job in self.jobs if job["name"] == name]

    def launcher_as_node(self) -> list[Node]:
        """The jobs that work beside a launcher that works, too: resources and variables reach them as well."""
        return self.named(NODE) if get(self.policy, "mpi", "runLauncherAsNode") is True else []

    def nodes(self) -> int:
        """How many pods train: where the controller knows of none, all that initialize nothing."""
        training = self.playing(TRAINER)
        if get(self.policy, "mpi") is not None and self.named(NODE):
            training = [*self.named(NODE), *(training if self.launcher_as_node() else ())]
        others = [job for job in self.jobs if ancestor(job) not in _INITIALIZERS.values()]
        return sum(_pods(job) for job in training or others)


def _pods(job: Node) -> int:
    count: int = job["template"]["spec"].get("completions", 1) * job.get("replicas", 1)
    return count


def _has(jobs: list[Node], name: str, kind: str = "containers") -> bool:
    return any(container["name"] == name for job in jobs for container in pod_spec(job).get(kind, []))


def _trainer(view: _View) -> Iterator[Problem]:
    section = view.spec.get("trainer") or {}
    jobs = view.playing(TRAINER)
    lacking = _lacking(view, TRAINER, NODE)
    for field in ("image", "command", "args"):
        if lacking and section.get(field) is not None:
            yield _problem(("trainer", field), lacking)
    if lacking and section.get("env") and not _has(view.launcher_as_node(), NODE):
        yield _problem(("trainer", "env"), lacking)
    yield from _lost_sources(section, ("trainer",))
    yield from _resources(view, section.get("resourcesPerNode") or {}, lacking)
    if section.get("numNodes") is not None and (unused := _without_count(view, jobs)):
        yield _problem(("trainer", "numNodes"), unused)
    if section.get("numProcPerNode") is not None and (unused := _without_processes(view, lacking)):
        yield _problem(("trainer", "numProcPerNode"), unused)


def _no_pods(view: _View) -> Iterator[Problem]:
    """A job that trains nothing is soon Complete, and looks like one that did."""
    if view.jobs and not view.nodes():
        asked = get(view.spec, "trainer", "numNodes") is not None
        message = "no pod trains, the command reaches no container: the job is Complete without one"
        path = ("spec", "trainer", "numNodes") if asked else ("spec", "runtimeRef")
        yield Problem(CODE, path, message, "ask for 1 node or more")


def _resources(view: _View, wanted: Node, lacking: str) -> Iterator[Problem]:
    path: FieldPath = ("trainer", "resourcesPerNode")
    if wanted.get("limits") or wanted.get("requests"):
        if view.policy is None:
            lacking = f"{view.runtime} has no mlPolicy, and without one the resources of a job are not merged"
            yield _problem(path, lacking, "give the runtime an mlPolicy, or write the resources into it")
        elif lacking and not _has(view.launcher_as_node(), NODE):
            yield _problem(path, lacking)
    if wanted.get("claims"):
        yield _problem((*path, "claims"), "limits and requests of a job are merged, its claims are not", "leave it out")


def _without_count(view: _View, jobs: list[Node]) -> str:
    """Why numNodes changes nothing; empty if it does."""
    if get(view.policy, "mpi") is None:
        return "" if jobs else _unlabelled(view, TRAINER)
    return "" if view.named(NODE) else f'no replicatedJob of {view.runtime} is named "{NODE}", as MPI counts them'


def _without_processes(view: _View, lacking: str) -> str:
    """Why numProcPerNode changes nothing; empty if it does."""
    policy = view.policy or {}
    if policy.get("mpi") is not None or policy.get("flux") is not None:
        return ""
    if policy.get("torch") is None:
        return f"of the ML policies torch, mpi and flux start processes by it, and {view.runtime} has none of these"
    return "" if get(policy, "torch", "envInjection", "targets") else lacking


def _initializers(view: _View) -> Iterator[Problem]:
    for part, name in _INITIALIZERS.items():
        section = get(view.spec, "initializer", part) or {}
        yield from _lost_sources(section, ("initializer", part))
        if lacking := _lacking(view, name, name):
            for field in ("storageUri", "env", "secretRef"):
                if section.get(field) not in (None, [], {}):
                    yield _problem(("initializer", part, field), lacking)


def _lost_sources(section: Node, path: FieldPath) -> Iterator[Problem]:
    for entry, variable in items(section, "env"):
        if get(variable, "valueFrom", "fileKeyRef") is not None:
            why = "the controller does not pass this source of a variable on"
            yield _problem((*path, *entry, "valueFrom", "fileKeyRef"), why, "use another source")


def _lacking(view: _View, part: str, name: str) -> str:
    """Why nothing takes the settings of a part of the TrainJob; empty if something does."""
    jobs = view.playing(part)
    if not jobs:
        return _unlabelled(view, part)
    if _has(jobs, name):
        return ""
    where = f'"{jobs[0]["name"]}" of {view.runtime}'
    if _has(jobs, name, "initContainers"):
        return f'"{name}" of {where} is an init container, and only other containers are looked at'
    return f'no container of {where} is named "{name}"'


def _unlabelled(view: _View, part: str) -> str:
    missing = f"no Job template of {view.runtime} has the label {ANCESTOR_LABEL}: {part}"
    for job in view.jobs:
        labels = job["template"]["spec"]["template"].get("metadata", {}).get("labels", {})
        if labels.get(ANCESTOR_LABEL) == part:
            return f'{missing}; "{job["name"]}" has it on its pod template, where nobody looks'
    for path in (("metadata", "labels"), ("spec", "template", "metadata", "labels")):
        if get(view.data, *path, ANCESTOR_LABEL) is not None:
            return f"{missing}; {'.'.join(path)} has it, where nobody looks"
    known = {None, TRAINER, *_INITIALIZERS.values()}
    other = next((found for job in view.jobs if (found := ancestor(job)) not in known), None)
    return missing if other is None else f'{missing}; "{other}" means nothing'


def _patches(view: _View) -> Iterator[Problem]:
    known = {str(get(job, "name")): job for _, job in items(view.data, "spec", "template", "spec", "replicatedJobs")}
    for path, patch in items(view.spec, "runtimePatches"):
        template = get(patch, "trainingRuntimeSpec", "template")
        if not template:
            yield _problem(path, "it has no template to merge", "say what it changes, or leave it out")
            continue
        below: FieldPath = (*path, "trainingRuntimeSpec", "template")
        yield from _empty(template, below)
        for place, job in items(template, "spec", "replicatedJobs"):
            yield from _strangers(view, known, job, (*below, *place))


def _empty(value: Any, path: FieldPath) -> Iterator[Problem]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        if item in ({}, []) and key in _MERGED:
            yield _problem((*path, key), "it is empty, and a patch cannot remove anything", "leave it out")
        elif key != "volumes":  # there emptyDir: {} is a source
            yield from _empty(item, (*path, key))


def _strangers(view: _View, known: dict[str, Node], job: Node, path: FieldPath) -> Iterator[Problem]:
    """Jobs and containers of a patch that the runtime does not have: they are added, and nothing is patched."""
    name = get(job, "name")
    if name not in known:
        hint = f"there are {', '.join(known)}" if known else None
        yield _problem((*path, "name"), f'{view.runtime} has no replicatedJob "{name}" to patch', hint)
        return
    inner = ("template", "spec", "template", "spec")
    for kind in ("initContainers", "containers"):
        there = [str(get(item, "name")) for _, item in items(known[name], *inner, kind)]
        for place, container in items(job, *inner, kind):
            if get(container, "name") not in there:
                noun = "init container" if kind == "initContainers" else "container"
                hint = f"there are {', '.join(there)}" if there else None
                why = f'"{name}" of {view.runtime} has no {noun} "{get(container, "name")}" to patch'
                yield _problem((*path, *place, "name"), why, hint)


def _problem(path: FieldPath, why: str, hint: str | None = None) -> Problem:
    field = next(str(part) for part in reversed(path) if isinstance(part, str))
    field = "this patch" if field == "runtimePatches" else field
    return Problem(CODE, ("spec", *path), f"{field} reaches no container: {why}", hint)
