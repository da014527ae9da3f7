"""What JobSet's webhook says of JobSets, and where a finding of a later stage stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.load import kubeyaml
from kfrun.model.source import Severity, Stage
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.validate.admission import check as admission
from kfrun.validate.admission import jobset, jobsetdefaults
from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        ({"failurePolicy": {"restartStrategy": "InPlaceRestart"}}, ["spec.failurePolicy.restartStrategy"]),
        ({"failurePolicy": {"restartStrategy": "BlockingRecreate"}}, []),
        (
            {"failurePolicy": {"rules": [{"name": "1"}, {"action": "RestartJob"}, {"action": "RestartJob"}]}},
            ["spec.failurePolicy.rules[1].action"],
        ),
        (
            {"failurePolicy": {"rules": [{"action": "RestartJobAndIgnoreMaxRestarts"}]}},
            ["spec.failurePolicy.rules[0].action"],
        ),
        ({"failurePolicy": {"rules": [{"action": "RestartJobSetAndIgnoreMaxRestarts"}]}}, []),
        (
            {"coordinator": {"replicatedJob": "node"}, "network": {"subdomain": "s" * 52}},
            ["spec.coordinator.replicatedJob"],
        ),
        ({"coordinator": {"replicatedJob": "node"}, "network": {"subdomain": "s" * 51}}, []),
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


def test_a_coordinator_has_an_index_and_an_address_that_fits_a_label() -> None:
    hub = replicated("hub")
    hub["template"]["spec"]["completionMode"] = "NonIndexed"
    assert fields(built(hub, coordinator={"replicatedJob": "hub"})) == ["spec.coordinator.replicatedJob"]
    long = {"name": "a" * 40, "coordinator": {"replicatedJob": "node", "jobIndex": 0}}
    assert fields(built(**long)) == ["spec.coordinator.replicatedJob"]


CLAIM = "spec.volumeClaimPolicies[0].templates[0].metadata.name"


def mounting(name: str, part: str = "containers", **pod: Any) -> Node:
    return {part: [{"name": "c", "volumeMounts": [{"name": name, "mountPath": "/d"}]}], **pod}


@pytest.mark.parametrize(
    ("name", "pod", "refused"),
    [
        ("data", mounting("data"), []),
        ("data", mounting("data", "initContainers", containers=[{"name": "a"}]), []),
        ("data.v2", mounting("data.v2"), []),
        ("data", {"containers": [{"name": "c"}]}, [CLAIM]),
        (
            "data",
            mounting("data", volumes=[{"name": "x"}, {"name": "data", "emptyDir": {}}]),
            ["spec.replicatedJobs[0].template.spec.template.spec.volumes[1].name"],
        ),
        ("D", mounting("D"), [CLAIM]),
        ("d" * 60, mounting("d" * 60), []),
        ("d" * 61, mounting("d" * 61), [CLAIM]),
        ("D" * 61, mounting("D" * 61), [CLAIM, CLAIM]),
    ],
)
def test_claims(name: str, pod: Node, refused: list[str]) -> None:
    assert fields(built(replicated(pod=pod), **claim(name))) == refused


POD = "spec.replicatedJobs[0].template.spec.template.spec"


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({}, [f"{POD}.containers"]),
        ({"initContainers": [{"name": "a"}]}, [f"{POD}.containers"]),
        ({"containers": [{"name": "c"}], "volumes": [{"name": "a"}, {"name": "b", "rbd": {"image": "i"}}]},
         [f"{POD}.volumes[1].rbd.monitors"]),
        ({"containers": [{"name": "c"}],
          "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
         [f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"]),
    ],
)  # fmt: skip
def test_lists_that_the_schema_asks_for(pod: Node, expected: list[str]) -> None:
    job = replicated()
    job["template"]["spec"]["template"]["spec"] = pod
    assert fields(built(job)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"successPolicy": {}}, ["successPolicy.rules"]),
        ({"podFailurePolicy": {}}, ["podFailurePolicy.rules"]),
        (
            {"podFailurePolicy": {"rules": [{"action": "Ignore"}, {"action": "FailJob", "onExitCodes": {}}]}},
            ["podFailurePolicy.rules[1].onExitCodes.values"],
        ),
    ],
)
def test_lists_of_a_job_too(spec: Node, expected: list[str]) -> None:
    job = replicated()
    job["template"]["spec"] |= spec
    assert fields(built(job)) == [f"spec.replicatedJobs[0].template.spec.{field}" for field in expected]


def test_no_list_that_the_schema_asks_for_is_left_out() -> None:
    schema = schemas.schema(schemas.DEFAULT_VERSION, "ClusterTrainingRuntime")

    def asked_for(node: Node, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name in node.get("properties", {}):
            below = schemas.child(schema, node, name)
            assert below is not None
            if below.get("type") == "array" and name in node.get("required", ()):
                yield (*path, name)
            yield from asked_for(below, (*path, name))
        items = schemas.child(schema, node, 0)
        if items is not None:
            yield from asked_for(items, (*path, "[]"))

    top = schemas.at(schema, ("spec", "template", "spec"))
    assert top is not None
    below_job = ("replicatedJobs", "[]", "template", "spec")
    expected = {(*below_job, *path) for path in jobset.LISTS_OF_JOBS}
    expected |= {(*below_job, "template", "spec", *path) for path in jobset.LISTS_OF_PODS}
    assert set(asked_for(top, ())) == expected | {("volumeClaimPolicies", "[]", "templates")}


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


def test_local_processes_need_no_image_and_are_refused_only_for_what_they_run_by() -> None:
    assert asked(MANIFEST, locally=True) == [("KF373", "error", 29), ("KF375", "warning", 21)]


def test_locally_it_is_said_that_a_cluster_would_hang() -> None:
    documents, _ = kubeyaml.parse(MANIFEST.replace("name: tj", f"name: {'a' * 60}"), "all.yaml")
    found = admission.check(resolve(documents[1], Catalogue(documents)), locally=True)
    hints = {one.code: one.hint or "" for one in found}
    assert hints["KF351"].endswith(
        "a cluster would take the TrainJob and refuse its JobSet: it would hang without a condition"
    )
    assert hints["KF373"].endswith(
        "a cluster would take the TrainJob and refuse its Jobs: it would hang without a condition"
    )


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


IDLE = """\
      - name: idle
        dependsOn: [{name: nowhere, status: Ready}]
        template: {spec: {podFailurePolicy: {rules: []}, template: {spec: {containers: []}}}}
"""


def test_what_the_schema_of_jobsets_refuses_is_not_asked_of_its_webhook_or_of_jobs() -> None:
    documents, _ = kubeyaml.parse(MANIFEST.replace("---\n", f"{IDLE}---\n"), "all.yaml")
    resolution = resolve(documents[1], Catalogue(documents))
    found = admission.check(resolution)
    job = "spec.replicatedJobs[1].template.spec"
    assert [(one.code, one.stage, one.field) for one in found] == [
        ("KF350", Stage.JOBSET, f"{job}.podFailurePolicy.rules"),
        ("KF350", Stage.JOBSET, f"{job}.template.spec.containers"),
    ]
    assert [one.position.line for one in found if one.position] == [24, 24]
    locally = {one.code for one in admission.check(resolution, locally=True)}
    assert "KF350" not in locally
    assert {"KF352", "KF375"} <= locally
