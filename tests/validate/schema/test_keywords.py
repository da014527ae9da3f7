"""What is broken is so to the validators as well (see also `test_agreement`); what is in doubt is left to them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.model.source import field_text
from kfrun.validate.schema import keywords, schemas

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


def broken(data: Any, version: str = "v2.3", kind: str = "TrainJob") -> list[tuple[str, str]]:
    """Paths and keywords."""
    found = keywords.broken(data, schemas.schema(version, kind))
    return [(field_text(one.path), one.keyword) for one in found]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_keyword_of_the_schemas_is_known(version: str, kind: str) -> None:
    found: set[str] = set()

    def walk(schema: Any) -> None:
        found.update(schema)
        # lists tells of repeated items, here nothing is said of them
        assert not schema.get("uniqueItems") or schema[schemas.LIST_TYPE] == "set"
        assert keywords._type(schema.get("type", "object"))
        for name in ("properties", "definitions"):
            for below in schema.get(name, {}).values():
                walk(below)
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                walk(schema[name])

    walk(schemas.schema(version, kind))
    assert found <= {*keywords._SAYS_NOTHING, *keywords._SIMPLE, *keywords._NESTED, "$ref"}


def test_nothing_of_an_ordinary_job_is_broken() -> None:
    assert broken(job()) == []


def change(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("wrong",), 1, [("", "additionalProperties")]),
        (("spec", "trainer", "wrong"), 1, [("spec.trainer", "additionalProperties")]),
        (("spec", "trainer", "numNodes"), "2", [("spec.trainer.numNodes", "type")]),
        (("spec", "trainer", "numNodes"), 2.5, [("spec.trainer.numNodes", "type")]),
        (("spec", "trainer", "numNodes"), 1e30, [("spec.trainer.numNodes", "maximum")]),
        (("spec", "trainer", "numNodes"), True, [("spec.trainer.numNodes", "type")]),
        (("spec", "trainer", "numNodes"), None, [("spec.trainer.numNodes", "type")]),
        (("spec", "trainer", "numNodes"), 2**31, [("spec.trainer.numNodes", "maximum")]),
        (("spec", "trainer", "command"), "python", [("spec.trainer.command", "type")]),
        (("spec", "trainer", "command"), [1, "a", {}], [("spec.trainer.command[0]", "type"),
                                                        ("spec.trainer.command[2]", "type")]),
        (("spec", "trainer", "env"), [{"value": "b"}], [("spec.trainer.env[0]", "required")]),
        (("spec", "trainer", "env"), {"name": "A"}, [("spec.trainer.env", "type")]),
        (("spec", "trainer", "resourcesPerNode"), {"limits": {"cpu": "1 core"}},
         [("spec.trainer.resourcesPerNode.limits.cpu", "pattern")]),
        (("spec", "trainer", "resourcesPerNode"), {"limits": {"cpu": "500m\n"}},
         [("spec.trainer.resourcesPerNode.limits.cpu", "pattern")]),
        (("spec", "runtimeRef"), {}, [("spec.runtimeRef", "required")]),
        (("spec", "runtimeRef", "name"), "", [("spec.runtimeRef.name", "minLength")]),
        (("spec",), None, [("spec", "type")]),
        (("metadata", "labels"), {"b": 1}, [("metadata.labels.b", "type")]),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(path: tuple[str, ...], value: Any, found: list[tuple[str, str]]) -> None:
    data = job()
    change(data, path, value)
    assert broken(data) == found


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"const": 1}, 1),
        ({"enum": [1]}, True),
        ({"$ref": "#/elsewhere"}, 1),
        ({"pattern": r"^\d+$"}, "\uff15"),
    ],
)
def test_doubts_are_for_the_validators(schema: dict[str, Any], data: Any) -> None:
    with pytest.raises(keywords.InDoubt):
        keywords.broken(data, {"definitions": {}, **schema})


def test_endless_nesting_is_a_doubt() -> None:
    schema = {"definitions": {"a": {"additionalProperties": {"$ref": "#/definitions/a"}}}, "$ref": "#/definitions/a"}
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(keywords.InDoubt):
        keywords.broken(deep, schema)
    assert keywords.broken({"a": {"a": {}}}, schema) == []


def test_nothing_is_changed() -> None:
    data = job()
    before = copy.deepcopy(data)
    broken(data)
    assert data == before
