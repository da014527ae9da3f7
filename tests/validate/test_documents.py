from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun.errors import UsageProblem
from tests.validate import reading
from tests.validate.reading import JOB, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Finding

CORE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  rate: '0.1'\n"


def check(*texts: str) -> Sequence[Finding]:
    return reading.checked(reading.documents("---\n".join(texts)))


def test_a_job_with_its_runtime_and_settings_is_fine() -> None:
    assert check(RUNTIME, CORE, JOB) == []


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\nstringData: {a: b}\n",
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {any: thing}\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    ],
)
def test_core_objects_are_accepted(text: str) -> None:
    assert check(text) == []


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (CORE.replace("'0.1'", "0.1"), "KF202", "data.rate"),
        (CORE.replace("data:\n  rate: '0.1'", "data: text"), "KF202", "data"),
        (CORE.replace("\ndata:", "\ndate:"), "KF201", "date"),
        (CORE.replace("  name: settings", "  labels: {}"), "KF203", "metadata.name"),
        (CORE.replace("metadata:\n  name: settings\n", ""), "KF203", "metadata"),
        (CORE.replace("metadata:\n  name: settings\n", "metadata: x\n"), "KF202", "metadata"),
        (CORE.replace("settings", "5"), "KF202", "metadata.name"),
        (CORE.replace("settings", "../x"), "KF301", "metadata.name"),
        (CORE.replace("v1", "v2"), "KF207", "apiVersion"),
        (CORE.replace("ConfigMap", "Service"), "KF207", "kind"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", "KF207", "kind"),
    ],
)
def test_light_checks_of_core_objects_and_other_kinds(text: str, code: str, field: str) -> None:
    assert [(one.code, one.field) for one in check(text)] == [(code, field)]


def test_other_kinds_are_for_the_kubernetes_executor() -> None:
    (found,) = check("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    assert found.message == 'kfrun reads no kind "Service" (v1)'


def test_structure_and_rules_come_together_in_the_order_of_the_source() -> None:
    found = check(JOB.replace("mnist", "../../x") + "  managedBy: me\n  wrong: 1\n  trainer: {args: [1]}\n")
    assert [(one.code, one.position.line if one.position else 0) for one in found] == [
        *(("KF301", 4), ("KF303", 8), ("KF201", 9), ("KF202", 10)),
    ]


@pytest.mark.parametrize(
    ("first", "second", "repeated"),
    [
        (JOB, JOB, True),
        (JOB, JOB.replace("  name: mnist\n", "  name: mnist\n  namespace: default\n"), True),
        (JOB, JOB.replace("  name: mnist\n", "  name: mnist\n  namespace: other\n"), False),
        (JOB, JOB.replace("mnist", "other"), False),
        (RUNTIME, RUNTIME.replace("  name: torch-distributed\n", "  name: torch-distributed\n  namespace: a\n"), True),
        (RUNTIME, RUNTIME.replace("ClusterTrainingRuntime", "TrainingRuntime"), False),
    ],
)
def test_the_same_object_twice(first: str, second: str, repeated: bool) -> None:
    found = check(first, second)
    assert [one.code for one in found] == (["KF209"] if repeated else [])
    if repeated:
        assert found[0].position is not None
        assert found[0].position.line > len(first.splitlines())
        assert "is in the input already, at job.yaml:1:1" in found[0].message


def test_objects_without_a_name_are_not_the_same() -> None:
    nameless = JOB.replace("  name: mnist", "  labels: {}")
    assert [one.code for one in check(nameless, nameless)] == ["KF203", "KF203"]


def test_nothing_to_check() -> None:
    assert reading.checked([]) == []


def test_unknown_trainer_version() -> None:
    with pytest.raises(UsageProblem):
        reading.checked(reading.documents(JOB), "v1")
