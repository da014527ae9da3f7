from __future__ import annotations

import pytest

from kfrun.errors import Refused
from kfrun.model.wishes import Values, Wishes
from kfrun.plan.saved import SavedPlan, fingerprint, require_same

WISHES = Wishes(("/project/job.yaml",), recursive=True, strict=True, values=Values(("/project/v.yaml",)))
PLAN = SavedPlan(WISHES, "x", {"/project/job.yaml": "1"}, {"default/job": "2"}, {"actions": [{"type": "CreateJob"}]})


def test_a_plan_is_read_back_as_it_was_written():
    assert SavedPlan.parse(PLAN.to_text(), "plan.json") == PLAN


FORMER = """{"formatVersion": 1, "kind": "SavedPlan", "call": {"filenames": ["/project/job.yaml"], "recursive": true,
"namespace": null, "trainer_version": null, "backend": null, "strict": true, "cluster_defaults": false,
"replace": false, "value_files": ["/project/v.yaml"], "set_digest": "x", "apply_set": "", "prune": false},
"sources": {"/project/job.yaml": "1"}, "stored": {"default/job": "2"}, "plan": {"actions": [{"type": "CreateJob"}]}}"""
"""As version 0.1 wrote it, before wishes were one record."""


def test_a_plan_of_the_version_before_is_read():
    assert SavedPlan.parse(FORMER, "plan.json") == PLAN


def test_the_same_plan_is_accepted():
    require_same(PLAN, PLAN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": {"/project/job.yaml": "9"}}, "job.yaml was changed"),
        ({"sources": {}}, "is not there any more"),
        ({"sources": {"/project/job.yaml": "1", "/project/b.yaml": "1"}}, "b.yaml has come"),
        ({"stored": {"default/job": "9"}}, "changed in the store"),
        ({"stored": {"default/job": ""}}, "changed in the store"),
        ({"plan": {"actions": []}}, "does not say what would be done now"),
        ({"plan": {**PLAN.plan, "jobs": [{"object": {}, "digest": "9"}]}}, "does not say what would be done now"),
    ],
)
def test_what_differs_is_named(change, message):
    with pytest.raises(Refused, match=message):
        require_same(PLAN, PLAN._replace(**change))


def test_a_fingerprint_is_of_what_an_author_decides():
    stored = {"kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}, "data": {"a": "b"}}
    same = {**stored, "metadata": {**stored["metadata"], "resourceVersion": "7"}, "status": {"x": 1}}
    assert fingerprint(None, stored) == fingerprint(None, same) != ""
    assert fingerprint(None, {**stored, "data": {}}) != fingerprint(None, stored)
    assert fingerprint(None, {**stored, "metadata": {"name": "a", "uid": "2"}}) != fingerprint(None, stored)
    assert fingerprint(None, None) == ""


WRONG_CALL = '{"kind": "SavedPlan", "formatVersion": 1, "sources": {}, "stored": {}, "plan": {}, "call": %s}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        WRONG_CALL % "1",
        WRONG_CALL % '{"filenames": 1}',
        WRONG_CALL % '{"filenames": ["a"], "namespace": true}',
        WRONG_CALL % '{"filenames": ["a"], "prune": "yes"}',
        WRONG_CALL % "{}",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(Refused):
        SavedPlan.parse(text, "plan.json")


@pytest.mark.parametrize("version", ["2", "0", '"1.0"', '""'])
def test_another_version_is_refused(version):
    text = PLAN.to_text().replace('"formatVersion": 1', f'"formatVersion": {version}')
    with pytest.raises(Refused, match=r"reads 1$"):
        SavedPlan.parse(text, "plan.json")


def test_another_kind_is_refused():
    with pytest.raises(Refused, match="no saved plan"):
        SavedPlan.parse(PLAN.to_text().replace("SavedPlan", "Other"), "plan.json")
