"""What JobSet's webhook says of JobSets, and where a finding of a later stage stands."""

from __future__ import annotations

from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.model.source import Severity, Stage
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.validate.admission import check as admission
from kfrun.validate.admission import jobset, jobsetdefaults

Node = dict[str, Any]


def replicated(name: str = "node", *, pods: int = 1, pod: Node | None = None, **fields: Any) -> Node:
    spec = {"parallelism": pods, "completions": pods, "template": {"spec": pod or {"containers": [{"name": "c"}]}}}
    return {"name": name, "template": {"spec": spec}, **fields}


def built(*jobs: Node, name: str = "tj", **spec: Any) -> Node:
    return {"metadata": {"name": name}, "spec": {"replicatedJobs": list(jobs) or [replicated()], **spec}}


def fields(of: Node) -> list[str]:
    return [cause.field for _, cause in jobset.found(jobsetdefaults.apply(of))]


@pytest.mark.parametrize(
    ("length", "pods", "job", "fits"),
    [
        (48, 10, "node", True),
        (49, 10, "node", False),
        (48, 11, "node", False),
        (44, 1, "launcher", True),
        (45, 1, "launcher", False),
        (33, 1, "dataset-initializer", True),
        (34, 1, "dataset-initializer", False),
    ],
)
def test_names_of_pods_have_63_characters_at_most(length: int, pods: int, job: str, fits: bool) -> None:
    of = built(replicated(job, pods=pods), name="a" * length)
    assert fields(of) == ([] if fits else ["spec.replicatedJobs[0].name"])


def test_a_job_is_not_offered_as_what_it_may_wait_for() -> None:
    of = built(replicated("a"), replicated("b", dependsOn=[{"name": "c"}]), replicated("c"))
    ((_, cause),) = jobset.found(jobsetdefaults.apply(of))
    assert cause.message.endswith("allowed are earlier jobs: a")


def test_a_name_is_complained_of_once() -> None:
    assert fields(built(name="a" * 63)) == ["spec.replicatedJobs[0].name"]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (({"dependsOn": [{"name": "b"}]}, {}), ["spec.replicatedJobs[0].dependsOn"]),
        (({}, {"dependsOn": [{"name": "a"}]}), []),
        (({}, {"dependsOn": [{"name": "b"}]}), []),
        (({}, {"dependsOn": [{"name": "c"}]}, {}), ["spec.replicatedJobs[1].dependsOn[0].name"]),
    ],
)
def test_jobs_depend_on_earlier_ones(jobs: tuple[Node, ...], expected: list[str]) -> None:
    assert fields(built(*(replicated("abc"[index], **job) for index, job in enumerate(jobs)))) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"successPolicy": {"targetReplicatedJobs": ["node", "x"]}}, ["spec.successPolicy.targetReplicatedJobs[1]"]),
        ({"failurePolicy": {"rules": [{"name": "1a"}]}}, ["spec.failurePolicy.rules[0].name"]),
        ({"failurePolicy": {"rules": [{"name": "a"}, {"name": "a"}]}}, ["spec.failurePolicy.rules[1].name"]),
        ({"failurePolicy": {"rules": [{"name": ""}, {"name": ""}]}}, []),
        (
            {"failurePolicy": {"rules": [{"name": "a", "onJobFailureReasons": ["Bad"]}]}},
            ["spec.failurePolicy.rules[0].onJobFailureReasons[0]"],
        ),
        (
            {"failurePolicy": {"rules": [{"name": "a", "targetReplicatedJobs": ["x"]}]}},
            ["spec.failurePolicy.rules[0].targetReplicatedJobs[0]"],
        ),
        ({"coordinator": {"replicatedJob": "x"}}, ["spec.coordinator.replicatedJob"]),
        ({"coordinator": {"replicatedJob": "node", "jobIndex": 1}}, ["spec.coordinator.jobIndex"]),
        ({"coordinator": {"replicatedJob": "node", "podIndex": 1}}, ["spec.coordinator.podIndex"]),
        ({"coordinator": {"replicatedJob": "node"}}, []),
        ({"network": {"subdomain": "1a"}}, ["spec.network.subdomain"]),
        ({"managedBy": "me"}, ["spec.managedBy"]),
    ],
)  # fmt: skip
def test_policies(spec: Node, expected: list[str]) -> None:
    assert fields(built(**spec)) == expected


def test_a_group_is_a_service_name_and_pods_can_be_counted() -> None:
    many = replicated(pods=100_000, replicas=30_000, groupName="1")
    assert fields(built(many)) == ["spec.replicatedJobs[0]", "spec.replicatedJobs[0].groupName"]


def claim(name: str) -> Node:
    return {"volumeClaimPolicies": [{"templates": [{"metadata": {"name": name}, "spec": {}}]}]}


@pytest.mark.parametrize(
    ("name", "pod", "refused"),
    [
        ("data", {"containers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}, False),
        ("data", {"initContainers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}, False),
        ("data", {"containers": [{"name": "c"}]}, True),
        (
            "data",
            {
                "containers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
            True,
        ),
        ("D", {"containers": [{"name": "c", "volumeMounts": [{"name": "D", "mountPath": "/d"}]}]}, True),
        ("d" * 61, {"containers": [{"name": "c", "volumeMounts": [{"name": "d" * 61, "mountPath": "/d"}]}]}, True),
    ],
)
def test_claims(name: str, pod: Node, refused: bool) -> None:
    expected = ["spec.volumeClaimPolicies[0].templates[0].metadata.name"] if refused else []
    assert fields(built(replicated(pod=pod), **claim(name))) == expected


def test_ports_that_repeat_after_the_build() -> None:
    ports = [{"containerPort": 9090}, {"containerPort": 9090, "protocol": "TCP"}]
    of = built(replicated(pod={"containers": [{"name": "c", "ports": ports}]}))
    assert fields(of) == ["spec.replicatedJobs[0].template.spec.template.spec.containers[0].ports[1]"]


MANIFEST = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: rt}
spec:
  template:
    spec:
      volumeClaimPolicies:
      - templates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: img
                  volumeMounts: [{name: data, mountPath: /data}]
                - name: side
                  resources: {requests: {cpu: 2}, limits: {cpu: 1}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: tj}
spec:
  runtimeRef: {name: rt}
  trainer:
    env: [{name: A=B, value: c}]
"""


def asked(text: str, *, locally: bool = False) -> list[tuple[str, str, int]]:
    documents, problems = kubeyaml.parse(text, "all.yaml")
    assert not problems
    found = admission.check(resolve(documents[1], Catalogue(documents)), locally=locally)
    assert all(one.position is not None and one.object == documents[1].key for one in found)
    assert all(one.stage is Stage.JOB for one in found)
    return [(one.code, str(one.severity), one.position.line) for one in found if one.position]


def test_findings_stand_at_the_line_of_the_runtime_or_the_job_that_causes_them() -> None:
    assert asked(MANIFEST) == [("KF373", "error", 29), ("KF371", "error", 20), ("KF375", "error", 21)]


def test_local_processes_need_no_image_and_are_only_warned_of_the_rest() -> None:
    assert asked(MANIFEST, locally=True) == [("KF373", "warning", 29), ("KF375", "warning", 21)]


def test_a_mount_of_a_refused_volume_is_not_reported_beside_the_volume() -> None:
    volume = "                volumes: [{name: data, hostPath: {path: ''}}]\n---\n"
    text = MANIFEST.replace("---\n", volume).replace("      volumeClaimPolicies:\n", "").replace(
        "      - templates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]\n", ""
    )  # fmt: skip
    assert [code for code, _, _ in asked(text)] == ["KF374", "KF373", "KF371", "KF375"]


def test_a_name_that_is_too_long_is_said_once_and_at_the_name() -> None:
    documents, _ = kubeyaml.parse(MANIFEST.replace("name: tj", f"name: {'a' * 60}"), "all.yaml")
    found = admission.check(resolve(documents[1], Catalogue(documents)))
    names = [one for one in found if one.code in ("KF351", "KF360")]
    assert [(one.code, one.stage, one.severity) for one in names] == [("KF351", Stage.JOBSET, Severity.ERROR)]
    assert names[0].position is not None
    assert names[0].position.line == 25
