"""Which fields of a JobSet local processes honour, and why they do not honour the others. Called by expand.

Every field of the types below is in exactly one of three tables; a test says so. What is in none of a type's tables
cannot occur: `decode` lets only known fields through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.source import field_text
from kfrun.model.workload import NotEnforced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath

    Node = dict[str, Any]

_SCHEDULING = "there is only this machine to run on"
_VOLUMES = "a process sees this machine's file system"
_NAMES = "names are resolved as on this machine"
_USER = "a process runs as the user who starts it"
_RETRIES = "retries are counted per Job only"
_PROBES = "probes are not run"
_TERMINAL = "a process gets no terminal and no input"
_IMAGE = "a process runs from this machine's programs and packages"

HONOURED: dict[str, frozenset[str]] = {
    "JobSetSpec": frozenset({"replicatedJobs", "network", "successPolicy", "startupPolicy", "suspend", "coordinator"}),
    "Network": frozenset({"enableDNSHostnames", "subdomain"}),
    "ReplicatedJob": frozenset({"name", "groupName", "template", "replicas", "dependsOn"}),
    "JobSpec": frozenset(
        {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "template", "completionMode"}
    ),
    "PodSpec": frozenset({"initContainers", "containers", "restartPolicy", "terminationGracePeriodSeconds"}),
    "Container": frozenset({"name", "command", "args", "workingDir", "ports", "env", "restartPolicy"}),
    "EnvVarSource": frozenset({"fieldRef"}),
}

WITHOUT_EFFECT: dict[str, frozenset[str]] = {
    "JobSetSpec": frozenset(),
    # addresses of local pods are there from the start
    "Network": frozenset({"publishNotReadyAddresses"}),
    "ReplicatedJob": frozenset(),
    # JobSet sets suspend itself; selectors only matter to the Job controller
    "JobSpec": frozenset({"suspend", "selector", "manualSelector"}),
    # processes share network, process ids and IPC with the machine already; the rest speaks to a cluster's services
    "PodSpec": frozenset(
        {
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "shareProcessNamespace",
            "enableServiceLinks",
            "automountServiceAccountToken",
            "imagePullSecrets",
            "subdomain",
        }
    ),
    "Container": frozenset({"imagePullPolicy", "resizePolicy"}),
    "EnvVarSource": frozenset(),
}

NOT_HONOURED: dict[str, dict[str, str]] = {
    "JobSetSpec": {
        "failurePolicy": "the JobSet is not restarted",
        "managedBy": "kfrun runs the JobSet whoever manages it",
        "ttlSecondsAfterFinished": "finished jobs stay until they are deleted",
        "volumeClaimPolicies": _VOLUMES,
    },
    "Network": {},
    "ReplicatedJob": {},
    "JobSpec": {
        "podFailurePolicy": "exit codes do not decide about retries",
        "successPolicy": "a Job succeeds when all of its pods do",
        "backoffLimitPerIndex": _RETRIES,
        "maxFailedIndexes": _RETRIES,
        "ttlSecondsAfterFinished": "finished jobs stay until they are deleted",
        "podReplacementPolicy": "failed pods are replaced when they have ended",
        "managedBy": "kfrun runs the Job whoever manages it",
    },
    "PodSpec": {
        "volumes": _VOLUMES,
        "ephemeralContainers": "only containers and initContainers are run",
        "activeDeadlineSeconds": "deadlines of Jobs and of the TrainJob are kept, those of pods are not",
        "dnsPolicy": _NAMES,
        "dnsConfig": _NAMES,
        "hostAliases": _NAMES,
        "hostname": _NAMES,
        "hostnameOverride": _NAMES,
        "setHostnameAsFQDN": _NAMES,
        "nodeSelector": _SCHEDULING,
        "nodeName": _SCHEDULING,
        "affinity": _SCHEDULING,
        "schedulerName": _SCHEDULING,
        "tolerations": _SCHEDULING,
        "priorityClassName": _SCHEDULING,
        "priority": _SCHEDULING,
        "preemptionPolicy": _SCHEDULING,
        "topologySpreadConstraints": _SCHEDULING,
        "schedulingGates": _SCHEDULING,
        "schedulingGroup": _SCHEDULING,
        "overhead": _SCHEDULING,
        "runtimeClassName": _SCHEDULING,
        "os": _SCHEDULING,
        "serviceAccountName": "there is no cluster to be authorised at",
        "serviceAccount": "there is no cluster to be authorised at",
        "securityContext": _USER,
        "hostUsers": _USER,
        "readinessGates": _PROBES,
        "resourceClaims": "devices are not claimed",
        "resources": "CPU and memory are not limited",
    },
    "Container": {
        "image": _IMAGE,
        "envFrom": "ConfigMaps and Secrets are not read",
        "resources": "CPU, memory and devices are neither limited nor allocated",
        "restartPolicyRules": _RETRIES,
        "volumeMounts": _VOLUMES,
        "volumeDevices": _VOLUMES,
        "livenessProbe": _PROBES,
        "readinessProbe": _PROBES,
        "startupProbe": _PROBES,
        "lifecycle": "lifecycle hooks are not run",
        "terminationMessagePath": "termination messages are not read",
        "terminationMessagePolicy": "termination messages are not read",
        "securityContext": _USER,
        "stdin": _TERMINAL,
        "stdinOnce": _TERMINAL,
        "tty": _TERMINAL,
    },
    "EnvVarSource": {
        "resourceFieldRef": "resources are not counted",
        "configMapKeyRef": "ConfigMaps are not read",
        "secretKeyRef": "Secrets are not read",
        "fileKeyRef": _VOLUMES,
    },
}

_FALSE_MATTERS = frozenset({"hostUsers"})


def not_enforced(jobset: Node, *, name_images: bool) -> tuple[NotEnforced, ...]:
    """The fields of a resolved JobSet that local processes do not honour, in the JobSet's order.

    Args:
        jobset: the JobSet.
        name_images: whether images are named; those of shipped runtimes only say what a cluster would run.
    """
    found = dict.fromkeys(_jobset(jobset["spec"], ("spec",)))
    return tuple(item for item in found if name_images or item.why != _IMAGE)


def _named(node: Node, type_name: str, path: FieldPath) -> Iterator[NotEnforced]:
    reasons = NOT_HONOURED[type_name]
    for key, value in node.items():
        if key in reasons and (value or (value is False and key in _FALSE_MATTERS)):
            yield NotEnforced(field_text((*path, key)), reasons[key])


def _jobset(spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    for index, replicated_job in enumerate(spec.get("replicatedJobs", [])):
        below = (*path, "replicatedJobs", index, "template", "spec")
        yield from _job(replicated_job["template"]["spec"], below)
    yield from _named(spec, "JobSetSpec", path)


def _job(spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    if spec.get("completionMode", "Indexed") != "Indexed":
        yield NotEnforced(field_text((*path, "completionMode")), "every pod gets an index")
    yield from _named(spec, "JobSpec", path)
    yield from _pod(spec["template"]["spec"], (*path, "template", "spec"))


def _pod(spec: Node, path: FieldPath) -> Iterator[NotEnforced]:
    yield from _named(spec, "PodSpec", path)
    for key in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(key, [])):
            yield from _container(container, (*path, key, index), is_init=key == "initContainers")


def _container(container: Node, path: FieldPath, *, is_init: bool) -> Iterator[NotEnforced]:
    yield from _named(container, "Container", path)
    if container.get("restartPolicy") and not (is_init and container["restartPolicy"] == "Always"):
        yield NotEnforced(field_text((*path, "restartPolicy")), "containers restart as their pod says")
    for index, entry in enumerate(container.get("env", [])):
        below = (*path, "env", index, "valueFrom")
        source: Node | None = entry.get("valueFrom")
        if source is not None:
            yield from _named(source, "EnvVarSource", below)
        if source == {}:
            yield NotEnforced(field_text(below), "it names no source")
