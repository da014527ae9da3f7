from __future__ import annotations

import json

import pytest

from kfrun.model.change import ApplyObject, BuildEnvironment, CreateJob, FieldChange, Plan, ReplaceJob, UpdateJob
from kfrun.model.resolution import PackageSet
from kfrun.model.source import ObjectKey
from kfrun.model.workload import NotEnforced
from kfrun.plan import render

KEY = ObjectKey("trainer.kubeflow.org/v1alpha1", "TrainJob", "default", "mnist")


def changed(old, new):
    return render.to_text(Plan((UpdateJob(KEY, "changed", changes=(FieldChange("spec.a", old, new),)),))).splitlines()[
        1
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (None, "1", "+ spec.a: 1"),
        ("1", None, "- spec.a: 1"),
        ("1", "2", "~ spec.a: 1 -> 2"),
        ("(sensitive)", "(sensitive)", "~ spec.a: changed (sensitive)"),
        ('"https://***@h"', '"https://***@h"', '~ spec.a: "https://***@h", changed (sensitive)'),
    ],
)
def test_a_field_change_is_one_line(old, new, line):
    assert changed(old, new) == f"      {line}"


def test_long_values_are_cut_around_the_difference():
    old, new = f"{'x' * 200}OLD{'y' * 200}", f"{'x' * 200}NEW{'y' * 200}"
    line = changed(old, new)
    assert "OLD" in line
    assert "NEW" in line
    assert len(line) < 200


def test_an_empty_plan_says_so():
    assert render.to_text(Plan()) == "Nothing to do.\n"


def test_control_characters_of_a_manifest_do_not_reach_the_terminal():
    action = CreateJob(KEY._replace(name="x\x1b[2J"), "new\x9b1m", ("command: a\rb",))
    text = render.to_text(Plan((action,)), color=True)
    assert text.replace("\x1b[32m", "").replace("\x1b[0m", "").replace("\n", "").isprintable()


def test_colours_are_only_used_when_asked_for():
    plan = Plan((CreateJob(KEY, "new"),))
    assert render.to_text(plan, color=True).startswith("\x1b[32m  + trainjob")
    assert "\x1b" not in render.to_text(plan)


def test_the_json_form_has_a_version_and_every_field():
    packages = PackageSet(("numpy", "x @ https://me:pw@h/x.whl"), ("https://me:pw@h/simple",), "3.12", isolated=True)
    plan = Plan(
        (
            BuildEnvironment(KEY, "needed", packages=packages),
            ApplyObject(KEY, "new"),
            ReplaceJob(KEY, "finished", ("nodes: 2",), changes=(FieldChange("spec.a", None, "1"),)),
        ),
        not_enforced=((KEY, NotEnforced("spec.x", "why")),),
        backends={KEY: "process"},
    )
    data = render.to_json(plan)
    assert json.loads(json.dumps(data)) == data
    name = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "namespace": "default", "name": "mnist"}
    assert data["formatVersion"] == 1
    assert data["actions"][2] == {
        "type": "ReplaceJob",
        "object": name,
        "cause": "finished",
        "details": ["nodes: 2"],
        "changes": [{"path": "spec.a", "old": None, "new": "1"}],
        "code": [],
    }
    assert data["actions"][0]["packages"] == {
        "requirements": ["numpy", "x @ https://***@h/x.whl"],
        "sources": [],
        "indexUrls": ["https://***@h/simple"],
        "python": "3.12",
        "isolated": True,
    }
    assert data["notEnforced"] == [{"object": name, "backend": "process", "path": "spec.x", "why": "why"}]
    assert data["summary"] == {"environments": 1, "create": 1, "replace": 1}


def test_no_login_is_left_in_either_form():
    packages = PackageSet(("x @ https://me:pw@h/x.whl",), ("https://me:pw@h/simple",))
    plan = Plan((BuildEnvironment(KEY, "needed", packages=packages),))
    assert "pw" not in render.to_text(plan) + json.dumps(render.to_json(plan))
