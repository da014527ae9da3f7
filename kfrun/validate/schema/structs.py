"""The fields of every type that the controllers hold in structs, and how each is written.

Facts of the APIs: trainer.kubeflow.org/v1alpha1, jobset.x-k8s.io/v1alpha2 (JobSet v0.12) and the batch and core
groups of Kubernetes v1.36. They decide what typed structs keep of a document and what they add, where a controller
makes something of it (resolve) and where a webhook writes it back (`kfrun.validate.rules.defaulter`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from kfrun.model.values import NamedTuple

_TABLE = """\
TrainJobSpec: runtimeRef=RuntimeRef! initializer=*Initializer trainer=*Trainer runtimePatches=[RuntimePatch]
  suspend=*bool activeDeadlineSeconds=*int managedBy=*string
RuntimeRef: name=string! apiGroup=*string kind=*string
Initializer: dataset=*InitializerSource model=*InitializerSource
InitializerSource: storageUri=*string env=[EnvVar] secretRef=*LocalObjectReference
Trainer: image=*string command=[string] args=[string] env=[EnvVar] numNodes=*int
  resourcesPerNode=*ResourceRequirements numProcPerNode=*int
RuntimePatch: manager=string! time=*string trainingRuntimeSpec=*TrainingRuntimeSpecPatch
TrainingRuntimeSpecPatch: template=*JobSetTemplatePatch
JobSetTemplatePatch: metadata=*ObjectMeta spec=*JobSetSpecPatch
JobSetSpecPatch: replicatedJobs=[ReplicatedJobPatch]
ReplicatedJobPatch: name=string! template=*JobTemplatePatch
JobTemplatePatch: metadata=*ObjectMeta spec=*JobSpecPatch
JobSpecPatch: template=*PodTemplatePatch
PodTemplatePatch: metadata=*ObjectMeta spec=*PodSpecPatch
PodSpecPatch: serviceAccountName=*string volumes=[Volume] initContainers=[ContainerPatch]
  containers=[ContainerPatch] imagePullSecrets=[LocalObjectReference] securityContext=*PodSecurityContext
  terminationGracePeriodSeconds=*int nodeSelector={string} affinity=*Affinity tolerations=[Toleration]
  schedulingGates=[PodSchedulingGate]
ContainerPatch: name=string env=[EnvVar] volumeMounts=[VolumeMount] securityContext=*SecurityContext
TrainingRuntimeSpec: mlPolicy=*MLPolicy podGroupPolicy=*PodGroupPolicy template=JobSetTemplateSpec!
MLPolicy: numNodes=*int torch=*TorchPolicy mpi=*MPIPolicy jax=*Empty xgboost=*Empty flux=*FluxPolicy
TorchPolicy: envInjection=*EnvInjection
EnvInjection: targets=[EnvInjectionTarget]
EnvInjectionTarget: jobName=string! containerNames=[string]
MPIPolicy: numProcPerNode=*int mpiImplementation=*string sshAuthMountPath=*string runLauncherAsNode=*bool
FluxPolicy: numProcPerNode=*int
Empty:
PodGroupPolicy: coscheduling=*Coscheduling volcano=*Volcano
Coscheduling: scheduleTimeoutSeconds=*int
Volcano: networkTopology=*NetworkTopology
NetworkTopology: mode=string highestTierAllowed=*int
JobSetTemplateSpec: metadata=ObjectMeta! spec=JobSetSpec!
JobSetSpec: replicatedJobs=[ReplicatedJob] network=*Network successPolicy=*JobSetSuccessPolicy
  failurePolicy=*FailurePolicy startupPolicy=*StartupPolicy suspend=*bool coordinator=*Coordinator
  managedBy=*string ttlSecondsAfterFinished=*int volumeClaimPolicies=[VolumeClaimPolicy]
ReplicatedJob: name=string! groupName=string template=JobTemplateSpec! replicas=int dependsOn=[DependsOn]
JobTemplateSpec: metadata=ObjectMeta! spec=JobSpec!
ObjectMeta: name=string generateName=string namespace=string labels={string} annotations={string}
  finalizers=[string]
JobSpec: parallelism=*int completions=*int activeDeadlineSeconds=*int podFailurePolicy=*PodFailurePolicy
  successPolicy=*SuccessPolicy backoffLimit=*int backoffLimitPerIndex=*int maxFailedIndexes=*int
  selector=*LabelSelector manualSelector=*bool template=PodTemplateSpec! ttlSecondsAfterFinished=*int
  completionMode=*string suspend=*bool podReplacementPolicy=*string managedBy=*string
PodFailurePolicy: rules=[PodFailurePolicyRule]
PodFailurePolicyRule: action=string! onExitCodes=*PodFailurePolicyOnExitCodesRequirement
  onPodConditions=[PodFailurePolicyOnPodConditionsPattern]
PodFailurePolicyOnExitCodesRequirement: containerName=*string operator=string! values=[int]
PodFailurePolicyOnPodConditionsPattern: type=string! status=string!
SuccessPolicy: rules=[SuccessPolicyRule]
SuccessPolicyRule: succeededIndexes=*string succeededCount=*int
LabelSelector: matchLabels={string} matchExpressions=[LabelSelectorRequirement]
LabelSelectorRequirement: key=string! operator=string! values=[string]
PodTemplateSpec: metadata=ObjectMeta! spec=PodSpec!
PodSpec: volumes=[Volume] initContainers=[Container] containers=[Container] ephemeralContainers=[Container]
  restartPolicy=string terminationGracePeriodSeconds=*int activeDeadlineSeconds=*int dnsPolicy=string
  nodeSelector={string} serviceAccountName=string serviceAccount=string automountServiceAccountToken=*bool
  nodeName=string hostNetwork=bool hostPID=bool hostIPC=bool shareProcessNamespace=*bool
  securityContext=*PodSecurityContext imagePullSecrets=[LocalObjectReference] hostname=string
  subdomain=string affinity=*Affinity schedulerName=string tolerations=[Toleration] hostAliases=[HostAlias]
  priorityClassName=string priority=*int dnsConfig=*PodDNSConfig readinessGates=[PodReadinessGate]
  runtimeClassName=*string enableServiceLinks=*bool preemptionPolicy=*string overhead={quantity}
  topologySpreadConstraints=[TopologySpreadConstraint] setHostnameAsFQDN=*bool os=*PodOS hostUsers=*bool
  schedulingGates=[PodSchedulingGate] resourceClaims=[PodResourceClaim] resources=*ResourceRequirements
  hostnameOverride=*string schedulingGroup=*PodSchedulingGroup
Volume: name=string! hostPath=*HostPathVolumeSource emptyDir=*EmptyDirVolumeSource
  gcePersistentDisk=*GCEPersistentDiskVolumeSource awsElasticBlockStore=*AWSElasticBlockStoreVolumeSource
  gitRepo=*GitRepoVolumeSource secret=*SecretVolumeSource nfs=*NFSVolumeSource iscsi=*ISCSIVolumeSource
  glusterfs=*GlusterfsVolumeSource persistentVolumeClaim=*PersistentVolumeClaimVolumeSource
  rbd=*RBDVolumeSource flexVolume=*FlexVolumeSource cinder=*CinderVolumeSource cephfs=*CephFSVolumeSource
  flocker=*FlockerVolumeSource downwardAPI=*DownwardAPIVolumeSource fc=*FCVolumeSource
  azureFile=*AzureFileVolumeSource configMap=*ConfigMapVolumeSource
  vsphereVolume=*VsphereVirtualDiskVolumeSource quobyte=*QuobyteVolumeSource
  azureDisk=*AzureDiskVolumeSource photonPersistentDisk=*PhotonPersistentDiskVolumeSource
  projected=*ProjectedVolumeSource portworxVolume=*PortworxVolumeSource scaleIO=*ScaleIOVolumeSource
  storageos=*StorageOSVolumeSource csi=*CSIVolumeSource ephemeral=*EphemeralVolumeSource
  image=*ImageVolumeSource
HostPathVolumeSource: path=string! type=*string
EmptyDirVolumeSource: medium=string sizeLimit=*quantity
GCEPersistentDiskVolumeSource: pdName=string! fsType=string partition=int readOnly=bool
AWSElasticBlockStoreVolumeSource: volumeID=string! fsType=string partition=int readOnly=bool
GitRepoVolumeSource: repository=string! revision=string directory=string
SecretVolumeSource: secretName=string items=[KeyToPath] defaultMode=*int optional=*bool
KeyToPath: key=string! path=string! mode=*int
NFSVolumeSource: server=string! path=string! readOnly=bool
ISCSIVolumeSource: targetPortal=string! iqn=string! lun=int! iscsiInterface=string fsType=string
  readOnly=bool portals=[string] chapAuthDiscovery=bool chapAuthSession=bool secretRef=*LocalObjectReference
  initiatorName=*string
LocalObjectReference: name=string
GlusterfsVolumeSource: endpoints=string! path=string! readOnly=bool
PersistentVolumeClaimVolumeSource: claimName=string! readOnly=bool
RBDVolumeSource: monitors=[string] image=string! fsType=string pool=string user=string keyring=string
  secretRef=*LocalObjectReference readOnly=bool
FlexVolumeSource: driver=string! fsType=string secretRef=*LocalObjectReference readOnly=bool
  options={string}
CinderVolumeSource: volumeID=string! fsType=string readOnly=bool secretRef=*LocalObjectReference
CephFSVolumeSource: monitors=[string] path=string user=string secretFile=string
  secretRef=*LocalObjectReference readOnly=bool
FlockerVolumeSource: datasetName=string datasetUUID=string
DownwardAPIVolumeSource: items=[DownwardAPIVolumeFile] defaultMode=*int
DownwardAPIVolumeFile: path=string! fieldRef=*ObjectFieldSelector resourceFieldRef=*ResourceFieldSelector
  mode=*int
ObjectFieldSelector: apiVersion=string fieldPath=string!
ResourceFieldSelector: containerName=string resource=string! divisor=quantity!
FCVolumeSource: targetWWNs=[string] lun=*int fsType=string readOnly=bool wwids=[string]
AzureFileVolumeSource: secretName=string! shareName=string! readOnly=bool
ConfigMapVolumeSource: name=string items=[KeyToPath] defaultMode=*int optional=*bool
VsphereVirtualDiskVolumeSource: volumePath=string! fsType=string storagePolicyName=string
  storagePolicyID=string
QuobyteVolumeSource: registry=string! volume=string! readOnly=bool user=string group=string tenant=string
AzureDiskVolumeSource: diskName=string! diskURI=string! cachingMode=*string fsType=*string readOnly=*bool
  kind=*string
PhotonPersistentDiskVolumeSource: pdID=string! fsType=string
ProjectedVolumeSource: sources=[VolumeProjection] defaultMode=*int
VolumeProjection: secret=*SecretProjection downwardAPI=*DownwardAPIProjection configMap=*ConfigMapProjection
  serviceAccountToken=*ServiceAccountTokenProjection clusterTrustBundle=*ClusterTrustBundleProjection
  podCertificate=*PodCertificateProjection
SecretProjection: name=string items=[KeyToPath] optional=*bool
DownwardAPIProjection: items=[DownwardAPIVolumeFile]
ConfigMapProjection: name=string items=[KeyToPath] optional=*bool
ServiceAccountTokenProjection: audience=string expirationSeconds=*int path=string!
ClusterTrustBundleProjection: name=*string signerName=*string labelSelector=*LabelSelector optional=*bool
  path=string!
PodCertificateProjection: signerName=string keyType=string maxExpirationSeconds=*int
  credentialBundlePath=string keyPath=string certificateChainPath=string userAnnotations={string}
PortworxVolumeSource: volumeID=string! fsType=string readOnly=bool
ScaleIOVolumeSource: gateway=string! system=string! secretRef=*LocalObjectReference sslEnabled=bool
  protectionDomain=string storagePool=string storageMode=string volumeName=string fsType=string
  readOnly=bool
StorageOSVolumeSource: volumeName=string volumeNamespace=string fsType=string readOnly=bool
  secretRef=*LocalObjectReference
CSIVolumeSource: driver=string! readOnly=*bool fsType=*string volumeAttributes={string}
  nodePublishSecretRef=*LocalObjectReference
EphemeralVolumeSource: volumeClaimTemplate=*PersistentVolumeClaimTemplate
PersistentVolumeClaimTemplate: metadata=ObjectMeta! spec=PersistentVolumeClaimSpec!
PersistentVolumeClaimSpec: accessModes=[string] selector=*LabelSelector
  resources=VolumeResourceRequirements! volumeName=string storageClassName=*string volumeMode=*string
  dataSource=*TypedLocalObjectReference dataSourceRef=*TypedObjectReference
  volumeAttributesClassName=*string
VolumeResourceRequirements: limits={quantity} requests={quantity}
TypedLocalObjectReference: apiGroup=*string kind=string! name=string!
TypedObjectReference: apiGroup=*string kind=string! name=string! namespace=*string
ImageVolumeSource: reference=string pullPolicy=string
Container: name=string! image=string command=[string] args=[string] workingDir=string ports=[ContainerPort]
  envFrom=[EnvFromSource] env=[EnvVar] resources=ResourceRequirements! resizePolicy=[ContainerResizePolicy]
  restartPolicy=*string restartPolicyRules=[ContainerRestartRule] volumeMounts=[VolumeMount]
  volumeDevices=[VolumeDevice] livenessProbe=*Probe readinessProbe=*Probe startupProbe=*Probe
  lifecycle=*Lifecycle terminationMessagePath=string terminationMessagePolicy=string imagePullPolicy=string
  securityContext=*SecurityContext stdin=bool stdinOnce=bool tty=bool
ContainerPort: name=string hostPort=int containerPort=int! protocol=string hostIP=string
EnvFromSource: prefix=string configMapRef=*ConfigMapEnvSource secretRef=*SecretEnvSource
ConfigMapEnvSource: name=string optional=*bool
SecretEnvSource: name=string optional=*bool
EnvVar: name=string! value=string valueFrom=*EnvVarSource
EnvVarSource: fieldRef=*ObjectFieldSelector resourceFieldRef=*ResourceFieldSelector
  configMapKeyRef=*ConfigMapKeySelector secretKeyRef=*SecretKeySelector fileKeyRef=*FileKeySelector
ConfigMapKeySelector: name=string key=string! optional=*bool
SecretKeySelector: name=string key=string! optional=*bool
FileKeySelector: volumeName=string! path=string! key=string! optional=*bool
ResourceRequirements: limits={quantity} requests={quantity} claims=[ResourceClaim]
ResourceClaim: name=string! request=string
ContainerResizePolicy: resourceName=string! restartPolicy=string!
ContainerRestartRule: action=string exitCodes=*ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes: operator=string values=[int]
VolumeMount: name=string! readOnly=bool recursiveReadOnly=*string mountPath=string! subPath=string
  mountPropagation=*string subPathExpr=string
VolumeDevice: name=string! devicePath=string!
Probe: exec=*ExecAction httpGet=*HTTPGetAction tcpSocket=*TCPSocketAction grpc=*GRPCAction
  initialDelaySeconds=int timeoutSeconds=int periodSeconds=int successThreshold=int failureThreshold=int
  terminationGracePeriodSeconds=*int
ExecAction: command=[string]
HTTPGetAction: path=string port=intOrString! host=string scheme=string httpHeaders=[HTTPHeader]
HTTPHeader: name=string! value=string!
TCPSocketAction: port=intOrString! host=string
GRPCAction: port=int! service=*string
Lifecycle: postStart=*LifecycleHandler preStop=*LifecycleHandler stopSignal=*string
LifecycleHandler: exec=*ExecAction httpGet=*HTTPGetAction tcpSocket=*TCPSocketAction sleep=*SleepAction
SleepAction: seconds=int!
SecurityContext: capabilities=*Capabilities privileged=*bool seLinuxOptions=*SELinuxOptions
  windowsOptions=*WindowsSecurityContextOptions runAsUser=*int runAsGroup=*int runAsNonRoot=*bool
  readOnlyRootFilesystem=*bool allowPrivilegeEscalation=*bool procMount=*string
  seccompProfile=*SeccompProfile appArmorProfile=*AppArmorProfile
Capabilities: add=[string] drop=[string]
SELinuxOptions: user=string role=string type=string level=string
WindowsSecurityContextOptions: gmsaCredentialSpecName=*string gmsaCredentialSpec=*string
  runAsUserName=*string hostProcess=*bool
SeccompProfile: type=string! localhostProfile=*string
AppArmorProfile: type=string! localhostProfile=*string
PodSecurityContext: seLinuxOptions=*SELinuxOptions windowsOptions=*WindowsSecurityContextOptions
  runAsUser=*int runAsGroup=*int runAsNonRoot=*bool supplementalGroups=[int]
  supplementalGroupsPolicy=*string fsGroup=*int sysctls=[Sysctl] fsGroupChangePolicy=*string
  seccompProfile=*SeccompProfile appArmorProfile=*AppArmorProfile seLinuxChangePolicy=*string
Sysctl: name=string! value=string!
Affinity: nodeAffinity=*NodeAffinity podAffinity=*PodAffinity podAntiAffinity=*PodAntiAffinity
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution=*NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution=[PreferredSchedulingTerm]
NodeSelector: nodeSelectorTerms=[NodeSelectorTerm]
NodeSelectorTerm: matchExpressions=[NodeSelectorRequirement] matchFields=[NodeSelectorRequirement]
NodeSelectorRequirement: key=string! operator=string! values=[string]
PreferredSchedulingTerm: weight=int! preference=NodeSelectorTerm!
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution=[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution=[WeightedPodAffinityTerm]
PodAffinityTerm: labelSelector=*LabelSelector namespaces=[string] topologyKey=string!
  namespaceSelector=*LabelSelector matchLabelKeys=[string] mismatchLabelKeys=[string]
WeightedPodAffinityTerm: weight=int! podAffinityTerm=PodAffinityTerm!
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution=[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution=[WeightedPodAffinityTerm]
Toleration: key=string operator=string value=string effect=string tolerationSeconds=*int
HostAlias: ip=string! hostnames=[string]
PodDNSConfig: nameservers=[string] searches=[string] options=[PodDNSConfigOption]
PodDNSConfigOption: name=string value=*string
PodReadinessGate: conditionType=string!
TopologySpreadConstraint: maxSkew=int! topologyKey=string! whenUnsatisfiable=string!
  labelSelector=*LabelSelector minDomains=*int nodeAffinityPolicy=*string nodeTaintsPolicy=*string
  matchLabelKeys=[string]
PodOS: name=string!
PodSchedulingGate: name=string!
PodResourceClaim: name=string! resourceClaimName=*string resourceClaimTemplateName=*string
PodSchedulingGroup: podGroupName=*string
DependsOn: name=string! status=string!
Network: enableDNSHostnames=*bool subdomain=string publishNotReadyAddresses=*bool
JobSetSuccessPolicy: operator=string! targetReplicatedJobs=[string]
FailurePolicy: maxRestarts=int restartStrategy=string rules=[FailurePolicyRule]
FailurePolicyRule: name=string! action=string! onJobFailureReasons=[string]
  onJobFailureMessagePatterns=[string] targetReplicatedJobs=[string]
StartupPolicy: startupPolicyOrder=string!
Coordinator: replicatedJob=string! jobIndex=int podIndex=int
VolumeClaimPolicy: templates=[PersistentVolumeClaim] retentionPolicy=*VolumeRetentionPolicy
PersistentVolumeClaim: kind=string apiVersion=string metadata=ObjectMeta! spec=PersistentVolumeClaimSpec!
  status=PersistentVolumeClaimStatus!
PersistentVolumeClaimStatus:
VolumeRetentionPolicy: whenDeleted=*string
"""
"""One type a paragraph: ``Type: field=kind …``.

A kind is ``string``, ``int``, ``bool``, ``quantity``, ``intOrString`` or a type of this table. ``[kind]`` is a list,
``{kind}`` a map from strings, ``*kind`` is written even when it is zero (a pointer in the controller's structs),
``kind!`` is always written, zero when absent. Everything else is left out when zero or empty.
"""


ZEROS: Final[dict[str, Any]] = {"string": "", "bool": False, "int": 0, "quantity": "0", "intOrString": 0}
"""The scalar kinds, and what an absent one is written as."""


class Field(NamedTuple):
    """How one field is read and written.

    Attributes:
        kind: the kind without its marks: ``string``, ``[Container]``, ``{quantity}``, ``PodSpec``.
        pointer: a zero value that was given is written.
        always: written even when it was not given.
    """

    kind: str
    pointer: bool
    always: bool


@cache
def _lines() -> dict[str, str]:
    table = _TABLE.replace("\n  ", " ")
    return dict(line.split(":", 1) for line in table.splitlines())


@cache
def fields(type_name: str) -> dict[str, Field]:
    """The fields of a type by name. Raises KeyError for a type that the table lacks."""
    return {
        name: Field(kind.strip("*!"), kind.startswith("*"), kind.endswith("!"))
        for name, _, kind in (entry.partition("=") for entry in _lines()[type_name].split())
    }


@cache
def always(type_name: str) -> tuple[str, ...]:
    """The names of the fields of a type that are always written."""
    return tuple(name for name, field in fields(type_name).items() if field.always)
