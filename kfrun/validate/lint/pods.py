"""Policies on what pods may do and what they mount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.lint.subject import containers, items, pods, trainer_containers, trainer_pods
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.validate.lint.subject import Subject

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where Linux has it
_PASSING: Final = ("configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret")
"""Sources of volumes that are gone, or read-only, when the pod is gone."""
_HOST_FIELDS: Final = ("hostNetwork", "hostPID", "hostIPC")


def no_source(subject: Subject) -> Iterator[Problem]:
    """KF710: a volume without a source becomes an emptyDir."""
    known = [volume.get("name") for pod in trainer_pods(subject.runtime) for _, volume in items(pod, "volumes")]
    for pod, _ in pods(subject.data):
        for path, volume in items(subject.data, *pod, "volumes"):
            if _source(volume) is None and volume.get("name") not in known:
                message = (
                    f'volume "{volume.get("name", "")}" has no source: it becomes an empty folder, gone with the pod'
                )
                yield Problem("KF710", path, message)


def relative_mount(subject: Subject) -> Iterator[Problem]:
    """KF719: a mountPath that does not begin with a slash."""
    for container, _ in containers(subject.data):
        for path, mount in items(subject.data, *container, "volumeMounts"):
            place = mount.get("mountPath")
            if isinstance(place, str) and place and not place.startswith("/"):
                message = f'mountPath "{place}" is relative: where it ends up is up to the container runtime'
                yield Problem("KF719", (*path, "mountPath"), message)


def privileged(subject: Subject) -> Iterator[Problem]:
    """KF713: a container that is root on its host."""
    for path, container in containers(subject.data):
        if get(container, "securityContext", "privileged") is True:
            message = f'container "{container.get("name", "")}" is privileged: it can do on its host what root can'
            yield Problem("KF713", (*path, "securityContext", "privileged"), message)


def host_access(subject: Subject) -> Iterator[Problem]:
    """KF714: namespaces and files of the host."""
    for path, pod in pods(subject.data):
        for name in _HOST_FIELDS:
            if pod.get(name) is True:
                yield Problem("KF714", (*path, name), f"{name} takes the pod out of its isolation")
        for volume_path, volume in items(subject.data, *path, "volumes"):
            if isinstance(volume.get("hostPath"), dict):
                message = f'volume "{volume.get("name", "")}" is a folder of the host: other pods and jobs reach it too'
                yield Problem("KF714", (*volume_path, "hostPath"), message, at="key")


def no_checkpoint_volume(subject: Subject) -> Iterator[Problem]:
    """KF705: many nodes, and nothing that they write outlives them."""
    if subject.nodes < 2 or subject.runtime is None:
        return
    claims = get(subject.runtime, "spec", "template", "spec", "volumeClaimPolicies")
    specs = [*trainer_pods(subject.runtime), *(pod for _, pod in pods(subject.data))]
    volumes = [volume for pod in specs for _, volume in items(pod, "volumes")]
    if not claims and not any(_lasts(volume) for volume in volumes):
        message = f"{subject.nodes} nodes and no volume that outlives them: a retry starts from the beginning"
        yield Problem("KF705", ("spec",), message, at="key")


def no_shared_memory(subject: Subject) -> Iterator[Problem]:
    """KF716: several GPUs a node, and the 64 MiB of /dev/shm that a container has by default."""
    count = _gpus(subject)
    if count < 2 or subject.runtime is None:
        return
    mounting = [*trainer_containers(subject.runtime), *(container for _, container in containers(subject.data))]
    mounts = [mount for container in mounting for _, mount in items(container, "volumeMounts")]
    if not any(mount.get("mountPath") == SHARED_MEMORY for mount in mounts):
        message = (
            f"{count} GPUs a node and nothing mounted at {SHARED_MEMORY}: data loaders and NCCL share 64 MiB there"
        )
        yield Problem("KF716", ("spec",), message, at="key")


def _source(volume: dict[str, Any]) -> str | None:
    return next((name for name, value in volume.items() if name != "name" and value is not None), None)


def _lasts(volume: dict[str, Any]) -> bool:
    source = _source(volume)
    return source is not None and source not in _PASSING


def _gpus(subject: Subject) -> int:
    """GPUs of one node of a TrainJob; its own resources before those of the runtime."""
    given = [get(subject.data, "spec", "trainer", "resourcesPerNode")]
    given += [container.get("resources") for container in trainer_containers(subject.runtime)]
    for resources in given:
        for kind in ("limits", "requests"):
            found = get(resources, kind)
            counts = (
                [_count(value) for name, value in found.items() if "gpu" in name] if isinstance(found, dict) else []
            )
            if any(counts):
                return max(counts)
    return 0


def _count(value: Any) -> int:
    """A whole number, also in quotes; 0 for what is none."""
    return int(value) if str(value).isascii() and str(value).isdigit() else 0
