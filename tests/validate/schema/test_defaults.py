from __future__ import annotations

import copy
from typing import Any

import pytest

from kfrun.validate.schema import defaults, structure
from tests.validate.reading import JOB, RUNTIME, conformance, document


def job(text: str = "") -> dict[str, Any]:
    return document(JOB + text).data


def test_trainjob_gets_its_defaults_and_the_input_stays() -> None:
    data = job("  trainer: {}\n")
    before = copy.deepcopy(data)
    filled = defaults.apply(data, "TrainJob")
    assert data == before
    assert filled["spec"] == {
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": "ClusterTrainingRuntime",
            "name": "torch-distributed",
        },
        "managedBy": "trainer.kubeflow.org/trainjob-controller",
        "suspend": False,
        "trainer": {},
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            {"mpi": {}},
            {
                "mpi": {
                    "mpiImplementation": "OpenMPI",
                    "numProcPerNode": 1,
                    "runLauncherAsNode": False,
                    "sshAuthMountPath": "/root/.ssh",
                }
            },
        ),
        ({"mpi": {"numProcPerNode": 4, "mpiImplementation": ""}}, None),
        ({"flux": {}}, {"flux": {"numProcPerNode": 1}}),
        ({"torch": {}}, {"torch": {}}),
        ({}, {}),
    ],
)
def test_policy_defaults(policy: dict[str, Any], expected: dict[str, Any] | None) -> None:
    data = {**document(RUNTIME).data, "spec": {"mlPolicy": policy}}
    filled = defaults.apply(data, "ClusterTrainingRuntime")["spec"]["mlPolicy"]
    if expected is None:
        assert filled["mpi"]["numProcPerNode"] == 4
        assert filled["mpi"]["mpiImplementation"] == ""
    else:
        assert filled == expected


def test_runtime_defaults_reach_into_lists() -> None:
    data = document(RUNTIME + "                  ports: [{containerPort: 80}]\n").data
    (replicated,) = defaults.apply(data, "ClusterTrainingRuntime")["spec"]["template"]["spec"]["replicatedJobs"]
    assert (replicated["groupName"], replicated["replicas"]) == ("default", 1)
    (container,) = replicated["template"]["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_null_is_absent_or_the_default() -> None:
    data = job("  trainer: null\n  suspend: null\n  activeDeadlineSeconds: ~\n")
    filled = defaults.apply(data, "TrainJob")["spec"]
    assert "trainer" not in filled
    assert "activeDeadlineSeconds" not in filled
    assert filled["suspend"] is False


def test_null_in_a_list_and_in_an_unknown_field_stays() -> None:
    data = job("  trainer: {args: [null], wrong: null}\n")
    assert defaults.apply(data, "TrainJob")["spec"]["trainer"] == {"args": [None], "wrong": None}


def test_values_of_wrong_types_stay() -> None:
    data = {"kind": "TrainJob", "spec": {"runtimeRef": [], "trainer": "x", "runtimePatches": {"a": 1}}}
    filled = defaults.apply(data, "TrainJob")["spec"]
    assert (filled["runtimeRef"], filled["trainer"], filled["runtimePatches"]) == ([], "x", {"a": 1})


def test_nothing_is_shared_with_the_input() -> None:
    data = job("  trainer: {args: [a]}\n")
    defaults.apply(data, "TrainJob")["spec"]["trainer"]["args"].append("b")
    assert data["spec"]["trainer"]["args"] == ["a"]


def test_defaults_are_valid_and_applying_them_again_changes_nothing() -> None:
    for case, one in conformance():
        filled = defaults.apply(one.data, one.data["kind"])
        assert defaults.apply(filled, one.data["kind"]) == filled, case
        was_valid = not list(structure.violations(one.data, "v2.3", one.data["kind"]))
        assert not was_valid or not list(structure.violations(filled, "v2.3", one.data["kind"])), case
