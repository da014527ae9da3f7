"""Runtimes and TrainJobs that the schemas allow and that belong together, for every version and ML policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.schema import schemas
from tests.fuzzing.values import Writer

if TYPE_CHECKING:
    from tests.fuzzing.choices import Choices

    Object = dict[str, Any]

VERSIONS: Final = ("v2.3", "v2.2", "v2.1", "v2.0", "head")
API: Final = "trainer.kubeflow.org/v1alpha1"
STEP: Final = "trainer.kubeflow.org/trainjob-ancestor-step"
POLICIES: Final = ("plain", "torch", "torchtune", "jax", "xgboost", "mpi", "flux", "none")
_DEFINITIONS: Final = {
    "torch": "trainer.TorchMLPolicySource",
    "mpi": "trainer.MPIMLPolicySource",
    "flux": "trainer.FluxMLPolicySource",
}
_RECIPE: Final = ["tune", "run"]


def pair(choices: Choices, version: str = "v2.3") -> tuple[Object, Object]:
    """A runtime, and a TrainJob that refers to it."""
    policy = choices.pick(policies(version))
    made = runtime(choices, version, policy)
    return made, job(choices, version, made)


def policies(version: str) -> list[str]:
    """The ML policies that a version has."""
    known = schemas.schema(version, "TrainingRuntime")["definitions"]["trainer.MLPolicy"]["properties"]
    return [policy for policy in POLICIES if _field(policy) in (None, *known)]


def _field(policy: str) -> str | None:
    """The field of mlPolicy that chooses a policy."""
    return None if policy in ("plain", "none") else {"torchtune": "torch"}.get(policy, policy)


def runtime(choices: Choices, version: str, policy: str) -> Object:
    """A runtime with one ML policy; ``none`` has no mlPolicy at all."""
    kind = choices.pick(("ClusterTrainingRuntime", "TrainingRuntime"))
    writer = Writer(choices, schemas.schema(version, kind))
    spec: Object = {"template": writer.object("trainer.JobSetTemplateSpec", spec=_jobset(choices, writer, policy))}
    if policy != "none":
        spec["mlPolicy"] = _ml_policy(choices, writer, policy)
    if choices.once_in(4):
        spec["podGroupPolicy"] = writer.object("trainer.PodGroupPolicy")
    return {"apiVersion": API, "kind": kind, "metadata": _metadata(choices, "rt"), "spec": spec}


def job(choices: Choices, version: str, of: Object) -> Object:
    """A TrainJob that refers to a runtime."""
    writer = Writer(choices, schemas.schema(version, "TrainJob"))
    reference = {"name": of["metadata"]["name"], "kind": of["kind"]}
    metadata = _metadata(choices, "tj")
    if "namespace" in of["metadata"]:
        metadata["namespace"] = of["metadata"]["namespace"]
    elif of["kind"] == "TrainingRuntime":
        metadata.pop("namespace", None)
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": metadata,
        "spec": writer.object("trainer.TrainJobSpec", runtimeRef=reference),
    }


def _metadata(choices: Choices, name: str) -> Object:
    metadata: Object = {"name": name}
    if choices.once_in(4):
        metadata["namespace"] = "team-a"
    if choices.once_in(4):
        metadata["labels"] = {"example.com/team": "a", "trainer.kubeflow.org/framework": "torch"}
    if choices.once_in(4):
        metadata["annotations"] = {
            choices.pick(("kfrun.dev/packages", "kfrun.dev/python", "kfrun.dev/environment", "kfrun.dev/lint-ignore")):
            choices.pick(("numpy==2.0\n# why\nscipy", "3.12", "isolated", "KF701,KF702", ""))
        }  # fmt: skip
    return metadata


def _ml_policy(choices: Choices, writer: Writer, policy: str) -> Object:
    found: Object = {"numNodes": choices.between(1, 3)} if choices.below(2) else {}
    field = _field(policy)
    if field is None:
        return found or {"numNodes": 1}
    definition = _DEFINITIONS.get(field)
    return {**found, field: writer.object(definition) if definition else {}}


def _jobset(choices: Choices, writer: Writer, policy: str) -> Object:
    jobs = [_replicated_job(choices, writer, "node", "trainer", policy)]
    if policy == "mpi":
        jobs.insert(0, _replicated_job(choices, writer, "launcher", None, policy))
    if choices.once_in(4):
        step = choices.pick(("dataset-initializer", "model-initializer"))
        jobs.insert(0, _replicated_job(choices, writer, step, step, policy))
    return writer.object("jobset.JobSetSpec", replicatedJobs=jobs) if choices.once_in(3) else {"replicatedJobs": jobs}


def _replicated_job(choices: Choices, writer: Writer, name: str, step: str | None, policy: str) -> Object:
    own = name if name.endswith("initializer") else "node"
    container = writer.object("core.v1.Container", name=own, image="python:3.12") if choices.below(2) else {"name": own}
    if policy == "torchtune" and own == "node":
        container["command"] = list(_RECIPE)
    pod = writer.object("core.v1.PodSpec", containers=[container]) if choices.below(2) else {"containers": [container]}
    spec = {"template": {"spec": pod}}
    if choices.once_in(4):
        spec = writer.object("batch.v1.JobSpec", **spec)
    metadata = {"labels": {STEP: step}} if step else {}
    return {"name": name, "template": {"metadata": metadata, "spec": spec}}
