from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfrun.model.change import FieldChange
from kfrun.plan import compare

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "a", "b", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.builds(lambda spec: {"kind": "TrainingRuntime", "spec": spec}, JSON)


def job(**spec):
    return {"kind": "TrainJob", "metadata": {"name": "x"}, "spec": spec}


def texts(old, new):
    return [(change.path, change.old, change.new) for change in compare.changes(old, new)]


def test_digest_ignores_the_order_of_keys_but_not_of_items():
    assert compare.digest({"a": 1, "b": [1, 2]}) == compare.digest({"b": [1, 2], "a": 1})
    assert compare.digest({"b": [1, 2]}) != compare.digest({"b": [2, 1]})


@pytest.mark.parametrize(("one", "other"), [("1", 1), (True, 1), (None, ""), ([], {}), ("\ud800", "?")])
def test_digest_tells_types_apart(one, other):
    assert compare.digest({"a": one}) != compare.digest({"a": other})


def test_digest_stays_the_same_between_versions_of_kfrun():
    # Stored beside running jobs: another value would make every job look changed after an upgrade.
    assert compare.digest({"ü": [1, 2.5, None, True, "a\n"]}) == "73fa424735e16924acbe072ab48ea7cd"


@given(OBJECTS, OBJECTS)
def test_there_are_changes_exactly_when_the_digests_differ(old, new):
    same = compare.digest(compare.visible(old)) == compare.digest(compare.visible(new))
    assert (not compare.changes(old, new)) == same


def test_status_and_the_servers_metadata_are_no_changes():
    old = {**job(trainer={}), "status": {"conditions": []}}
    old["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 2, "labels": {}}
    assert compare.changes(old, job(trainer={})) == ()


def test_the_time_that_the_webhook_stamps_is_no_change():
    old = job(runtimePatches=[{"manager": "a.io/b", "time": "2026-01-01T00:00:00Z"}])
    assert compare.changes(old, job(runtimePatches=[{"manager": "a.io/b"}])) == ()


def test_an_inserted_variable_is_one_change():
    old = job(trainer={"env": [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]})
    new = job(trainer={"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]})
    assert texts(old, new) == [("spec.trainer.env[B]", None, '{"name": "B", "value": "2"}')]


def test_a_changed_order_of_variables_is_a_change():
    old = job(trainer={"env": [{"name": "A"}, {"name": "B"}]})
    new = job(trainer={"env": [{"name": "B"}, {"name": "A"}]})
    assert texts(old, new) == [("spec.trainer.env", "order A, B", "order B, A")]


def test_patches_are_matched_by_their_manager():
    old = job(runtimePatches=[{"manager": "a.io/b", "x": 1}, {"manager": "c.io/d", "x": 1}])
    new = job(runtimePatches=[{"manager": "a.io/b", "x": 2}, {"manager": "c.io/d", "x": 1}])
    assert texts(old, new) == [("spec.runtimePatches[a.io/b].x", "1", "2")]


def test_a_changed_argument_is_named_by_its_index():
    assert texts(job(trainer={"args": ["a", "b"]}), job(trainer={"args": ["a", "c"]})) == [
        ("spec.trainer.args[1]", '"b"', '"c"')
    ]


def test_a_list_of_another_length_is_shown_whole():
    assert texts(job(trainer={"args": ["a"]}), job(trainer={"args": ["a", "b"]})) == [
        ("spec.trainer.args", '["a"]', '["a", "b"]')
    ]


def test_annotations_are_bracketed():
    old, new = job(), job()
    new["metadata"] = {"name": "x", "annotations": {"kfrun.dev/python": "3.12"}}
    old["metadata"] = {"name": "x", "annotations": {"kfrun.dev/python": "3.11"}}
    assert texts(old, new) == [("metadata.annotations[kfrun.dev/python]", '"3.11"', '"3.12"')]


MASK = "(sensitive)"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "b2xk"}},
            {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "bmV3"}},
            [("data.k", MASK, MASK)],
        ),
        (
            {"kind": "Secret", "metadata": {"name": "s"}},
            {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "bmV3"}},
            [("stringData", None, '{"k": "(sensitive)"}')],
        ),
        (
            job(trainer={"env": [{"name": "HF_TOKEN", "value": "old"}]}),
            job(trainer={"env": [{"name": "HF_TOKEN", "value": "new"}]}),
            [("spec.trainer.env[HF_TOKEN].value", MASK, MASK)],
        ),
        (
            job(),
            job(trainer={"env": [{"name": "HF_TOKEN", "value": "new"}]}),
            [("spec.trainer", None, '{"env": [{"name": "HF_TOKEN", "value": "(sensitive)"}]}')],
        ),
        (
            job(trainer={"args": ["--token", "old"]}),
            job(trainer={"args": ["--token", "new"]}),
            [("spec.trainer.args[1]", MASK, MASK)],
        ),
        (
            job(trainer={"args": ["--index", "https://u:old@h/x"]}),
            job(trainer={"args": ["--index", "https://u:new@h/x"]}),
            [("spec.trainer.args[1]", '"https://***@h/x"', '"https://***@h/x"')],
        ),
    ],
    ids=["secret", "whole secret", "variable", "whole trainer", "flag", "login"],
)
def test_secrets_are_told_to_have_changed_but_not_shown(old, new, expected):
    assert texts(old, new) == expected


def test_a_change_is_a_value():
    assert compare.changes(job(a=1), job(a=2)) == (FieldChange("spec.a", "1", "2"),)
