"""Settings of a TrainJob that reach no container are found, and nothing is said of those that do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kfrun.load import kubeyaml
from kfrun.resolve import resolver
from kfrun.resolve.pods import effects
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.resolve.runtimes.shipped import shipped

LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"


def pod(*names: str, inits: tuple[str, ...] = ()) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": name, "image": "x:1", "command": ["true"]} for name in names]}
    return {
        "spec": {**spec, **({"initContainers": [{"name": name, "image": "x:1"} for name in inits]} if inits else {})}
    }


def job(name: str, step: str | None, template: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"metadata": {"labels": {LABEL: step}}} if step else {}
    return {"name": name, "template": {**metadata, "spec": {"template": template or pod("node"), **spec}}}


def found(spec: dict[str, Any], *jobs: dict[str, Any], policy: dict[str, Any] | None = None, **metadata: Any) -> Any:
    """What becomes of a TrainJob with a runtime of these jobs."""
    given = {} if policy is None else {"mlPolicy": policy}
    runtime = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainingRuntime",
        "metadata": {"name": "mine", **metadata},
        "spec": {**given, "template": {"spec": {"replicatedJobs": list(jobs)}}},
    }
    trainjob = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "a"},
        "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": "mine"}, **spec},
    }
    documents, problems = kubeyaml.parse(yaml.safe_dump_all([runtime, trainjob]), "job.yaml")
    assert problems == []
    resolution = resolver.resolve(documents[1], Catalogue(documents, (), shipped()))
    assert resolution.jobset is not None, resolution.findings
    return effects.of(resolution)


def fields(*arguments: Any, **options: Any) -> dict[str, str]:
    return {".".join(map(str, one.path[1:])): one.message for one in found(*arguments, **options).unreached}


EVERYTHING = {
    "image": "x:2",
    "command": ["a"],
    "args": ["b"],
    "env": [{"name": "LR", "value": "1"}],
    "numNodes": 3,
    "resourcesPerNode": {"limits": {"cpu": "1"}},
}
ALL = {f"trainer.{name}" for name in EVERYTHING}
TORCH: dict[str, Any] = {"numNodes": 1, "torch": {}}


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        ([job("node", None)], f"has the label {LABEL}: trainer"),
        ([job("node", None, {"metadata": {"labels": {LABEL: "trainer"}}, **pod("node")})], "on its pod template"),
        ([job("node", "training")], '"training" means nothing'),
        ([job("node", "trainer", pod("main"))], 'no container of "node" of runtime "mine" is named "node"'),
        ([job("node", "trainer", pod("main", inits=("node",)))], "is an init container"),
    ],
)
@pytest.mark.parametrize("policy", [{"numNodes": 1}, TORCH, {"jax": {}}, {"xgboost": {}}])
def test_a_trainer_section_that_nothing_takes(jobs, why, policy):
    messages = fields({"trainer": EVERYTHING}, *jobs, policy=policy)
    is_counted = LABEL in str(jobs[0]["template"].get("metadata")) and "training" not in str(jobs)
    assert set(messages) == ALL - ({"trainer.numNodes"} if is_counted else set())
    assert all(why in message or field == "trainer.numNodes" for field, message in messages.items())


def test_a_label_where_nobody_looks_is_named():
    messages = fields({"trainer": EVERYTHING}, job("node", None), policy=TORCH, labels={LABEL: "trainer"})
    assert all("metadata.labels has it, where nobody looks" in one for one in messages.values())


@pytest.mark.parametrize("policy", [{"numNodes": 1}, TORCH, {"jax": {}}, {"xgboost": {}}, {"flux": {}}, {"mpi": {}}])
def test_what_reaches_its_container_is_no_matter(policy):
    jobs = [job("node", None), job("launcher", "trainer")] if "mpi" in policy else [job("node", "trainer")]
    assert fields({"trainer": EVERYTHING}, *jobs, policy=policy) == {}
    assert fields({}, job("node", None), policy=policy if "flux" not in policy else TORCH) == {}


def test_resources_without_a_policy():
    messages = fields({"trainer": EVERYTHING}, job("node", "trainer"))
    assert list(messages) == ["trainer.resourcesPerNode"]
    assert "no mlPolicy" in messages["trainer.resourcesPerNode"]
    claims = {"trainer": {"resourcesPerNode": {"claims": [{"name": "gpu"}]}}}
    assert list(fields(claims, job("node", "trainer"), policy=TORCH)) == ["trainer.resourcesPerNode.claims"]


def test_mpi_counts_the_jobs_that_are_named_node_and_a_working_launcher_shares():
    trainer = {"trainer": {**EVERYTHING, "numProcPerNode": 2}}
    assert list(fields(trainer, job("workers", None), job("launcher", "trainer"), policy={"mpi": {}})) == [
        "trainer.numNodes"
    ]
    both = [job("node", None), job("launcher", None)]
    assert set(fields(trainer, *both, policy={"mpi": {}})) == ALL - {"trainer.numNodes"}
    policy = {"mpi": {"runLauncherAsNode": True}}
    assert set(fields(trainer, *both, policy=policy)) == {"trainer.image", "trainer.command", "trainer.args"}


@pytest.mark.parametrize(
    ("policy", "is_used"), [({"numNodes": 1}, False), ({"jax": {}}, False), ({"xgboost": {}}, False), (TORCH, True)]
)
def test_processes_are_started_by_some_policies_only(policy, is_used):
    messages = fields({"trainer": {"numProcPerNode": 2}}, job("node", "trainer"), policy=policy)
    assert list(messages) == ([] if is_used else ["trainer.numProcPerNode"])


INITIALIZER = {"dataset": {"storageUri": "hf://a/b", "env": [{"name": "A", "value": "1"}], "secretRef": {"name": "s"}}}


@pytest.mark.parametrize(
    ("step", "template", "is_reached"),
    [
        ("dataset-initializer", pod("dataset-initializer"), True),
        (None, pod("dataset-initializer"), False),
        ("dataset-initializer", pod("x", inits=("dataset-initializer",)), False),
        ("model-initializer", pod("dataset-initializer"), False),
    ],
)
def test_initializers_are_found_by_label_and_container(step, template, is_reached):
    jobs = [job("dataset-initializer", step, template), job("node", "trainer")]
    messages = fields({"initializer": INITIALIZER}, *jobs, policy=TORCH)
    assert len(messages) == (0 if is_reached else 3)
    assert all(field.startswith("initializer.dataset.") for field in messages)


def patch(*jobs: dict[str, Any], **template: Any) -> dict[str, Any]:
    spec = {"spec": {"replicatedJobs": list(jobs)}} if jobs else {}
    return {"runtimePatches": [{"manager": "a.b/c", "trainingRuntimeSpec": {"template": {**spec, **template}}}]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"runtimePatches": [{"manager": "a.b/c"}]}, "runtimePatches.0"),
        ({"runtimePatches": [{"manager": "a.b/c", "trainingRuntimeSpec": {}}]}, "runtimePatches.0"),
        (patch(job("other", None)), "name"),
        (patch(job("node", None, {"spec": {"containers": [{"name": "main"}]}})), "containers.0.name"),
        (patch(job("node", None, {"spec": {"initContainers": [{"name": "node"}]}})), "initContainers.0.name"),
        (patch(job("node", None, {"spec": {"tolerations": []}})), "tolerations"),
        (patch(job("node", None, {"spec": {"nodeSelector": {}}})), "nodeSelector"),
        (patch(metadata={"labels": {}}), "metadata.labels"),
    ],
)
def test_patches_that_match_nothing(spec, field):
    messages = fields(spec, job("node", "trainer"), policy=TORCH)
    assert [name for name in messages if name.endswith(field)], messages


def test_patches_that_match():
    inner = {"spec": {"containers": [{"name": "node", "env": []}], "volumes": [{"name": "a", "emptyDir": {}}]}}
    assert list(fields(patch(job("node", None, inner)), job("node", "trainer"), policy=TORCH))[-1].endswith("env")
    inner = {"spec": {"serviceAccountName": "x", "volumes": [{"name": "a", "emptyDir": {}}]}}
    assert fields(patch(job("node", None, inner)), job("node", "trainer"), policy=TORCH) == {}


@pytest.mark.parametrize(
    ("jobs", "policy", "nodes"),
    [
        ([job("node", "trainer")], TORCH, 3),
        ([job("node", None)], TORCH, 1),
        ([job("node", None, parallelism=4)], TORCH, 4),
        (
            [job("dataset-initializer", "dataset-initializer", pod("dataset-initializer")), job("node", "trainer")],
            TORCH,
            3,
        ),
        ([job("node", None), job("launcher", "trainer")], {"mpi": {}}, 3),
        ([job("node", None), job("launcher", "trainer")], {"mpi": {"runLauncherAsNode": True}}, 3),
    ],
)
def test_the_pods_that_train_are_counted(jobs, policy, nodes):
    assert found({"trainer": {"numNodes": 3}}, *jobs, policy=policy).nodes == nodes


@pytest.mark.parametrize("document", shipped(), ids=lambda one: one.key.name)
def test_shipped_runtimes_take_what_a_job_says(document):
    text = yaml.safe_dump(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": "a"},
            "spec": {"runtimeRef": {"name": document.key.name}, "trainer": {**EVERYTHING, "numNodes": 2}},
        }
    )
    (read,), _ = kubeyaml.parse(text, "job.yaml")
    resolution = resolver.resolve(read, Catalogue((), (), shipped()))
    assert resolution.jobset is not None
    assert effects.of(resolution).unreached == ()
