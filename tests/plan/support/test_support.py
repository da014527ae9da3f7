from __future__ import annotations

import pytest

from kfrun import settings
from kfrun.model.source import Severity
from kfrun.plan import support
from kfrun.plan.support.findings import check, unable
from kfrun.resolve.pods.expand import MAX_PODS, own_images
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.validate.schema import structs
from tests.resolve.reading import document, resolved, runtime, trainjob

POD = "spec.replicatedJobs[0].template.spec.template.spec"


TYPES = [
    *("Container", "EnvVarSource", "JobSetSpec", "JobSpec", "Network", "PodSecurityContext", "PodSpec"),
    *("ReplicatedJob", "SecurityContext", "Volume", "VolumeMount", "VolumeProjection"),
]


def test_there_is_a_table_of_each_backend_that_can_be_chosen():
    assert support.BACKENDS == settings.BACKENDS


@pytest.mark.parametrize("backend", support.BACKENDS)
@pytest.mark.parametrize("type_name", TYPES)
def test_every_field_is_honoured_or_without_effect_or_named(backend, type_name):
    found = support.of(backend)
    assert found.backend == backend
    assert sorted(found.honoured) == sorted(found.without_effect) == sorted(found.not_honoured) == TYPES
    tables = [
        found.honoured[type_name],
        found.without_effect[type_name],
        frozenset(found.not_honoured[type_name]),
    ]
    assert sum(map(len, tables)) == len(frozenset.union(*tables))
    assert frozenset.union(*tables) == set(structs.fields(type_name))


@pytest.mark.parametrize("backend", support.BACKENDS)
def test_operations_that_a_backend_has_none_of_are_refused_with_a_reason(backend):
    assert sorted(support.of(backend).refusals) == ["copy", "exec", "forward", "usage"]
    assert all(": " in reason for reason in support.of(backend).refusals.values()), "why, and what to do instead"


def not_enforced(resolution, backend="process"):
    return support.of(backend).not_enforced(resolution.jobset, own_images=own_images(resolution))


def _named(of, **trainer):
    return {item.path: item.why for item in not_enforced(resolved(trainjob(trainer=trainer), of))}


@pytest.mark.parametrize(
    ("of", "path"),
    [
        (runtime(readinessGates=[{"conditionType": "a.example.com/b"}]), f"{POD}.readinessGates"),
        (runtime(container={"stdin": True}), f"{POD}.containers[0].stdin"),
        (runtime(container={"resources": {"limits": {"cpu": 1}}}), f"{POD}.containers[0].resources"),
        (runtime(container={"tty": True}), f"{POD}.containers[0].tty"),
        (runtime(nodeSelector={"a": "b"}), f"{POD}.nodeSelector"),
        (runtime(hostUsers=False), f"{POD}.hostUsers"),
        (runtime(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]), f"{POD}.volumes[0].nfs"),
        (
            runtime(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
            f"{POD}.volumes[0].projected.sources[0].serviceAccountToken",
        ),
        (
            runtime(initContainers=[{"name": "i", "command": ["x"], "securityContext": {"runAsUser": 1}}]),
            f"{POD}.initContainers[0].securityContext.runAsUser",
        ),
        (
            runtime(jobset={"failurePolicy": {"rules": [{"onJobFailureMessagePatterns": ["a+", "(a+)+"]}]}}),
            "spec.failurePolicy.rules[0].onJobFailureMessagePatterns[1]",
        ),
        (runtime(job={"managedBy": "example.com/me"}), "spec.replicatedJobs[0].template.spec.managedBy"),
    ],
)
def test_what_processes_do_not_honour_is_named(of, path):
    named = _named(of)
    named.pop(f"{POD}.containers[0].image")
    assert list(named) == [path]


@pytest.mark.parametrize(
    "of",
    [
        runtime(container={"resources": {}, "securityContext": {}, "tty": False, "imagePullPolicy": "Always"}),
        runtime(volumes=[{"name": "v", "emptyDir": {}}, {"name": "w"}]),
        runtime(hostNetwork=True, imagePullSecrets=[{"name": "s"}], affinity={}, tolerations=[]),
        runtime(job={"completionMode": "Indexed", "suspend": True}),
        runtime(job={"completionMode": "NonIndexed", "podFailurePolicy": {"rules": [{"action": "Ignore"}]}}),
        runtime(jobset={"failurePolicy": {"maxRestarts": 1}, "ttlSecondsAfterFinished": 5}),
        runtime(initContainers=[{"name": "i", "command": ["x"], "restartPolicy": "Always"}]),
    ],
)
def test_what_has_no_effect_is_not_named(of):
    assert set(_named(of)) == {f"{POD}.containers[0].image"}


def test_the_image_of_a_users_runtime_is_named():
    assert _named(runtime())[f"{POD}.containers[0].image"] == "a process runs from this machine's programs and packages"


def test_an_env_source_that_upstream_loses_is_named():
    source = {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}
    named = _named(runtime(), env=[{"name": "A", "valueFrom": source}])
    assert named[f"{POD}.containers[0].env[0].valueFrom"] == "it names no source"


def test_in_memory_nothing_of_a_container_is_honoured_but_what_the_controllers_need():
    of = runtime(initContainers=[{"name": "i", "command": ["x"], "restartPolicy": "Always"}], nodeSelector={"a": "b"})
    found = {item.path: item.why for item in not_enforced(resolved(trainjob(), of), "memory")}
    assert sorted(path.removeprefix(f"{POD}.") for path in found) == [
        "containers[0].command",
        "containers[0].image",
        "initContainers[0].command",
        "nodeSelector",
    ]
    assert set(found.values()) == {"containers do not really run"}


def test_a_check_points_at_what_is_not_honoured_without_refusing_it():
    resolution = resolved(trainjob(), runtime(container={"tty": True}))
    image, tty = check(resolution, "process")
    assert (tty.code, tty.severity, tty.position.file) == ("KF505", Severity.WARNING, "runtime.yaml")
    assert tty.field.endswith("containers[0].tty")
    assert "tty: a process gets no terminal" in tty.message
    assert "image" in image.message
    assert unable(resolution, "process") == []


def test_what_cannot_run_as_processes_is_told_with_the_reason():
    resolution = resolved(trainjob(trainer={"numNodes": 1}), runtime(policy={"flux": {}}))
    (finding,) = unable(resolution, "process")
    assert (finding.code, finding.field) == ("KF422", "spec.mlPolicy.flux")
    assert str(finding.position).startswith("runtime.yaml:")
    assert finding.message.startswith("jobs of the ML policy flux cannot run as local processes: ")
    assert "volumes" in finding.message
    assert unable(resolution, "memory") == []


@pytest.mark.parametrize("kind", ["torch", "jax", "xgboost", "mpi"])
def test_other_policies_run_as_processes(kind):
    assert unable(resolved(trainjob(trainer={"numNodes": 2}), runtime(policy={kind: {}})), "process") == []


def test_a_container_without_a_command_is_found_where_it_stands():
    of = runtime(initContainers=[{"name": "prepare", "image": "i"}])
    pod = of["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    del pod["containers"][0]["command"]
    resolution = resolved(trainjob(trainer={"args": ["a"]}), of)
    findings = unable(resolution, "process")
    assert [(item.code, item.position.file) for item in findings] == [("KF420", "runtime.yaml"), ("KF420", "job.yaml")]
    assert findings[0].field.endswith("template.spec.initContainers[0]")
    assert findings[1].field == "spec.trainer"
    assert unable(resolution, "memory") == []


@pytest.mark.parametrize("backend", support.BACKENDS)
def test_too_many_pods_are_refused(backend):
    (finding,) = unable(resolved(trainjob(trainer={"numNodes": MAX_PODS + 1}), runtime()), backend)
    assert (finding.code, finding.field) == ("KF421", "spec.trainer.numNodes")


def test_a_resolution_without_a_jobset_is_not_judged():
    resolution = resolve(document(trainjob()), Catalogue())
    assert unable(resolution, "process") == check(resolution, "process") == []


def test_root_may_start_processes_as_others_and_nobody_else():
    context = {
        "runAsUser": 1,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": True,
        "runAsNonRoot": True,
    }
    jobset = resolved(trainjob(), runtime(container={"securityContext": context})).jobset
    named = {
        user: [
            item.path.rpartition(".")[2]
            for item in support.of("process").not_enforced(jobset, own_images=False, user=user)
        ]
        for user in (0, 1000, None)
    }
    assert named == {0: ["capabilities"], 1000: ["runAsUser", "capabilities"], None: ["runAsUser", "capabilities"]}
    mine = support.of("process").not_enforced(jobset, own_images=False, user=1)
    assert [item.path.rpartition(".")[2] for item in mine] == ["capabilities"], "it runs as that user anyway"
    context["allowPrivilegeEscalation"] = False
    found = resolved(trainjob(), runtime(container={"securityContext": context}))
    assert "allowPrivilegeEscalation" in str(not_enforced(found))
