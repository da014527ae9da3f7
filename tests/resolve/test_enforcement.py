from __future__ import annotations

import pytest

from kfrun.resolve import enforcement, fields
from kfrun.resolve.pods.expand import expand
from tests.resolve.reading import resolved, runtime, trainjob

POD = "spec.replicatedJobs[0].template.spec.template.spec"


@pytest.mark.parametrize("type_name", sorted(enforcement.HONOURED))
def test_every_field_is_honoured_or_without_effect_or_named(type_name):
    tables = [
        enforcement.HONOURED[type_name],
        enforcement.WITHOUT_EFFECT[type_name],
        frozenset(enforcement.NOT_HONOURED[type_name]),
    ]
    assert sum(map(len, tables)) == len(frozenset.union(*tables))
    assert frozenset.union(*tables) == set(fields.fields(type_name))


def _named(of, **trainer):
    return {item.path: item.why for item in expand(resolved(trainjob(trainer=trainer), of)).not_enforced}


@pytest.mark.parametrize(
    ("of", "path"),
    [
        (runtime(container={"livenessProbe": {"exec": {"command": ["x"]}}}), f"{POD}.containers[0].livenessProbe"),
        (runtime(container={"envFrom": [{"secretRef": {"name": "s"}}]}), f"{POD}.containers[0].envFrom"),
        (runtime(container={"resources": {"limits": {"cpu": 1}}}), f"{POD}.containers[0].resources"),
        (runtime(container={"tty": True}), f"{POD}.containers[0].tty"),
        (
            runtime(container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
            f"{POD}.containers[0].env[0].valueFrom.secretKeyRef",
        ),
        (runtime(nodeSelector={"a": "b"}), f"{POD}.nodeSelector"),
        (runtime(hostUsers=False), f"{POD}.hostUsers"),
        (runtime(volumes=[{"name": "v", "emptyDir": {}}]), f"{POD}.volumes"),
        (
            runtime(initContainers=[{"name": "i", "command": ["x"], "securityContext": {"runAsUser": 1}}]),
            f"{POD}.initContainers[0].securityContext",
        ),
        (
            runtime(job={"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}),
            "spec.replicatedJobs[0].template.spec.podFailurePolicy",
        ),
        (runtime(job={"completionMode": "NonIndexed"}), "spec.replicatedJobs[0].template.spec.completionMode"),
        (runtime(jobset={"failurePolicy": {"maxRestarts": 1}}), "spec.failurePolicy"),
        (runtime(jobset={"ttlSecondsAfterFinished": 5}), "spec.ttlSecondsAfterFinished"),
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
        runtime(hostNetwork=True, imagePullSecrets=[{"name": "s"}], affinity={}, tolerations=[]),
        runtime(job={"completionMode": "Indexed", "suspend": True}),
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
