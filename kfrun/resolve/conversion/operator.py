"""Jobs of the Training Operator (kubeflow.org/v1) as TrainJobs and runtimes.

A TrainJob says what to run and how often; the rest of a pod template goes into a TrainingRuntime of the job's own. A
PyTorchJob whose pods hold nothing else uses the runtime ``torch-distributed`` instead.

Source: the CRDs of the Training Operator 1.9, and what its controllers put into pods.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.model import kinds
from kfrun.model.values import NamedTuple
from kfrun.resolve.conversion import mpi, pods
from kfrun.resolve.conversion.notes import Node, Notes, mapping, without_empty
from kfrun.validate.rules.names import LABEL_LENGTH

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath

GROUP: Final = "kubeflow.org"
TORCH_RUNTIME: Final = "torch-distributed"

REFUSED: Final = {
    "TFJob": "Kubeflow Trainer has no policy for TensorFlow: nothing would set TF_CONFIG",
    "PaddleJob": "Kubeflow Trainer has no policy for PaddlePaddle: nothing would set PADDLE_*",
}
"""Kinds without a successor, and why."""


class Form(NamedTuple):
    """How jobs of one kind are written.

    Attributes:
        replicas: the field of the replica specs.
        types: the replica types, the one that leads first.
        container: the name of the container that trains.
        policy: the ML policy of the runtime.
        variables: what the operator set in the pods and the Trainer does not, and what stands for it.
    """

    replicas: str
    types: tuple[str, ...]
    container: str
    policy: str
    variables: str = ""


FORMS: Final = {
    "PyTorchJob": Form("pytorchReplicaSpecs", ("Master", "Worker"), "pytorch", "torch"),
    "JAXJob": Form(
        "jaxReplicaSpecs", ("Worker",), "jax", "jax",
        "COORDINATOR_ADDRESS, NUM_PROCESSES and PROCESS_ID are now JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID, which jax.distributed.initialize reads by itself",
    ),
    "XGBoostJob": Form(
        "xgbReplicaSpecs", ("Master", "Worker"), "xgboost", "xgboost",
        "MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE are now DMLC_TRACKER_URI, DMLC_TRACKER_PORT, DMLC_TASK_ID and "
        "DMLC_NUM_WORKER; the program on the first node starts the tracker",
    ),
    "MPIJob": Form("mpiReplicaSpecs", ("Launcher", "Worker"), "mpi", "mpi"),
}  # fmt: skip

_SPEC_FIELDS: Final = frozenset({"runPolicy", "nprocPerNode", "elasticPolicy", "cleanPodPolicy", "suspend"})
_RUN_POLICY: Final = frozenset(
    {
        "suspend",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "backoffLimit",
        "cleanPodPolicy",
        "schedulingPolicy",
        "managedBy",
    }
)


def convert(document: Document, notes: Notes) -> list[Node]:
    """The TrainJob that replaces a job of kubeflow.org/v1, after the runtime that it needs; empty if it is refused."""
    kind, data = document.key.kind, document.data
    spec = mapping(data.get("spec"))
    form = FORMS.get(kind)
    if form is None:
        notes.refuse(("kind",), f"a {kind} cannot be converted: {REFUSED[kind]}")
        return []
    replicas = {name: mapping(value) for name, value in mapping(spec.get(form.replicas)).items()}
    missing = [name for name in form.types if name not in replicas]
    if missing and (kind == "MPIJob" or len(missing) == len(form.types)):
        needed = " and ".join(missing) if kind == "MPIJob" else " or ".join(missing)
        notes.refuse(("spec", form.replicas), f"a {kind} without {needed} cannot be converted")
        return []
    for name in replicas:
        if name not in form.types:
            notes.add(("spec", form.replicas, name), f"{name} is no replica type of a {kind} and was left out")
    known = _SPEC_FIELDS | (mpi.FIELDS if kind == "MPIJob" else frozenset())
    notes.rest(("spec",), spec, known | {form.replicas})
    name = _name(data, notes)
    if not name:
        return []
    job = mpi.convert(document, replicas, notes) if kind == "MPIJob" else _plain(kind, form, spec, replicas, notes)
    _run_policy(spec, job, notes)
    return _objects(data, name, job)


def _name(data: Node, notes: Notes) -> str:
    """A name that a TrainJob may have, empty when there is nothing to make one of: then the job is refused."""
    metadata = mapping(data.get("metadata"))
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if isinstance(name, str) and name:
        mended = _mended(name)
        if mended != name:
            message = f'the name became "{mended}": TrainJobs start with a letter and have no dots'
            notes.add(("metadata", "name"), message)
        return mended
    if name in (None, "") and isinstance(prefix, str) and prefix:
        mended = _mended(prefix)
        message = f'generateName became the name "{mended}": a TrainJob and its runtime find each other by name'
        notes.add(("metadata", "generateName"), message, "give every job a name of its own before you apply it")
        return mended
    notes.refuse(("metadata", "name"), "a job without a name, or with one that is no text, cannot be converted")
    return ""


def _mended(name: str) -> str:
    mended = re.sub(r"[^a-z0-9-]", "-", name.lower())[:LABEL_LENGTH].strip("-")
    return mended if mended[:1].isalpha() else f"job-{mended}"[:LABEL_LENGTH].strip("-")


def _plain(kind: str, form: Form, spec: Node, replicas: dict[str, Node], notes: Notes) -> pods.ConvertedJob:
    """Jobs whose replicas are all nodes of one kind: the leader becomes node 0."""
    base: FieldPath = ("spec", form.replicas)
    present = [name for name in form.types if name in replicas]
    count = sum(pods.replicas(replicas[name]) for name in present)
    found = pods.read(replicas[present[0]], (*base, present[0]), form.container, notes)
    for name in present[1:]:
        aside = Notes(notes.document)
        other = pods.read(replicas[name], (*base, name), form.container, aside)
        if other == found:
            known = {one.message for one in notes.found}
            notes.found += [one for one in aside.found if one.message not in known]
        else:
            message = f"{name} differs from {present[0]}: the nodes of a TrainJob are alike, {present[0]}'s are taken"
            notes.add((*base, name, "template"), message)
    trainer = {**found.trainer, "numNodes": count}
    if kind == "PyTorchJob":
        _torch(spec, trainer, notes)
    elif form.variables:
        notes.add(base, form.variables)
    runtime_ref = None
    if kind == "PyTorchJob" and found.is_simple:
        runtime_ref = {"name": TORCH_RUNTIME}
        trainer = {"image": found.spec["containers"][0].get("image"), **trainer}
    template = found.replicated_job("node", is_trainer=True)
    return pods.ConvertedJob(trainer, {form.policy: {}, "numNodes": 1}, [template], runtime_ref)


def _torch(spec: Node, trainer: Node, notes: Notes) -> None:
    """Processes per node, and the launcher: the Trainer's variables are torchrun's."""
    processes = spec.get("nprocPerNode")
    if str(processes).isdecimal():
        trainer["numProcPerNode"] = int(str(processes))
    elif processes not in (None, "auto"):
        notes.add(("spec", "nprocPerNode"), f'nprocPerNode "{processes}" was left out: torchrun follows the devices')
    if "elasticPolicy" in spec:
        hint = "set numNodes to the number of nodes that you want"
        notes.add(
            ("spec", "elasticPolicy"), "elasticPolicy has no counterpart: jobs have a fixed number of nodes", hint
        )
    path: FieldPath = ("spec", FORMS["PyTorchJob"].replicas)
    line = [*trainer.get("command", ()), *trainer.get("args", ())]
    if any("torchrun" in str(word) or "torch.distributed" in str(word) for word in line):
        return
    at = next((index for index, word in enumerate(line) if str(word).endswith(".py")), 0)
    if at and re.fullmatch(r"(.*/)?python[0-9.]*", str(line[0])) and all(word == "-u" for word in line[1:at]):
        trainer["command"] = ["torchrun", *line[at:]]
        trainer.pop("args", None)
        trainer.setdefault("numProcPerNode", 1)
        message = "python was replaced by torchrun, which sets RANK, WORLD_SIZE and MASTER_ADDR in every process"
        notes.add(path, message)
        return
    message = "RANK, WORLD_SIZE and MASTER_ADDR are not set any more: the Trainer sets PET_* for torchrun"
    notes.add(path, message, "let the command start torchrun")


def _run_policy(spec: Node, job: pods.ConvertedJob, notes: Notes) -> None:
    policy = mapping(spec.get("runPolicy"))
    path: FieldPath = ("spec", "runPolicy")
    notes.rest(path, policy, _RUN_POLICY)
    for field in ("suspend", "activeDeadlineSeconds"):
        value = policy.get(field, spec.get(field))
        if value is not None:
            job.fields[field] = value
    if policy.get("managedBy") == "kueue.x-k8s.io/multikueue":
        job.fields["managedBy"] = policy["managedBy"]
    if "ttlSecondsAfterFinished" in policy:
        job.jobset["ttlSecondsAfterFinished"] = policy["ttlSecondsAfterFinished"]
    if "backoffLimit" in policy:
        for item in job.replicated_jobs:
            item["template"]["spec"]["backoffLimit"] = policy["backoffLimit"]
        message = "backoffLimit counted the restarts of all pods; now it is that of every replicatedJob"
        notes.add((*path, "backoffLimit"), message)
    if "cleanPodPolicy" in policy or "cleanPodPolicy" in spec:
        where = (*path, "cleanPodPolicy") if "cleanPodPolicy" in policy else ("spec", "cleanPodPolicy")
        message = "cleanPodPolicy has no counterpart: pods that ended stay until the TrainJob is deleted"
        notes.add(where, message, "ttlSecondsAfterFinished of the runtime's JobSet deletes them")
    if "schedulingPolicy" in policy:
        hint = "set spec.podGroupPolicy of the runtime: coscheduling or volcano"
        notes.add((*path, "schedulingPolicy"), "schedulingPolicy was left out: gangs belong to the runtime", hint)


def _objects(data: Node, name: Any, job: pods.ConvertedJob) -> list[Node]:
    metadata = {
        key: value
        for key, value in mapping(data.get("metadata")).items()
        if key in {"namespace", "labels", "annotations"}
    }
    own = {"name": name, **({"namespace": metadata["namespace"]} if "namespace" in metadata else {})}
    needs_runtime = job.runtime_ref is None or bool(job.jobset) or _has_limit(job)
    reference = {"kind": kinds.NAMESPACED_RUNTIME, "name": name} if needs_runtime else job.runtime_ref
    trainjob = {
        "apiVersion": kinds.API_VERSION,
        "kind": kinds.TRAIN_JOB,
        "metadata": {"name": name, **copy.deepcopy(metadata)},
        "spec": {"runtimeRef": reference, "trainer": without_empty(job.trainer), **job.fields},
    }
    if not needs_runtime:
        return [trainjob]
    runtime = {
        "apiVersion": kinds.API_VERSION,
        "kind": kinds.NAMESPACED_RUNTIME,
        "metadata": own,
        "spec": {
            "mlPolicy": job.policy,
            "template": {"spec": {**job.jobset, "replicatedJobs": job.replicated_jobs}},
        },
    }
    return [runtime, trainjob]


def _has_limit(job: pods.ConvertedJob) -> bool:
    return any("backoffLimit" in item["template"]["spec"] for item in job.replicated_jobs)
