"""What each release of Kubeflow Trainer knows, and what is said of fields that came, moved or went."""

from __future__ import annotations

import pytest

from kfrun.validate.schema import migration, schemas, structure
from tests.validate.reading import JOB, RUNTIME, checked, document

POD_SPEC = "  podSpecOverrides:\n  - targetJobs:\n    - name: node\n    serviceAccountName: trainer\n"
POD_TEMPLATE = (
    "  podTemplateOverrides:\n  - targetJobs:\n    - name: node\n    spec:\n      serviceAccountName: trainer\n"
)
PATCHES = "  runtimePatches:\n  - manager: example.com/team\n    trainingRuntimeSpec: {}\n"
AUTO = "  trainer:\n    numProcPerNode: auto\n"
TORCH = RUNTIME.replace("torch: {}", "torch: {numProcPerNode: gpu}")
ELASTIC = RUNTIME.replace("torch: {}", "torch: {elasticPolicy: {minNodes: 1, maxNodes: 3}}")
INJECTION = RUNTIME.replace(
    "torch: {}", "torch: {envInjection: {targets: [{jobName: node, containerNames: [sidecar]}]}}"
)
FLUX = RUNTIME.replace("torch: {}", "flux: {}")

ALL = ("v2.0", "v2.1", "v2.2", "v2.3", "head")


@pytest.mark.parametrize(
    ("text", "accepting"),
    [
        (JOB, ALL),
        (RUNTIME, ALL),
        (JOB + POD_SPEC, ("v2.0",)),
        (JOB + POD_TEMPLATE, ("v2.1",)),
        (JOB + PATCHES, ("v2.2", "v2.3", "head")),
        (JOB + "  labels: {team: vision}\n", ("v2.0", "v2.1")),
        (JOB + "  annotations: {team: vision}\n", ("v2.0", "v2.1")),
        (JOB + "  activeDeadlineSeconds: 60\n", ("v2.2", "v2.3", "head")),
        (JOB + AUTO, ("v2.0", "v2.1")),
        (JOB + AUTO.replace("auto", "4"), ALL),
        (TORCH, ("v2.0", "v2.1")),
        (ELASTIC, ("v2.0", "v2.1")),
        (INJECTION, ("v2.3", "head")),
        (FLUX, ("v2.2", "v2.3", "head")),
    ],
)
def test_releases_accept_the_fields_that_they_have(text: str, accepting: tuple[str, ...]) -> None:
    assert tuple(version for version in ALL if not structure.check(document(text), version=version)) == accepting


@pytest.mark.parametrize(
    ("size", "accepting"),
    [(65536, ALL), (65537, ("v2.0", "v2.1", "v2.3", "head")), (1048577, ("v2.0", "v2.1"))],
)
def test_bounds_are_those_of_the_release(size: int, accepting: tuple[str, ...]) -> None:
    read = document(JOB + "  trainer:\n    args: [x]\n")
    read.data["spec"]["trainer"]["args"][0] = "x" * size
    assert tuple(version for version in ALL if not structure.check(read, version=version)) == accepting


@pytest.mark.parametrize(
    ("text", "version", "words"),
    [
        (JOB + POD_SPEC, "v2.1", ["podTemplateOverrides in v2.1"]),
        (JOB + POD_SPEC, "v2.2", ["runtimePatches in v2.2", "replicatedJobs[].template.spec.template.spec"]),
        (JOB + POD_TEMPLATE, "v2.0", ["came with v2.1", "spec.podSpecOverrides"]),
        (JOB + POD_TEMPLATE, "head", ["runtimePatches in v2.2"]),
        (JOB + PATCHES, "v2.0", ["came with v2.2", "spec.podSpecOverrides"]),
        (JOB + PATCHES, "v2.1", ["came with v2.2", "spec.podTemplateOverrides"]),
        (JOB + "  activeDeadlineSeconds: 60\n", "v2.1", ["activeDeadlineSeconds came with v2.2", "checked as v2.1"]),
        (INJECTION, "v2.1", ["envInjection came with v2.3"]),
        (FLUX, "v2.0", ["flux came with v2.2"]),
    ],
)
def test_a_field_of_another_release_is_said_to_be_one(text: str, version: str, words: list[str]) -> None:
    (found,) = structure.check(document(text), version=version)
    assert found.code == "KF201"
    assert [word for word in words if word not in (found.hint or "")] == []


def test_no_sentence_is_said_of_a_field_that_the_release_has() -> None:
    for (of_job, path), sentences in migration.MOVED.items():
        kind = "TrainJob" if of_job else "ClusterTrainingRuntime"
        having = [version for version in migration.RELEASES if schemas.at(schemas.schema(version, kind), path)]
        assert having, path
        assert {first for first, _ in sentences}.isdisjoint(having), path


@pytest.mark.parametrize(
    ("path", "since", "until"),
    [
        (("spec", "trainer", "numNodes"), "v2.0", None),
        (("spec", "podTemplateOverrides"), "v2.1", "v2.1"),
        (("spec", "labels"), "v2.0", "v2.1"),
        (("spec", "runtimePatches", 0, "manager"), "v2.2", None),
        (("spec", "nothing"), None, None),
    ],
)
def test_first_and_last_release_of_a_field(path: tuple[str, ...], since: str | None, until: str | None) -> None:
    assert (migration.since(path, "TrainJob"), migration.until(path, "TrainJob")) == (since, until)


@pytest.mark.parametrize("version", migration.RELEASES)
def test_every_release_checks_whole_inputs(version: str) -> None:
    assert checked([document(JOB), document(RUNTIME)], version) == []
