from __future__ import annotations

from typing import Any

import pytest

from kfrun.model.source import Finding, Stage
from kfrun.validate.rules import update
from kfrun.validate.schema import defaults
from tests.validate.reading import JOB, RUNTIME, document, documents

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
    assert "kfrun apply --force" in (found.hint or "")


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


# What pods still run, older releases, older documents


def running(manifest: str, *jobs: tuple[str, int]) -> str:
    counts = ", ".join(f"{{name: {name}, active: {active}, ready: 0}}" for name, active in jobs)
    return f"{manifest}status: {{jobsStatus: [{counts}]}}\n"


@pytest.mark.parametrize(
    ("old", "new", "active"),
    [
        (running(patched(A, suspend=True), ("node", 2), ("launcher", 0), ("a", 1)), patched(B), ["node", "a"]),
        (running(patched(A), ("node", 1)), patched(B, suspend=True), ["node"]),
        (running(patched(A), ("node", 1)), patched(A, suspend=True), []),
        (running(patched(A, suspend=True), ("node", 0)), patched(B, suspend=True), []),
        (running(JOB + "  suspend: true\n", ("node", 1)), JOB + "  suspend: true\n  runtimePatches: []\n", []),
    ],
)
def test_patches_wait_until_no_job_is_active(old: str, new: str, active: list[str]) -> None:
    found = check(old, new)
    assert [(one.code, one.field, one.stage) for one in found] == [
        ("KF322", "spec.runtimePatches", Stage.WEBHOOK) for _ in active
    ]
    assert [f'"{name}"' in one.message for name, one in zip(active, found, strict=True)] == [True] * len(active)


def test_a_running_job_has_one_problem_not_two() -> None:
    assert [one.code for one in check(running(patched(A), ("node", 1)), patched(B))] == ["KF321"]


@pytest.mark.parametrize("status", ["null", "[]", "{jobsStatus: {}}", "{jobsStatus: [null, 1, {active: x}, {}]}"])
def test_an_odd_status_counts_for_nothing(status: str) -> None:
    assert check(f"{patched(A, suspend=True)}status: {status}\n", patched(B, suspend=True)) == []


def overridden(queue: str, *, suspend: bool) -> str:
    return (
        f"{JOB}  suspend: {str(suspend).lower()}\n"
        f"  podTemplateOverrides: [{{targetJobs: [{{name: node}}], spec: {{nodeSelector: {{q: {queue}}}}}}}]\n"
    )


@pytest.mark.parametrize(
    ("version", "old", "new", "fields"),
    [
        ("v2.1", TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 3"), []),
        ("v2.2", TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 3"), ["spec.trainer"]),
        ("head", TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 3"), ["spec.trainer"]),
        ("v2.0", JOB, JOB.replace("torch-distributed", "other"), ["spec.runtimeRef"]),
        ("v2.0", overridden("a", suspend=False), overridden("b", suspend=False), []),
        ("v2.1", overridden("a", suspend=False), overridden("b", suspend=False), ["spec.podTemplateOverrides"]),
        ("v2.1", overridden("a", suspend=True), overridden("b", suspend=False), ["spec.podTemplateOverrides"]),
        ("v2.1", overridden("a", suspend=False), overridden("b", suspend=True), []),
        (
            "v2.2",
            patched("{terminationGracePeriodSeconds: 1}", suspend=True),
            *(patched("{terminationGracePeriodSeconds: 2}", suspend=True), []),
        ),
        (
            "v2.1",
            with_template("volumeClaimPolicies: []"),
            *(with_template("volumeClaimPolicies: [{templates: []}]"), []),
        ),
    ],
)
def test_older_releases_have_fewer_rules(version: str, old: str, new: str, fields: list[str]) -> None:
    assert [one.field for one in update.check(document(old).data, document(new), version=version)] == fields


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (TRAINER, TRAINER.replace("numNodes: 2", "numNodes: 3"), 8),
        (JOB + "  trainer:\n    numNodes: 2\n    image: a\n", JOB + "  trainer:\n    image: b\n    numNodes: 2\n", 10),
        (JOB + "  trainer:\n    env:\n    - name: A\n      value: x\n    - name: B\n      value: y\n",
         JOB + "  trainer: {env: [{name: B, value: y}, {name: A, value: z}]}\n", 11),
        (JOB + "  trainer:\n    numNodes: 2\n", JOB + "  trainer:\n    numNodes: 2\n    image: b\n", 8),
        (JOB, JOB.replace("    name: torch", "    kind: TrainingRuntime\n    name: torch"), 7),
        (with_template("network:\n        subdomain: a"), with_template("network: {subdomain: b}"), 11),
    ],
)  # fmt: skip
def test_an_older_document_is_told_with_its_line(old: str, new: str, line: int) -> None:
    (found,) = update.check(documents(old, "main:old.yaml")[0], document(new))
    assert found.message.endswith(f" (before: main:old.yaml:{line})")
    assert found.position is not None
    assert found.position.file == "job.yaml"
    assert "--replace" not in (found.hint or "")
    (stored,) = update.check(document(old).data, document(new))
    assert (stored.position, stored.message) == (found.position, found.message.partition(" (before")[0])


@pytest.mark.parametrize("old", [{}, {"spec": None}, {"spec": []}, {"spec": {"runtimePatches": {}, "trainer": []}}])
def test_odd_stored_objects_do_not_raise(old: dict[str, Any]) -> None:
    for new in (JOB, TRAINER, patched(A), RUNTIME):
        for one in update.check(old, document(new)):
            assert one.code in update.CODES


def test_other_kinds_may_change() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n"
    assert update.check({"data": {"a": "c"}}, document(text)) == []


# The mutating webhook, which comes first


TIME = 'time: "2026-03-01T00:00:00Z"'


def asking(trainer: str, *patches: str) -> str:
    """A suspended TrainJob with ``trainer``, and patches: managers, with or without a time."""
    listed = "".join(f"  - {{manager: example.com/{one}}}\n" for one in patches)
    return f"{JOB}  suspend: true\n  trainer: {trainer}\n" + (f"  runtimePatches:\n{listed}" if patches else "")


def limits(**quantities: str) -> str:
    return f"{{resourcesPerNode: {{limits: {{{', '.join(f'{key}: {text}' for key, text in quantities.items())}}}}}}}"


DIVISOR = "{env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}"
FIRST, SECOND = f"a, {TIME}", f"b, {TIME}"


@pytest.mark.parametrize(
    "trainer",
    [
        *(limits(cpu="'2.5'"), limits(cpu="'0.5'"), limits(cpu="1000m"), limits(memory="1024Mi"), limits(cpu="1")),
        *(limits(memory="0.5Gi"), limits(**{"nvidia.com/gpu": "2"}), DIVISOR),
    ],
)
def test_the_first_patch_rewrites_the_job_and_is_refused_for_it(trainer: str) -> None:
    (found,) = check(asking(trainer), asking(trainer, "kueue"))
    assert (found.code, found.field, found.stage) == ("KF320", "spec.trainer", Stage.RULE)
    assert "the webhook that stamps the time of a patch writes the whole TrainJob anew" in found.message
    assert "KF723" in (found.hint or "")


@pytest.mark.parametrize(
    "trainer", ["{}", limits(cpu="2500m", memory="8Gi"), limits(cpu="'1'"), limits(memory="1500Mi")]
)
def test_canonical_quantities_can_be_patched(trainer: str) -> None:
    assert check(asking(trainer), asking(trainer, "kueue")) == []


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ((), (), False),
        (("a",), ("a",), False),  # stamped when it was created, and again
        (("a",), (), True),  # stamped when it was created, and no more
        ((FIRST,), (FIRST,), False),  # never stamped
        ((FIRST,), ("a",), True),  # its time is put back
        ((FIRST,), ('a, time: "2026-03-02T00:00:00Z"',), True),
        ((FIRST,), (FIRST, SECOND), False),  # says its time itself
        ((FIRST,), (FIRST, "b"), True),
        ((FIRST, SECOND), (SECOND, FIRST), False),
        ((FIRST,), (f"{FIRST}, trainingRuntimeSpec: {{template: {{}}}}",), True),
    ],
)
def test_the_job_is_rewritten_whenever_a_patch_is_stamped(
    old: tuple[str, ...], new: tuple[str, ...], refused: bool
) -> None:
    trainer = limits(cpu="'2.5'")
    assert [one.field for one in check(asking(trainer, *old), asking(trainer, *new))] == ["spec.trainer"] * refused


def test_everything_of_the_job_is_rewritten() -> None:
    pod = "{volumes: [{name: a, emptyDir: {sizeLimit: 1024Mi}}], containers: [{name: node}]}"
    initializer = (
        "  initializer: {dataset: {env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}}\n"
    )
    old = patched(pod, time=TIME, suspend=True) + initializer
    new = old.replace("  - manager", "  - manager: example.com/b\n  - manager")
    found = [one.field.rpartition(".")[2] for one in check(old, new)]
    assert found == ["volumes", "initializer"]


def test_a_changed_patch_is_compared_as_the_webhook_reads_it() -> None:
    quiet = patched("{tolerations: [], containers: [{name: a, env: [{name: A, value: ''}]}]}")
    assert check(quiet, patched("{containers: [{name: a, env: [{name: A}]}]}")) != []  # frozen all the same
    assert check(patched("{tolerations: []}"), patched("{}")) == []
    assert [one.code for one in check(patched("{tolerations: [{key: a}]}"), patched("{tolerations: [{key: b}]}"))] == [
        "KF321"
    ]


def test_older_releases_stamp_nothing() -> None:
    trainer = limits(cpu="'2.5'")
    old, new = document(asking(trainer)), document(asking(trainer, "kueue"))
    assert update.check(old.data, new, version="v2.1") == []
    assert [one.field for one in update.check(old.data, new, version="v2.2")] == ["spec.trainer"]


def test_the_order_of_patches_counts_while_the_job_runs() -> None:
    old = asking("{}", FIRST, SECOND).replace("suspend: true", "suspend: false")
    new = asking("{}", SECOND, FIRST).replace("suspend: true", "suspend: false")
    assert [one.code for one in check(old, new)] == ["KF321"]
