"""What the Trainer's validating webhook says of TrainJobs.

Each rule takes `Facts`: the TrainJob, its runtime, both with defaults, and yields causes at the TrainJob's fields, as
upstream does also where the runtime lacks something. Upstream: the Validate functions of pkg/runtime/framework/plugins.
Targets of envInjection are checked where they are resolved; changes of runtimePatches in `update`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple
from kfrun.validate.admission import torchtune
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    forbidden,
    invalid,
    is_domain_path,
    items,
    node,
    number,
    required,
    text,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES: Final = {
    "KF331": "an initializer that the runtime has no job, container or mount for",
    "KF332": "the manager of a runtime patch is no domain and path",
    "KF333": "a runtime patch sets the environment of a container that is reserved",
    "KF334": "an environment variable that the runtime's policy sets itself",
    "KF335": "a torchtune job that torchtune or its runtime cannot run",
    "KF336": "an MPI runtime without the jobs that several nodes need",
    "KF337": "an init container whose name Flux reserves",
    "KF338": "a Volcano queue without a name",
    "KF339": "a priority class that no object defines",
}

RESERVED: Final = {
    "torch": ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"),
    "mpi": (
        "OMPI_MCA_orte_default_hostfile", "OMPI_MCA_plm_rsh_args", "OMPI_MCA_orte_keep_fqdn_hostnames",
        "OMPI_MCA_orte_set_default_slots",
    ),
}  # fmt: skip
RESERVED_ONE_BY_ONE: Final = ("DMLC_TRACKER_URI", "DMLC_TRACKER_PORT", "DMLC_TASK_ID", "DMLC_NUM_WORKER")
RESERVED_CONTAINERS: Final = ("dataset-initializer", "model-initializer", "node")
QUEUE: Final = "scheduling.volcano.sh/queue-name"

_SPEC: Final = Place() / "spec"
_TRAINER: Final = _SPEC / "trainer"
_RUNTIME_REF: Final = _SPEC / "runtimeRef"
_SYSTEM_PRIORITIES: Final = ("system-cluster-critical", "system-node-critical")
_ANCESTOR: Final = "trainer.kubeflow.org/trainjob-ancestor-step"


_INITIALIZED: Final = "use a runtime with initializers, such as those for torchtune, or leave spec.initializer out"
_MANAGER: Final = "say who patches, such as example.com/alice"
_PRIORITY: Final = "create it first, or give its manifest beside the job's"


class Facts(NamedTuple):
    """What the webhook looks at.

    Attributes:
        job: with its defaults, as the runtime.
        priority_classes: names of the PriorityClasses that exist.
    """

    job: Node
    runtime: Node
    priority_classes: frozenset[str] = frozenset()

    @property
    def spec(self) -> Node:
        """The TrainJob's spec."""
        return node(self.job, "spec")

    @property
    def trainer(self) -> Node:
        """The TrainJob's trainer."""
        return node(self.job, "spec", "trainer")

    @property
    def policy(self) -> Node:
        """The runtime's mlPolicy."""
        return node(self.runtime, "spec", "mlPolicy")

    def replicated_job(self, name: str) -> Node | None:
        """The runtime's replicatedJob of that name."""
        jobs = values(node(self.runtime, "spec", "template", "spec"), "replicatedJobs")
        return next((one for one in jobs if text(one, "name") == name), None)

    def patched_pods(self, name: str) -> list[Node]:
        """What runtimePatches put into the pods of a replicatedJob."""
        return [
            node(job, "template", "spec", "template", "spec")
            for patch in values(self.spec, "runtimePatches")
            for job in values(node(patch, "trainingRuntimeSpec", "template", "spec"), "replicatedJobs")
            if text(job, "name") == name
        ]

    def pods(self, name: str) -> list[Node]:
        """The pods of a replicatedJob, then what patches put into them; empty when there is no such job."""
        job = self.replicated_job(name)
        own = [] if job is None else [node(job, "template", "spec", "template", "spec")]
        return [*own, *self.patched_pods(name)]

    def node_resources(self) -> Node:
        """``resources`` of the container that trains, with the TrainJob's resourcesPerNode merged in."""
        merged: Node = {}
        for job in values(node(self.runtime, "spec", "template", "spec"), "replicatedJobs"):
            if text(node(job, "template", "metadata", "labels"), _ANCESTOR) == "trainer":
                containers = values(node(job, "template", "spec", "template", "spec"), "containers")
                merged = next((node(one, "resources") for one in containers if text(one, "name") == "node"), {})
                break
        asked = node(self.trainer, "resourcesPerNode")
        return {part: {**node(merged, part), **node(asked, part)} for part in ("requests", "limits")}


def found(facts: Facts) -> Iterator[tuple[Rule, Cause]]:
    """Every cause with the rule that found it."""
    for rule in RULES:
        for cause in rule.check(facts):
            yield rule, cause


def _initializers(facts: Facts) -> Iterator[Cause]:
    for part in ("dataset", "model"):
        if node(facts.spec, "initializer").get(part) is not None:
            problem = _initializer_problem(facts, f"{part}-initializer")
            if problem:
                yield invalid(_RUNTIME_REF, text(node(facts.spec, "runtimeRef"), "name"), problem, _INITIALIZED)


def _initializer_problem(facts: Facts, name: str) -> str:
    """The first thing that the runtime lacks; upstream goes by the job's name, not by its label."""
    pods = facts.pods(name)
    if not pods:
        return f'the TrainJob initializes something, so the runtime needs a job named "{name}"'
    named = [
        (part, one) for pod in pods for part in ("containers", "initContainers") for one in values(pod, part)
        if text(one, "name") == name
    ]  # fmt: skip
    if not named:
        return f'its job "{name}" needs a container named "{name}"'
    containers = [one for part, one in named if part == "containers"]
    mounts = {text(one, "mountPath"): text(one, "name") for each in containers for one in values(each, "volumeMounts")}
    if "initializer" not in mounts.values():
        return f'the container "{name}" of its job "{name}" needs a mount of the volume "initializer"'
    return ""


def _managers(facts: Facts) -> Iterator[Cause]:
    shown = _SPEC / "runtimePatches" / "manager"
    for at, patch in items(facts.spec, "runtimePatches", _SPEC):
        manager, place = text(patch, "manager"), (at / "manager").shown_as(shown)
        if not manager:
            yield required(place, "a domain, a slash and a path, like acme.io/foo", _MANAGER)
        elif not is_domain_path(manager):
            yield invalid(place, manager, "allowed: a domain, a slash and a path, like acme.io/foo", _MANAGER)


def _patched_env(facts: Facts) -> Iterator[Cause]:
    for at, patch in items(facts.spec, "runtimePatches", _SPEC):
        spec = node(patch, "trainingRuntimeSpec", "template", "spec")
        below = at / "trainingRuntimeSpec" / "template" / "spec"
        for job_at, job in items(spec, "replicatedJobs", below):
            pod = node(job, "template", "spec", "template", "spec")
            pod_at = job_at / "template" / "spec" / "template" / "spec"
            for one_at, one in items(pod, "containers", pod_at):
                if values(one, "env") and text(one, "name") in RESERVED_CONTAINERS:
                    place = (one_at / "env").shown_as(_SPEC / "runtimePatches")
                    yield invalid(
                        place, text(one, "name"), "a patch may not set its variables", _where_env(text(one, "name"))
                    )


def _where_env(container: str) -> str:
    part = "trainer" if container == "node" else f"initializer.{container.removesuffix('-initializer')}"
    return f"set them in spec.{part}.env"


def _reserved_env(facts: Facts) -> Iterator[Cause]:
    for policy, names in RESERVED.items():
        if facts.policy.get(policy) is None:
            continue
        used = sorted({text(one, "name") for one in values(facts.trainer, "env")} & set(names))
        if used:
            yield invalid(_TRAINER / "env", ", ".join(used), f"the {policy} policy sets these itself", "remove them")


def _reserved_for_xgboost(facts: Facts) -> Iterator[Cause]:
    if facts.policy.get("xgboost") is None:
        return
    for at, one in items(facts.trainer, "env", _TRAINER):
        if text(one, "name") in RESERVED_ONE_BY_ONE:
            yield forbidden(at, f"the xgboost policy sets {text(one, 'name')} itself", "remove it")


def _torchtune(facts: Facts) -> Iterator[Cause]:
    if facts.policy.get("torch") is not None:
        name = text(node(facts.spec, "runtimeRef"), "name")
        yield from torchtune.check(name, facts.trainer, facts.node_resources())


def _mpi_jobs(facts: Facts) -> Iterator[Cause]:
    if node(facts.policy, "mpi").get("runLauncherAsNode") is not True or facts.spec.get("trainer") is None:
        return
    count = number(facts.trainer, "numNodes") or 1
    missing = [name for name in ("launcher", "node") if not facts.pods(name)]
    if count >= 2 and missing:
        lacks = f'the runtime lacks the job "{missing[0]}", so with runLauncherAsNode only 1 is allowed'
        yield invalid(_TRAINER / "numNodes", count, lacks, _mpi_hint(missing))


def _mpi_hint(missing: list[str]) -> str:
    return f'add a job named "{missing[0]}" to the runtime, or set numNodes: 1'


def _flux(facts: Facts) -> Iterator[Cause]:
    if facts.policy.get("flux") is None:
        return
    names = [text(one, "name") for pod in facts.pods("node") for one in values(pod, "initContainers")]
    if "flux-installer" in names:
        place = _RUNTIME_REF.shown_as(_TRAINER / "initContainers")
        yield invalid(
            place, "flux-installer", "the flux policy adds an init container of this name", "give yours another name"
        )


def _queue(facts: Facts) -> Iterator[Cause]:
    if node(facts.runtime, "spec", "podGroupPolicy").get("volcano") is None:
        return
    annotations = dict(node(facts.runtime, "spec", "template", "metadata", "annotations"))
    for patch in values(facts.spec, "runtimePatches"):
        annotations |= node(patch, "trainingRuntimeSpec", "template", "metadata", "annotations")
    if annotations.get(QUEUE) == "":
        place = _RUNTIME_REF.shown_as((_SPEC / "annotations").key(QUEUE))
        yield invalid(
            place,
            "",
            f"the annotation {QUEUE} needs the name of a queue, or must go",
            "write the queue, such as default",
        )


def _priority_classes(facts: Facts) -> Iterator[Cause]:
    """Upstream asks the cluster; here those of the input exist, and the system's."""
    if node(facts.runtime, "spec", "podGroupPolicy").get("volcano") is None:
        return
    for job in values(node(facts.runtime, "spec", "template", "spec"), "replicatedJobs"):
        name = text(node(job, "template", "spec", "template", "spec"), "priorityClassName")
        if name in _SYSTEM_PRIORITIES:
            return
        if name and name not in facts.priority_classes:
            place = _RUNTIME_REF.shown_as(_SPEC / "templateSpec" / "priorityClassName")
            yield invalid(
                place, name, "the PriorityClass must exist before the TrainJob, and none is known here", _PRIORITY
            )


_ERROR: Final = Severity.ERROR

RULES: Final = (
    Rule("KF331", "jobset plugin: checkInitializer", _ERROR, _initializers),
    Rule("KF332", "jobset plugin: runtimePatches.manager", _ERROR, _managers),
    Rule("KF333", "jobset plugin: runtimePatches, env", _ERROR, _patched_env),
    Rule("KF334", "torch and mpi plugins: reserved envs", _ERROR, _reserved_env),
    Rule("KF334", "xgboost plugin: reserved envs", _ERROR, _reserved_for_xgboost),
    Rule("KF335", "torch plugin: torchtune", _ERROR, _torchtune),
    Rule("KF336", "mpi plugin: launcher and node", _ERROR, _mpi_jobs),
    Rule("KF337", "flux plugin: flux-installer", _ERROR, _flux),
    Rule("KF338", "volcano plugin: queue name", _ERROR, _queue),
    Rule("KF339", "volcano plugin: PriorityClass", None, _priority_classes),
)
