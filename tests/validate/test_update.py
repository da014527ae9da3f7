from __future__ import annotations

from typing import Any

import pytest

from kfrun.model.source import Finding, Stage
from kfrun.validate import defaults, update
from tests.validate.reading import DATA, JOB, RUNTIME, document, documents, refused

TRAINER = JOB + "  trainer: {numNodes: 2, env: [{name: A, value: a}, {name: B, value: b}]}\n"


def check(old: str, new: str) -> list[Finding]:
    """The stored object has its defaults, as the store keeps it; the answer must not depend on that."""
    before, after = document(old), document(new)
    found = update.check(before.data, after)
    assert update.check(defaults.apply(before.data, before.data["kind"]), after) == found
    return found


def patched(pod: str, *, time: str = "", suspend: bool = False, manager: str = "example.com/a") -> str:
    return f"""{JOB}  suspend: {str(suspend).lower()}
  runtimePatches:
  - manager: {manager}
    {time}
    trainingRuntimeSpec:
      template: {{spec: {{replicatedJobs: [{{name: node, template: {{spec: {{template: {{spec: {pod}}}}}}}}}]}}}}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TRAINER, TRAINER),
        (JOB, TRAINER),
        (TRAINER, JOB),
        (JOB, JOB + "  initializer: {}\n"),
        (JOB, JOB + "  activeDeadlineSeconds: 5\n"),
        (JOB, JOB + "  suspend: true\n"),
        (JOB, JOB.replace("  name: mnist\n", "  name: mnist\n  labels: {a: b}\n")),
        (JOB, JOB + "  managedBy: trainer.kubeflow.org/trainjob-controller\n"),
        (JOB, JOB.replace("    name: torch", "    kind: ClusterTrainingRuntime\n    name: torch")),
        (
            TRAINER,
            TRAINER.replace("{name: A, value: a}, {name: B, value: b}", "{name: B, value: b}, {name: A, value: a}"),
        ),
        (TRAINER, TRAINER.replace("numNodes: 2", "image: null, numNodes: 2")),
        (RUNTIME, RUNTIME.replace("python:3.12", "python:3.13")),
        (RUNTIME, RUNTIME + "  podGroupPolicy: {coscheduling: {}}\n"),
        (RUNTIME, RUNTIME.replace("    spec:\n", "    spec:\n      network: {}\n", 1)),
    ],
)
def test_what_may_change(old: str, new: str) -> None:
    assert check(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "field", "what"),
    [
        (TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 3"), "spec.trainer", "spec.trainer.numNodes was 2, now 3"),
        (TRAINER, TRAINER.replace("numNodes: 2, ", ""), "spec.trainer", "spec.trainer.numNodes is gone"),
        (TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 2, image: x"), "spec.trainer", "spec.trainer.image is new"),
        (
            TRAINER,
            TRAINER.replace("value: b", "value: c"),
            "spec.trainer",
            'spec.trainer.env[1].value was "b", now "c"',
        ),
        (TRAINER, TRAINER.replace(", {name: B, value: b}", ""), "spec.trainer", "spec.trainer.env changed"),
        (TRAINER, TRAINER.replace("name: B", "name: C"), "spec.trainer", "spec.trainer.env[1] is new"),
        (
            JOB,
            JOB.replace("torch-distributed", "other"),
            "spec.runtimeRef",
            'name was "torch-distributed", now "other"',
        ),
        (
            JOB + "  initializer: {}\n",
            *(JOB + "  initializer: {model: {storageUri: 'hf://a/b'}}\n", "spec.initializer", "model is new"),
        ),
        (JOB, JOB + "  managedBy: kueue.x-k8s.io/multikueue\n", "spec.managedBy", "spec.managedBy was"),
        (
            JOB + "  activeDeadlineSeconds: 5\n",
            JOB + "  activeDeadlineSeconds: 6\n",
            "spec.activeDeadlineSeconds",
            "was 5",
        ),
        (
            JOB + "  trainer: {resourcesPerNode: {limits: {cpu: 1}}}\n",
            *(JOB + "  trainer: {resourcesPerNode: {limits: {cpu: '1'}}}\n", "spec.trainer", 'was 1, now "1"'),
        ),
    ],
)
def test_what_may_not(old: str, new: str, field: str, what: str) -> None:
    (found,) = check(old, new)
    assert (found.code, found.field, found.stage) == ("KF320", field, Stage.RULE)
    assert found.message.startswith("field is immutable: ")
    assert what in found.message
    assert found.position is not None
    assert "--replace" in (found.hint or "")


def with_template(field: str) -> str:
    return RUNTIME.replace("    spec:\n", f"    spec:\n      {field}\n", 1)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (with_template("network: {}"), with_template("network: {subdomain: a}"), "network"),
        (with_template("failurePolicy: {}"), with_template("failurePolicy: {maxRestarts: 1}"), "failurePolicy"),
        (
            with_template("startupPolicy: {startupPolicyOrder: InOrder}"),
            *(with_template("startupPolicy: {startupPolicyOrder: AnyOrder}"), "startupPolicy"),
        ),
        (
            with_template("successPolicy: {operator: All}"),
            with_template("successPolicy: {operator: Any}"),
            "successPolicy",
        ),
        (
            with_template("volumeClaimPolicies: []"),
            *(with_template("volumeClaimPolicies: [{templates: []}]"), "volumeClaimPolicies"),
        ),
        (
            RUNTIME.replace("      - name: node\n", "      - name: node\n        dependsOn: []\n", 1),
            RUNTIME.replace(
                "      - name: node\n",
                "      - name: first\n        template: {}\n"
                "      - name: node\n        dependsOn: [{name: first, status: Ready}]\n",
                1,
            ),
            "replicatedJobs[1].dependsOn",
        ),
    ],
)
def test_runtimes(old: str, new: str, field: str) -> None:
    (found,) = check(old, new)
    assert (found.code, found.field) == ("KF320", f"spec.template.spec.{field}")


A, B = "{nodeSelector: {a: '1'}}", "{nodeSelector: {a: '2'}}"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (patched(A), patched(A), None),
        (patched(A), patched(B), "KF321"),
        (JOB, patched(A), "KF321"),
        (patched(A), JOB, "KF321"),
        (patched(A, suspend=True), patched(B), None),
        (patched(A), patched(B, suspend=True), None),
        (patched(A, time="time: 2026-01-01T00:00:00Z"), patched(A), None),
        (patched(A), patched(A, manager="example.com/b"), "KF321"),
    ],
)
def test_patches_change_only_while_suspended(old: str, new: str, code: str | None) -> None:
    found = check(old, new)
    assert [(one.code, one.field, one.stage) for one in found] == (
        [(code, "spec.runtimePatches", Stage.WEBHOOK)] if code else []
    )


def test_most_fields_of_a_patch_never_change() -> None:
    (found,) = check(
        patched("{containers: [{name: a}]}", suspend=True),
        patched("{containers: [{name: a, env: [{name: X}]}]}", suspend=True),
    )
    assert found.code == "KF320"
    assert found.field.endswith("template.spec.containers")
    assert check(patched("{containers: [{name: a}]}", suspend=True), patched("{}", suspend=True)) == []


def test_the_cluster_answers_the_same() -> None:
    answers = {
        case: [error.split(":")[0] for row in rows for error in row.get("webhookErrors", [])]
        for case, rows in refused().items()
    }
    for case in ("update-patches-suspended-ok", "update-patches-unsuspended-forbidden"):
        text = (DATA / "conformance" / f"{case}.yaml").read_text(encoding="utf-8")
        old, new = (one for one in documents(text) if one.data["kind"] == "TrainJob")
        assert [one.field for one in update.check(old.data, new)] == answers.get(case, [])


@pytest.mark.parametrize("old", [{}, {"spec": None}, {"spec": []}, {"spec": {"runtimePatches": {}, "trainer": []}}])
def test_odd_stored_objects_do_not_raise(old: dict[str, Any]) -> None:
    for new in (JOB, TRAINER, patched(A), RUNTIME):
        for one in update.check(old, document(new)):
            assert one.code in update.CODES


def test_other_kinds_may_change() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n"
    assert update.check({"data": {"a": "c"}}, document(text)) == []
