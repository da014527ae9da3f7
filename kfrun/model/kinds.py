"""The kinds of objects that kfrun reads, and what identifies an object. The one place for their names."""

from __future__ import annotations

from kfrun.model.source import ObjectKey

API_VERSION = "trainer.kubeflow.org/v1alpha1"
GROUP = "trainer.kubeflow.org"
DEFAULT_NAMESPACE = "default"
TRAIN_JOB = "TrainJob"
CLUSTER_RUNTIME, NAMESPACED_RUNTIME = RUNTIMES = ("ClusterTrainingRuntime", "TrainingRuntime")
TRAINER_KINDS = (TRAIN_JOB, *RUNTIMES)
CLAIM = "PersistentVolumeClaim"
CORE_KINDS = ("ConfigMap", "Secret", CLAIM, "Namespace")
"""Core objects that a training spec leans on; apiVersion ``v1``."""
OF_JOBSETS = ("JobSet", "Job", "Pod")
"""What the controllers make of a TrainJob."""

JOBSET_NAME_LABEL = "jobset.sigs.k8s.io/jobset-name"
"""Names a Job's JobSet."""

CLUSTER_SCOPED = frozenset({CLUSTER_RUNTIME, "Namespace"})

LEGACY_JOBS = frozenset({"MPIJob", "PaddleJob", "PyTorchJob", "TFJob", "XGBoostJob", "JAXJob"})
"""Kinds of the Training Operator (kubeflow.org/v1), the Trainer's predecessor."""

CONVERTED_JOBS = frozenset({"MPIJob", "PyTorchJob", "XGBoostJob", "JAXJob"})
"""Those of them that ``kfrun convert`` makes TrainJobs of."""


OTHER_KINDS = frozenset(
    (
        *("APIService", "Binding", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole"),
        *("ClusterRoleBinding", "ControllerRevision", "CronJob", "CustomResourceDefinition", "DaemonSet", "Deployment"),
        *("DeviceClass", "EndpointSlice", "Endpoints", "Event", "Eviction", "FlowSchema", "Gateway", "HTTPRoute"),
        *("HorizontalPodAutoscaler", "IPAddress", "Ingress", "IngressClass", "Job", "JobSet", "Kustomization", "Lease"),
        *("LimitRange", "LocalSubjectAccessReview", "MutatingWebhookConfiguration", "NetworkPolicy", "Node"),
        *("PersistentVolume", "Pod", "PodDisruptionBudget", "PodTemplate", "PriorityClass"),
        *("PriorityLevelConfiguration", "ReplicaSet", "ReplicationController", "ResourceClaim"),
        *("ResourceClaimTemplate", "ResourceQuota", "ResourceSlice", "Role", "RoleBinding", "RuntimeClass", "Scale"),
        *("SelfSubjectAccessReview", "Service", "ServiceAccount", "ServiceCIDR", "StatefulSet", "StorageClass"),
        *("SubjectAccessReview", "TokenRequest", "TokenReview", "ValidatingAdmissionPolicy"),
        *("ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment"),
    )
)
"""Kinds of Kubernetes that kfrun does not read: who writes one of them means it."""


def api_version(kind: str) -> str | None:
    """The apiVersion under which kfrun reads ``kind``; None for kinds that it does not read."""
    if kind in TRAINER_KINDS:
        return API_VERSION
    return "v1" if kind in CORE_KINDS else None


def is_own(key: ObjectKey) -> bool:
    """Whether the object is of a kind that kfrun reads, or means to be of the Trainer's group."""
    return key.group == GROUP or (bool(key.kind) and api_version(key.kind) == key.api_version)


def identity(key: ObjectKey) -> ObjectKey:
    """What two objects must not share: the key, with the namespace that it means."""
    namespace = "" if key.kind in CLUSTER_SCOPED else key.namespace or DEFAULT_NAMESPACE
    return ObjectKey(key.api_version, key.kind, namespace, key.name)


def runtime_key(key: ObjectKey) -> ObjectKey | None:
    """The key of a runtime, namespace filled in; None when it is no runtime."""
    if key.group != GROUP or not key.name or key.kind not in RUNTIMES:
        return None
    namespace = "" if key.kind in CLUSTER_SCOPED else key.namespace or DEFAULT_NAMESPACE
    return ObjectKey(API_VERSION, key.kind, namespace, key.name)
