from __future__ import annotations

import json

import pytest

from kfrun.errors import UsageProblem
from kfrun.report.objects import formatter, sort_objects

ITEMS = [
    {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "b"},
        "spec": {"n": 2, "l": ["x", "y"]},
    },
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"n": 10}},
]


def test_several_objects_are_a_list():
    data = json.loads(formatter("json", single=False)(ITEMS))
    assert (data["kind"], data["items"]) == ("List", ITEMS)
    assert json.loads(formatter("json", single=False)(ITEMS[:1]))["kind"] == "List"


def test_named_object_stands_by_itself():
    assert json.loads(formatter("json", single=True)(ITEMS[:1])) == ITEMS[0]
    assert formatter("yaml", single=True)(ITEMS[1:]).startswith("apiVersion: v1\nkind: Pod\n")


@pytest.mark.parametrize(
    ("output", "single", "expected"),
    [
        ("name", False, "trainjob.trainer.kubeflow.org/b\npod/a\n"),
        ("jsonpath={.items[*].metadata.name}", False, "b a"),
        ("jsonpath={.metadata.name}", True, "ba"),
        ("custom-columns=NAME:.metadata.name,L:.spec.l[*]", False, "NAME   L\nb      x,y\na      <none>\n"),
        ("custom-columns=N:.spec.l[0,1]", True, "N\nx,y\n<none>\n"),
    ],
)
def test_formats(output, single, expected):
    assert formatter(output, single=single)(ITEMS) == expected


@pytest.mark.parametrize(
    ("output", "message", "hint"),
    [
        ("yml", "no output format", 'did you mean "yaml"'),
        ("xyz", "no output format", "there are table"),
        ("yaml=x", "no output format", "there are table"),
        ("jsonpath", "needs an expression", None),
        ("custom-columns=NAME", '"NAME" needs a path', "write NAME:"),
    ],
)
def test_wrong_formats(output, message, hint):
    with pytest.raises(UsageProblem, match=message) as caught:
        formatter(output, single=True)
    assert (caught.value.hint or "").startswith(hint or "")


@pytest.mark.parametrize(
    ("path", "names"),
    [(".metadata.name", "ab"), ("{.spec.n}", "ba"), (".kind", "ab"), (".spec.l", "ab"), (".nope", "ba")],
)
def test_sorting(path, names):
    assert "".join(item["metadata"]["name"] for item in sort_objects(ITEMS, path)) == names
