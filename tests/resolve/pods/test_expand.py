from __future__ import annotations

import json
import re

import pytest
import yaml

from kfrun.errors import InvalidInput
from kfrun.model.workload import Dependency, EnvVar, Workload
from kfrun.resolve.catalogue import Catalogue
from kfrun.resolve.pods.expand import MAX_PODS, expand, expand_findings
from kfrun.resolve.resolver import resolve
from tests.resolve.reading import DATA, document, documents, resolved, runtime, trainjob

SCENARIOS = sorted(path.name for path in (DATA / "scenarios").iterdir())


def _scenario(name):
    folder = DATA / "scenarios" / name
    manifest = documents((folder / "manifest.yaml").read_text(), "manifest.yaml")
    (job,) = (item for item in manifest if item.key.kind == "TrainJob")
    return expand(resolve(job, Catalogue(manifest))), yaml.safe_load((folder / "observed.yaml").read_text())


def _variables(container):
    return {variable.name: variable for variable in container.env}


@pytest.mark.parametrize("name", SCENARIOS)
def test_jobs_and_pods_are_those_of_the_cluster(name):
    workload, observed = _scenario(name)
    assert {job.name for job in workload.jobs} == {job["name"] for job in observed["jobs"]}
    seen = {re.fullmatch(r"(.*)-\*", pod["pod"])[1] for pod in observed["pods"]}
    assert {pod.hostname for job in workload.jobs for pod in job.pods} == seen


def test_torch_settings_are_those_seen_on_the_cluster():
    workload, observed = _scenario("torch-env-3x2")
    (job,) = workload.jobs
    for pod in job.pods:
        (seen,) = (item for item in observed["pods"] if item["index"] == str(pod.index))
        log = dict(re.findall(r"^(PET_\w+|JOB_\w+)='(.*)'$", seen["containers"][0]["log"], re.MULTILINE))
        env = _variables(pod.containers[0])
        assert {name: variable.value for name, variable in env.items()} == log
        assert all(variable.injected is name.startswith("PET_") for name, variable in env.items())
        assert pod.host == f"job-node-0-{pod.index}.job"


def test_a_workload_survives_its_json_form():
    workload, _ = _scenario("sidecar-ends-with-main")
    assert Workload.from_json(json.loads(json.dumps(workload.to_json()))) == workload
    pod = workload.jobs[0].pods[0]
    assert [container.restart_always for container in pod.init_containers] == [True]
    assert workload.jobs[0].restart_policy == "Never"
    assert workload.jobs[0].grace == 2


def test_dependencies_reach_the_jobs_that_wait():
    workload, _ = _scenario("depends-complete")
    by_name = {job.replicated_job: job for job in workload.jobs}
    assert by_name["node"].depends_on == (Dependency("prepare", "Complete"),)
    assert by_name["prepare"].depends_on == ()


def test_defaults_are_those_of_jobset_and_kubernetes():
    workload = expand(resolved(trainjob(), runtime()))
    (job,) = workload.jobs
    assert (workload.success_operator, workload.success_targets, workload.in_order) == ("All", (), False)
    assert (workload.suspend, workload.active_deadline) == (False, None)
    assert workload.replicated_jobs == (("node", 1),)
    assert (job.restart_policy, job.grace, job.active_deadline) == ("OnFailure", 30, None)


def test_fields_of_the_jobset_reach_the_workload():
    of = runtime(
        jobset={
            "successPolicy": {"operator": "Any", "targetReplicatedJobs": ["node"]},
            "startupPolicy": {"startupPolicyOrder": "InOrder"},
        },
        job={"activeDeadlineSeconds": 7},
        container={"workingDir": "/w", "ports": [{"containerPort": 80}], "args": ["$(A)"]},
    )
    workload = expand(resolved(trainjob(activeDeadlineSeconds=60, suspend=True), of))
    assert (workload.success_operator, workload.success_targets, workload.in_order) == ("Any", ("node",), True)
    assert (workload.active_deadline, workload.suspend, workload.jobs[0].active_deadline) == (60, True, 7)
    container = workload.jobs[0].pods[0].containers[0]
    assert (container.working_dir, container.ports, container.args) == ("/w", (80,), ("$(A)",))
    assert (container.image, container.command) == ("img", ("train",))


@pytest.mark.parametrize(
    ("job", "cluster_defaults", "expected"),
    [
        ({}, False, 0),
        ({}, True, 6),
        ({"backoffLimit": 3}, False, 3),
        ({"backoffLimit": 0}, True, 0),
        ({"backoffLimitPerIndex": 1}, False, 2**31 - 1),
        ({"backoffLimitPerIndex": 1}, True, 2**31 - 1),
        ({"backoffLimitPerIndex": 1, "backoffLimit": 2}, True, 2),
    ],
)
def test_a_failed_pod_is_retried_only_when_asked_for(job, cluster_defaults, expected):
    workload = expand(resolved(trainjob(), runtime(job=job)), cluster_defaults=cluster_defaults)
    assert workload.jobs[0].backoff_limit == expected


@pytest.mark.parametrize(
    ("network", "host"),
    [
        (None, "tj-node-0-0.tj"),
        ({"subdomain": "net"}, "tj-node-0-0.net"),
        ({"enableDNSHostnames": False}, "tj-node-0-0"),
    ],
)
def test_hosts_follow_the_network_settings(network, host):
    workload = expand(resolved(trainjob(), runtime(jobset={"network": network} if network else {})))
    assert workload.jobs[0].pods[0].host == host


def _field(path):
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.namespace", EnvVar("X", "default")),
        ("spec.serviceAccountName", EnvVar("X", "default")),
        ("metadata.annotations['batch.kubernetes.io/job-completion-index']", EnvVar("X", "0")),
        ("metadata.labels['batch.kubernetes.io/job-name']", EnvVar("X", "tj-node-0")),
        ("metadata.labels['jobset.sigs.k8s.io/replicatedjob-name']", EnvVar("X", "node")),
        ("metadata.labels['nothing']", EnvVar("X", "")),
        ("metadata.name", EnvVar("X", field="metadata.name")),
        ("status.podIP", EnvVar("X", field="status.podIP")),
        (
            "metadata.labels['jobset.sigs.k8s.io/restart-attempt']",
            EnvVar("X", field="metadata.labels['jobset.sigs.k8s.io/restart-attempt']"),
        ),
    ],
)
def test_fields_that_are_known_are_filled_in(path, expected):
    workload = expand(resolved(trainjob(), runtime(container={"env": [_field(path)]})))
    assert workload.jobs[0].pods[0].containers[0].env[0] == expected


def test_a_field_is_not_searched_for_variables():
    of = runtime(container={"env": [_field("metadata.annotations['a']")]})
    of["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["metadata"] = {
        "annotations": {"a": "$(HOME)"}
    }
    assert expand(resolved(trainjob(), of)).jobs[0].pods[0].containers[0].env[0].value == "$$(HOME)"


def test_the_completion_index_is_added_unless_it_is_set():
    workload = expand(resolved(trainjob(trainer={"numNodes": 2}), runtime()))
    env = [_variables(pod.containers[0]) for pod in workload.jobs[0].pods]
    assert [item["JOB_COMPLETION_INDEX"].value for item in env] == ["0", "1"]
    own = runtime(container={"env": [{"name": "JOB_COMPLETION_INDEX", "value": "own"}]})
    container = expand(resolved(trainjob(), own)).jobs[0].pods[0].containers[0]
    assert container.env == (EnvVar("JOB_COMPLETION_INDEX", "own"),)


def test_what_the_user_sets_is_not_taken_for_injected():
    trainer = {"env": [{"name": "PET_MASTER_ADDR", "value": "mine"}, {"name": "B", "value": "tj-node-0-0.tj"}]}
    env = _variables(
        expand(resolved(trainjob(trainer=trainer), runtime(policy={"torch": {}}))).jobs[0].pods[0].containers[0]
    )
    assert env["PET_MASTER_ADDR"] == EnvVar("PET_MASTER_ADDR", "mine")
    assert not env["B"].injected
    assert env["PET_MASTER_PORT"].injected


def test_a_coordinator_is_written_on_every_pod():
    of = runtime(jobset={"coordinator": {"replicatedJob": "node", "podIndex": 1}})
    (job,) = expand(resolved(trainjob(trainer={"numNodes": 2}), of)).jobs
    assert job.labels["jobset.sigs.k8s.io/coordinator"] == "tj-node-0-1.tj"


def test_a_container_without_a_command_is_found_where_it_stands():
    of = runtime(initContainers=[{"name": "prepare", "image": "i"}])
    del of["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0][
        "command"
    ]
    findings = expand_findings(resolved(trainjob(trainer={"args": ["a"]}), of))
    assert [(item.code, item.position.file) for item in findings] == [("KF420", "runtime.yaml"), ("KF420", "job.yaml")]
    assert findings[0].field.endswith("template.spec.initContainers[0]")
    assert findings[1].field == "spec.trainer"


def test_too_many_pods_are_refused():
    resolution = resolved(trainjob(trainer={"numNodes": MAX_PODS + 1}), runtime())
    (finding,) = expand_findings(resolution)
    assert (finding.code, finding.field) == ("KF421", "spec.trainer.numNodes")
    with pytest.raises(InvalidInput):
        expand(resolution)


def test_a_resolution_without_a_jobset_is_refused_with_its_findings():
    resolution = resolve(document(trainjob()), Catalogue())
    assert expand_findings(resolution) == []
    with pytest.raises(InvalidInput) as caught:
        expand(resolution)
    assert caught.value.findings == resolution.findings
