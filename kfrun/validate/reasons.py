"""Why a broken schema, rule or webhook is a problem and how to mend it, by code.

Examples begin at the root of the object; another place stands in a comment of their first line.
"""

from __future__ import annotations

from typing import Final

from kfrun.model.reason import Reason

_SCHEMA: Final = "OpenAPI schema of the CRD; field validation of the API server"
WHOLE_RUNTIME: Final = "# the runtime\n"
RUNTIME: Final = "# spec of the runtime\n"
JOBSET: Final = "# spec.template.spec of the runtime\n"
REPLICATED: Final = "# spec.template.spec.replicatedJobs[0] of the runtime\n"
POD: Final = "# spec of the pod in the runtime\n"
_REFUSED: Final = "The API server refuses the object"

REASONS: Final[dict[str, Reason]] = {
    "KF201": Reason(
        "kubectl refuses the object, as its field validation is strict by default. Clients without it have the field "
        "dropped silently, and the job runs without what was meant.",
        "take the name or the place that is suggested; kfrun convert rewrites fields of older releases",
        "A misspelt name, a field at the wrong level, or one that another release of Trainer has.",
        "spec:\n  trainer:\n    numNode: 2\n", "spec:\n  trainer:\n    numNodes: 2\n", _SCHEMA,
    ),
    "KF202": Reason(
        f"{_REFUSED}, and a wrong type hides every other mistake: the webhook cannot even decode it.",
        'quote values of env ("1"), write lists with dashes, and numbers without quotes',
        "Unquoted text that YAML reads as a number or a boolean (1, yes, on), or a list where a mapping belongs.",
        "spec:\n  trainer:\n    env:\n    - {name: RANKS, value: 2}\n",
        'spec:\n  trainer:\n    env:\n    - {name: RANKS, value: "2"}\n', _SCHEMA,
    ),
    "KF203": Reason(
        f"{_REFUSED}: nothing is filled in for a field that has no default.",
        "add the field that the message names; kfrun explain KIND.PATH shows an example of what is around it",
        "A block was copied in part, or the field's name is misspelt.",
        "spec:\n  runtimeRef: {}\n", "spec:\n  runtimeRef:\n    name: torch-distributed\n", _SCHEMA,
    ),
    "KF204": Reason(
        f"{_REFUSED}. The values are compared letter by letter: Process is not process.",
        "take one of the values that the message lists",
        "A misspelt value, often in the wrong case, or one of another release.",
        f"{RUNTIME}mlPolicy:\n  mpi: {{mpiImplementation: openmpi}}\n",
        f"{RUNTIME}mlPolicy:\n  mpi: {{mpiImplementation: OpenMPI}}\n", _SCHEMA,
    ),
    "KF205": Reason(
        f"{_REFUSED}, also where the bound is one that only CRDs have, such as 128 variables in trainer.env.",
        "stay inside the bounds that the message names",
        "A number that is too large or too small, a text or a list that is too long or empty.",
        "spec:\n  activeDeadlineSeconds: 0\n", "spec:\n  activeDeadlineSeconds: 3600\n", _SCHEMA,
    ),
    "KF206": Reason(
        f"{_REFUSED}: it tells the items of such a list apart by their key fields, and merges patches by them.",
        "keep one of the two, or give the other one another name",
        "Two variables of one name, mostly after two blocks were put together.",
        'spec:\n  trainer:\n    env:\n    - {name: LR, value: "0.1"}\n    - {name: LR, value: "0.2"}\n',
        'spec:\n  trainer:\n    env:\n    - {name: LR, value: "0.2"}\n',
        "list-map keys of the CRD (x-kubernetes-list-map-keys)",
    ),
    "KF207": Reason(
        "The API server finds no resource of that group and kind, and kubectl stops at it. kfrun reads the kinds of "
        "Trainer, and the core kinds that jobs lean on.",
        "write apiVersion: trainer.kubeflow.org/v1alpha1; kfrun convert makes TrainJobs of jobs of kubeflow.org/v1",
        "An apiVersion of another release, a misspelt kind, or a manifest for another controller.",
        "apiVersion: trainer.kubeflow.org/v1\nkind: TrainJob\n",
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\n", "API discovery: groups, versions and kinds",
    ),
    "KF208": Reason(
        f"{_REFUSED}: an amount is a number with a suffix, and units are those of Kubernetes only.",
        'write "500m", "1.5Gi" or "8G": no blank, no B, k in lower case',
        "A blank, a unit such as GB, or a capital K.",
        "spec:\n  trainer:\n    resourcesPerNode:\n      limits: {memory: 8GB}\n",
        "spec:\n  trainer:\n    resourcesPerNode:\n      limits: {memory: 8G}\n",
        "apimachinery, pkg/api/resource: the form of quantities",
    ),
    "KF209": Reason(
        "kubectl applies one after the other: the second overwrites the first, or is refused where a field cannot "
        "change. Which of them was meant nobody can say.",
        "remove one of them, or rename it",
        "The same file given twice, or a copy that kept its name.",
        source="kfrun: an input names an object once",
    ),
    "KF301": Reason(
        f"{_REFUSED}: names become parts of host names and labels, where DNS allows little.",
        "use lower-case letters, digits and -, for a TrainJob with a letter first and 63 characters at most",
        "Capitals, underscores, dots, or a name that was made from a branch or a date.",
        "metadata:\n  name: Mnist_2\n", "metadata:\n  name: mnist-2\n",
    ),
    "KF302": Reason(
        f"{_REFUSED}. What has a scheme is taken, whatever it is: the initializer's pod finds out (lint: KF720).",
        "write a scheme: hf://owner/name, s3://bucket/path, file:///data",
        "A path, or a bare name of a repository.",
        "spec:\n  initializer:\n    dataset: {storageUri: tatsu-lab/alpaca}\n",
        'spec:\n  initializer:\n    dataset: {storageUri: "hf://tatsu-lab/alpaca"}\n',
    ),
    "KF303": Reason(
        f"{_REFUSED}: no other controller may be named, for nobody would run the job.",
        "leave managedBy out, or write kueue.x-k8s.io/multikueue",
        "A manager of another kind of object.",
        "spec:\n  managedBy: example.com/mine\n", "spec:\n  managedBy: trainer.kubeflow.org/trainjob-controller\n",
    ),
    "KF304": Reason(
        f"{_REFUSED}: each policy writes the environment of the nodes, and two would overwrite each other.",
        "keep the one by which the job is launched",
        "A second policy pasted beside the first.",
        f"{RUNTIME}mlPolicy:\n  torch: {{}}\n  mpi: {{}}\n", f"{RUNTIME}mlPolicy:\n  torch: {{}}\n",
    ),
    "KF305": Reason(
        f"{_REFUSED}: there is no job with less than one process.",
        "write 1 or more, or leave the field out",
        "Zero or a negative number, mostly out of a template.",
        f"{RUNTIME}mlPolicy:\n  flux: {{numProcPerNode: 0}}\n",
        f"{RUNTIME}mlPolicy:\n  flux: {{numProcPerNode: 1}}\n",
    ),
    "KF306": Reason(
        f"{_REFUSED}: both say in which order jobs start, and they could contradict each other.",
        "keep dependsOn, or startupPolicy, not both",
        "startupPolicy InOrder in a runtime with initializers, which others depend on.",
        f"{JOBSET}startupPolicy: {{startupPolicyOrder: InOrder}}\nreplicatedJobs:\n- name: data\n"
        "- name: node\n  dependsOn:\n  - {name: data, status: Complete}\n",
        f"{JOBSET}replicatedJobs:\n- name: data\n- name: node\n  dependsOn:\n  - {{name: data, status: Complete}}\n",
    ),
    "KF307": Reason(
        f"{_REFUSED}: a runtime serves every namespace, and a claim is made where the job is.",
        "remove the namespace: it is the job's",
        "A template that was copied from a claim of a cluster.",
        f"{JOBSET}volumeClaimPolicies:\n- templates:\n  - metadata: {{name: data, namespace: ml}}\n",
        f"{JOBSET}volumeClaimPolicies:\n- templates:\n  - metadata: {{name: data}}\n",
    ),
    "KF308": Reason(
        f"{_REFUSED}: envInjection is for other containers, as node has these variables in any case.",
        "remove node from containerNames",
        "All containers of the pod were listed.",
        f"{RUNTIME}mlPolicy:\n  torch:\n    envInjection:\n      targets:\n"
        "      - {jobName: node, containerNames: [node, sidecar]}\n",
        f"{RUNTIME}mlPolicy:\n  torch:\n    envInjection:\n      targets:\n"
        "      - {jobName: node, containerNames: [sidecar]}\n",
    ),
    "KF309": Reason(
        "A cluster keeps any annotation and knows none of kfrun's; here a misspelt one would silently do nothing.",
        "take the name that is suggested, or another prefix than kfrun.dev/ for your own",
        "A misspelt annotation.",
        "metadata:\n  annotations: {kfrun.dev/package: numpy==2.3.5}\n",
        "metadata:\n  annotations: {kfrun.dev/packages: numpy==2.3.5}\n",
    ),
    "KF310": Reason(
        "A cluster keeps any annotation; kfrun would not know what to run the job with.",
        "write what the message allows for this annotation",
        "A misspelt value, or one that another tool knows.",
        "metadata:\n  annotations: {kfrun.dev/backend: dockr}\n",
        "metadata:\n  annotations: {kfrun.dev/backend: docker}\n",
        "kfrun: annotations",
    ),
    "KF311": Reason(
        f"{_REFUSED}. Labels are for selecting: 63 characters, no blanks; annotations hold any text.",
        "put free text into annotations, and keep keys to letters, digits, -, _ and .",
        "Blanks, slashes, a whole path or a branch's name in a label.",
        "metadata:\n  labels: {branch: feature/fast loader}\n", "metadata:\n  labels: {branch: feature-fast-loader}\n",
    ),
    "KF313": Reason(
        f"{_REFUSED}: owners are found by kind, name and uid, and finalizers are names that controllers know.",
        "leave owners and finalizers out of manifests; controllers write them",
        "A manifest that was made by kubectl get -o yaml, and edited.",
        "metadata:\n  finalizers: [wait for backup]\n", "metadata:\n  finalizers: [example.com/backup]\n",
    ),
    "KF320": Reason(
        f'{_REFUSED} with "field is immutable": pods that run cannot take over most changes.',
        "delete the job and create it anew (a finished one: kfrun apply --replace), or give the new one another name",
        "The manifest was edited after the job had been created.",
        source="transition rules of the CRDs (CEL, self == oldSelf)",
    ),
    "KF321": Reason(
        "The webhook refuses the change: patches change the pods, and those that run have no use for them.",
        "suspend the job first (kfrun suspend), apply the change, and resume it",
        "runtimePatches were edited while pods run.",
        source="trainer webhook: runtimePatches on update",
    ),
    "KF322": Reason(
        "The webhook refuses the change as long as the JobSet reports active Jobs: their pods were made with the "
        "patches of before.",
        "suspend the job, wait until its pods are gone, apply the change, and resume it",
        "The job was suspended a moment ago, and its pods have not ended yet.",
        source="trainer webhook: runtimePatches on update, replicatedJobsStatus",
    ),
    "KF331": Reason(
        "The Trainer's webhook refuses the TrainJob: nobody would download what the initializer asks for.",
        "use a runtime with initializers, or leave spec.initializer out",
        "spec.initializer with a runtime that only trains, or whose initializer does not mount the volume initializer.",
        "spec:\n  runtimeRef: {name: torch-distributed}\n  initializer:\n"
        '    dataset: {storageUri: "hf://tatsu-lab/alpaca"}\n',
        "spec:\n  runtimeRef: {name: torchtune-llama3.2-1b}\n  initializer:\n"
        '    dataset: {storageUri: "hf://tatsu-lab/alpaca"}\n',
    ),
    "KF332": Reason(
        "The Trainer's webhook refuses the TrainJob: patches are told apart by who made them.",
        "write a domain, a slash and a path, such as example.com/alice",
        "A plain name, or capitals in the domain.",
        "spec:\n  runtimePatches:\n  - {manager: alice}\n",
        "spec:\n  runtimePatches:\n  - {manager: example.com/alice}\n",
    ),
    "KF333": Reason(
        "The Trainer's webhook refuses the TrainJob: these containers have their variables in fields of their own, "
        "where policies look at them.",
        "set them in spec.trainer.env, or in the env of spec.initializer.dataset or model",
        "env in a patch of the container node.",
    ),
    "KF334": Reason(
        "The Trainer's webhook refuses the TrainJob: the policy works these out for every node, and a fixed value "
        "would break the rendezvous.",
        "remove the variable; numNodes and numProcPerNode are what it follows from",
        "Variables that were set by hand before there was a policy.",
        'spec:\n  trainer:\n    env:\n    - {name: PET_NNODES, value: "2"}\n', "spec:\n  trainer:\n    numNodes: 2\n",
    ),
    "KF335": Reason(
        "The Trainer's webhook refuses the TrainJob: for this model, number of nodes or adapter there is no recipe.",
        "take a runtime for one of the models, one node (but for llama3.3-70b), and leave to it what it decides",
        "command: [tune, run] with a runtime of another name, several nodes, or arguments that the runtime sets.",
        "spec:\n  runtimeRef: {name: torchtune-llama3.2-1b}\n  trainer:\n    command: [tune, run]\n    numNodes: 2\n",
        "spec:\n  runtimeRef: {name: torchtune-llama3.2-1b}\n  trainer:\n    command: [tune, run]\n    numNodes: 1\n",
    ),
    "KF336": Reason(
        "The Trainer's webhook refuses the TrainJob: with runLauncherAsNode the launcher is the first node and the job "
        "node holds the others.",
        "give the runtime a job launcher and a job node, or ask for 1 node",
        "A runtime with a launcher only, and numNodes of 2 or more.",
        "spec:\n  trainer: {numNodes: 2}\n", "spec:\n  trainer: {numNodes: 1}\n",
    ),
    "KF337": Reason(
        "The Trainer's webhook refuses the TrainJob: the policy adds an init container of this name itself.",
        "give your init container another name than flux-installer",
        "A runtime that installs Flux by itself, from before there was the policy.",
    ),
    "KF338": Reason(
        "The Trainer's webhook refuses the TrainJob: Volcano would put it nowhere. Local processes have no queues.",
        "name a queue, or remove the annotation",
        "An empty value, mostly out of a template.",
        f'{RUNTIME}template:\n  metadata:\n    annotations: {{scheduling.volcano.sh/queue-name: ""}}\n',
        f"{RUNTIME}template:\n  metadata:\n    annotations: {{scheduling.volcano.sh/queue-name: default}}\n",
    ),
    "KF339": Reason(
        "The Trainer's webhook looks for the PriorityClass and refuses the TrainJob when it is not there. Local "
        "processes have no priorities.",
        "create the PriorityClass first, or give its manifest beside the job's",
        "A class that the cluster has, which kfrun does not see; or a misspelt one.",
    ),
    "KF341": Reason(
        "The Trainer's webhook refuses the runtime: nodes are pods of one Job, so that they have indexes.",
        "remove replicas; numNodes of mlPolicy or of the TrainJob says how many nodes there are",
        "replicas used for the number of nodes, as with other job kinds.",
        f"{REPLICATED}replicas: 2\n", f"{REPLICATED}replicas: 1\n",
    ),
    "KF342": Reason(
        "The Trainer's webhook refuses the runtime: what a TrainJob says of command, image and env goes into the "
        "container of this name.",
        "name the container node in the job of the step trainer, dataset-initializer or model-initializer in theirs",
        "A container that is called after the framework or the image.",
        f"{POD}containers:\n- {{name: trainer}}\n", f"{POD}containers:\n- {{name: node}}\n",
    ),
    "KF343": Reason(
        "It is admitted with a warning, which kubectl prints; a later release of Trainer comes without this runtime.",
        "refer to the runtime that follows it: kfrun runtimes lists them",
        "The runtime carries the label trainer.kubeflow.org/support: deprecated.",
    ),
}  # fmt: skip
"""Code -> why it is a problem and how to mend it."""
