"""The mpi policy: a launcher and its nodes, an SSH key that they share, and a hostfile. Source: upstream's MPI plugin.

Launcher and nodes are known by the names of their jobs (``launcher`` and ``node``), not by their labels.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import InvalidInput
from kfrun.resolve import env, keys
from kfrun.resolve.findings import finding
from kfrun.resolve.material import ENTROPY, Material
from kfrun.resolve.podsets import NODE, counting_resources, same_mount, upsert
from kfrun.resolve.policies import counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kfrun.resolve.origins import Mark
    from kfrun.resolve.podsets import Build, PodSet

    Node = dict[str, Any]

LAUNCHER: Final = "launcher"

_OPEN_MPI: Final = "OpenMPI"
_KEYS_VOLUME: Final = "mpi-ssh-auth"
_HOSTS_VOLUME: Final = "mpi-hostfile"
_HOSTS_PATH: Final = "/etc/mpi"
_HOSTS_FILE: Final = "hostfile"
_LARGEST: Final = 2**20
"""Bytes that the API server lets a ConfigMap have."""


def enforce(build: Build) -> None:
    """Count the nodes, mount keys and hostfile, and point Open MPI at the hostfile.

    Raises:
        InvalidInput: another implementation than Open MPI.
    """
    policy = _policy(build)
    mark = build.runtime_mark.at("mlPolicy", "mpi").as_policy("mpi")
    slots = str(_slots(build, policy))
    for pods in build.pod_sets:
        if pods.name == NODE:
            _set_count(build, pods, as_node=policy.get("runLauncherAsNode", False))
        if pods.name in {NODE, LAUNCHER}:
            _mount(build, pods, policy.get("sshAuthMountPath", "/root/.ssh"), mark)
        if pods.name == LAUNCHER:
            _point_at_hosts(build, pods, slots, mark)


def add_objects(build: Build) -> None:
    """Add the hostfile, and the keys if there is material for them; all counts must be final.

    Raises:
        InvalidInput: so many hosts that no ConfigMap can hold their names.
    """
    build.add_object("v1", "ConfigMap", _hosts_name(build), data={_HOSTS_FILE: _hosts(build)})
    if build.material is not None:
        build.add_object("v1", "Secret", _keys_name(build), **_keys(build.material))


def missing_keys(objects: Sequence[Node], uid: str, entropy: Callable[[int], bytes]) -> Iterator[Node]:
    """The Secret of a job that was resolved without material, beside its ``objects``; nothing for other jobs."""
    for metadata in missing_secrets(objects):
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **_keys(Material(uid, entropy(ENTROPY)))}


def missing_secrets(objects: Sequence[Node]) -> Iterator[Node]:
    """The metadata of what `missing_keys` makes."""
    kinds = {item["kind"] for item in objects}
    for item in objects:
        name, _, of_mpi = item["metadata"]["name"].rpartition(f"-{_HOSTS_VOLUME}")
        if item["kind"] == "ConfigMap" and name and not of_mpi and "Secret" not in kinds:
            yield {**item["metadata"], "name": f"{name}-{_KEYS_VOLUME}"}


def _keys(material: Material) -> Node:
    pair = keys.ssh_keys(material)
    data = {"ssh-privatekey": _base64(pair.private), "ssh-publickey": _base64(pair.public)}
    return {"type": "kubernetes.io/ssh-auth", "immutable": True, "data": data}


def _hosts(build: Build) -> str:
    """A line for each pod that runs processes, in the order of the template's jobs."""
    policy = _policy(build)
    slots = _slots(build, policy)
    names = {NODE, LAUNCHER} if policy.get("runLauncherAsNode", False) else {NODE}
    listed = [pods for pods in build.pod_sets if pods.name in names]
    shortest = len(f"{build.name}-{NODE}-0-0.{build.subdomain} slots={slots}\n")
    size = shortest * sum(max(0, pods.replicas) * max(0, pods.count) for pods in listed)
    _require_room(build, size)
    hosts = "".join(
        f"{build.name}-{pods.name}-{replica}-{index}.{build.subdomain} slots={slots}\n"
        for pods in listed
        for replica in range(pods.replicas)
        for index in range(pods.count)
    )
    _require_room(build, len(hosts))
    return hosts


def _require_room(build: Build, size: int) -> None:
    if size > _LARGEST:
        path = ("trainer", "numNodes") if "numNodes" in (build.trainer or {}) else ()
        message = f"the hostfile would have {size} bytes or more; a ConfigMap can hold {_LARGEST}"
        raise InvalidInput([finding("KF409", message, build.job_mark.document, build.job_mark.at(*path).path)])


def _policy(build: Build) -> Node:
    assert build.policy is not None
    policy: Node = build.policy["mpi"]
    if policy.get("mpiImplementation", _OPEN_MPI) != _OPEN_MPI:
        mark = build.runtime_mark.at("mlPolicy", "mpi", "mpiImplementation")
        message = f'the MPI implementation "{policy["mpiImplementation"]}" is not supported; only {_OPEN_MPI} is'
        raise InvalidInput([finding("KF407", message, mark.document, mark.path)])
    return policy


def _slots(build: Build, policy: Node) -> int:
    """Processes per host: the TrainJob's, else the runtime's; where that is 1, one per GPU."""
    asked: int | None = (build.trainer or {}).get("numProcPerNode")
    if asked is not None:
        return asked
    own: int = policy.get("numProcPerNode", 1)
    return max(own, counts.gpus(counting_resources(build))) if own == 1 else own


def _set_count(build: Build, pods: PodSet, *, as_node: bool) -> None:
    """The TrainJob's numNodes is that of the nodes, the launcher included if it works as one."""
    asked: int | None = (build.trainer or {}).get("numNodes")
    if asked is not None:
        pods.count = max(asked - 1, 1) if as_node else asked


def _mount(build: Build, pods: PodSet, path: str, mark: Mark) -> None:
    pods.add_volume(build.ledger.place(_keys_volume(build), mark))
    volumes = {path: _KEYS_VOLUME}
    if pods.name == LAUNCHER:
        pods.add_volume(build.ledger.place(_hosts_volume(build), mark))
        volumes[_HOSTS_PATH] = _HOSTS_VOLUME
    for container in (item for item in pods.containers if item.name == NODE):
        for place, name in volumes.items():
            mount = build.ledger.place({"name": name, "mountPath": place}, mark)
            upsert(container.volume_mounts, mount, same_mount)


def _point_at_hosts(build: Build, pods: PodSet, slots: str, mark: Mark) -> None:
    for container in (item for item in pods.containers if item.name == NODE):
        settings = [
            env.literal("OMPI_MCA_orte_default_hostfile", f"{_HOSTS_PATH}/{_HOSTS_FILE}"),
            env.literal("OMPI_MCA_orte_keep_fqdn_hostnames", "true"),
            env.literal("OMPI_MCA_orte_set_default_slots", slots),
            env.literal("OMPI_MCA_plm_rsh_args", "-o ConnectionAttempts=10"),
        ]
        env.upsert_policy_env(container.env, settings, mark, build.ledger)


def _keys_volume(build: Build) -> Node:
    """Modes as sshd wants them: nobody else may write the private key, whose group is the pod's fsGroup."""
    items = [
        {"key": "ssh-privatekey", "path": "id_rsa", "mode": 0o640},
        {"key": "ssh-publickey", "path": "id_rsa.pub", "mode": 0o644},
        {"key": "ssh-publickey", "path": "authorized_keys", "mode": 0o644},
    ]
    secret = {"secretName": _keys_name(build), "items": items, "defaultMode": 0o400}
    return {"name": _KEYS_VOLUME, "secret": secret}


def _hosts_volume(build: Build) -> Node:
    items = [{"key": _HOSTS_FILE, "path": _HOSTS_FILE, "mode": 0o444}]
    return {"name": _HOSTS_VOLUME, "configMap": {"name": _hosts_name(build), "items": items}}


def _keys_name(build: Build) -> str:
    return f"{build.name}-{_KEYS_VOLUME}"


def _hosts_name(build: Build) -> str:
    return f"{build.name}-{_HOSTS_VOLUME}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
