"""What local processes honour of a JobSet, and why they do not honour the rest."""

from __future__ import annotations

from typing import Final

from kfrun.plan.support.table import Support

_SCHEDULING = "there is only this machine to run on"
_NAMES = "names are resolved as on this machine"
_USER = "a process runs as the user who starts it; only root may start it as another, and no rank of an MPI job"
_PROTECTION = "a process has the rights of its user, and no other protection"
_RETRIES = "containers restart as their pod says"
_TERMINAL = "a process gets no terminal and no input"
_UNABLE = "cannot run as local processes"
_IMAGE = "a process runs from this machine's programs and packages"

_HONOURED: Final[dict[str, frozenset[str]]] = {
    "JobSetSpec": frozenset(
        {
            "replicatedJobs",
            "network",
            "successPolicy",
            "failurePolicy",
            "startupPolicy",
            "suspend",
            "coordinator",
            "ttlSecondsAfterFinished",
            "volumeClaimPolicies",
        }
    ),
    "Network": frozenset({"enableDNSHostnames", "subdomain"}),
    "ReplicatedJob": frozenset({"name", "groupName", "template", "replicas", "dependsOn"}),
    "JobSpec": frozenset(
        {
            "parallelism",
            "completions",
            "completionMode",
            "activeDeadlineSeconds",
            "backoffLimit",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
            "podFailurePolicy",
            "podReplacementPolicy",
            "successPolicy",
            "template",
            "ttlSecondsAfterFinished",
        }
    ),
    "PodSpec": frozenset(
        {
            "initContainers",
            "containers",
            "restartPolicy",
            "terminationGracePeriodSeconds",
            "activeDeadlineSeconds",
            "securityContext",
            "volumes",
        }
    ),
    "Container": frozenset(
        {
            "name",
            "command",
            "args",
            "workingDir",
            "ports",
            "env",
            "envFrom",
            "restartPolicy",
            "volumeMounts",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "securityContext",
        }
    ),
    "PodSecurityContext": frozenset({"runAsNonRoot"}),
    "SecurityContext": frozenset({"runAsNonRoot"}),
    "EnvVarSource": frozenset({"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}),
    "Volume": frozenset(
        {
            "name",
            "emptyDir",
            "hostPath",
            "configMap",
            "secret",
            "downwardAPI",
            "projected",
            "persistentVolumeClaim",
            "ephemeral",
        }
    ),
    "VolumeProjection": frozenset({"configMap", "secret", "downwardAPI"}),
    "VolumeMount": frozenset({"name", "mountPath", "readOnly", "subPath", "subPathExpr"}),
}

_WITHOUT_EFFECT: Final[dict[str, frozenset[str]]] = {
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
    # how volumes get their group
    "PodSecurityContext": frozenset({"fsGroupChangePolicy"}),
    "SecurityContext": frozenset(),
    "EnvVarSource": frozenset(),
    "Volume": frozenset(),
    "VolumeProjection": frozenset(),
    "VolumeMount": frozenset(),
}

_NOT_HONOURED: Final[dict[str, dict[str, str]]] = {
    "JobSetSpec": {
        "managedBy": "kfrun runs the JobSet whoever manages it",
    },
    "Network": {},
    "ReplicatedJob": {},
    "JobSpec": {
        "managedBy": "kfrun runs the Job whoever manages it",
    },
    "PodSpec": {
        "ephemeralContainers": "only containers and initContainers are run",
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
        "hostUsers": _USER,
        "readinessGates": "conditions that others set are not waited for",
        "resourceClaims": "devices are not claimed",
        "resources": "CPU and memory are not limited",
    },
    "Container": {
        "image": _IMAGE,
        "resources": "CPU, memory and devices are neither limited nor allocated",
        "restartPolicyRules": _RETRIES,
        "volumeDevices": "a process gets no block devices",
        "stdin": _TERMINAL,
        "stdinOnce": _TERMINAL,
        "tty": _TERMINAL,
    },
    "PodSecurityContext": {
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "supplementalGroups": _USER,
        "supplementalGroupsPolicy": _USER,
        "fsGroup": _USER,
        "seLinuxOptions": _PROTECTION,
        "seLinuxChangePolicy": _PROTECTION,
        "seccompProfile": _PROTECTION,
        "appArmorProfile": _PROTECTION,
        "windowsOptions": _PROTECTION,
        "sysctls": "a process has this machine's kernel, as it is set",
    },
    "SecurityContext": {
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "capabilities": _PROTECTION,
        "privileged": _PROTECTION,
        "allowPrivilegeEscalation": _PROTECTION,
        "readOnlyRootFilesystem": _PROTECTION,
        "procMount": _PROTECTION,
        "seLinuxOptions": _PROTECTION,
        "seccompProfile": _PROTECTION,
        "appArmorProfile": _PROTECTION,
        "windowsOptions": _PROTECTION,
    },
    "EnvVarSource": {},
    "Volume": dict.fromkeys(
        (
            *("gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume"),
            *("cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk"),
            *("photonPersistentDisk", "portworxVolume", "scaleIO", "storageos", "csi", "image"),
        ),
        "nothing is mounted there: this machine has no such volumes",
    ),
    "VolumeMount": {
        "recursiveReadOnly": "what lies within a volume is as writable as it was",
        "mountPropagation": "what is mounted later is seen on neither side",
    },
    "VolumeProjection": dict.fromkeys(
        ("serviceAccountToken", "clusterTrustBundle", "podCertificate"), "there is no cluster to be authorised at"
    ),
}

SUPPORT: Final = Support(
    backend="process",
    honoured=_HONOURED,
    without_effect=_WITHOUT_EFFECT,
    not_honoured=_NOT_HONOURED,
    refusals={
        "exec": "a process has no container that another program could be started in: start it on this machine",
        "copy": "a process has no file system of its own: copy files as you do on this machine",
        "forward": "a process listens on this machine's own ports: connect to them as they are",
        "usage": "a process is not metered: this machine's own tools, top for instance, show what it takes",
    },
    policies={
        "flux": f"{_UNABLE}: Flux is brought by an init container, its scripts and its certificate are mounted as "
        "volumes",
    },
    of_root={
        "PodSecurityContext": frozenset(
            {"runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "fsGroup"}
        ),
        "SecurityContext": frozenset({"runAsUser", "runAsGroup"}),
    },
    needs_command="a process has no image whose entrypoint it could run",
)
"""Containers as processes of this machine."""
