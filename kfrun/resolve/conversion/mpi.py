"""MPIJobs, of kubeflow.org/v1 and v2beta1: a launcher that leads, and workers that it reaches by ssh.

Source: the CRDs of the Training Operator 1.9 and of the MPI Operator 0.6, and what their controllers put into pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.resolve.conversion import pods
from kfrun.resolve.conversion.notes import Node, Notes, mapping
from kfrun.resolve.podsets import NODE
from kfrun.resolve.policies.mpi import LAUNCHER

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath

FIELDS: Final = frozenset(
    {
        "slotsPerWorker", "mainContainer", "sshAuthMountPath", "mpiImplementation", "launcherCreationPolicy",
        "runLauncherAsWorker",
    }
)  # fmt: skip
"""Fields of a spec that only MPIJobs have."""

_FIRST_VERSION: Final = "kubeflow.org/v1"
"""Its launcher starts the processes of the workers by kubectl."""

_OPEN_MPI: Final = "OpenMPI"
_DAEMON: Final = ["/usr/sbin/sshd", "-De"]


def convert(document: Document, replicas: dict[str, Node], notes: Notes) -> pods.ConvertedJob:
    """The job of a document that has a launcher and workers.

    Its workers never end by themselves, so the launcher decides about the success.
    """
    spec, base = mapping(document.data.get("spec")), ("spec", "mpiReplicaSpecs")
    main = spec.get("mainContainer", "mpi")
    launcher = pods.read(replicas["Launcher"], (*base, "Launcher"), main, notes)
    worker = pods.read(replicas["Worker"], (*base, "Worker"), main, notes)
    if not (worker.trainer.get("command") or worker.trainer.get("args")):
        worker.trainer["command"] = _DAEMON
    if document.data.get("apiVersion") == _FIRST_VERSION:
        hint = "use an image with sshd, for example one of those that Kubeflow publishes for MPI"
        notes.add((*base, "Worker"), "the launcher reached the workers by kubectl exec; now it does by ssh", hint)
    policy, nodes = _policy(spec, notes), pods.replicas(replicas["Worker"])
    first = worker.replicated_job(NODE, is_trainer=False, keeps=True)
    second = launcher.replicated_job(LAUNCHER, is_trainer=True)
    if _is(spec, "launcherCreationPolicy", "WaitForWorkersReady", ("AtStartup",), notes):
        second["dependsOn"] = [{"name": NODE, "status": "Ready"}]
    if policy.get("runLauncherAsNode"):
        nodes += 1
    trainer = {**launcher.trainer, "numNodes": nodes, "numProcPerNode": policy["numProcPerNode"]}
    success = {"operator": "All", "targetReplicatedJobs": [LAUNCHER]}
    return pods.ConvertedJob(trainer, {"mpi": policy}, [first, second], jobset={"successPolicy": success})


def _policy(spec: Node, notes: Notes) -> Node:
    slots = spec.get("slotsPerWorker", 1)
    policy: Node = {"numProcPerNode": slots if isinstance(slots, int) else 1, "mpiImplementation": _OPEN_MPI}
    if spec.get("sshAuthMountPath"):
        policy["sshAuthMountPath"] = spec["sshAuthMountPath"]
    if spec.get("runLauncherAsWorker"):
        policy["runLauncherAsNode"] = spec["runLauncherAsWorker"]
    if spec.get("mpiImplementation", _OPEN_MPI) != _OPEN_MPI:
        message = f'mpiImplementation "{spec["mpiImplementation"]}" became {_OPEN_MPI}: the Trainer sets up no other'
        notes.add(("spec", "mpiImplementation"), message, "use an image with Open MPI, and its options of mpirun")
    return policy


def _is(spec: Node, field: str, value: str, others: tuple[str, ...], notes: Notes) -> bool:
    """Whether a field has a value; one that it may not have is named."""
    given = spec.get(field)
    if given is not None and given not in (value, *others):
        path: FieldPath = ("spec", field)
        notes.add(path, f'{field} "{given}" is not known and was left out')
    return bool(given == value)
