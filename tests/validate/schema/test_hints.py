from __future__ import annotations

import pytest

from kfrun.validate.schema import structure, violations
from tests.validate.reading import JOB, RUNTIME, document

TRAINER = JOB + "  trainer:\n"
POD = "spec.template.spec.replicatedJobs[].template.spec.template.spec"
PATCH = """\
  runtimePatches:
  - manager: example.com/team
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template:
              spec:
                template:
                  spec:
                    containers:
                    - name: node
"""


def hint(text: str) -> str:
    (found,) = structure.check(document(text))
    assert found.hint is not None, found
    return found.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRAINER + "    numNodess: 2\n", 'did you mean "numNodes"?'),
        (TRAINER + "    num_nodes: 2\n", 'did you mean "numNodes"?'),
        (TRAINER + "    Image: x\n", 'did you mean "image"?'),
        (TRAINER + "    resources: {}\n", 'did you mean "resourcesPerNode"?'),
        (JOB + "  runtimePatchs: []\n", 'did you mean "runtimePatches"?'),
        (JOB + "trainer: {}\n", '"trainer" belongs under spec'),
        (JOB + "  image: x\n", '"image" belongs under spec.trainer'),
        (JOB + "  storageUri: x\n", '"storageUri" belongs under spec.initializer.dataset'),
        (JOB + "  mlPolicy: {}\n", '"mlPolicy" is a field of a ClusterTrainingRuntime: spec.mlPolicy'),
        (RUNTIME + "  runtimeRef: {}\n", '"runtimeRef" is a field of a TrainJob: spec.runtimeRef'),
        (RUNTIME + "  replicatedJobs: []\n", '"replicatedJobs" belongs under spec.template.spec'),
        (
            TRAINER + "    imagePullPolicy: Always\n",
            f'"imagePullPolicy" is a field of a ClusterTrainingRuntime: {POD}.containers[].imagePullPolicy',
        ),
        (
            RUNTIME.replace("    spec:\n", "    spec:\n      schedulerName: x\n", 1),
            f'"schedulerName" belongs under {POD}',
        ),
    ],
)
def test_unknown_fields(text: str, expected: str) -> None:
    assert hint(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (JOB + "  podSpecOverrides: []\n", ["v2.1", "v2.2", "spec.runtimePatches[]", "spec.template.spec"]),
        (JOB + "  podTemplateOverrides: []\n", ["v2.1", "v2.2", "spec.runtimePatches[]"]),
        (JOB + "  labels: {a: b}\n", ["v2.2", "spec.runtimePatches[].trainingRuntimeSpec.template.metadata.labels"]),
        (JOB + "  annotations: {a: b}\n", ["v2.2", "template.metadata.annotations"]),
        (RUNTIME.replace("torch: {}", "torch: {numProcPerNode: auto}"), ["v2.2", "spec.trainer.numProcPerNode"]),
        (RUNTIME.replace("torch: {}", "torch: {elasticPolicy: {}}"), ["v2.2", "spec.trainer.numNodes"]),
        (TRAINER + "    numProcPerNode: auto\n", ["v2.2", "leave the field out"]),
        (JOB + PATCH + "                      image: x\n", ["spec.trainer.image"]),
        (JOB + PATCH + "                      resources: {}\n", ["spec.trainer.resourcesPerNode"]),
        (JOB + PATCH + "                      tty: true\n", ["patches cannot set tty", f"{POD}.containers[].tty"]),
        (
            JOB
            + PATCH.replace(
                "                    containers:\n",
                "                    hostNetwork: true\n                    containers:\n",
            ),
            ["patches cannot set hostNetwork", f"{POD}.hostNetwork"],
        ),
    ],
)
def test_fields_that_moved_or_that_patches_lack(text: str, words: list[str]) -> None:
    found = hint(text)
    assert [word for word in words if word not in found] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("y", 'write "y": without quotes YAML reads y as a boolean'),
        ("on", 'write "on": without quotes YAML reads on as a boolean'),
        ("true", 'write "true": without quotes YAML reads true as a boolean'),
        ("1", 'write "1": without quotes YAML reads 1 as a number'),
        ("2.50  # rate", 'write "2.50": without quotes YAML reads 2.50 as a number'),
        ("0x10", 'write "0x10": without quotes YAML reads 0x10 as a number'),
        ("1_000", 'write "1_000": without quotes YAML reads 1_000 as a number'),
        ("!!int 5", 'write "5": without quotes YAML reads 5 as a number'),
    ],
)
def test_values_to_quote_are_shown_as_written(value: str, expected: str) -> None:
    assert hint(TRAINER + f"    env:\n    - name: A\n      value: {value}\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    numNodes: '4'\n", "write 4 without quotes"),
        ("    command: python\n", 'write ["python"]'),
        ("    command: python train.py --lr 1\n", 'write ["python", "train.py", "--lr", "1"]'),
        ("    command: python -c 'print(1)'\n", "write [\"python -c 'print(1)'\"]"),
        ("    args: 5\n", "write [5]"),
        ("    resourcesPerNode: {limits: {memory: 8 GB}}\n", 'did you mean "8G"?'),
        ("    resourcesPerNode: {limits: {memory: 8KiB}}\n", 'did you mean "8Ki"?'),
        ("    resourcesPerNode: {limits: {memory: 64K}}\n", 'did you mean "64k"?'),
        ("    args: {a: b}\n", "start each item with a dash: - "),
        ("    env: {LR: '1'}\n", 'write a list of names and values: - {name: LR, value: "0.1"}'),
        ("    resourcesPerNode: [limits]\n", "write fields without the dashes of a list"),
        ("    resourcesPerNode: ''\n", "leave the field out, or write {}"),
        ("    resourcesPerNode: {limits: {cpu: 0.5}}\n", 'write "0.5": without quotes YAML reads 0.5 as a number'),
    ],
)
def test_other_wrong_types(text: str, expected: str) -> None:
    assert hint(TRAINER + text) == expected


@pytest.mark.parametrize(("value", "expected"), [("'yes'", "true"), ("'False'", "false"), ("'off'", "false")])
def test_quoted_booleans(value: str, expected: str) -> None:
    assert hint(JOB + f"  suspend: {value}\n") == f"write {expected} without quotes"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("trainjob", 'did you mean "TrainJob"?'),
        ("TrainngRuntime", 'did you mean "TrainingRuntime"?'),
        (
            "PyTorchJob",
            (
                "PyTorchJob belongs to the Training Operator; its successor is a TrainJob with a runtime: "
                "kfrun convert -f FILE makes one"
            ),
        ),
    ],
)
def test_kinds(kind: str, expected: str) -> None:
    assert hint(JOB.replace("TrainJob", kind)) == expected


def test_apiversions_and_allowed_values() -> None:
    assert hint(JOB.replace("v1alpha1", "v2alpha1")) == "write apiVersion: trainer.kubeflow.org/v1alpha1"
    assert hint(RUNTIME.replace("torch: {}", "mpi: {mpiImplementation: openmpi}")) == 'did you mean "OpenMPI"?'


def test_nothing_alike_has_no_hint() -> None:
    (found,) = structure.check(document(JOB + "  zzzzqqq: 1\n"))
    assert found.hint is None
    assert found.message.startswith('unknown field "zzzzqqq"; allowed here: activeDeadlineSeconds, ')


def test_every_code_has_a_meaning() -> None:
    assert set(violations.CODES) == {f"KF20{number}" for number in range(1, 10)}
