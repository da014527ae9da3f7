from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kfrun.model.source import Document, Finding, Stage
from kfrun.validate.schema import structure
from tests.validate.reading import JOB, RUNTIME, document, violations_of_rs


def check(text: str) -> list[Finding]:
    return structure.check(document(text))


def only(text: str) -> Finding:
    found = check(text)
    assert len(found) == 1, found
    return found[0]


def places(found: list[Finding]) -> list[tuple[str, int, int, str]]:
    return [(one.code, one.position.line, one.position.column, one.field) for one in found if one.position]


@pytest.mark.parametrize("text", [JOB, RUNTIME, RUNTIME.replace("Cluster", "") + "", JOB + "  trainer: {}\n"])
def test_valid_documents_have_no_findings(text: str) -> None:
    assert check(text) == []


TRAINER = JOB + "  trainer:\n"


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "field"),
    [
        (TRAINER + "    numNodess: 2\n", "KF201", 9, 5, "spec.trainer.numNodess"),
        (JOB + "wrong: 1\n", "KF201", 8, 1, "wrong"),
        (JOB.replace("  name: mnist", "  name: mnist\n  nam: x"), "KF201", 5, 3, "metadata.nam"),
        (TRAINER + "    numNodes: two\n", "KF202", 9, 15, "spec.trainer.numNodes"),
        (TRAINER + "    args: [a, 1]\n", "KF202", 9, 15, "spec.trainer.args[1]"),
        (JOB + "  trainer: [a]\n", "KF202", 8, 12, "spec.trainer"),
        (JOB.replace("    name: torch-distributed\n", "    kind: x\n"), "KF203", 6, 3, "spec.runtimeRef.name"),
        (TRAINER + "    env:\n    - value: a\n", "KF203", 10, 7, "spec.trainer.env[0].name"),
        (
            RUNTIME.replace("    spec:\n      repl", "    spec:\n      successPolicy: {operator: Most}\n      repl"),
            *("KF204", 10, 33, "spec.template.spec.successPolicy.operator"),
        ),
        (JOB + "  activeDeadlineSeconds: 0\n", "KF205", 8, 26, "spec.activeDeadlineSeconds"),
        (TRAINER + "    numNodes: 3000000000\n", "KF205", 9, 15, "spec.trainer.numNodes"),
        (JOB.replace("torch-distributed", '""'), "KF205", 7, 11, "spec.runtimeRef.name"),
        (JOB + "  runtimePatches: [{manager: a.io/b, time: soon}]\n", "KF205", 8, 44, "spec.runtimePatches[0].time"),
        (TRAINER + f"    image: {'x' * 501}\n", "KF205", 9, 12, "spec.trainer.image"),
        (TRAINER + f"    args: [{', '.join('a' * 129)}]\n", "KF205", 9, 11, "spec.trainer.args"),
        (JOB + "status: {foo: 1}\n", "KF201", 8, 10, "status.foo"),
        (TRAINER + "    env: [{name: A}, {name: B}, {name: A}]\n", "KF206", 9, 33, "spec.trainer.env[2]"),
        (JOB.replace("TrainJob", "Trainjob"), "KF207", 2, 7, "kind"),
        (JOB.replace("v1alpha1", "v2alpha1"), "KF207", 1, 13, "apiVersion"),
        (
            TRAINER + "    resourcesPerNode: {limits: {memory: 1 GB}}\n",
            "KF208",
            9,
            41,
            "spec.trainer.resourcesPerNode.limits.memory",
        ),
        (
            TRAINER + "    resourcesPerNode: {limits: {cpu: 0.5}}\n",
            "KF208",
            9,
            38,
            "spec.trainer.resourcesPerNode.limits.cpu",
        ),
    ],
)
def test_code_position_and_path(text: str, code: str, line: int, column: int, field: str) -> None:
    found = only(text)
    assert places([found]) == [(code, line, column, field)]
    assert found.stage is Stage.SCHEMA
    assert found.object == document(text).key
    assert found.excerpt == text.splitlines()[line - 1] or len(text) > 500


@pytest.mark.parametrize(
    "status",
    [
        "{}", "null", "5", "done", "[]", "[1, {}]", "{conditions: null}", "{conditions: 5}", "{conditions: [a, {}]}",
        "{conditions: [{type: 1}, {type: 1}], jobsStatus: [{name: x, ready: many}]}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v2.2", "v2.3", "head"])
def test_a_status_of_any_form_is_passed_over(status: str, version: str) -> None:
    assert structure.check(document(f"{JOB}status: {status}\n"), version=version) == []


def test_what_a_status_lacks_is_passed_over() -> None:
    assert check(JOB + "status: {trainerStatus: {progressPercentage: 500}}\n") == []


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("{foo: null}", ["status.foo"]),
        ("{conditions: [{type: a, foo: 1}]}", ["status.conditions[0].foo"]),
        ("{conditions: {foo: 1}}", ["status.conditions.foo"]),
        ("[{foo: 1}]", ["status[0].foo"]),
        ("{conditions: [[{foo: 1}]], jobsStatus: [{a: 1}]}", ["status.conditions[0][0].foo", "status.jobsStatus[0].a"]),
    ],
)  # fmt: skip
def test_fields_that_nobody_knows_are_refused_in_a_status_too(status: str, fields: list[str]) -> None:
    found = check(f"{JOB}status: {status}\n")
    assert [(one.code, one.field) for one in found] == [("KF201", field) for field in fields]


def test_a_status_hides_nothing_else() -> None:
    found = check(f"{JOB}  trainer: 5\nstatus: {{foo: 1}}\n")
    assert [(one.code, one.field) for one in found] == [("KF202", "spec.trainer"), ("KF201", "status.foo")]


def test_a_runtime_has_no_status() -> None:
    found = only(RUNTIME + "status: {}\n")
    assert (found.code, found.field) == ("KF201", "status")


SERVER = """\
  creationTimestamp: null
  deletionGracePeriodSeconds: null
  deletionTimestamp: null
  generation: 0
  labels: null
  managedFields: null
  ownerReferences: null
  resourceVersion: ""
  selfLink: ""
  uid: ""
"""


@pytest.mark.parametrize("text", [JOB, RUNTIME])
def test_metadata_that_the_server_owns_may_be_empty(text: str) -> None:
    head, _, rest = text.partition("spec:\n")
    assert check(f"{head}{SERVER}spec:\n{rest}") == []
    (found,) = check(f"{head}  creationTimestamp: soon\nspec:\n{rest}")
    assert (found.code, found.field) == ("KF205", "metadata.creationTimestamp")


def test_all_findings_at_once_in_the_order_of_the_source() -> None:
    found = check(
        TRAINER
        + "    num_nodes: 2\n    args: [1]\n  image: x\n  activeDeadlineSeconds: -1\n  suspend: 'no'\nextra: {}\n"
    )
    assert places(found) == [
        ("KF201", 9, 5, "spec.trainer.num_nodes"),
        ("KF202", 10, 12, "spec.trainer.args[0]"),
        ("KF201", 11, 3, "spec.image"),
        ("KF205", 12, 26, "spec.activeDeadlineSeconds"),
        ("KF202", 13, 12, "spec.suspend"),
        ("KF201", 14, 1, "extra"),
    ]


def test_a_misspelt_required_field_is_one_finding() -> None:
    found = only(TRAINER + "    env:\n    - nam: A\n")
    assert (found.code, found.hint) == ("KF201", 'did you mean "name"?')


def test_a_wrong_type_hides_what_follows_from_it() -> None:
    found = only(JOB.replace("name: torch-distributed", "name: 5"))
    assert found.code == "KF202"
    text = RUNTIME.replace("torch: {}", "mpi: {mpiImplementation: true}")
    assert [one.code for one in check(text)] == ["KF202"]


@pytest.mark.parametrize("field", ["kind", "apiVersion"])
@pytest.mark.parametrize(("value", "code"), [(None, "KF203"), ("", "KF203"), (5, "KF202"), (["x"], "KF202")])
def test_what_kind_of_object_cannot_be_told(field: str, value: Any, code: str) -> None:
    one = document(JOB)
    changed = {**one.data, field: value} if value is not None else {k: v for k, v in one.data.items() if k != field}
    (found,) = structure.check(Document(changed, one.positions, one.source, one.text))
    assert (found.code, found.field) == (code, field)


def test_ports_of_one_number_differ_by_protocol_default_included() -> None:
    ports = "                  ports: [{containerPort: 80}, {containerPort: 80, protocol: %s}]\n"
    assert check(RUNTIME + ports % "UDP") == []
    found = only(RUNTIME + ports % "TCP")
    assert found.code == "KF206"
    assert found.field.endswith("containers[0].ports[1]")
    assert 'containerPort 80, protocol "TCP"' in found.message


def test_equal_items_of_a_set() -> None:
    targets = "torch: {envInjection: {targets: [{jobName: node, containerNames: [a, b, a]}]}}"
    found = only(RUNTIME.replace("torch: {}", targets))
    assert (found.code, found.path[-2:]) == ("KF206", ("containerNames", 2))


@pytest.mark.parametrize(
    ("policies", "lacks"),
    [
        ("[]", None),
        ("[{templates: []}]", None),
        ("[{templates: [{metadata: {name: a}}]}]", None),
        ("[{}]", "[0].templates"),
        ("[{templates: []}, {retentionPolicy: {whenDeleted: Retain}}]", "[1].templates"),
        ("[{templates: null}]", "[0].templates"),
        ("[{templates: [{metadata: {name: a}}, {spec: {accessModes: [ReadWriteOnce]}}]}]", "[0].templates[1].metadata"),
    ],
)
@pytest.mark.parametrize("version", ["v2.2", "v2.3", "head"])
def test_claim_policies_have_templates_and_these_metadata(version: str, policies: str, lacks: str | None) -> None:
    """A rule of the CRD looks into both, and refuses what it cannot look into."""
    text = RUNTIME.replace("    spec:\n      repl", f"    spec:\n      volumeClaimPolicies: {policies}\n      repl")
    found = structure.check(document(text), version=version)
    at = "spec.template.spec.volumeClaimPolicies"
    assert [(one.code, one.field) for one in found] == ([("KF203", f"{at}{lacks}")] if lacks else [])


def test_template_metadata_takes_five_fields_only() -> None:
    text = RUNTIME.replace("        template:\n", "        template:\n          metadata: {labels: {a: b}, %s: x}\n", 1)
    assert check(text % "name") == []
    found = only(text % "uid")
    assert found.message == 'unknown field "uid"; allowed here: annotations, finalizers, labels, name, namespace'


def test_metadata_of_the_object_takes_what_an_api_server_returns() -> None:
    extra = """\
  uid: 11111111-2222-3333-4444-555555555555
  resourceVersion: "12"
  generation: 3
  creationTimestamp: "2026-01-31T12:00:00Z"
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: b}]
  managedFields: [{manager: kubectl, operation: Apply, fieldsV1: {"f:spec": {}}}]
  finalizers: [a.io/b]
  labels: {a: b}
"""
    assert check(JOB.replace("  name: mnist\n", "  name: mnist\n" + extra)) == []


@pytest.mark.parametrize("text", ["  trainer: null\n", "  trainer: {image: ~, args: }\n", "  activeDeadlineSeconds:\n"])
def test_null_fields_count_as_absent(text: str) -> None:
    assert check(JOB + text) == []


def test_null_of_a_required_field_is_a_missing_field() -> None:
    assert only(JOB.replace("name: torch-distributed", "name: ~")).code == "KF203"


def test_null_in_a_list_and_null_of_an_unknown_field_are_errors() -> None:
    assert [one.code for one in check(JOB + "  trainer: {args: [~], imagePullPolicy: ~}\n")] == ["KF202", "KF201"]


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        *(("500m", True), ("2", True), ("1.5Gi", True), (".5", True), ("+1e3", True), ("2E-2", True), (4, True)),
        *(("1gb", False), ("1 Gi", False), ("", False), ("Gi", False), ("1Gi\n", False), (True, False), (1.5, False)),
    ],
)
def test_quantities(value: Any, fine: bool) -> None:
    data = document(JOB + "  trainer: {resourcesPerNode: {limits: {cpu: X}}}\n")
    data.data["spec"]["trainer"]["resourcesPerNode"]["limits"]["cpu"] = value
    assert [one.code for one in structure.check(data)] == ([] if fine else ["KF208"])
    assert bool(violations_of_rs(data.data, "TrainJob")) is not fine


def test_v23_has_no_lower_bound_on_nodes() -> None:
    assert check(TRAINER + "    numNodes: -1\n    numProcPerNode: 0\n") == []


def run_python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


PROGRAM = """
import sys
sys.modules["kubeflow_trainer_api"] = None
{before}
from kfrun.load import kubeyaml
from kfrun.validate import documents
(one,), _ = kubeyaml.parse({text!r}, "job.yaml")
found = documents.check(one)
print(len(found), "jsonschema" in sys.modules, "jsonschema_rs" in sys.modules)
"""


def test_a_valid_document_imports_no_validator() -> None:
    assert run_python(PROGRAM.format(before="", text=JOB)) == "0 False False"


def test_many_valid_documents_are_decided_by_jsonschema_rs() -> None:
    before = "from kfrun.validate.schema import structure; structure._FIRST = iter(())"
    assert run_python(PROGRAM.format(before=before, text=JOB)) == "0 False True"


def test_an_invalid_document_imports_none_to_explain() -> None:
    assert run_python(PROGRAM.format(before="", text=JOB + "wrong: 1\n")) == "1 False False"


def test_a_doubtful_document_imports_both() -> None:
    text = JOB + "  trainer: {resourcesPerNode: {limits: {cpu: \uff15}}}\n"
    assert run_python(PROGRAM.format(before="", text=text)) == "1 True True"


@pytest.mark.parametrize(("text", "count"), [(JOB, 0), (JOB + "wrong: 1\n", 1)])
def test_without_the_wheel_jsonschema_decides_alone(text: str, count: int) -> None:
    before = (
        'sys.modules["jsonschema_rs"] = None; from kfrun.validate.schema import structure; structure._FIRST = iter(())'
    )
    assert run_python(PROGRAM.format(before=before, text=text)).startswith(f"{count} True")


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Service", "v1"),
        ("Deployment", "apps/v1"),
        ("CronJob", "batch/v1"),
        ("Job", "batch/v1"),
        ("Ingress", "networking.k8s.io/v1"),
        ("JobSet", "jobset.x-k8s.io/v1alpha2"),
        ("ServiceMonitor", "monitoring.coreos.com/v1"),
        ("SealedSecret", "bitnami.com/v1alpha1"),
    ],
)
def test_who_writes_a_kind_of_others_means_it(kind, version):
    problem = structure.identity_problem({"kind": kind, "apiVersion": version})
    assert "did you mean" not in problem.hint
    assert problem.hint.endswith("--skip-other-kinds passes over others")


@pytest.mark.parametrize(
    ("kind", "version", "meant"),
    [
        ("TrainJb", "trainer.kubeflow.org/v1alpha1", "TrainJob"),
        ("trainjob", "batch/v1", "TrainJob"),
        ("Secrt", "v1", "Secret"),
        ("ClusterTrainingRuntme", "acme.example.com/v1", "ClusterTrainingRuntime"),
    ],
)
def test_a_misspelt_kind_is_told_how_it_is_spelled(kind, version, meant):
    assert structure.identity_problem({"kind": kind, "apiVersion": version}).hint == f'did you mean "{meant}"?'
