from __future__ import annotations

from typing import Any

import pytest

from kfrun.validate.schema import lists


def found(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], int]]:
    return [(one.path, one.first) for one in lists.duplicates(data, "v2.3", "TrainJob")]


def env(*names: Any) -> dict[str, Any]:
    return {"spec": {"trainer": {"env": [{"name": name} for name in names]}}}


ENV = ("spec", "trainer", "env")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (env("a", "b"), []),
        (env("a", "b", "a", "b"), [((*ENV, 2), 0), ((*ENV, 3), 1)]),
        (env("a", "a", "a"), [((*ENV, 1), 0), ((*ENV, 2), 0)]),
        (env(None, None), []),
        (env([1], [1]), []),
        (env(1, "1"), []),
        ({"spec": {"trainer": {"env": ["a", "a"]}}}, []),
        ({"spec": {"trainer": {"env": {"a": "a"}}}}, []),
        ({"spec": {"trainer": {"args": ["a", "a"]}}}, []),
        ({"unknown": [{"name": "a"}, {"name": "a"}]}, []),
    ],
)
def test_repeated_keys(data: dict[str, Any], expected: list[Any]) -> None:
    assert found(data) == expected


def test_lists_inside_of_lists() -> None:
    container = {"name": "node", "env": [{"name": "a"}, {"name": "a"}]}
    pod = {"template": {"spec": {"template": {"spec": {"containers": [container]}}}}}
    patch = {"template": {"spec": {"replicatedJobs": [{"name": "node", **pod}]}}}
    ((path, first),) = found({"spec": {"runtimePatches": [{"manager": "a/b", "trainingRuntimeSpec": patch}]}})
    assert (path[-3:], first) == (("containers", 0, "env", 1)[-3:], 0)
