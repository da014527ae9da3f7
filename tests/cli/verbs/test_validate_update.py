"""``validate --previous`` and ``--previous-ref``: objects as updates of what they were, end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kfrun.__main__ import main
from tests.cli.manifests import JOB, RUNTIME
from tests.load.git.gitrepos import commit, git, write

CASES = Path(__file__).parents[2] / "conformance" / "cases"
OLD = JOB.replace("  trainer:\n", "  trainer:\n    numNodes: 2\n")
CHANGED = OLD.replace("numNodes: 2", "numNodes: 3")
DEPRECATED = RUNTIME.replace("kind: TrainingRuntime", "kind: ClusterTrainingRuntime").replace(
    "  name: mine\n", "  name: mine\n  labels: {trainer.kubeflow.org/support: deprecated}\n", 1
)
WITHOUT_NODE = RUNTIME.replace("- name: node\n                  command", "- name: other\n                  command")


@pytest.fixture(autouse=True)
def no_settings_of_git(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def validate(no_home, capsys):
    def run(*arguments, code=0):
        assert main(["validate", *arguments]) == code
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out

    return run


@pytest.fixture
def refused(no_home, capsys):
    def run(*arguments, code):
        assert main(["validate", *arguments]) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "Traceback" not in shown.err
        return shown.err

    return run


def codes(shown: str) -> list[str]:
    return [finding["code"] for finding in json.loads(shown)["findings"]]


def test_an_immutable_field_is_refused_at_its_line_with_both_values(validate):
    write(".", {"old.yaml": OLD, "job.yaml": CHANGED})
    shown = validate("job.yaml", "--previous", "old.yaml", code=1)
    assert shown.startswith(
        "job.yaml:8:3: error KF320: field is immutable: spec.trainer.numNodes was 2, now 3 (before: old.yaml:9)\n"
    )
    assert "= help: delete the TrainJob and apply it again, or give it another name\n" in shown
    assert validate("job.yaml") == "job.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n"


def test_an_update_that_may_be_says_of_what(validate):
    write(".", {"old.yaml": OLD, "job.yaml": OLD.replace("name: mnist", "name: mnist\n  labels: {a: b}")})
    shown = validate("job.yaml", "--previous", "old.yaml")
    assert shown == "job.yaml: trainjob.trainer.kubeflow.org/mnist is a valid update of old.yaml\n"


def test_the_index_and_the_work_tree_are_compared_with_the_revision(validate):
    commit(".", {"job.yaml": OLD})
    write(".", {"job.yaml": CHANGED})
    shown = validate("-f", "job.yaml", "--previous-ref", "HEAD", code=1)
    assert "spec.trainer.numNodes was 2, now 3 (before: HEAD:job.yaml:9)" in shown
    commit(".", {}, tag="release")
    assert "is a valid update of release:job.yaml\n" in validate("job.yaml", "--previous-ref=release")
    assert "was 2, now 3" in validate("job.yaml", "--previous-ref", "HEAD~1", code=1)


def test_an_object_is_found_again_in_a_renamed_file(validate):
    commit(".", {"jobs/a.yaml": OLD, "jobs/deep/gone.yaml": OLD.replace("mnist", "gone")}, tag="old")
    git(".", "mv", "jobs/a.yaml", "jobs/deep/renamed.yaml")
    write(".", {"jobs/deep/renamed.yaml": CHANGED, "jobs/new.yaml": CHANGED.replace("mnist", "new")})
    Path("jobs/deep/gone.yaml").unlink()
    shown = validate("-R", "-f", "jobs", "--previous-ref", "old", code=1)
    assert "jobs/deep/renamed.yaml:8:3: error KF320" in shown
    assert "(before: old:jobs/a.yaml:9)" in shown
    assert "jobs/new.yaml: trainjob.trainer.kubeflow.org/new is valid\n" in shown
    assert shown.endswith("2 objects: 1 valid, 1 refused\n")


@pytest.mark.parametrize(
    "old",
    [
        OLD.replace("mnist", "other"),
        OLD.replace("name: mnist", "name: mnist\n  namespace: other"),
        OLD.replace("name: mnist", "generateName: mnist-"),
        RUNTIME.replace("mine", "mnist"),
        "kind: List\napiVersion: v1\nitems: []\n",
        "# nothing\n",
    ],
)
def test_another_object_is_no_older_version(validate, old):
    write(".", {"old.yaml": old, "job.yaml": CHANGED})
    assert validate("job.yaml", "--previous", "old.yaml").endswith("is valid\n")


def test_a_namespace_that_is_not_written_is_the_same_before_and_after(validate):
    write(".", {"old.yaml": OLD.replace("name: mnist", "name: mnist\n  namespace: team"), "job.yaml": CHANGED})
    assert "KF320" in validate("job.yaml", "-n", "team", "--previous", "old.yaml", code=1)
    assert "KF320" not in validate("job.yaml", "-n", "other", "--previous", "old.yaml")


def test_older_objects_come_from_several_files_folders_and_lists(validate):
    jobs = {name: yaml.safe_load(OLD.replace("mnist", name)) for name in ("a", "b", "c")}
    listed = {"apiVersion": "v1", "kind": "List", "items": [jobs["a"]]}
    write(
        ".",
        {
            "old/a.json": json.dumps(listed),
            "old/deep/b.yaml": yaml.safe_dump(jobs["b"]),
            "c.yaml": json.dumps(jobs["c"]),
        },
    )
    write(".", {"new.yaml": "---\n".join(CHANGED.replace("mnist", name) for name in "abc")})
    assert codes(validate("new.yaml", "--previous=old", "--previous=c.yaml", "-o", "json", code=1)) == ["KF320"] * 2
    shown = validate("-R", "new.yaml", "--previous=old", "--previous=c.yaml", "-o", "json", code=1)
    assert codes(shown) == ["KF320"] * 3


def test_of_several_older_versions_the_last_counts(validate):
    write(".", {"job.yaml": CHANGED, "old.yaml": f"{OLD}---\n{CHANGED}"})
    assert "valid update" in validate("job.yaml", "--previous", "old.yaml")


def test_older_objects_come_from_standard_input(no_home):
    write(".", {"job.yaml": CHANGED})
    command = [sys.executable, "-m", "kfrun", "validate", "job.yaml", "--previous", "-"]
    ended = subprocess.run(command, input=OLD, capture_output=True, text=True)
    assert "(before: <stdin>:9)" in ended.stdout
    assert (ended.returncode, ended.stderr) == (1, "")


def test_templates_are_rendered_before_and_after(validate):
    template = OLD.replace("numNodes: 2", "numNodes: {{ nodes }}")
    commit(".", {"job.yaml.j2": template}, tag="old")
    assert "valid update" in validate("job.yaml.j2", "--previous-ref=old", "--set", "nodes=4")
    write(".", {"job.yaml.j2": template.replace("{{ nodes }}", "{{ nodes + 1 }}")})
    for flag in ("--previous-ref=old", "--previous=old.yaml.j2"):
        write(".", {"old.yaml.j2": template})
        shown = validate("job.yaml.j2", flag, "--set", "nodes=4", code=1)
        assert "spec.trainer.numNodes was 4, now 5" in shown
        assert ".yaml.j2:9)" in shown


def test_values_from_a_pipe_serve_both_versions(no_home):
    write(".", {"job.yaml.j2": OLD.replace("2", "{{ nodes }}"), "old.yaml.j2": OLD.replace("2", "{{ nodes + 1 }}")})
    command = f"{sys.executable} -m kfrun validate job.yaml.j2 --previous old.yaml.j2 --values <(echo 'nodes: 3')"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "spec.trainer.numNodes was 4, now 3" in ended.stdout, ended.stderr


def test_what_cannot_be_read_now_is_told_alone(validate):
    write(".", {"job.yaml.j2": OLD, "wrong.yaml": "a: b\n c: [\n", "values.yaml": "- 1\n"})
    for arguments, code in ((("job.yaml.j2", "--values=values.yaml"), "KF125"), (("wrong.yaml",), "KF101")):
        shown = validate(*arguments, "--previous=job.yaml.j2", "-o", "json", code=1)
        assert set(codes(shown)) == {code}


# What an older object must not do


@pytest.mark.parametrize(
    "old",
    [
        OLD.replace("trainer:", "trainr:"),
        OLD.replace("numNodes: 2", "numNodes: two").replace("runtimeRef:", "runtimeRf:"),
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mnist}\nspec: [1]\n",
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mnist}\nspec:\n",
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mnist}\nstatus: {jobsStatus: 1}\n",
    ],
)
def test_an_older_object_that_is_invalid_is_no_finding(validate, old):
    write(".", {"old.yaml": old, "job.yaml": JOB})
    codes(validate("job.yaml", "--previous", "old.yaml", "-o", "json", code=1 if "numNodes: two" in old else 0))


@pytest.mark.parametrize(
    ("arguments", "place", "code"),
    [
        (("--previous=old.yaml",), "old.yaml", 1),
        (("--previous-ref=HEAD",), "HEAD:job.yaml", 0),  # or who mends a file would be refused for what it was
        (("--previous-ref=HEAD", "--fail-on=warning"), "HEAD:job.yaml", 1),
    ],
)
def test_an_older_file_that_cannot_be_read_is_told_at_its_place(validate, arguments, place, code):
    commit(".", {"job.yaml": "a: b\n c: [\n", "old.yaml": "a: b\n c: [\n"})
    write(".", {"job.yaml": JOB})
    data = json.loads(validate("job.yaml", *arguments, "-o", "json", code=code))
    found = data["findings"][0]
    assert (found["file"], found["line"], found["severity"]) == (place, 2, "error" if "old" in place else "warning")
    assert data["objects"][0]["object"]["name"] == "mnist"
    for name in ("sarif", "junit", "tap", "github", "text"):
        assert "KF101" in validate("job.yaml", *arguments, "-o", name, code=code)


def test_older_yaml_that_held_no_object_is_passed_over_when_asked(validate):
    commit(".", {"job.yaml": "- 1\n"})
    write(".", {"job.yaml": JOB})
    arguments = ("job.yaml", "--previous-ref=HEAD", "-o", "json")
    assert codes(validate(*arguments)) == ["KF108"]
    assert codes(validate(*arguments, "--skip-other-kinds")) == []


def test_what_is_malformed_now_is_told_without_its_consequences(validate):
    write(".", {"old.yaml": OLD, "job.yaml": CHANGED.replace("numNodes: 3", "numNodes: three")})
    assert codes(validate("job.yaml", "--previous", "old.yaml", "-o", "json", code=1)) == ["KF202"]


def test_the_values_of_secrets_are_not_told(validate):
    job = OLD + "    env:\n    - name: HF_TOKEN\n      value: {}\n"
    flag = OLD.replace("train.py]", "train.py, --url, 'https://me:{}@example.com/']")
    word = OLD.replace("train.py]", "train.py, --token={}]")
    for text in (job, flag, word):
        write(".", {"old.yaml": text.replace("{}", "hunter2"), "job.yaml": text.replace("{}", "hunter3")})
        shown = validate("job.yaml", "--previous", "old.yaml", "-o", "json", code=1)
        assert codes(shown) == ["KF320"]
        assert "hunter" not in json.loads(shown)["findings"][0]["message"]


# The webhooks on update


def test_a_runtime_is_checked_as_upstream_does_on_update(validate):
    write(".", {"runtime.yaml": DEPRECATED, "other.yaml": WITHOUT_NODE})
    assert "KF343" in validate("runtime.yaml")
    assert "KF343" not in validate("runtime.yaml", "--previous", "runtime.yaml")
    assert "KF342" in validate("other.yaml", code=1)
    validate("other.yaml", "--previous", "other.yaml")


@pytest.mark.parametrize(
    ("suspend", "status", "found"),
    [
        ("false", "", ["KF321"]),
        ("true", "", []),
        ("true", "status: {jobsStatus: [{name: node, active: 1}]}\n", ["KF322"]),
        ("true", "status: {jobsStatus: [{name: node, active: 0}]}\n", []),
    ],
)
def test_patches_change_only_where_no_pod_runs(validate, suspend, status, found):
    patch = (
        "  runtimePatches:\n  - manager: example.com/me\n    trainingRuntimeSpec:\n      template:\n        spec:\n"
        "          replicatedJobs:\n          - name: node\n            template:\n              spec:\n"
        "                template: {spec: {nodeSelector: {pool: QUEUE}}}\n"
    )
    new = f"{JOB}  suspend: {suspend}\n{patch.replace('QUEUE', 'b')}"
    write(".", {"old.yaml": f"{JOB}{patch.replace('QUEUE', 'a')}{status}", "job.yaml": new})
    shown = validate("job.yaml", "--previous", "old.yaml", "-o", "json", code=1 if found else 0)
    assert codes(shown) == found


def test_an_older_release_has_its_own_rules(validate):
    write(".", {"old.yaml": OLD, "job.yaml": CHANGED})
    assert "valid update" in validate("job.yaml", "--previous", "old.yaml", "--trainer-version", "v2.1")


@pytest.mark.parametrize(
    "case",
    sorted(path.parent.name for path in CASES.glob("*/expected.yaml") if "operation: update" in path.read_text()),
)
def test_conformance_cases_with_an_update_have_the_cluster_s_verdict(validate, case):
    documents = list(yaml.safe_load_all((CASES / case / "input.yaml").read_text()))
    answers = yaml.safe_load((CASES / case / "expected.yaml").read_text())
    assert len(documents) == len(answers)
    for index, answer in enumerate(answers):
        if answer["operation"] != "update":
            continue
        new = documents[index]
        runtimes = [item for item in documents[:index] if item["kind"] != "TrainJob"]
        needed = runtimes if new["kind"] == "TrainJob" else []
        write(".", {"new.yaml": yaml.safe_dump_all([*needed, new]), "old.yaml": yaml.safe_dump_all(documents[:index])})
        told = [*answer.get("crdErrors", []), *answer.get("webhookErrors", [])]
        errors = sorted(error.split(": ")[0] for error in told)
        data = json.loads(validate("new.yaml", "--previous=old.yaml", "-o", "json", code=1 if errors else 0))
        assert sorted(one["field"] for one in data["findings"] if one["severity"] == "error") == errors


def test_older_objects_are_those_of_the_store(kfrun):
    suspended = OLD.replace("spec:\n", "spec:\n  suspend: true\n", 1)
    write(kfrun.folder, {"job.yaml": f"{suspended}---\n{RUNTIME}"})
    kfrun.ok("apply", "-f", "job.yaml")
    assert "mnist is a valid update of the stored one\n" in kfrun.ok("validate", "job.yaml", "--previous-stored")
    write(kfrun.folder, {"job.yaml": f"{suspended.replace('numNodes: 2', 'numNodes: 3')}---\n{RUNTIME}"})
    kfrun.ok("validate", "job.yaml")
    done = kfrun("validate", "job.yaml", "--previous-stored")
    assert done.returncode == 1
    shown = done.stdout
    assert "error KF320: field is immutable: spec.trainer.numNodes was 2, now 3\n" in shown


def test_where_nothing_is_stored_everything_is_new(validate, no_home):
    write(".", {"job.yaml": JOB})
    assert validate("job.yaml", "--previous-stored") == "job.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n"
    assert not (no_home / "state").exists()


# Command lines that make no sense


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("job.yaml", "--previous=job.yaml", "--previous-ref=HEAD"), 2, "exclude each other"),
        (("job.yaml", "--previous=job.yaml", "--previous-stored"), 2, "exclude each other"),
        (("job.yaml", "--previous-stored", "--previous-ref=HEAD"), 2, "exclude each other"),
        (("job.yaml", "--previous=job.yaml", "--until=schema"), 2, "--until goes with new objects only"),
        (("-", "--previous=-"), 2, "stdin (-) can be read once only"),
        (("-", "--previous-ref=HEAD"), 2, "git knows no older version of stdin"),
        (("job.yaml", "--previous-ref=--output=x"), 2, "'--output=x' is no git revision"),
        (("job.yaml", "--previous-ref="), 2, "'' is no git revision"),
        (("job.yaml", "--previous-ref=nope"), 1, 'has no revision "nope"'),
        (("job.yaml", "--previous=none.yaml"), 1, "no such file or folder: none.yaml"),
        (("none.yaml", "--previous-ref=HEAD"), 1, "no such file or folder: none.yaml"),
    ],
)
def test_what_cannot_be_compared_is_said(refused, arguments, code, expected):
    commit(".", {"job.yaml": JOB})
    assert expected in refused(*arguments, code=code)


def test_outside_a_repository_there_is_no_revision(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    write(".", {"job.yaml": JOB})
    assert "job.yaml lies in no git repository" in refused("job.yaml", "--previous-ref=HEAD", code=2)


def test_without_git_the_way_out_is_told(refused, monkeypatch):
    write(".", {"job.yaml": JOB})
    monkeypatch.setenv("PATH", "/nowhere")
    shown = refused("job.yaml", "--previous-ref=HEAD", code=3)
    assert "git is not installed" in shown
    assert "--previous" in shown


def test_nothing_is_imported_for_flags_that_are_not_given(no_home):
    write(".", {"job.yaml": JOB})
    code = (
        "import sys; from kfrun.__main__ import main; assert main(['validate', *sys.argv[1:]]) == 0;"
        "print(sorted(name for name in sys.modules if name == 'subprocess' or name.endswith(('.previous', '.update',"
        " '.revisions', '.repository'))))"
    )
    for arguments, loaded in (
        ((), "[]"),
        (("--previous=job.yaml",), "['kfrun.flow.checker.previous', 'kfrun.validate.rules.update']"),
    ):
        ended = subprocess.run([sys.executable, "-c", code, "job.yaml", *arguments], capture_output=True, text=True)
        assert ended.stdout.splitlines()[-1] == loaded, ended.stderr
