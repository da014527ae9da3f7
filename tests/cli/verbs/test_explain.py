from __future__ import annotations

import json
import re

import pytest

from kfrun.__main__ import main
from kfrun.load import kubeyaml
from kfrun.model import kinds
from kfrun.report.explain import Code
from kfrun.validate.rules import cel
from kfrun.validate.schema import schemas, structure


@pytest.fixture
def explain(no_home, capsys):
    def run(*arguments, code=0):
        assert main(["explain", *arguments]) == code
        return capsys.readouterr()

    return run


def test_a_field_is_told_with_type_bounds_release_and_example(explain):
    shown = explain("trainjob.spec.trainer.env").out
    for line in (
        "FIELD:       spec.trainer.env[] <[]EnvVar>",
        "ALLOWED:     at most 128 items",
        "             items differ in name",
        "SINCE:       v2.0",
        "Environment variables, merged by name over the runtime's.",
        "        - name: LR",
        "  name <string> -required-",
    ):
        assert line in shown


def test_defaults_and_allowed_values_are_told(explain):
    shown = explain("clustertrainingruntime.spec.mlPolicy.mpi.mpiImplementation").out
    assert 'DEFAULT:     "OpenMPI"' in shown
    assert 'ALLOWED:     one of "OpenMPI", ""' in shown


@pytest.mark.parametrize(
    ("arguments", "clause"),
    [
        (("tj.spec.managedBy",), "one of trainer.kubeflow.org/trainjob-controller, kueue.x-k8s.io/multikueue"),
        (("ctr.spec.mlPolicy",), "only one of torch, mpi, jax, xgboost, flux"),
        (("trainingruntime.spec.mlPolicy.flux.numProcPerNode",), "at least 1"),
        (("trainjob.spec.trainer.numProcPerNode", "--trainer-version", "head"), "at least 1"),
    ],
)
def test_what_rules_ask_of_a_field_is_told(explain, arguments, clause):
    assert clause in json.loads(explain(*arguments, "-o", "json").out)["constraints"]


def test_a_rule_of_a_newer_release_is_not_told(explain):
    assert json.loads(explain("trainjob.spec.trainer.numProcPerNode", "-o", "json").out)["constraints"] == []


@pytest.mark.parametrize(("kind", "path"), cel._STATED)
def test_rules_speak_of_fields_that_there_are(explain, kind, path):
    kind = kind.replace("runtime", "trainingruntime")
    assert json.loads(explain(f"{kind}.{path}", "-o", "json").out)["path"] == path


def test_a_code_that_is_cut_short_suggests_what_it_begins(explain):
    assert "near it: KF201, KF202," in explain("KF20", code=1).err


@pytest.mark.parametrize(
    "path", ["trainjob.spec.trainer.env.name", "TrainJob.spec.trainer.env[].name", "trainjobs.spec.trainer.env[2].name"]
)
def test_lists_may_be_written_in_any_way(explain, path):
    assert "FIELD:       spec.trainer.env[].name <string>\nREQUIRED:    yes\n" in explain(path).out


def test_a_kind_lists_its_fields(explain):
    shown = explain("trainingruntime").out
    assert shown.startswith("KIND:        TrainingRuntime\n")
    assert "  spec <TrainingRuntimeSpec>" in shown


def test_recursive_shows_what_lies_below(explain):
    shown = explain("trainjob.spec.runtimePatches", "--recursive").out
    assert re.search(r"\n {10,}schedulingGates <\[\]PodSchedulingGate>\n", shown)
    assert "schedulingGates" not in explain("trainjob.spec.runtimePatches").out


WITHIN = {
    "JobSet": ("spec.template", ("jobset", "jobsets", "js", "jobsets.jobset.x-k8s.io", "JobSet")),
    "Job": ("spec.template.spec.replicatedJobs[].template", ("job", "jobs", "jobs.batch", "job.v1.batch")),
    "Pod": ("spec.template.spec.replicatedJobs[].template.spec.template", ("pod", "pods", "po", "PO")),
}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, (_, words) in WITHIN.items() for word in words])
def test_what_a_runtime_holds_is_explained_by_its_own_kind(explain, kind, word):
    place = WITHIN[kind][0]
    shown = explain(word).out
    assert shown.startswith(f"KIND:        {kind}\nIN RUNTIMES: {place}\n")
    assert "  spec <" in shown
    assert f"FIELD:       spec <{kind}Spec>" in explain(f"{word}.spec").out


def test_a_field_of_a_pod_is_that_of_the_template_of_a_runtime(explain):
    inner = json.loads(explain("pod.spec.containers[0].env", "-o", "json").out)
    path = f"clustertrainingruntime.{WITHIN['Pod'][0]}.spec.containers.env"
    outer = json.loads(explain(path, "-o", "json").out)
    assert (inner["kind"], inner["path"]) == ("Pod", "spec.containers[].env[]")
    assert inner.pop("within") == f"clustertrainingruntime.{outer['path']}"
    assert inner["fields"][0]["path"] == "spec.containers[].env[].name"
    for one in (inner, outer):
        del one["kind"], one["path"], one["fields"]
    assert inner == outer


def test_the_fields_below_are_told_and_other_releases_too(explain):
    assert re.search(r"\n +containers <\[\]Container> -required-\n", explain("job.spec", "--recursive").out)
    assert "IN RUNTIMES: spec.template\n" in explain("js", "--trainer-version", "v2.0").out


def test_a_runtime_is_one_of_the_cluster_where_nothing_else_is_said(explain):
    assert explain("runtime").out == explain("clustertrainingruntime").out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("po", "pod"),
        ("job", "job"),
        ("pod.spec.hostN", "pod.spec.hostNetwork"),
        ("js.spec.repl", "js.spec.replicatedJobs"),
    ],
)
def test_kinds_within_runtimes_are_completed(no_home, monkeypatch, capsys, line, offered):
    monkeypatch.setenv("_KFRUN_COMPLETE", f"kfrun explain {line}")
    main([])
    assert offered in [row.partition("\t")[2] for row in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("trainjob.spec.trainr", ['trainjob.spec has no field "trainr"', 'did you mean "trainer"?', "runtimeRef"]),
        ("trainjob.spec.podSpecOverrides", ["runtimePatches in v2.2"]),
        ("trainjob.spec.suspend.deeper", ['trainjob.spec.suspend has no field "deeper"', "has no fields"]),
        ("trainjbo.spec", ['there is no kind "trainjbo"', 'did you mean "TrainJob"?']),
        ("pod.spec.contaners", ['pod.spec has no field "contaners"', 'did you mean "containers"?']),
        ("job.status", ['job has no field "status"', "fields of job: metadata, spec"]),
        ("pod.spec.hostNetwork.x", ["pod.spec.hostNetwork has no fields"]),
        ("podd", ['there is no kind "podd"', "pod"]),
        ("KF999", ["there is no code KF999"]),
    ],
)
def test_what_is_unknown_gets_a_suggestion(explain, path, words):
    shown = explain(path, code=1)
    assert shown.out == ""
    assert [word for word in words if word not in shown.err] == []


def test_another_release_has_other_fields(explain):
    shown = explain("trainjob.spec.podSpecOverrides", "--trainer-version", "v2.0").out
    assert "SINCE:       v2.0, until v2.0" in shown
    assert (
        'DEFAULT:     "auto"'
        in explain("clustertrainingruntime.spec.mlPolicy.torch.numProcPerNode", "--trainer-version", "v2.1").out
    )


def test_a_code_is_told_with_cause_and_remedy(explain):
    shown = explain("kf203").out
    assert shown.startswith("KF203: a required field is missing\nfound by: validate")
    titles = ["WHY IT IS A PROBLEM", "TYPICAL CAUSE", "HOW TO MEND IT", "WRONG", "RIGHT", "MORE"]
    assert [title for title in titles if f"\n\n{title}:\n    " not in shown] == []


def test_json_has_a_format_version(explain):
    field = json.loads(explain("trainjob.spec.trainer.numNodes", "-o", "json").out)
    assert (field["formatVersion"], field["type"], field["since"]) == (1, "integer", "v2.0")
    assert field["example"] == {"spec": {"trainer": {"numNodes": 2}}}
    code = json.loads(explain("KF203", "-o", "json").out)
    assert (code["formatVersion"], code["meaning"]) == (1, "a required field is missing")
    assert set(code) == {"formatVersion", *Code._fields}
    assert "" not in code.values()
    assert json.loads(explain("-o", "json").out)["codes"]["KF101"] == "the text is not YAML"


def paths(kind: str, depth: int = 3) -> list[str]:
    root = schemas.schema(schemas.DEFAULT_VERSION, kind)
    found, level = [], [("", root)]
    for _ in range(depth):
        below = []
        for text, outer in level:
            node = schemas.follow(root, outer["items"]) if outer.get("type") == "array" else outer
            for name, child in node.get("properties", {}).items():
                below.append((f"{text}.{name}", schemas.follow(root, child)))
        found += [text for text, _ in below]
        level = below
    return [f"{kind.lower()}{text}" for text in found if not text.startswith((".status", ".metadata."))]


@pytest.mark.parametrize("kind", kinds.TRAINER_KINDS)
def test_every_example_is_what_the_schema_allows(explain, kind):
    for path in paths(kind):
        example = json.loads(explain(path, "-o", "json").out)["example"]
        data = {"apiVersion": kinds.API_VERSION, "kind": kind, "metadata": {"name": "mnist"}, **example}
        if kind == "TrainJob":
            data["spec"] = {"runtimeRef": {"name": "torch-distributed"}, **data.get("spec", {})}
        (read,), _ = kubeyaml.parse(json.dumps(data), "example.json")
        wrong = [one for one in structure.check(read) if one.code != "KF203"]
        assert wrong == [], path


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("tra", {"trainjob", "trainingruntime"}),
        ("trainjob.spec.tr", {"trainjob.spec.trainer"}),
        ("trainjob.spec.trainer.env.va", {"trainjob.spec.trainer.env.value", "trainjob.spec.trainer.env.valueFrom"}),
        ("trainjob.nothing.x", set()),
        ("KF20", {f"KF20{number}" for number in range(1, 10)}),
    ],
)
def test_shells_complete_paths_and_codes(no_home, monkeypatch, capsys, begun, expected):
    monkeypatch.setenv("_KFRUN_COMPLETE", f"kfrun explain {begun}")
    assert main([]) == 0
    assert set(re.findall(r"^plain\t([^\t\n]+)", capsys.readouterr().out, re.MULTILINE)) == expected


LIMITED = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python]
    resourcesPerNode:
      limits: {cpu: 1}
"""


def test_what_every_backend_does_not_honour_is_told_with_the_reason(explain):
    shown = explain("not-enforced").out
    assert "NOT ENFORCED BY process:\n" in shown
    assert "  a process gets no terminal and no input:\n      Container: stdin, stdinOnce, tty\n" in shown
    assert "  jobs of the ML policy flux cannot run as local processes" in shown
    assert "NOT ENFORCED BY memory:\n" in shown
    assert "NOT ENFORCED BY process" not in explain("not-enforced", "--backend", "memory").out


def test_the_matrix_as_data_has_every_field_and_backend(explain):
    fields = json.loads(explain("not-enforced", "-o", "json").out)["fields"]
    found = {(row["type"], row["field"]): row for row in fields}
    assert found["Container", "command"] == {
        "type": "Container", "field": "command", "process": "yes", "memory": "no: containers do not really run",
    }  # fmt: skip
    assert found["Container", "imagePullPolicy"]["process"] == "no effect"
    assert found["SecurityContext", "runAsUser"]["process"].startswith("yes as root, else no: ")


def test_what_is_not_honoured_of_a_manifest_is_told_where_it_is_written(explain, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(LIMITED)
    shown = explain("not-enforced", "-f", str(path)).out
    assert f"{path}:11:21: warning KF505: backend process does not enforce resources: CPU, memory and " in shown
    assert shown.endswith("1 warning\n")
    shown = explain("not-enforced", "-f", str(path), "--backend", "memory").out
    assert shown.endswith("2 warnings\n")
    assert json.loads(explain("not-enforced", "-f", str(path), "-o", "json").out)["warnings"] == 1
    path.write_text(LIMITED.partition("    resources")[0])
    assert explain("not-enforced", "-f", str(path)).out == f"{path}: nothing that process does not honour\n"


def test_a_manifest_that_is_refused_and_flags_for_another_topic_are_said(explain, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(LIMITED.replace("limits", "limit"))
    assert "KF201" in explain("not-enforced", "-f", str(path), code=1).err
    assert "-f and --backend go with not-enforced" in explain("trainjob", "-f", str(path), code=2).err
