"""What the Trainer's webhook says of TrainJobs and runtimes, with upstream's field paths."""

from __future__ import annotations

from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.model.source import Severity
from kfrun.validate.admission import check as admission
from kfrun.validate.admission import runtime_webhook, webhook
from kfrun.validate.admission.webhook import Facts

Node = dict[str, Any]
LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"


def replicated(name: str, *, step: str = "", containers: list[Node] | None = None, **pod: Any) -> Node:
    spec = {"containers": containers or [{"name": name}], **pod}
    labels = {LABEL: step} if step else {}
    return {"name": name, "template": {"metadata": {"labels": labels}, "spec": {"template": {"spec": spec}}}}


def runtime(*jobs: Node, policy: Node | None = None, labels: Node | None = None, **spec: Any) -> Node:
    template = {
        "spec": {"replicatedJobs": list(jobs) or [replicated("node", step="trainer")]},
        **spec.pop("template", {}),
    }
    metadata = {"name": "rt", "labels": labels or {}}
    return {
        "kind": "ClusterTrainingRuntime",
        "metadata": metadata,
        "spec": {"mlPolicy": policy or {}, "template": template, **spec},
    }  # fmt: skip


def trainjob(name: str = "rt", **spec: Any) -> Node:
    return {"kind": "TrainJob", "metadata": {"name": "tj"}, "spec": {"runtimeRef": {"name": name}, **spec}}


def patch(job: str, manager: str = "a.io/b", **pod: Any) -> Node:
    spec = {"replicatedJobs": [{"name": job, "template": {"spec": {"template": {"spec": pod}}}}]}
    return {"manager": manager, "trainingRuntimeSpec": {"template": {"spec": spec}}}


def fields(job: Node, of: Node, *classes: str) -> list[str]:
    return [cause.field for _, cause in webhook.found(Facts(job, of, frozenset(classes)))]


MOUNT = {"volumeMounts": [{"name": "initializer", "mountPath": "/workspace"}]}
NAME = "dataset-initializer"
WANTS_DATA = {"initializer": {"dataset": {"storageUri": "hf://a/b"}}}


@pytest.mark.parametrize(
    ("jobs", "lacks"),
    [
        ((replicated("node"),), f'needs a job named "{NAME}"'),
        ((replicated(NAME, containers=[{"name": "other"}]),), f'needs a container named "{NAME}"'),
        ((replicated(NAME),), 'needs a mount of the volume "initializer"'),
        ((replicated(NAME, containers=[{"name": NAME, **MOUNT}]),), ""),
        (
            (replicated(NAME, containers=[{"name": "x"}], initContainers=[{"name": NAME, **MOUNT}]),),
            'needs a mount of the volume "initializer"',
        ),
    ],
)
def test_an_initializer_needs_its_job_container_and_mount(jobs: tuple[Node, ...], lacks: str) -> None:
    found = [(cause.field, cause.message) for _, cause in webhook.found(Facts(trainjob(**WANTS_DATA), runtime(*jobs)))]
    assert [field for field, _ in found] == (["spec.runtimeRef"] if lacks else [])
    assert all(lacks in message for _, message in found)


def test_a_patch_may_bring_the_mount_or_take_its_path_away() -> None:
    brings = patch(NAME, containers=[{"name": NAME, **MOUNT}])
    takes = patch(NAME, containers=[{"name": NAME, "volumeMounts": [{"name": "mine", "mountPath": "/workspace"}]}])
    bare, full = replicated(NAME), replicated(NAME, containers=[{"name": NAME, **MOUNT}])
    assert fields(trainjob(**WANTS_DATA, runtimePatches=[brings]), runtime(bare)) == []
    assert fields(trainjob(**WANTS_DATA, runtimePatches=[takes]), runtime(full)) == ["spec.runtimeRef"]


@pytest.mark.parametrize("manager", ["", "team", "/x", "a.io/", "A.io/x", "a.io/x y"])
def test_a_manager_is_a_domain_and_a_path(manager: str) -> None:
    job = trainjob(runtimePatches=[patch("node"), patch("node", manager)])
    ((_, cause),) = webhook.found(Facts(job, runtime()))
    assert cause.field == "spec.runtimePatches.manager"
    assert cause.path == ("spec", "runtimePatches", 1, "manager")


def test_a_manager_may_have_two_slashes() -> None:
    assert fields(trainjob(runtimePatches=[patch("node", "x.io//y")]), runtime()) == []


@pytest.mark.parametrize(("name", "refused"), [("node", True), ("model-initializer", True), ("sidecar", False)])
def test_patches_set_no_environment_of_reserved_containers(name: str, refused: bool) -> None:
    env = [{"name": "A", "value": "b"}]
    job = trainjob(runtimePatches=[patch("node", containers=[{"name": name, "env": env}])])
    assert fields(job, runtime()) == (["spec.runtimePatches"] if refused else [])
    init = trainjob(runtimePatches=[patch("node", initContainers=[{"name": name, "env": env}])])
    assert fields(init, runtime()) == []


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        ("torch", "PET_NNODES", ["spec.trainer.env"]),
        ("mpi", "OMPI_MCA_plm_rsh_args", ["spec.trainer.env"]),
        ("xgboost", "DMLC_TASK_ID", ["spec.trainer.env[1]"]),
        ("jax", "JAX_PROCESS_ID", []),
        ("torch", "DMLC_TASK_ID", []),
    ],
)
def test_what_a_policy_sets_is_reserved(policy: str, name: str, expected: list[str]) -> None:
    env = [{"name": "A", "value": "b"}, {"name": name, "value": "1"}]
    assert fields(trainjob(trainer={"env": env}), runtime(policy={policy: {}})) == expected


@pytest.mark.parametrize(
    ("name", "trainer", "expected"),
    [
        ("torchtune-llama3.2-1b", {}, []),
        ("my-tune", {}, ["spec.runtimeRef.name"]),
        ("torchtune-llama3.2-1b", {"numNodes": 2}, ["spec.trainer.numNodes"]),
        ("torchtune-llama3.3-70b", {"numNodes": 2}, []),
        ("torchtune-llama3.3-70b", {"numNodes": 2, "args": ["model.lora_attn_modules=[q]"]}, ["spec.trainer.numNodes"]),
        ("torchtune-qwen2.5-1.5b", {"args": ["model.quantize_base=True"]}, ["spec.runtimeRef.name"]),
        (
            "torchtune-llama3.2-3b",
            {"args": ["model.quantize_base=True"]},
            ["spec.trainer.numProcPerNode", "spec.trainer.resourcesPerNode"],
        ),
        ("torchtune-llama3.2-3b", {"args": ["model.quantize_base=True"], "numProcPerNode": 1}, []),
        (
            "torchtune-llama3.2-3b",
            {"args": ["model.quantize_base=True"], "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}}},
            [],
        ),
        ("torchtune-llama3.2-3b", {"args": ["model.quantize_base=True", "model.use_dora=true"]}, []),
        ("torchtune-llama3.2-1b", {"args": ["epochs=1", "output_dir=/x"]}, ["spec.trainer.args[1]"]),
    ],
)
def test_torchtune(name: str, trainer: Node, expected: list[str]) -> None:
    job = trainjob(name, trainer={"command": ["tune", "run"], **trainer})
    assert fields(job, runtime(policy={"torch": {}})) == expected
    own_command = trainjob(name, trainer={**trainer, "command": ["tune"]})
    assert fields(own_command, runtime(policy={"torch": {}})) == []


def test_an_mpi_launcher_that_is_a_node_needs_both_jobs() -> None:
    policy = {"mpi": {"runLauncherAsNode": True}}
    lone, both = (
        runtime(replicated("node"), policy=policy),
        runtime(replicated("launcher"), replicated("node"), policy=policy),
    )
    assert fields(trainjob(trainer={"numNodes": 2}), lone) == ["spec.trainer.numNodes"]
    assert fields(trainjob(trainer={"numNodes": 2}), both) == []
    assert fields(trainjob(trainer={"numNodes": 1}), lone) == []
    assert fields(trainjob(), lone) == []


def test_flux_reserves_its_installer() -> None:
    of = runtime(replicated("node", initContainers=[{"name": "flux-installer"}]), policy={"flux": {}})
    assert fields(trainjob(), of) == ["spec.trainer.initContainers"]


def test_volcano_needs_the_name_of_its_queue_and_the_priority_class() -> None:
    of = runtime(
        replicated("node", priorityClassName="high"),
        podGroupPolicy={"volcano": {}},
        template={"metadata": {"annotations": {webhook.QUEUE: ""}}},
    )
    queue = f"spec.annotations[{webhook.QUEUE}]"
    assert fields(trainjob(), of) == [queue, "spec.templateSpec.priorityClassName"]
    assert fields(trainjob(), of, "high") == [queue]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (replicated("node", step="trainer"), []),
        (replicated("node", step="trainer") | {"replicas": 2}, ["spec.template.spec.replicatedJobs[0].replicas"]),
        (
            replicated("node", step="trainer", containers=[{"name": "main"}]),
            ["spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers"],
        ),
        (
            replicated("x", step=NAME, containers=[{"name": "a"}], initContainers=[{"name": NAME}]),
            ["spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers"],
        ),
        (replicated("x", step="helper") | {"replicas": 3}, []),
    ],
)
def test_runtimes(job: Node, expected: list[str]) -> None:
    assert [cause.field for _, cause in runtime_webhook.found(runtime(job))] == expected
    opted_out = runtime(job, labels={runtime_webhook.OPT_OUT_LABEL: "disabled"})
    assert list(runtime_webhook.found(opted_out)) == []


RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: {kind}
metadata: {{name: rt, labels: {{trainer.kubeflow.org/support: deprecated}}}}
spec:
  template:
    spec:
      replicatedJobs:
      - name: node
        replicas: 2
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec: {{template: {{spec: {{containers: [{{name: node}}]}}}}}}
"""


def test_a_runtime_is_refused_at_its_line_and_warned_of_when_it_is_deprecated() -> None:
    (document,), _ = kubeyaml.parse(RUNTIME.format(kind="ClusterTrainingRuntime"), "rt.yaml")
    refused, deprecated = admission.check_runtime(document)
    assert (refused.code, refused.severity, str(refused.position)) == ("KF341", Severity.ERROR, "rt.yaml:9:19")
    assert (deprecated.code, deprecated.severity) == ("KF343", Severity.WARNING)
    assert deprecated.position is not None
    assert deprecated.position.line == 3
    assert [one.code for one in admission.check_runtime(document, is_update=True)] == ["KF341"]


def test_a_training_runtime_is_not_looked_at_on_update() -> None:
    (document,), _ = kubeyaml.parse(RUNTIME.format(kind="TrainingRuntime"), "rt.yaml")
    assert [one.code for one in admission.check_runtime(document)] == ["KF341"]
    assert admission.check_runtime(document, is_update=True) == []
