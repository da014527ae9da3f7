from __future__ import annotations

import pytest

from kfrun.validate.schema import structure
from tests.validate.reading import JOB, RUNTIME, document

TRAINER = JOB + "  trainer:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TRAINER + "    imagePullPolicy: Always\n",
            (
                'unknown field "imagePullPolicy"; '
                "allowed here: args, command, env, image, numNodes, numProcPerNode, resourcesPerNode"
            ),
        ),
        (RUNTIME.replace("torch: {}", "jax: {a: 1}"), 'unknown field "a"; no field is allowed here'),
        (RUNTIME.replace("image: python:3.12", "imag: x"), 'unknown field "imag"'),
        (TRAINER + "    numNodes: two\n", 'the string "two" where a whole number is needed'),
        (TRAINER + "    numNodes: 1.5\n", "the number 1.5 where a whole number is needed"),
        (TRAINER + "    image: true\n", "the boolean true where a string is needed"),
        (TRAINER + "    image: [a]\n", "a list where a string is needed"),
        (JOB + "  trainer: text\n", 'the string "text" where a mapping is needed'),
        (JOB + "  suspend: 1\n", "the number 1 where true or false is needed"),
        (TRAINER + "    args: [~]\n", "null where a string is needed"),
        (
            JOB.replace("\nspec:\n  runtimeRef:\n    name: torch-distributed", "\nspec: {}"),
            'required field "runtimeRef" is missing',
        ),
        (TRAINER + "    env: [{value: a}]\n", 'required field "name" is missing'),
        (
            RUNTIME.replace("torch: {}", "mpi: {mpiImplementation: MPICH}"),
            'the string "MPICH" is not allowed; allowed: "OpenMPI", ""',
        ),
        (JOB + "  activeDeadlineSeconds: 0\n", "0 is out of bounds; allowed: 1 or more"),
        (TRAINER + "    numNodes: 9999999999\n", "9999999999 is out of bounds; allowed: 2147483647 or less"),
        (TRAINER + f"    image: {'x' * 501}\n", "the string has 501 characters; at most 500 are allowed"),
        (JOB.replace("torch-distributed", "''"), "the string has 0 characters; at least 1 is allowed"),
        (TRAINER + f"    args: [{', '.join('a' * 129)}]\n", "the list has 129 items; at most 128 are allowed"),
        (
            RUNTIME.replace("torch: {}", "torch: {envInjection: {targets: [{jobName: a, containerNames: []}]}}"),
            "the list has 0 items; at least 1 is allowed",
        ),
        (
            RUNTIME.partition("spec:")[0] + "spec: {}\n",
            "the mapping is empty; at least one of these is needed: mlPolicy, podGroupPolicy, template",
        ),
        (
            JOB + "  runtimePatches: [{manager: a/b, time: soon}]\n",
            'the string "soon" is not allowed; allowed: a time like 2026-01-31T12:00:00Z',
        ),
        (
            TRAINER + "    env: [{name: A}, {name: A}]\n",
            'name "A" is already in the list, at spec.trainer.env[0]',
        ),
        (
            TRAINER + "    resourcesPerNode: {limits: {cpu: lots}}\n",
            'the string "lots" is no quantity; allowed: a whole number, or a string like "500m", "1.5Gi", "2e3"',
        ),
        (
            JOB.replace("TrainJob", "Deployment"),
            'kfrun reads no kind "Deployment" (trainer.kubeflow.org/v1alpha1)',
        ),
        (
            JOB.replace("trainer.kubeflow.org/v1alpha1", "v1"),
            'apiVersion "v1" is not read for kind TrainJob; allowed: "trainer.kubeflow.org/v1alpha1"',
        ),
    ],
)
def test_message_says_what_was_found_and_what_is_allowed(text: str, message: str) -> None:
    (found,) = structure.check(document(text))
    assert found.message == message


def test_long_values_are_shortened() -> None:
    (found,) = structure.check(document(TRAINER + f"    numNodes: {'x' * 5000}\n"))
    assert len(found.message) < 150


def test_several_missing_fields_are_several_findings() -> None:
    text = RUNTIME.replace("      - name: node\n        template:", "      - replicas: 2\n        tmplate:", 1)
    found = structure.check(document(text))
    assert [(one.code, one.path[-1]) for one in found] == [("KF203", "name"), ("KF201", "tmplate")]
    assert found[0].message == 'required field "name" is missing; needed here: name, template'
