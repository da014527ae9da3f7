"""The state of one build: the patched template and what the ML policies see of it.

As in the controller, policies do not write into the template: each replicatedJob has a `PodSet` with its own lists,
which `builder` writes back by upsert. That indirection has visible effects (ports without a name replace each other),
so it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfrun.resolve.material import Material
    from kfrun.resolve.origins import Mark, OriginLog

Node = dict[str, Any]

ANCESTOR_LABEL: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
"""Label of a Job template that says which part of a TrainJob it plays."""

TRAINER: Final = "trainer"
DATASET_INITIALIZER: Final = "dataset-initializer"
MODEL_INITIALIZER: Final = "model-initializer"
NODE: Final = "node"
"""The name of the container that trains; upstream knows it by this name only."""

PORT: Final = 29500
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(slots=True)
class PodContainer:
    """A container as policies see it; the lists are its own, their items are the template's."""

    name: str
    env: list[Node]
    ports: list[Node]
    volume_mounts: list[Node]

    def add_port(self, port: Node) -> None:
        """Add a port, or replace the one that is the same."""
        upsert(self.ports, port, same_port)


@dataclass(slots=True)
class PodSet:
    """The pods of one replicatedJob.

    Attributes:
        count: how many pods each Job of it gets.
        replicas: how many Jobs the template asks for.
        new_init_containers: what a policy adds behind those of the template, whole.
        labels, annotations: what a policy adds to the pods.
    """

    name: str
    ancestor: str | None
    count: int
    containers: list[PodContainer]
    init_containers: list[PodContainer]
    volumes: list[Node] = field(default_factory=list)
    replicas: int = 1
    new_init_containers: list[Node] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    def add_volume(self, volume: Node) -> None:
        """Add a volume, or replace the one of its name."""
        upsert(self.volumes, volume, same_name)

    def container(self, name: str) -> PodContainer | None:
        """The first container of that name."""
        return next((item for item in self.containers if item.name == name), None)


@dataclass(slots=True)
class Build:
    """One TrainJob being resolved.

    Attributes:
        job: the TrainJob's spec, decoded.
        policy: ``mlPolicy`` of the runtime, None when it has none.
        pod_group_policy: ``podGroupPolicy`` of the runtime.
        template: ``spec.template`` of the runtime with the patches merged, decoded.
        job_mark: the TrainJob's ``spec``.
        runtime_mark: the runtime's ``spec``.
        material: what keys are made of; without it the Secrets are left out.
        objects: what policies add beside the JobSet.
        command_mark: why the trainer's command is another than the TrainJob's, when a policy replaced it.
    """

    name: str
    namespace: str
    job: Node
    policy: Node | None
    template: Node
    job_mark: Mark
    runtime_mark: Mark
    ledger: OriginLog
    pod_group_policy: Node = field(default_factory=dict)
    material: Material | None = None
    pod_sets: list[PodSet] = field(default_factory=list)
    objects: list[Node] = field(default_factory=list)
    command_mark: Mark | None = None

    @property
    def trainer(self) -> Node | None:
        """The TrainJob's ``trainer`` section; policies inject nothing without one."""
        trainer: Node | None = self.job.get("trainer")
        return trainer

    @property
    def replicated_jobs(self) -> list[Node]:
        """The replicatedJobs of the template, in its order."""
        jobs: list[Node] = self.template["spec"].get("replicatedJobs", [])
        return jobs

    @property
    def rank_zero(self) -> str:
        """The address of rank 0 that policies hand out; upstream ignores the real job name and subdomain."""
        return f"{self.name}-{NODE}-0-0.{self.name}"

    @property
    def subdomain(self) -> str:
        """The subdomain of the pods' names."""
        subdomain: str = self.template["spec"].get("network", {}).get("subdomain") or self.name
        return subdomain

    def set_command(self, command: list[str], mark: Mark) -> None:
        """Replace the TrainJob's command; ``mark`` says by which policy."""
        assert self.trainer is not None
        self.trainer["command"] = command
        self.command_mark = mark

    def add_object(self, api_version: str, kind: str, name: str, **content: Any) -> None:
        """Add an object beside the JobSet, in its namespace."""
        metadata = {"name": name, "namespace": self.namespace}
        self.objects.append({"apiVersion": api_version, "kind": kind, "metadata": metadata, **content})

    def trainer_pod_set(self) -> PodSet | None:
        """The first pod set that trains."""
        return next((item for item in self.pod_sets if item.ancestor == TRAINER), None)


def pod_spec(replicated_job: Node) -> Node:
    """The pod spec of a decoded replicatedJob."""
    spec: Node = replicated_job["template"]["spec"]["template"]["spec"]
    return spec


def ancestor(replicated_job: Node) -> str | None:
    """Which part of the TrainJob a replicatedJob plays, by the label of its Job template."""
    labels: dict[str, str] = replicated_job["template"]["metadata"].get("labels", {})
    return labels.get(ANCESTOR_LABEL)


def merges_resources(build: Build, replicated_job: Node) -> bool:
    """Whether ``trainer.resourcesPerNode`` applies to the pods of ``replicated_job``."""
    if build.policy is None:
        return False
    as_node = build.policy.get("mpi", {}).get("runLauncherAsNode", False) and replicated_job["name"] == NODE
    return bool(as_node) or ancestor(replicated_job) == TRAINER


def fill(build: Build) -> None:
    """Merge resourcesPerNode into the template and derive the pod sets from it."""
    for replicated_job in build.replicated_jobs:
        if merges_resources(build, replicated_job):
            _merge_resources(build, replicated_job)
        build.pod_sets.append(_pod_set(build, replicated_job))


def _pod_set(build: Build, replicated_job: Node) -> PodSet:
    role = ancestor(replicated_job)
    if role == TRAINER and build.policy is not None:
        count = build.policy.get("numNodes", 1)
    else:
        count = replicated_job["template"]["spec"].get("parallelism", 1)
    spec = pod_spec(replicated_job)
    return PodSet(
        name=replicated_job["name"],
        ancestor=role,
        count=max(count, 1),
        containers=[_pod_container(item) for item in spec.get("containers", [])],
        init_containers=[_pod_container(item) for item in spec.get("initContainers", [])],
        volumes=list(spec.get("volumes", [])),
        replicas=replicated_job.get("replicas", 1),
    )


def _pod_container(container: Node) -> PodContainer:
    return PodContainer(
        name=container["name"],
        env=list(container.get("env", [])),
        ports=list(container.get("ports", [])),
        volume_mounts=list(container.get("volumeMounts", [])),
    )


def _merge_resources(build: Build, replicated_job: Node) -> None:
    """The TrainJob's limits and requests win key by key; claims are lost, as upstream loses them."""
    wanted: Node | None = (build.trainer or {}).get("resourcesPerNode")
    containers = pod_spec(replicated_job).get("containers", [])
    container = next((item for item in containers if item["name"] == NODE), None)
    if wanted is None or container is None:
        return
    resources: Node = container["resources"]
    resources.pop("claims", None)
    for key in ("limits", "requests"):
        if wanted.get(key):
            merged = resources.setdefault(key, {})
            for name, amount in wanted[key].items():
                merged[name] = amount
                build.ledger.mark(merged, name, build.job_mark.at("trainer", "resourcesPerNode", key, name))


def set_count(build: Build, pods: PodSet | None) -> None:
    """Let the TrainJob's numNodes decide about the pods that train."""
    if pods is not None and "numNodes" in (build.trainer or {}):
        assert build.trainer is not None
        pods.count = build.trainer["numNodes"]


def trainer_container(build: Build, pods: PodSet | None) -> PodContainer | None:
    """The container that policies inject into; None without a ``trainer`` section, then they inject nothing."""
    return pods.container(NODE) if pods is not None and build.trainer is not None else None


def counting_resources(build: Build) -> Node:
    """The resources that policies count processes by.

    Those of the TrainJob as a whole when it has any, although the pod gets the merged ones; else the runtime's.
    """
    wanted: Node | None = (build.trainer or {}).get("resourcesPerNode")
    if wanted is not None:
        return wanted
    for replicated_job in build.replicated_jobs:
        if replicated_job["name"] == NODE or ancestor(replicated_job) == TRAINER:
            for container in pod_spec(replicated_job).get("containers", []):
                if container["name"] == NODE:
                    resources: Node = container["resources"]
                    return resources
    return {}


def upsert(items: list[Node], item: Node, same: Callable[[Node, Node], bool]) -> None:
    """Replace the first of ``items`` that is the ``same`` as ``item``, or append it."""
    for index, present in enumerate(items):
        if same(present, item):
            items[index] = item
            return
    items.append(item)


def upsert_all(items: list[Node], new: list[Node], field: str) -> None:
    """`upsert` of each of ``new`` among ``items`` that are told apart by one field; either list may be long."""
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        places.setdefault(item.get(field), index)
    for item in new:
        index = places.setdefault(item.get(field), len(items))
        items[index : index + 1] = [item]


def upsert_ports(items: list[Node], new: list[Node]) -> None:
    """`upsert` of ports that `same_port` tells apart; where all of them differ, ``new`` goes on from ``items``."""
    differ = all(len({item.get(field) for item in new}) == len(new) for field in ("containerPort", "name"))
    if differ and new[: len(items)] == items:
        items[:] = new
        return
    for item in new:
        upsert(items, item, same_port)


def same_name(left: Node, right: Node) -> bool:
    """Equality of env entries and volumes."""
    return bool(left.get("name") == right.get("name"))


def same_mount(left: Node, right: Node) -> bool:
    """Equality of volume mounts."""
    return bool(left.get("mountPath") == right.get("mountPath"))


def same_port(left: Node, right: Node) -> bool:
    """Equality of ports; two ports without a name count as equal, as upstream has it."""
    return bool(left.get("containerPort") == right.get("containerPort") or left.get("name") == right.get("name"))


def all_containers(spec: Node) -> Iterator[tuple[str, int, Node]]:
    """The init containers and containers of a pod spec: field, index, container."""
    for key in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(key, [])):
            yield key, index, container
