from __future__ import annotations

import json
import re

import pytest
import yaml

from kfrun.errors import InvalidInput
from kfrun.model.workload import Dependency
from kfrun.resolve.pods.expand import MAX_PODS, expand, of_jobset
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from tests.resolve.reading import DATA, document, documents, resolved, runtime, trainjob

INDEX = "JOB_COMPLETION_INDEX"
SCENARIOS = sorted(path.name for path in (DATA / "scenarios").iterdir())


def _scenario(name):
    folder = DATA / "scenarios" / name
    manifest = documents((folder / "manifest.yaml").read_text(), "manifest.yaml")
    (job,) = (item for item in manifest if item.key.kind == "TrainJob")
    return expand(resolve(job, Catalogue(manifest))), yaml.safe_load((folder / "observed.yaml").read_text())


@pytest.mark.parametrize("name", SCENARIOS)
def test_jobs_and_pods_are_those_of_the_cluster(name):
    workload, observed = _scenario(name)
    assert {job.name for job in workload.jobs} == {job["name"] for job in observed["jobs"]}
    seen = {re.fullmatch(r"(.*)-\*", pod["pod"])[1] for pod in observed["pods"]}
    assert {job.hostname(index) for job in workload.jobs for index in range(job.completions)} == seen


def _names(container):
    return [entry["name"] for entry in container.get("env", [])]


def test_torch_settings_are_those_seen_on_the_cluster():
    workload, observed = _scenario("torch-env-3x2")
    (job,) = workload.jobs
    (container,) = job.job_template.containers
    for pod in observed["pods"]:
        log = dict(re.findall(r"^(PET_\w+|JOB_\w+)='(.*)'$", pod["containers"][0]["log"], re.MULTILINE))
        assert set(_names(container)) == set(log)
        assert {e["name"]: e["value"] for e in container["env"] if "value" in e}.items() <= log.items()
    injected = {"node": [name for name in _names(container) if name.startswith("PET_")]}
    assert job.job_template.injected == injected
    assert (job.completions, workload.subdomain) == (3, "job")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_workload_survives_its_json_form(name):
    workload, _ = _scenario(name)
    assert of_jobset(**json.loads(json.dumps(workload.to_json()))) == workload


def test_init_containers_and_the_pods_own_settings_reach_the_jobs():
    workload, _ = _scenario("sidecar-ends-with-main")
    (job,) = workload.jobs
    assert [container["restartPolicy"] for container in job.job_template.init_containers] == ["Always"]
    assert (job.restart_policy, job.grace) == ("Never", 2)


def test_dependencies_reach_the_jobs_that_wait():
    workload, _ = _scenario("depends-complete")
    by_name = {job.replicated_job: job for job in workload.jobs}
    assert by_name["node"].depends_on == (Dependency("prepare", "Complete"),)
    assert by_name["prepare"].depends_on == ()


def test_defaults_are_those_of_jobset_and_kubernetes():
    workload = expand(resolved(trainjob(), runtime()))
    (job,) = workload.jobs
    assert (workload.success_operator, workload.success_targets, workload.in_order) == ("All", (), False)
    assert workload.active_deadline is None
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
    workload = expand(resolved(trainjob(activeDeadlineSeconds=60), of))
    assert (workload.success_operator, workload.success_targets, workload.in_order) == ("Any", ("node",), True)
    assert (workload.active_deadline, workload.jobs[0].active_deadline) == (60, 7)


def test_every_field_of_the_template_reaches_the_pods():
    volumes = [{"name": "v", "emptyDir": {}}]
    own = {"workingDir": "/w", "volumeMounts": [{"name": "v", "mountPath": "/v"}], "securityContext": {"runAsUser": 1}}
    (job,) = expand(resolved(trainjob(), runtime(container=own, volumes=volumes, nodeSelector={"a": "b"}))).jobs
    pod = job.job_template.pod
    assert (pod["volumes"], pod["nodeSelector"], pod["subdomain"]) == (volumes, {"a": "b"}, "tj")
    assert own.items() <= pod["containers"][0].items()


def test_the_jobs_of_a_replicated_job_share_what_they_have_in_common():
    jobset = resolved(trainjob(), runtime()).jobset
    jobset["spec"]["replicatedJobs"][0]["replicas"] = 3
    workload = of_jobset(jobset, injected={}, backoff_limit=0, active_deadline=None, own_images=True)
    assert [(job.name, job.index) for job in workload.jobs] == [(f"tj-node-{number}", number) for number in range(3)]
    assert {id(job.job_template) for job in workload.jobs} == {id(workload.templates[0])}
    assert [job.added["jobset.sigs.k8s.io/job-global-index"] for job in workload.jobs] == ["0", "1", "2"]
    assert [job.node(0) for job in workload.jobs] == ["node-0-0", "node-1-0", "node-2-0"]


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
    ("network", "subdomain"),
    [
        (None, "tj"),
        ({"subdomain": "net"}, "net"),
        ({"enableDNSHostnames": False}, ""),
    ],
)
def test_subdomains_follow_the_network_settings(network, subdomain):
    workload = expand(resolved(trainjob(), runtime(jobset={"network": network} if network else {})))
    assert workload.subdomain == subdomain
    assert workload.templates[0].pod.get("subdomain", "") == subdomain


def test_the_completion_index_is_added_unless_it_is_set():
    both = runtime(initContainers=[{"name": "i", "command": ["x"]}])
    (job,) = expand(resolved(trainjob(), both)).jobs
    assert _names(job.job_template.init_containers[0]) == _names(job.job_template.containers[0]) == [INDEX]
    assert _names(job.job_template.spec["template"]["spec"]["containers"][0]) == [], "the Job has none of it"
    own = runtime(container={"env": [{"name": INDEX, "value": "own"}]})
    (job,) = expand(resolved(trainjob(), own)).jobs
    assert job.job_template.containers[0]["env"] == [{"name": INDEX, "value": "own"}]


def test_what_the_user_sets_is_not_taken_for_injected():
    trainer = {"env": [{"name": "PET_MASTER_ADDR", "value": "mine"}, {"name": "B", "value": "tj-node-0-0.tj"}]}
    workload = expand(resolved(trainjob(trainer=trainer), runtime(policy={"torch": {}})))
    injected = workload.templates[0].injected["node"]
    assert {"PET_MASTER_ADDR", "B"} & set(injected) == set()
    assert "PET_MASTER_PORT" in injected


def test_a_coordinator_is_written_on_every_pod():
    of = runtime(jobset={"coordinator": {"replicatedJob": "node", "podIndex": 1}})
    (job,) = expand(resolved(trainjob(trainer={"numNodes": 2}), of)).jobs
    assert job.pod_metadata(0, 0)["labels"]["jobset.sigs.k8s.io/coordinator"] == "tj-node-0-1.tj"


def test_too_many_pods_are_refused():
    resolution = resolved(trainjob(trainer={"numNodes": MAX_PODS + 1}), runtime())
    with pytest.raises(InvalidInput) as caught:
        expand(resolution)
    assert [(item.code, item.field) for item in caught.value.findings] == [("KF421", "spec.trainer.numNodes")]


def test_a_resolution_without_a_jobset_is_refused_with_its_findings():
    resolution = resolve(document(trainjob()), Catalogue())
    with pytest.raises(InvalidInput) as caught:
        expand(resolution)
    assert caught.value.findings == resolution.findings
