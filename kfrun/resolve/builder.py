"""Writes what the policies decided back into the template and makes the JobSet of it.

Source: upstream's JobSet plugin (write-back, initializer and trainer builders), trainer v2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.resolve import env
from kfrun.resolve.podsets import (
    DATASET_INITIALIZER,
    MODEL_INITIALIZER,
    NODE,
    TRAINER,
    Build,
    PodContainer,
    PodSet,
    ancestor,
    pod_spec,
    same_name,
    upsert,
    upsert_all,
    upsert_ports,
)

if TYPE_CHECKING:
    from kfrun.resolve.origins import Mark

Node = dict[str, Any]

API_VERSION: Final = "jobset.x-k8s.io/v1alpha2"
_INITIALIZERS = {"dataset": DATASET_INITIALIZER, "model": MODEL_INITIALIZER}


def jobset(build: Build) -> Node:
    """The JobSet that the controller would apply, owner references aside."""
    for replicated_job, pods in zip(build.replicated_jobs, build.pod_sets, strict=True):
        _write_back(replicated_job, pods)
        _label_pods(build, replicated_job, pods)
        _set_counts(build, replicated_job, pods)
    _build_initializers(build)
    _build_trainer(build)
    spec: Node = build.template["spec"]
    spec["suspend"] = build.job.get("suspend", False)
    build.ledger.mark(spec, "suspend", build.job_mark.at("suspend"))
    result = {"apiVersion": API_VERSION, "kind": "JobSet", "metadata": _metadata(build), "spec": spec}
    pruned: Node = _without_empty(result, build)
    return pruned


def _metadata(build: Build) -> Node:
    metadata: Node = {"name": build.name, "namespace": build.namespace}
    root = build.job_mark._replace(path=("metadata",))
    for key in metadata:
        build.ledger.mark(metadata, key, root.at(key))
    template: Node = build.template["metadata"]
    for key in ("labels", "annotations"):
        if template.get(key):
            metadata[key] = template[key]
    return metadata


def _without_empty(result: Node, build: Build) -> Node:
    """Drop the list of jobs when there are none; the controller's struct would not write it."""
    if not build.replicated_jobs:
        result["spec"].pop("replicatedJobs", None)
    return result


def _label_pods(build: Build, replicated_job: Node, pods: PodSet) -> None:
    """What a pod group policy wants on every pod."""
    metadata: Node = replicated_job["template"]["spec"]["template"]["metadata"]
    for key, added in (("labels", pods.labels), ("annotations", pods.annotations)):
        for name, value in added.items():
            present = metadata.setdefault(key, {})
            present[name] = value
            build.ledger.mark(present, name, build.runtime_mark.at("podGroupPolicy").as_policy("podGroup"))


def _set_counts(build: Build, replicated_job: Node, pods: PodSet) -> None:
    """Both counts of every Job are the pod set's, whatever the runtime's template says."""
    spec: Node = replicated_job["template"]["spec"]
    mark = _count_mark(build, spec, pods)
    for key in ("parallelism", "completions"):
        spec[key] = pods.count
        if mark is not None:
            build.ledger.mark(spec, key, mark)


def _count_mark(build: Build, spec: Node, pods: PodSet) -> Mark | None:
    if pods is build.trainer_pod_set() and "numNodes" in (build.trainer or {}):
        return build.job_mark.at("trainer", "numNodes")
    if pods.ancestor == TRAINER and build.policy is not None:
        return build.runtime_mark.at("mlPolicy", "numNodes")
    return build.ledger.of(spec, "parallelism")


def _write_back(replicated_job: Node, pods: PodSet) -> None:
    spec = pod_spec(replicated_job)
    _write_list(spec, "volumes", pods.volumes, "name")
    sets = (("containers", pods.containers), ("initContainers", pods.init_containers))
    for key, containers in sets:
        for container, seen in zip(spec.get(key, []), containers, strict=True):
            _write_container(container, seen)
    if pods.new_init_containers:
        spec.setdefault("initContainers", []).extend(pods.new_init_containers)


def _write_container(container: Node, seen: PodContainer) -> None:
    _write_list(container, "env", seen.env, "name")
    _write_list(container, "ports", seen.ports)
    _write_list(container, "volumeMounts", seen.volume_mounts, "mountPath")


def _write_list(owner: Node, key: str, items: list[Node], field: str = "") -> None:
    """Upsert items that one field tells apart; without a field, ports."""
    if not items:
        return
    present = owner.setdefault(key, [])
    if field:
        upsert_all(present, items, field)
    else:
        upsert_ports(present, items)
    # the same but twice in the list: both places now hold one object, and each must have its own
    seen: set[int] = set()
    for index, item in enumerate(present):
        if id(item) in seen:
            import copy

            present[index] = copy.deepcopy(item)
        seen.add(id(item))


def _build_initializers(build: Build) -> None:
    for replicated_job in build.replicated_jobs:
        for field, name in _INITIALIZERS.items():
            if ancestor(replicated_job) != name:
                continue
            _force_one_replica(replicated_job)
            for container in pod_spec(replicated_job).get("containers", []):
                if container["name"] == name:
                    _build_initializer(build, container, field)


def _build_initializer(build: Build, container: Node, field: str) -> None:
    """The storage URI, then the user's environment (which may replace it), then the secret."""
    wanted: Node | None = build.job.get("initializer", {}).get(field)
    if wanted is None:
        return
    mark = build.job_mark.at("initializer", field)
    entries: list[Node] = []
    if "storageUri" in wanted:
        entry = env.literal("STORAGE_URI", wanted["storageUri"])
        entries.append(build.ledger.place(entry, mark.at("storageUri")))
    present = container.get("env", [])
    for entry in entries:
        upsert(present, entry, same_name)
    env.upsert_user_env(present, wanted.get("env", []), mark.at("env"), build.ledger)
    if present:
        container["env"] = present
    if "secretRef" in wanted:
        secret = {"secretRef": {"name": wanted["secretRef"].get("name", "")}}
        container.setdefault("envFrom", []).append(build.ledger.place(secret, mark.at("secretRef")))


def _build_trainer(build: Build) -> None:
    as_node = (build.policy or {}).get("mpi", {}).get("runLauncherAsNode", False)
    for replicated_job in build.replicated_jobs:
        trains = ancestor(replicated_job) == TRAINER
        if trains:
            _force_one_replica(replicated_job)
        for container in pod_spec(replicated_job).get("containers", []):
            if container["name"] != NODE or build.trainer is None:
                continue
            if trains:
                _override(build, container)
            if trains or (as_node and replicated_job["name"] == NODE):
                _add_user_env(build, container)


def _force_one_replica(replicated_job: Node) -> None:
    replicated_job["replicas"] = 1


def _override(build: Build, container: Node) -> None:
    """Image, command and args of the TrainJob, each on its own; an explicit empty list clears the runtime's."""
    assert build.trainer is not None
    for key in ("image", "command", "args"):
        if key in build.trainer:
            value = build.trainer[key]
            # a list of its own: no two places of the result share an object
            container[key] = list(value) if isinstance(value, list) else value
            own = build.command_mark if key == "command" else None
            build.ledger.mark(container, key, own or build.job_mark.at("trainer", key))
            if value == []:
                del container[key]


def _add_user_env(build: Build, container: Node) -> None:
    """The user's environment has the last word, also over what a policy injected."""
    entries = (build.trainer or {}).get("env", [])
    if entries:
        present = container.setdefault("env", [])
        env.upsert_user_env(present, entries, build.job_mark.at("trainer", "env"), build.ledger)
