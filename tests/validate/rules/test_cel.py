from __future__ import annotations

import pytest

from kfrun.model.source import Finding, Stage
from kfrun.validate.rules import cel, update
from tests.validate.reading import JOB, RUNTIME, document


def check(text: str, version: str = "v2.3") -> list[Finding]:
    return cel.check(document(text), version=version)


def annotated(*lines: str) -> str:
    return JOB.replace("spec:\n", "".join(["  annotations:\n", *(f"    {line}\n" for line in lines), "spec:\n"]))


def initializer(uri: str) -> str:
    return JOB + f"  initializer: {{model: {{storageUri: '{uri}'}}}}\n"


def policy(text: str) -> str:
    return RUNTIME.replace("    torch: {}\n", text)


def template(text: str) -> str:
    return RUNTIME.replace("    spec:\n", f"    spec:\n{text}", 1)


DEPENDS = "      - name: second\n        template: {}\n        dependsOn: [{name: node, status: Ready}]\n"


@pytest.mark.parametrize(
    "text",
    [
        *(JOB, RUNTIME, initializer(""), initializer("hf://a/b"), initializer("s3+x://b")),
        *(JOB + f"  managedBy: {manager}\n" for manager in cel.MANAGERS),
        *(policy("    torch: null\n    mpi: {}\n"), policy(""), policy("    flux: {numProcPerNode: 1}\n")),
        *(RUNTIME + DEPENDS, template("      startupPolicy: {startupPolicyOrder: AnyOrder}\n") + DEPENDS),
        template("      volumeClaimPolicies: [{templates: [{metadata: {name: a, namespace: ''}}]}]\n"),
        annotated("kfrun.dev/backend: docker", "kfrun.dev/environment: isolated", "kfrun.dev/packages: numpy"),
        annotated("kfrun.dev/python: '3.12'", "kfrun.dev/source: src", "kfrun.dev/pip-index-urls: https://a"),
        annotated("example.com/kfrun: x", "plain: y"),
    ],
)
def test_what_the_rules_let_through(text: str) -> None:
    assert check(text) == []


@pytest.mark.parametrize(
    ("text", "code", "field", "words"),
    [
        (initializer("data/mnist"), "KF302", "spec.initializer.model.storageUri", 'data/mnist" is no URI'),
        (initializer("1x://a"), "KF302", "spec.initializer.model.storageUri", "scheme://"),
        (JOB + "  managedBy: me\n", "KF303", "spec.managedBy", "kueue.x-k8s.io/multikueue"),
        (JOB + "  managedBy: ''\n", "KF303", "spec.managedBy", "not allowed"),
        (policy("    torch: {}\n    mpi: {}\n"), "KF304", "spec.mlPolicy", "torch and mpi are set"),
        (policy("    jax: {}\n    flux: {}\n    xgboost: {}\n"), "KF304", "spec.mlPolicy", "jax"),
        (policy("    flux: {numProcPerNode: 0}\n"), "KF305", "spec.mlPolicy.flux.numProcPerNode", "1 or more"),
        (
            template("      startupPolicy: {startupPolicyOrder: InOrder}\n") + DEPENDS,
            *("KF306", "spec.template.spec", "replicatedJobs[1] has dependsOn"),
        ),
        (
            RUNTIME.partition("      replicatedJobs:")[0] + "      startupPolicy: {startupPolicyOrder: InOrder}\n",
            *("KF306", "spec.template.spec", "replicatedJobs is missing"),
        ),
        (
            template("      volumeClaimPolicies: [{templates: [{metadata: {name: a, namespace: b}}]}]\n"),
            *("KF307", "spec.template.spec.volumeClaimPolicies[0].templates[0].metadata.namespace", "namespace"),
        ),
        (
            policy("    torch: {envInjection: {targets: [{jobName: a, containerNames: [b, node]}]}}\n"),
            *("KF308", "spec.mlPolicy.torch.envInjection.targets[0].containerNames", "PET_*"),
        ),
        (
            annotated("kfrun.dev/package: numpy"),
            "KF309",
            "metadata.annotations[kfrun.dev/package]",
            "kfrun.dev/packages",
        ),
        (annotated("kfrun.dev/: x"), "KF309", "metadata.annotations[kfrun.dev/]", "kfrun.dev/python"),
        (annotated("kfrun.dev/zzz: x"), "KF309", "metadata.annotations[kfrun.dev/zzz]", "kfrun.dev/packages"),
        (
            annotated("kfrun.dev/python: python3"),
            "KF310",
            "metadata.annotations[kfrun.dev/python]",
            "is no Python version",
        ),
        (
            annotated("kfrun.dev/python: '2.7'"),
            "KF310",
            "metadata.annotations[kfrun.dev/python]",
            "is no Python version",
        ),
        (annotated("kfrun.dev/source: ' '"), "KF310", "metadata.annotations[kfrun.dev/source]", "names no folder"),
        (
            annotated("kfrun.dev/pip-index-urls: pypi.org/simple"),
            "KF310",
            "metadata.annotations[kfrun.dev/pip-index-urls]",
            "line 1 is no URL",
        ),
        (annotated("kfrun.dev/backend: dockr"), "KF310", "metadata.annotations[kfrun.dev/backend]", "podman"),
        (
            annotated("kfrun.dev/environment: own"),
            "KF310",
            "metadata.annotations[kfrun.dev/environment]",
            "shared, isolated",
        ),
    ],
)
def test_what_they_refuse(text: str, code: str, field: str, words: str) -> None:
    found = [one for one in check(text) if one.code != "KF311"]
    assert [(one.code, one.field) for one in found] == [(code, field)]
    assert words in found[0].message
    assert found[0].stage is Stage.RULE
    assert found[0].position is not None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (annotated("kfrun.dev/package: numpy"), 'did you mean "kfrun.dev/packages"?'),
        (annotated("kfrun.dev/backend: dockr"), 'did you mean "docker"?'),
        (JOB + "  managedBy: trainer.kubeflow.org/trainjob-contrller\n", f'did you mean "{cel.MANAGERS[0]}"?'),
    ],
)
def test_suggestions(text: str, hint: str) -> None:
    assert [one.hint for one in check(text)] == [hint]


def test_index_urls_may_hold_passwords_and_are_not_shown() -> None:
    (one,) = check(annotated("kfrun.dev/pip-index-urls: ftp://me:hunter2@host/simple"))
    assert one.code == "KF310"
    assert "hunter2" not in repr(one)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (JOB + "  trainer: {numNodes: -1}\n", "spec.trainer.numNodes"),
        (JOB + "  trainer: {numProcPerNode: 0}\n", "spec.trainer.numProcPerNode"),
        (policy("    mpi: {numProcPerNode: 0}\n"), "spec.mlPolicy.mpi.numProcPerNode"),
    ],
)
def test_bounds_of_the_newest_source_only(text: str, field: str) -> None:
    assert check(text) == []
    assert [(one.code, one.field) for one in check(text, "head")] == [("KF305", field)]


def test_values_of_wrong_types_are_left_to_the_structure() -> None:
    text = """\
kind: %s
metadata: %s
spec: {mlPolicy: [], trainer: 5, managedBy: {}, initializer: {model: [], dataset: 3},
  template: {spec: {replicatedJobs: {}, volumeClaimPolicies: [1, {templates: 5}, {templates: [1]}],
  startupPolicy: {startupPolicyOrder: InOrder}}}}
status: []
"""
    for kind in ("TrainJob", "ClusterTrainingRuntime", "TrainingRuntime", "ConfigMap", "Namespace"):
        for metadata in (
            "[]",
            "5",
            "{name: [], namespace: 5, labels: 5, annotations: [a]}",
            "{labels: {a: 5}, name: a}",
        ):
            assert [one for one in check(text % (kind, metadata)) if one.code != "KF203"] == []


def test_every_rule_has_a_known_code_and_a_source() -> None:
    assert {rule.code for rule in cel.RULES} == set(cel.CODES)
    assert all(rule.source and rule.kinds for rule in cel.RULES)
    assert not set(cel.CODES) & set(update.CODES)
