from __future__ import annotations

import json
from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.report import yamljson
from kfrun.resolve import conversion, resolver
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.resolve.runtimes.shipped import shipped
from kfrun.validate import documents

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: torch-distributed
"""

POD_SPEC = (
    JOB
    + """\
  labels: {team: vision}
  annotations: {cost: shared}
  podSpecOverrides:
  - targetJobs:
    - name: node
    serviceAccountName: trainer
    nodeSelector: {disk: ssd}
    volumes:
    - name: data
      emptyDir: {}
    containers:
    - name: node
      volumeMounts:
      - {name: data, mountPath: /data}
  - targetJobs: []
    serviceAccountName: nobody
"""
)

POD_TEMPLATE = (
    JOB
    + """\
  podTemplateOverrides:
  - targetJobs:
    - name: node
    metadata:
      labels: {zone: a}
    spec:
      tolerations:
      - {key: gpu, operator: Exists}
"""
)

RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata:
  name: torch-distributed
spec:
  mlPolicy:
    numNodes: 2
    torch:
      numProcPerNode: 4
      elasticPolicy: {minNodes: 1, maxNodes: 4}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels:
              trainer.kubeflow.org/trainjob-ancestor-step: trainer
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: python:3.13
"""

CONTAINER = """\
          containers:
          - name: {name}
            image: registry.example/train:1
            command: [{command}]
            args: [--epochs, "3"]
            env:
            - name: LR
              value: "0.1"
            resources:
              limits: {{cpu: "2"}}
            ports:
            - {{name: pytorchjob-port, containerPort: 23456}}
"""


def v1(kind: str, field: str, types: dict[str, int], name: str, command: str = "python, train.py", **more: str) -> str:
    text = f"apiVersion: kubeflow.org/v1\nkind: {kind}\nmetadata:\n  name: old\n  namespace: team\nspec:\n"
    text += more.get("spec", "") + f"  {field}:\n"
    for one, replicas in types.items():
        text += f"    {one}:\n      replicas: {replicas}\n      restartPolicy: OnFailure\n"
        text += "      template:\n        spec:\n" + more.get("pod", "")
        text += CONTAINER.format(name=name, command=command)
    return text


PYTORCH = v1("PyTorchJob", "pytorchReplicaSpecs", {"Master": 1, "Worker": 3}, "pytorch")
SIDECAR = v1("PyTorchJob", "pytorchReplicaSpecs", {"Worker": 2}, "pytorch", pod="          hostNetwork: true\n")
JAX = v1("JAXJob", "jaxReplicaSpecs", {"Worker": 2}, "jax")
XGBOOST = v1("XGBoostJob", "xgbReplicaSpecs", {"Master": 1, "Worker": 2}, "xgboost")
MPI = v1("MPIJob", "mpiReplicaSpecs", {"Launcher": 1, "Worker": 2}, "mpi", "mpirun", spec="  slotsPerWorker: 2\n")
TF = v1("TFJob", "tfReplicaSpecs", {"Chief": 1}, "tensorflow")
POLICY = """\
  runPolicy:
    suspend: true
    activeDeadlineSeconds: 60
    ttlSecondsAfterFinished: 10
    backoffLimit: 3
    cleanPodPolicy: None
    schedulingPolicy: {queue: q}
"""


def convert(text: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The converted objects, and the notes by field."""
    read, findings = kubeyaml.parse(text, "old.yaml")
    assert findings == []
    before = json.dumps([one.data for one in read])
    done = conversion.convert(read)
    assert json.dumps([one.data for one in read]) == before
    assert all(note.position is not None for note in done.notes)
    return list(done.objects), {note.field: note.message for note in done.notes}


def check(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Validate the objects as written, resolve their jobs, and return the JobSets."""
    read, findings = kubeyaml.parse(yamljson.to_yaml(objects), "new.yaml")
    assert findings == []
    assert [found for one in read for found in documents.check(one)] == []
    catalogue = Catalogue(read, (), shipped())
    jobsets = []
    for one in read:
        if one.key.kind == "TrainJob":
            resolution = resolver.resolve(one, catalogue)
            assert resolution.findings == ()
            assert resolution.jobset is not None
            jobsets.append(resolution.jobset)
    return jobsets


def pod(jobset: dict[str, Any], index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = jobset["spec"]["replicatedJobs"][index]["template"]["spec"]["template"]
    return found


def test_pod_spec_overrides_and_labels_become_patches() -> None:
    objects, notes = convert(POD_SPEC)
    (jobset,) = check(objects)
    assert jobset["metadata"]["labels"]["team"] == "vision"
    assert jobset["metadata"]["annotations"]["cost"] == "shared"
    spec = pod(jobset)["spec"]
    assert (spec["serviceAccountName"], spec["nodeSelector"]) == ("trainer", {"disk": "ssd"})
    assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    assert list(notes) == ["spec.podSpecOverrides[1].targetJobs"]


def test_pod_template_overrides_become_patches() -> None:
    objects, notes = convert(POD_TEMPLATE)
    (jobset,) = check(objects)
    assert pod(jobset)["metadata"]["labels"]["zone"] == "a"
    assert pod(jobset)["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert notes == {}


def test_patches_that_are_there_stay_first() -> None:
    patches = "  runtimePatches:\n  - manager: example.com/team\n    trainingRuntimeSpec: {}\n"
    objects, _ = convert(POD_TEMPLATE + patches)
    managers = [patch["manager"] for patch in objects[0]["spec"]["runtimePatches"]]
    assert managers == ["example.com/team", "kfrun.dev/converted-1"]


@pytest.mark.parametrize(
    ("value", "expected", "noted"),
    [("'4'", 4, False), ("4", 4, False), ("auto", None, False), ("gpu", None, True), ("cpu", None, True)],
)
def test_processes_per_node_are_numbers(value: str, expected: int | None, noted: bool) -> None:
    objects, notes = convert(f"{JOB}  trainer:\n    numProcPerNode: {value}\n")
    check(objects)
    assert objects[0]["spec"]["trainer"].get("numProcPerNode") == expected
    assert (list(notes) == ["spec.trainer.numProcPerNode"]) is noted


def test_processes_of_a_runtime_move_into_its_jobs() -> None:
    objects, notes = convert(f"{RUNTIME}---\n{JOB}---\n{JOB.replace('mnist', 'own')}  trainer: {{numProcPerNode: 2}}\n")
    check(objects)
    assert objects[0]["spec"]["mlPolicy"] == {"numNodes": 2, "torch": {}}
    assert [item["spec"]["trainer"]["numProcPerNode"] for item in objects[1:]] == [4, 2]
    assert set(notes) == {"spec.mlPolicy.torch.numProcPerNode", "spec.mlPolicy.torch.elasticPolicy"}


def test_what_needs_no_conversion_stays_as_it_is() -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata: {a: b}\n"
    objects, notes = convert(f"{JOB}---\n{config}")
    assert objects == [one.data for one in kubeyaml.parse(f"{JOB}---\n{config}", "x")[0]]
    assert notes == {}


def test_a_plain_pytorchjob_uses_the_shared_runtime() -> None:
    objects, notes = convert(PYTORCH)
    (trainjob,) = objects
    (jobset,) = check(objects)
    assert trainjob["metadata"] == {"name": "old", "namespace": "team"}
    assert trainjob["spec"]["runtimeRef"] == {"name": "torch-distributed"}
    assert trainjob["spec"]["trainer"] == {
        "image": "registry.example/train:1",
        "command": ["torchrun", "train.py", "--epochs", "3"],
        "env": [{"name": "LR", "value": "0.1"}],
        "resourcesPerNode": {"limits": {"cpu": "2"}},
        "numNodes": 4,
        "numProcPerNode": 1,
    }
    assert jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["completions"] == 4
    assert list(notes) == ["spec.pytorchReplicaSpecs"]


def test_a_pod_with_more_to_say_gets_a_runtime_of_its_own() -> None:
    objects, _ = convert(SIDECAR)
    runtime, trainjob = objects
    assert (runtime["kind"], runtime["metadata"]) == ("TrainingRuntime", {"name": "old", "namespace": "team"})
    assert trainjob["spec"]["runtimeRef"] == {"kind": "TrainingRuntime", "name": "old"}
    (jobset,) = check(objects)
    assert pod(jobset)["spec"]["hostNetwork"] is True
    assert "PET_NNODES" in [item["name"] for item in pod(jobset)["spec"]["containers"][0]["env"]]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python, -u, train.py", ["torchrun", "train.py", "--epochs", "3"]),
        ("/usr/bin/python3, train.py", ["torchrun", "train.py", "--epochs", "3"]),
        ("torchrun, train.py", ["torchrun", "train.py"]),
        ("./start.sh", ["./start.sh"]),
    ],
)
def test_python_becomes_torchrun(command: str, expected: list[str]) -> None:
    objects, notes = convert(PYTORCH.replace("python, train.py", command))
    check(objects)
    assert objects[0]["spec"]["trainer"]["command"] == expected
    assert ("spec.pytorchReplicaSpecs" in notes) is not command.startswith("torchrun")


@pytest.mark.parametrize(("text", "policy", "nodes"), [(JAX, "jax", 2), (XGBOOST, "xgboost", 3)])
def test_jobs_of_other_frameworks(text: str, policy: str, nodes: int) -> None:
    objects, notes = convert(text)
    check(objects)
    runtime, trainjob = objects
    assert runtime["spec"]["mlPolicy"] == {policy: {}, "numNodes": 1}
    assert trainjob["spec"]["trainer"]["numNodes"] == nodes
    assert trainjob["spec"]["trainer"]["command"] == ["python", "train.py"]
    assert len(notes) == 1


def test_what_only_a_worker_loses_is_named_too() -> None:
    leader, worker = XGBOOST.split("    Worker:")
    never = leader.replace("restartPolicy: OnFailure", "restartPolicy: Never")
    _, notes = convert(f"{never}    Worker:{worker.replace('restartPolicy: OnFailure', 'restartPolicy: ExitCode')}")
    assert "ExitCode became Never" in notes["spec.xgbReplicaSpecs.Worker.restartPolicy"]


def test_notes_come_in_the_order_of_the_source() -> None:
    text = PYTORCH.replace("spec:\n", f"spec:\n{POLICY}  elasticPolicy: {{maxReplicas: 4}}\n", 1)
    notes = conversion.convert(kubeyaml.parse(text, "old.yaml")[0]).notes
    lines = [note.position.line for note in notes if note.position]
    assert len(lines) > 3
    assert lines == sorted(lines)


def test_an_mpijob_has_a_launcher_and_workers() -> None:
    objects, notes = convert(MPI.replace("command: [mpirun]", "command: [mpirun]", 1))
    check(objects)
    runtime, trainjob = objects
    assert runtime["spec"]["mlPolicy"] == {"mpi": {"numProcPerNode": 2, "mpiImplementation": "OpenMPI"}}
    assert [item["name"] for item in runtime["spec"]["template"]["spec"]["replicatedJobs"]] == ["node", "launcher"]
    assert trainjob["spec"]["trainer"]["command"] == ["mpirun"]
    assert (trainjob["spec"]["trainer"]["numNodes"], trainjob["spec"]["trainer"]["numProcPerNode"]) == (2, 2)
    assert "ssh" in notes["spec.mpiReplicaSpecs.Worker"]


SECOND = MPI.replace("kubeflow.org/v1", "kubeflow.org/v2beta1").replace("spec:\n", "spec:\n  {}\n", 1)


@pytest.mark.parametrize("text", [MPI, SECOND.replace("  {}\n", "")])
def test_the_launcher_of_an_mpijob_decides_about_its_success(text: str) -> None:
    objects, notes = convert(text)
    check(objects)
    assert objects[0]["spec"]["template"]["spec"]["successPolicy"] == {
        "operator": "All", "targetReplicatedJobs": ["launcher"],
    }  # fmt: skip
    assert ("kubectl" in "".join(notes.values())) is (text == MPI)


@pytest.mark.parametrize(
    ("field", "policy", "depends", "nodes", "noted"),
    [
        ("sshAuthMountPath: /home/me/.ssh", {"sshAuthMountPath": "/home/me/.ssh"}, None, 2, False),
        ("launcherCreationPolicy: WaitForWorkersReady", {}, [{"name": "node", "status": "Ready"}], 2, False),
        ("launcherCreationPolicy: AtStartup", {}, None, 2, False),
        ("launcherCreationPolicy: Later", {}, None, 2, True),
        ("runLauncherAsWorker: true", {"runLauncherAsNode": True}, None, 3, False),
        ("mpiImplementation: OpenMPI", {}, None, 2, False),
        ("mpiImplementation: Intel", {}, None, 2, True),
    ],
)
def test_fields_of_later_mpijobs(
    field: str, policy: dict[str, Any], depends: list[dict[str, str]] | None, nodes: int, noted: bool
) -> None:
    objects, notes = convert(SECOND.replace("{}", field))
    check(objects)
    runtime, trainjob = objects
    assert runtime["spec"]["mlPolicy"]["mpi"] == {"numProcPerNode": 2, "mpiImplementation": "OpenMPI", **policy}
    assert runtime["spec"]["template"]["spec"]["replicatedJobs"][1].get("dependsOn") == depends
    assert trainjob["spec"]["trainer"]["numNodes"] == nodes
    assert (list(notes) == [f"spec.{field.partition(':')[0]}"]) is noted


def test_a_launcher_that_works_is_one_of_the_nodes() -> None:
    objects, _ = convert(SECOND.replace("{}", "runLauncherAsWorker: true"))
    (jobset,) = check(objects)
    counts = [item["template"]["spec"]["parallelism"] for item in jobset["spec"]["replicatedJobs"]]
    assert counts == [2, 1]


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ("generateName: sweep-", "sweep"),
        ("generateName: 1.Sweep-", "job-1-sweep"),
        (f"name: {'a' * 70}", "a" * 63),
        ("name: ___", "job"),
        ("name: null", None),
        ("name: ''", None),
        ("name: 5", None),
        ("labels: {}", None),
    ],
)
@pytest.mark.parametrize("text", [PYTORCH, MPI, JAX, XGBOOST])
def test_a_job_gets_a_name_or_is_refused(text: str, metadata: str, name: str | None) -> None:
    objects, notes = convert(text.replace("name: old", metadata, 1))
    assert {item["metadata"]["name"] for item in objects} == ({name} if name else set())
    assert [field for field in notes if field.startswith("metadata.")]


def test_the_restart_policy_of_the_operator_wins_over_that_of_its_pods() -> None:
    text = SIDECAR.replace("      restartPolicy: OnFailure\n", "").replace("hostNetwork: true", "restartPolicy: Always")
    objects, _ = convert(text)
    (jobset,) = check(objects)
    assert "restartPolicy" not in pod(jobset)["spec"]


def test_only_the_container_that_trains_is_called_node() -> None:
    text = SIDECAR.replace("          containers:\n", "          containers:\n          - {name: node, image: x:1}\n")
    objects, notes = convert(text)
    (jobset,) = check(objects)
    assert [item["name"] for item in pod(jobset)["spec"]["containers"]] == ["node-1", "node"]
    assert "spec.pytorchReplicaSpecs.Worker.template.spec" in notes


def test_the_run_policy_goes_where_it_belongs() -> None:
    objects, notes = convert(PYTORCH.replace("spec:\n", f"spec:\n{POLICY}", 1))
    check(objects)
    runtime, trainjob = objects
    assert (trainjob["spec"]["suspend"], trainjob["spec"]["activeDeadlineSeconds"]) == (True, 60)
    template = runtime["spec"]["template"]["spec"]
    assert template["ttlSecondsAfterFinished"] == 10
    assert template["replicatedJobs"][0]["template"]["spec"]["backoffLimit"] == 3
    below = {field.removeprefix("spec.runPolicy.") for field in notes if field.startswith("spec.runPolicy.")}
    assert below == {"backoffLimit", "cleanPodPolicy", "schedulingPolicy"}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("spec:\n", "spec:\n  elasticPolicy: {maxReplicas: 4}\n", "spec.elasticPolicy"),
        ("spec:\n", "spec:\n  nprocPerNode: gpu\n", "spec.nprocPerNode"),
        ("spec:\n", "spec:\n  somethingElse: 1\n", "spec.somethingElse"),
        ("name: old", "name: 1.Old", "metadata.name"),
        ("restartPolicy: OnFailure", "restartPolicy: ExitCode", "spec.pytorchReplicaSpecs.Master.restartPolicy"),
        ("restartPolicy: OnFailure", "restartPolicy: Always", "spec.pytorchReplicaSpecs.Master.restartPolicy"),
        ("train:1", "train:2", "spec.pytorchReplicaSpecs.Worker.template"),
        ("    Worker:", "    Evaluator:", "spec.pytorchReplicaSpecs.Evaluator"),
    ],
)
def test_what_does_not_map_is_named(old: str, new: str, field: str) -> None:
    objects, notes = convert(PYTORCH.replace(old, new, 1))
    check(objects)
    assert field in notes


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (TF, "TF_CONFIG"),
        (TF.replace("TFJob", "PaddleJob"), "PADDLE_*"),
        (PYTORCH.replace("Master", "Chief").replace("Worker", "Evaluator"), "Master or Worker"),
        (MPI.replace("    Worker:", "    Helper:"), "Worker"),
        ("apiVersion: kubeflow.org/v1\nkind: JAXJob\nmetadata: {name: x}\nspec: nothing\n", "Worker"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_the_reason(text: str, word: str) -> None:
    objects, notes = convert(text)
    assert objects == []
    assert word in "".join(notes.values())


@pytest.mark.parametrize("text", [POD_SPEC, POD_TEMPLATE, RUNTIME, PYTORCH, SIDECAR, MPI, JAX, XGBOOST])
def test_converting_twice_changes_nothing(text: str) -> None:
    objects, _ = convert(text)
    again, notes = convert(yamljson.to_yaml(objects))
    assert (again, notes) == (objects, {})


@pytest.mark.parametrize("value", ["[]", "3", "text", "[[]]", "{a: 1}", "null"])
@pytest.mark.parametrize("field", ["podSpecOverrides", "podTemplateOverrides", "labels", "trainer", "runtimeRef"])
def test_odd_values_are_left_to_validate(field: str, value: str) -> None:
    convert(f"{JOB.replace('runtimeRef', 'x') if field == 'runtimeRef' else JOB}  {field}: {value}\n")


@pytest.mark.parametrize(
    "value", ["[]", "3", "text", "{containers: 3}", "{containers: [{}]}", "{containers: [3]}", "null"]
)
def test_odd_pod_specs_are_left_to_validate(value: str) -> None:
    text = "apiVersion: kubeflow.org/v1\nkind: JAXJob\nmetadata: {name: x}\nspec:\n  jaxReplicaSpecs:\n    Worker:\n"
    objects, _ = convert(f"{text}      template:\n        spec: {value}\n")
    assert [item["kind"] for item in objects] == ["TrainingRuntime", "TrainJob"]


@pytest.mark.parametrize(("text", "version"), [(POD_SPEC, "v2.0"), (POD_TEMPLATE, "v2.1")])
def test_older_releases_resolve_to_what_the_converted_job_does(text: str, version: str) -> None:
    (read,), _ = kubeyaml.parse(text, "old.yaml")
    resolution = resolver.resolve(read, Catalogue((), (), shipped()), version=version)
    (expected,) = check(convert(text)[0])
    if version == "v2.0":  # its JobSet had no groups
        del expected["spec"]["replicatedJobs"][0]["groupName"]
    assert resolution.jobset == expected
    assert resolution.job is read


def test_what_an_older_release_had_and_kfrun_has_not_is_a_warning() -> None:
    read, _ = kubeyaml.parse(f"{RUNTIME}---\n{JOB}  trainer: {{}}\n", "old.yaml")
    resolution = resolver.resolve(read[1], Catalogue(read), version="v2.1")
    assert {(one.code, str(one.severity), one.field) for one in resolution.findings} == {
        ("KF430", "warning", "spec.mlPolicy.torch.numProcPerNode"),
        ("KF430", "warning", "spec.mlPolicy.torch.elasticPolicy"),
    }
    assert resolution.jobset is not None
    env = {item["name"]: item.get("value") for item in pod(resolution.jobset)["spec"]["containers"][0]["env"]}
    assert (env["PET_NNODES"], env["PET_NPROC_PER_NODE"]) == ("2", "4")
