"""What is obvious is so to the validators as well; what is in doubt is left to them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.validate.schema import obvious, schemas

VERSIONS = ("v2.0", "v2.1", "v2.2", "v2.3")
KINDS = ("TrainJob", "TrainingRuntime", "ClusterTrainingRuntime")
JOB = """
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: a, labels: {b: c}}
spec:
  runtimeRef: {name: r}
  trainer:
    numNodes: 2
    command: [python, train.py]
    env: [{name: A, value: b}]
    resourcesPerNode: {limits: {cpu: 500m, memory: 2Gi, nvidia.com/gpu: 1}}
"""


def job() -> dict[str, Any]:
    (document,), _ = kubeyaml.parse(JOB, "job.yaml")
    return document.data


def obviously(data: Any, version: str = "v2.3", kind: str = "TrainJob") -> bool:
    return obvious.is_valid(data, schemas.schema(version, kind))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_keyword_of_the_schemas_is_known_or_doubted_on_purpose(version: str, kind: str) -> None:
    found: set[str] = set()

    def walk(schema: Any) -> None:
        found.update(schema)
        for name in ("properties", "definitions"):
            for below in schema.get(name, {}).values():
                walk(below)
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                walk(schema[name])

    walk(schemas.schema(version, kind))
    assert found - {*obvious._SAYS_NOTHING, *obvious._SIMPLE, *obvious._NESTED} <= {"uniqueItems"}


def test_an_ordinary_job_is_obvious() -> None:
    assert obviously(job())


def change(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("wrong",), 1),
        (("spec", "trainer", "wrong"), 1),
        (("spec", "trainer", "numNodes"), "2"),
        (("spec", "trainer", "numNodes"), 2.5),
        (("spec", "trainer", "numNodes"), True),
        (("spec", "trainer", "numNodes"), None),
        (("spec", "trainer", "numNodes"), 2**31),
        (("spec", "trainer", "command"), "python"),
        (("spec", "trainer", "command"), [1]),
        (("spec", "trainer", "env"), [{"value": "b"}]),
        (("spec", "trainer", "env"), {"name": "A"}),
        (("spec", "trainer", "resourcesPerNode"), {"limits": {"cpu": "1 core"}}),
        (("spec", "trainer", "resourcesPerNode"), {"limits": {"cpu": "500m\n"}}),
        (("spec", "trainer", "resourcesPerNode"), {"limits": {"cpu": "\uff15"}}),
        (("spec", "runtimeRef"), {}),
        (("spec", "runtimeRef", "name"), ""),
        (("spec",), None),
        (("metadata", "labels"), {"b": 1}),
    ],
)
def test_what_is_wrong_is_not_obvious(path: tuple[str, ...], value: Any) -> None:
    data = job()
    change(data, path, value)
    assert not obviously(data)


@pytest.mark.parametrize(("schema", "data"), [({"uniqueItems": True}, [1]), ({"type": "integer"}, 1.0),
                                              ({"enum": [1]}, True), ({"$ref": "#/elsewhere"}, 1)])  # fmt: skip
def test_doubts_are_for_the_validators(schema: dict[str, Any], data: Any) -> None:
    assert not obvious.is_valid(data, {"definitions": {}, **schema})


def test_endless_nesting_is_a_doubt() -> None:
    schema = {"definitions": {"a": {"additionalProperties": {"$ref": "#/definitions/a"}}}, "$ref": "#/definitions/a"}
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    assert not obvious.is_valid(deep, schema)
    assert obvious.is_valid({"a": {"a": {}}}, schema)


def test_nothing_is_changed() -> None:
    data = job()
    before = copy.deepcopy(data)
    obviously(data)
    assert data == before
