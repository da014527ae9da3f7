"""Why JobSet or the API server refuses what is built of a TrainJob, and how to mend it, by code. As `reasons`.

A TrainJob is admitted all the same. Then its JobSet is refused, which an event of the TrainJob tells, again and again;
or the JobSet is taken and its Jobs are refused, which only events of the JobSet tell. Either way the TrainJob gets no
condition: it seems to wait.
"""

from __future__ import annotations

from typing import Final

from kfrun.model.reason import Reason
from kfrun.validate import reasons
from kfrun.validate.reasons import JOBSET, POD

_NO_JOBSET: Final = (
    "The TrainJob is admitted and its JobSet is not: the TrainJob hangs without a condition, and only an event, "
    "TrainJobResourcesCreationFailed, says why."
)
_NO_JOBS: Final = (
    "TrainJob and JobSet are admitted and the Jobs are not: the TrainJob hangs without a condition, and only an event "
    "of the JobSet, JobCreationFailed, says why."
)
TEMPLATE: Final = "# template of a job in the runtime\n"
JOB: Final = "# spec of the Job in the runtime\n"

REASONS: Final[dict[str, Reason]] = {
    "KF350": Reason(
        f"{_NO_JOBSET} Runtime and job are each sound; the list that is empty in one of them is missing in the JobSet.",
        "add an item, or leave out what the list belongs to",
        "containers: [] for a job that was to be switched off, or a patch for a job that the runtime lacks.",
        f"{JOB}successPolicy:\n  rules: []\n", f'{JOB}successPolicy:\n  rules:\n  - {{succeededIndexes: "0"}}\n',
    ),
    "KF351": Reason(
        f"{_NO_JOBSET} Pods are named JOB-node-0-0-abcde, in 63 characters: with node that leaves 48 for the TrainJob, "
        "with dataset-initializer 33.",
        "make the TrainJob's name shorter, and the names of the runtime's jobs",
        "A name that is made of a branch, a model and a date.",
        "metadata:\n  name: llama-finetune-on-alpaca-with-lora-2026-01-31-evening\n",
        "metadata:\n  name: llama-alpaca-lora-3\n",
    ),
    "KF352": Reason(
        f"{_NO_JOBSET} A job can only wait for one that stands before it in the list.",
        "name an earlier job, or put this one behind the one that it waits for",
        "A misspelt name, or jobs in another order than they start in.",
        f"{JOBSET}replicatedJobs:\n- name: node\n  dependsOn:\n  - {{name: data, status: Complete}}\n- name: data\n",
        f"{JOBSET}replicatedJobs:\n- name: data\n- name: node\n  dependsOn:\n  - {{name: data, status: Complete}}\n",
    ),
    "KF353": Reason(
        f"{_NO_JOBSET} The jobs that success is counted by have to exist.",
        "name jobs of the runtime in targetReplicatedJobs, or leave it out for all",
        "A job that was renamed.",
        f"{JOBSET}successPolicy: {{operator: All, targetReplicatedJobs: [worker]}}\nreplicatedJobs:\n- name: node\n",
        f"{JOBSET}successPolicy: {{operator: All, targetReplicatedJobs: [node]}}\nreplicatedJobs:\n- name: node\n",
    ),
    "KF354": Reason(
        f"{_NO_JOBSET} Rules are told apart by name, and a reason that never comes would never match.",
        "give every rule a name of its own, reasons that Jobs have, and jobs of the runtime; restart the whole JobSet",
        "Two rules of one name, reasons of pods such as OOMKilled, which Jobs do not report; or RestartJob and "
        "InPlaceRestart, which are behind feature gates.",
        f"{JOBSET}failurePolicy:\n  rules:\n  - {{name: a, action: FailJobSet, onJobFailureReasons: [OOMKilled]}}\n",
        f"{JOBSET}failurePolicy:\n  rules:\n"
        "  - {name: a, action: FailJobSet, onJobFailureReasons: [PodFailurePolicy]}\n",
    ),
    "KF355": Reason(
        f"{_NO_JOBSET} Pods are told where the coordinator is, by a label: it has to be there, and its address to fit.",
        "name a job of the runtime that is Indexed, and indexes below its replicas and numNodes; keep names short",
        "A job that was renamed, fewer nodes than before, or a long name with a long subdomain.",
        f"{JOBSET}coordinator: {{replicatedJob: master}}\nreplicatedJobs:\n- name: node\n",
        f"{JOBSET}coordinator: {{replicatedJob: node}}\nreplicatedJobs:\n- name: node\n",
    ),
    "KF356": Reason(
        f"{_NO_JOBSET} JobSet adds the volume to each pod that mounts it by the template's name.",
        "mount each template by its name in some container, and define no volume of that name",
        "A volume that was written out beside the template, or no mount for it.",
        f"{JOBSET}volumeClaimPolicies:\n- templates:\n  - metadata: {{name: data}}\nreplicatedJobs:\n- name: node\n",
        f"{JOBSET}volumeClaimPolicies:\n- templates:\n  - metadata: {{name: data}}\nreplicatedJobs:\n- name: node\n"
        "  template:\n    spec:\n      template:\n        spec:\n          containers:\n          - name: node\n"
        "            volumeMounts:\n            - {name: data, mountPath: /data}\n",
    ),
    "KF357": Reason(
        f"{_NO_JOBSET} Runtime and job are each sound; put together, an item comes twice.",
        "name one of the two differently, in the runtime or in the job",
        "Two ports without a name, which the ML policy takes for one; or a patch that adds what is there.",
    ),
    "KF358": Reason(
        f"{_NO_JOBSET} subdomain and groupName become parts of host names.",
        "write lower-case letters, digits and -, a letter first; or leave it out",
        "Capitals, dots, or a name that begins with a digit.",
        f"{JOBSET}network: {{subdomain: 1st}}\n", f"{JOBSET}network: {{subdomain: first}}\n",
    ),
    "KF359": Reason(
        f"{_NO_JOBSET} The number of all pods has to be one that 32 bits hold.",
        "ask for fewer nodes, or lower replicas in the runtime",
        "numNodes with digits too many.",
    ),
    "KF360": Reason(
        f"{_NO_JOBS} The name of a Job becomes a label of its pods, and labels are for selecting.",
        "shorten names, and keep labels to letters, digits, -, _ and .",
        "Labels or annotations of the Job template that are no labels.",
        f'{TEMPLATE}metadata:\n  labels: {{team: "ml & data"}}\n',
        f"{TEMPLATE}metadata:\n  labels: {{team: ml-data}}\n",
    ),
    "KF361": Reason(
        f"{_NO_JOBS} Counts cannot be below zero, and limits for single indexes belong together.",
        "write 0 or more, and backoffLimitPerIndex beside maxFailedIndexes",
        "-1 for no limit, as other tools write it.",
        f"{JOB}backoffLimit: -1\n", f"{JOB}backoffLimit: 0\n",
    ),
    "KF362": Reason(
        f"{_NO_JOBS} Some fields have few values, and some exclude each other.",
        "take one of the values of the message, and leave selectors to the Job controller",
        "A misspelt value, or podReplacementPolicy beside podFailurePolicy.",
        f"{JOB}podReplacementPolicy: failed\n", f"{JOB}podReplacementPolicy: Failed\n",
    ),
    "KF363": Reason(
        f"{_NO_JOBS} Rules are asked in order, and each has to be clear.",
        "give each rule an action, and either exit codes in ascending order or conditions of pods",
        "Exit code 0, a container that is not in the pod, or both kinds of rules in one.",
        f"{JOB}podFailurePolicy:\n  rules:\n  - {{action: FailJob, onExitCodes: {{operator: In, values: [42, 3]}}}}\n",
        f"{JOB}podFailurePolicy:\n  rules:\n  - {{action: FailJob, onExitCodes: {{operator: In, values: [3, 42]}}}}\n",
    ),
    "KF364": Reason(
        f"{_NO_JOBS} A success that needs pods which are not there would never come.",
        "name indexes that there are, in ascending order, and no more successes than indexes",
        "Indexes from another number of nodes.",
        f'{JOB}successPolicy:\n  rules:\n  - {{succeededIndexes: "1,0"}}\n',
        f'{JOB}successPolicy:\n  rules:\n  - {{succeededIndexes: "0,1"}}\n',
    ),
    "KF365": Reason(
        f"{_NO_JOBS} A Job has an end, so its pods cannot be restarted for ever.",
        "write Never or OnFailure; podFailurePolicy needs Never",
        "A pod that was copied from a Deployment.",
        f"{JOB}template:\n  spec: {{restartPolicy: Always}}\n", f"{JOB}template:\n  spec: {{restartPolicy: Never}}\n",
    ),
    "KF370": Reason(
        f"{_NO_JOBS} Names tell containers apart: in patches, in logs, in status.",
        "give every container a name of its own: lower-case letters, digits and -",
        "Capitals, underscores, or a container and an init container of one name.",
        f"{POD}containers:\n- {{name: node, image: a}}\n- {{name: Side_Car, image: b}}\n",
        f"{POD}containers:\n- {{name: node, image: a}}\n- {{name: side-car, image: b}}\n",
    ),
    "KF371": Reason(
        f"{_NO_JOBS} Local processes need none, so a job can run here and hang there.",
        "set image in the runtime's container, or spec.trainer.image for the one that trains",
        "A runtime for local use, or a patch that adds a container to another pod than was meant.",
        f"{POD}containers:\n- {{name: node}}\n", f"{POD}containers:\n- {{name: node, image: python:3.13}}\n",
    ),
    "KF372": Reason(
        f"{_NO_JOBS} Services find ports by their names, and a host has each port once.",
        "use numbers from 1 to 65535, and names of up to 15 lower-case letters, digits and -, each once",
        "A name that is too long, a port 0, or a hostPort that is taken.",
        f"{POD}containers:\n- name: node\n  image: a\n  ports:\n  - {{name: rendezvous-endpoint, containerPort: 1}}\n",
        f"{POD}containers:\n- name: node\n  image: a\n  ports:\n  - {{name: rendezvous, containerPort: 1}}\n",
    ),
    "KF373": Reason(
        f"{_NO_JOBS} A value comes from one place.",
        "give each variable a name without =, and value or one source in valueFrom",
        "value beside valueFrom, mostly after a patch; or a field of the pod that cannot be a variable.",
        f'{POD}containers:\n- name: node\n  image: a\n  env:\n  - name: A\n    value: "1"\n    valueFrom:\n'
        "      fieldRef: {fieldPath: metadata.name}\n",
        f"{POD}containers:\n- name: node\n  image: a\n  env:\n  - name: A\n    valueFrom:\n"
        "      fieldRef: {fieldPath: metadata.name}\n",
    ),
    "KF374": Reason(
        f"{_NO_JOBS} A volume that is refused is missing for its mounts, too.",
        "give each volume one source, each mount a volume of the pod and a path of its own",
        "A mount of a volume that is called differently, or two sources after a patch.",
        f"{POD}containers:\n- name: node\n  image: a\n  volumeMounts:\n  - {{name: data, mountPath: /data}}\n",
        f"{POD}containers:\n- name: node\n  image: a\n  volumeMounts:\n  - {{name: data, mountPath: /data}}\n"
        "volumes:\n- name: data\n  emptyDir: {}\n",
    ),
    "KF375": Reason(
        f"{_NO_JOBS} GPUs and huge pages cannot be shared, so their request is their limit.",
        "keep requests within limits, and write devices as limits in whole numbers",
        "Requests raised by a job above the limits of its runtime, or GPUs as requests only.",
        f'{POD}containers:\n- name: node\n  image: a\n  resources: {{requests: {{cpu: "4"}}, limits: {{cpu: "2"}}}}\n',
        f'{POD}containers:\n- name: node\n  image: a\n  resources: {{requests: {{cpu: "4"}}, limits: {{cpu: "4"}}}}\n',
    ),
    "KF376": Reason(
        f"{_NO_JOBS} Init containers end, so nobody probes them.",
        "give each probe and hook one handler, and only containers that keep running",
        "A probe on an init container, or a readinessProbe with a grace period.",
        f"{POD}initContainers:\n- name: a\n  image: a\n  livenessProbe: {{exec: {{command: [date]}}}}\n",
        f"{POD}initContainers:\n- name: a\n  image: a\n",
    ),
    "KF377": Reason(
        f"{_NO_JOBS} The kernel knows users and groups by numbers from 0 on.",
        "use numbers for users and groups, and settings that do not exclude each other",
        "A negative user, a profile without its type, or privileged beside allowPrivilegeEscalation: false.",
        f"{POD}securityContext: {{runAsUser: -1}}\n", f"{POD}securityContext: {{runAsUser: 1000}}\n",
    ),
    "KF378": Reason(
        f"{_NO_JOBS} The values are compared letter by letter.",
        "take one of the values of the message",
        "A misspelt value, often in the wrong case.",
        f"{POD}containers:\n- {{name: node, image: a, imagePullPolicy: always}}\n",
        f"{POD}containers:\n- {{name: node, image: a, imagePullPolicy: Always}}\n",
    ),
    "KF380": Reason(
        f"{_NO_JOBS} Labels of pods are for selecting, and what JobSet adds stands beside them.",
        "put free text into annotations; keep labels to letters, digits, -, _ and ., 63 at most",
        "Labels of podTemplate in the runtime, or of a patch, that are no labels.",
        f'{JOB}template:\n  metadata:\n    labels: {{run: "a b"}}\n',
        f"{JOB}template:\n  metadata:\n    labels: {{run: a}}\n",
    ),
    "KF381": Reason(
        f"{_NO_JOBS} These are names of other objects, or parts of host names.",
        "write the object's name: lower-case letters, digits, - and .",
        "Capitals or underscores in the name of a service account, node or class.",
        f"{POD}serviceAccountName: ML_Team\n", f"{POD}serviceAccountName: ml-team\n",
    ),
    "KF382": Reason(
        f"{_NO_JOBS} It is a pod as any other, and what a template cannot have is refused.",
        "take one of the values of the message, or leave the field out",
        "A misspelt value, or activeDeadlineSeconds 0.",
        f"{POD}activeDeadlineSeconds: 0\n", f"{POD}activeDeadlineSeconds: 3600\n",
    ),
    "KF383": Reason(
        f"{_NO_JOBS} A term that says nothing clear could keep a pod from every node.",
        "give each term its key, an operator and as many values as that takes",
        "Values beside Exists, an operator without values, or a toleration without key and operator.",
        f'{POD}tolerations:\n- {{key: nvidia.com/gpu, operator: Exists, value: "true"}}\n',
        f"{POD}tolerations:\n- {{key: nvidia.com/gpu, operator: Exists}}\n",
    ),
    "KF384": Reason(
        f"{_NO_JOBS} Nodes find each other by names, so DNS had better work.",
        "write IP addresses, up to three nameservers, and some where dnsPolicy is None",
        "A host name where an address belongs, or dnsPolicy None alone.",
        f"{POD}dnsPolicy: None\n", f"{POD}dnsPolicy: None\ndnsConfig: {{nameservers: [10.0.0.10]}}\n",
    ),
    "KF385": Reason(
        f"{_NO_JOBS} A gate is a name that somebody removes; a claim is made from one thing.",
        "give gates names such as example.com/quota, and each claim one source",
        "A resource claim without resourceClaimTemplateName.",
        f"{POD}resourceClaims:\n- name: gpu\n",
        f"{POD}resourceClaims:\n- {{name: gpu, resourceClaimTemplateName: one-gpu}}\n",
    ),
}  # fmt: skip
"""Code -> why it is a problem and how to mend it."""


def mend(code: str) -> str:
    """How to mend what admission finds, where the rule itself says nothing."""
    return (REASONS.get(code) or reasons.REASONS[code]).mend
