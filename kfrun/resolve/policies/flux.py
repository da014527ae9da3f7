"""The flux policy: the trainer's command runs inside a Flux instance of the job's own. Source: upstream's Flux plugin.

An init container brings Flux itself, a ConfigMap two scripts, a Secret the certificate of the brokers.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import InvalidInput
from kfrun.resolve import keys
from kfrun.resolve.findings import finding
from kfrun.resolve.podsets import NODE, TRAINER, ancestor, counting_resources, pod_spec, same_mount, upsert
from kfrun.resolve.policies import counts, fluxscripts

if TYPE_CHECKING:
    from kfrun.resolve.origins import Mark
    from kfrun.resolve.podsets import Build, PodSet

    Node = dict[str, Any]

_DEFAULTS: Final = {
    "FLUX_VIEW_IMAGE": "ghcr.io/converged-computing/flux-view-ubuntu:tag-jammy",
    "FLUX_NETWORK_DEVICE": "eth0",
    "FLUX_QUEUE_POLICY": "fcfs",
}
"""Settings, which are environment variables of the trainer: the runtime's, replaced by the TrainJob's."""

_SCRIPTS: Final = "/etc/flux-config"
_INSTALLER: Final = "flux-installer"


def enforce(build: Build) -> None:
    """Wrap the trainer's command, and give the nodes what Flux needs. The counts are the plain policy's.

    Raises:
        InvalidInput: the TrainJob does not say how many nodes it wants.
    """
    _require_nodes(build)
    mark = build.runtime_mark.at("mlPolicy", "flux").as_policy("flux")
    image = _settings(build)["FLUX_VIEW_IMAGE"]
    _wrap_command(build, mark)
    for pods in build.pod_sets:
        if pods.name == NODE:
            for volume in _volumes(build):
                pods.add_volume(build.ledger.place(volume, mark))
            pods.new_init_containers.append(build.ledger.place(_installer(build, image), mark))
            _mount(build, pods, mark)


def add_objects(build: Build) -> None:
    """Add the scripts, and the certificate if there is material for it."""
    assert build.policy is not None
    assert build.trainer is not None
    settings = _settings(build)
    scripts = fluxscripts.scripts(
        fluxscripts.ScriptFacts(
            name=build.name,
            namespace=build.namespace,
            nodes=build.trainer["numNodes"],
            tasks=build.trainer.get("numProcPerNode", build.policy["flux"].get("numProcPerNode", 1)),
            gpus=counts.gpus(counting_resources(build)),
            device=settings["FLUX_NETWORK_DEVICE"],
            queue_policy=settings["FLUX_QUEUE_POLICY"],
        )
    )
    build.add_object("v1", "ConfigMap", _scripts_name(build), data=scripts)
    if build.material is not None:
        certificate = keys.curve_certificate(build.name, build.material)
        data = {"curve.cert": base64.b64encode(certificate).decode()}
        build.add_object("v1", "Secret", _curve_name(build), data=data)


def _require_nodes(build: Build) -> None:
    """The controller dereferences numNodes unseen, and so never gets anywhere without it."""
    if "numNodes" in (build.trainer or {}):
        return
    path = build.job_mark.at("trainer" if build.trainer is not None else "runtimeRef").path
    message = "a Flux job must say how many nodes it wants: spec.trainer.numNodes is missing"
    hint = "set spec.trainer.numNodes; upstream's controller fails for ever without it"
    raise InvalidInput([finding("KF408", message, build.job_mark.document, path, hint=hint)])


def _settings(build: Build) -> dict[str, str]:
    found = dict(_DEFAULTS)
    for entry in [*_container(build).get("env", []), *(build.trainer or {}).get("env", [])]:
        if entry.get("name") in found and entry.get("value"):
            found[entry["name"]] = entry["value"]
    return found


def _container(build: Build) -> Node:
    """The trainer's container as the runtime has it."""
    for replicated_job in build.replicated_jobs:
        if ancestor(replicated_job) == TRAINER:
            containers = pod_spec(replicated_job).get("containers", [])
            found: Node = next((item for item in containers if item["name"] == NODE), {})
            return found
    return {}


def _wrap_command(build: Build, mark: Mark) -> None:
    """The command becomes one argument of the entrypoint; arguments of the runtime stay behind it."""
    assert build.trainer is not None
    own: list[str] | None = build.trainer.get("command")
    command = _container(build).get("command", []) if own is None else own
    text = " ".join([*command, *build.trainer.pop("args", [])]).strip()
    build.set_command(["/bin/bash", f"{_SCRIPTS}/entrypoint.sh", text], mark)


def _volumes(build: Build) -> list[Node]:
    return [
        {"name": "spack-install", "emptyDir": {}},
        {"name": "flux-install", "emptyDir": {}},
        {"name": _scripts_name(build), "configMap": {"name": _scripts_name(build), "defaultMode": 0o755}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
        {"name": "flux-curve", "secret": {"secretName": _curve_name(build), "defaultMode": 0o400}},
    ]


def _installer(build: Build, image: str) -> Node:
    return {
        "name": _INSTALLER,
        "image": image,
        "command": ["/bin/bash", f"{_SCRIPTS}/init.sh"],
        "volumeMounts": [
            {"name": "flux-install", "mountPath": fluxscripts.SHARED},
            {"name": _scripts_name(build), "mountPath": _SCRIPTS, "readOnly": True},
        ],
    }


def _mount(build: Build, pods: PodSet, mark: Mark) -> None:
    for container in (item for item in pods.containers if item.name == NODE):
        mounts: list[Node] = [
            {"name": "flux-install", "mountPath": fluxscripts.SHARED},
            {"name": "spack-install", "mountPath": "/opt/software"},
            {"name": _scripts_name(build), "mountPath": _SCRIPTS, "readOnly": True},
            {"name": "flux-curve", "mountPath": "/curve", "readOnly": True},
            # read-only upstream too, although nothing can be shared through it then
            {"name": "shared-memory", "mountPath": "/dev/shm", "readOnly": True},  # noqa: S108
        ]
        for mount in mounts:
            upsert(container.volume_mounts, build.ledger.place(mount, mark), same_mount)


def _scripts_name(build: Build) -> str:
    return f"{build.name}-flux-entrypoint"


def _curve_name(build: Build) -> str:
    return f"{build.name}-flux-curve"
