from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from kfrun.__main__ import main
from tests.cli.manifests import JOB, MISSING_RUNTIME, RUNTIME, WRONG


@pytest.fixture
def validate(no_home, capsys):
    def run(*arguments, text=None, code=0, told=""):
        if text is not None:
            Path("job.yaml").write_text(text)
        assert main(["validate", *(arguments or ("-f", "job.yaml"))]) == code
        shown = capsys.readouterr()
        assert shown.err == told
        return shown.out

    return run


def test_a_valid_object_is_one_line(validate):
    assert validate(text=JOB) == "job.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n"


def test_no_state_is_written(validate, no_home):
    validate(text=JOB)
    assert not (no_home / "state").exists()


def test_several_objects_are_counted(validate):
    shown = validate(text=f"{JOB}---\n{RUNTIME}---\n{WRONG.replace('mnist', 'other')}", code=1)
    assert "job.yaml: trainingruntime.trainer.kubeflow.org/mine is valid\n" in shown
    assert shown.endswith("3 objects: 2 valid, 1 refused\n")
    assert "other is valid" not in shown


def test_an_unknown_field_is_shown_with_its_place_and_a_suggestion(validate):
    shown = validate(text=WRONG, code=1)
    assert "job.yaml:8:3" in shown
    assert "  trainr:" in shown
    assert '"trainer"' in shown


def test_a_missing_runtime_is_shown_with_near_names(validate):
    shown = validate(text=MISSING_RUNTIME, code=1)
    assert "job.yaml:7:11" in shown
    assert 'did you mean "plain-python"?' in shown


def test_findings_of_all_documents_are_shown_at_once(validate):
    shown = validate(text=f"{WRONG}---\n{MISSING_RUNTIME.replace('mnist', 'other')}", code=1)
    assert "job.yaml:8:3" in shown
    assert 'did you mean "plain-python"?' in shown


def test_what_follows_from_a_wrong_runtime_is_not_repeated(validate):
    job = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")
    shown = validate(
        "-f", "job.yaml", "-o", "json", text=f"{RUNTIME.replace('containers', 'container')}---\n{job}", code=1
    )
    data = json.loads(shown)
    assert {finding["object"]["kind"] for finding in data["findings"]} == {"TrainingRuntime"}


def test_the_packages_of_a_runtime_are_checked_with_and_without_a_job(validate):
    runtime = RUNTIME.replace("name: mine\n", "name: mine\n  annotations:\n    kfrun.dev/packages: ~/ours\n")
    job = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")
    for text in (runtime, f"{runtime}---\n{job}"):
        shown = validate(text=text, code=1)
        assert shown.count("error KF") == 1
        assert "job.yaml:6:25: error KF413" in shown
        assert "write the whole path" in shown


def test_yaml_that_cannot_be_read_is_a_finding(validate):
    assert "job.yaml:2:" in validate(text="a: b\n c: [\n", code=1)


def test_what_cannot_be_read_is_named_and_everything_else_is_checked(validate):
    Path("d").mkdir()
    Path("d/a.yaml").write_text(JOB)
    Path("d/b.yaml").write_text("a: [\n")
    Path("d/c.yaml").symlink_to("nowhere")
    Path("d/d.yaml").write_text(WRONG.replace("mnist", "other"))
    shown = validate("-f", "d", "absent.yaml", code=1)
    assert "d/a.yaml: trainjob.trainer.kubeflow.org/mnist is valid\n" in shown
    for place in ("absent.yaml:1:1", "d/b.yaml:2:1", "d/c.yaml:1:1", "d/d.yaml:8:3"):
        assert place in shown
    assert shown.endswith("2 objects: 1 valid, 1 refused; not read: 3 sources\n")
    # what was sound is remembered, and the rest told again
    assert validate("-f", "d", "absent.yaml", code=1) == shown


def test_one_sound_object_beside_what_cannot_be_read_is_told(validate):
    Path("absent.yaml").symlink_to("nowhere")
    shown = validate("job.yaml", "absent.yaml", text=JOB, code=1)
    assert shown.endswith("1 object: 1 valid, 0 refused; not read: 1 source\n")


def test_a_runtime_that_is_missing_may_be_in_what_cannot_be_read(validate):
    job = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")
    runtime = RUNTIME.replace(
        "- name: node\n                  c", "- name: node\n                  image: a:1\n                  c"
    )
    Path("runtime.yaml").write_text(runtime)
    validate("job.yaml", "runtime.yaml", text=job)
    Path("runtime.yaml").write_text(f"{runtime}  ]\n")
    shown = validate("job.yaml", "runtime.yaml", code=1)
    assert "it may be in runtime.yaml, which could not be read" in shown
    assert "is valid" not in shown


PLACEHOLDERS = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: ${JOB}
  labels: {<team>: x}
spec:
  runtimeRef:
    name: plain-python
  trainer:
    numNodes: "{{ nodes }}"
    resourcesPerNode: {limits: {cpu: $(CPU)}}
"""


def test_values_that_nobody_filled_in_are_refused_and_called_so(validate):
    data = json.loads(validate("job.yaml", "-o", "json", text=PLACEHOLDERS, code=1))
    hints = {".".join(finding["path"]): finding["hint"] for finding in data["findings"]}
    assert {path: hint.partition(" is a ")[0] for path, hint in hints.items()} == {
        "metadata.name": "${JOB}",
        "metadata.labels.<team>": "<team>",
        "spec.trainer.numNodes": "{{ nodes }}",
        "spec.trainer.resourcesPerNode.limits.cpu": "$(CPU)",
    }
    assert "envsubst" in hints["metadata.name"]
    assert "--set" in hints["spec.trainer.numNodes"]


def test_a_runtime_that_nobody_filled_in_is_called_so(validate):
    shown = validate(text=JOB.replace("plain-python", "${RUNTIME}"), code=1)
    assert "KF401" in shown
    assert "${RUNTIME} is a placeholder that nobody filled in" in shown


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_what_kfrun_rendered_itself_is_no_template_that_nobody_rendered(no_home, capsys, verb):
    Path("job.yaml").write_text(JOB.replace("mnist", "{{ name }}"))
    assert main([verb, "-f", "job.yaml", "--set", "name=A_B"]) == 1
    found = "".join(capsys.readouterr())
    assert '"A_B" is no valid name' in found
    assert "nobody rendered" not in found
    assert main([verb, "-f", "job.yaml"]) == 1
    assert "nobody rendered" in "".join(capsys.readouterr())


def test_a_chart_that_is_rendered_as_a_template_is_called_one_of_go(validate):
    text = JOB.replace("mnist", "{{ .Values.name }}")
    assert "helm template" in validate("job.yaml", "--set", "name=x", text=text, code=1)


def test_an_older_version_that_cannot_be_read_hides_no_other(validate):
    Path("old.yaml").write_text(JOB.replace("plain-python", "torch-distributed"))
    shown = validate("job.yaml", "--previous", "old.yaml", "--previous", "absent.yaml", text=JOB, code=1)
    assert "absent.yaml:1:1" in shown
    assert "KF320" in shown


def test_an_update_is_checked_beside_what_cannot_be_read(validate):
    Path("d").mkdir()
    Path("d/a.yaml").write_text(JOB)
    Path("d/c.yaml").symlink_to("nowhere")
    shown = validate("-f", "d", "--previous", "d/a.yaml", code=1)
    assert "mnist is a valid update of d/a.yaml" in shown
    assert "d/c.yaml:1:1" in shown


@pytest.mark.parametrize("form", ["json", "junit", "sarif", "tap", "github"])
def test_every_form_names_what_cannot_be_read(validate, form):
    Path("absent.yaml").symlink_to("nowhere")
    shown = validate("job.yaml", "absent.yaml", "-o", form, text=JOB, code=1)
    assert "absent.yaml is a link to nothing" in shown
    assert "a source that is not there or cannot be read" in shown or form not in ("sarif", "github")


def test_json_tells_findings_and_objects(validate):
    data = json.loads(validate("-f", "job.yaml", "-o", "json", text=f"{WRONG}---\n{RUNTIME}", code=1))
    assert (data["errors"], data["warnings"]) == (1, 0)
    assert data["findings"][0]["position"]["line"] == 8
    assert [(item["object"]["name"], item["valid"]) for item in data["objects"]] == [("mnist", False), ("mine", True)]


def test_a_namespace_on_the_command_line_must_not_contradict_the_manifest(validate):
    text = JOB.replace("name: mnist", "name: mnist\n  namespace: team-a")
    shown = validate("-f", "job.yaml", "-n", "team-b", text=text, code=1)
    assert "job.yaml:5:14" in shown
    assert "KF190" in shown
    validate("-f", "job.yaml", "-n", "team-a", text=text)


def test_a_namespace_of_the_settings_is_only_a_default(validate, monkeypatch):
    monkeypatch.setenv("KFRUN_NAMESPACE", "team-b")
    validate(text=JOB.replace("name: mnist", "name: mnist\n  namespace: team-a"))


def test_a_runtime_of_another_namespace_is_not_found(validate):
    job = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")
    assert 'namespace "team-a"' in validate(
        text=f"{RUNTIME.replace('name: mine', 'name: mine' + chr(10) + '  namespace: team-a')}---\n{job}", code=1
    )


def test_a_file_that_is_not_there_is_told(no_home, capsys):
    assert main(["validate", "-f", "nothing.yaml"]) == 1
    assert "nothing.yaml" in capsys.readouterr().err


def test_standard_input_is_read(no_home):
    ended = subprocess.run(
        [sys.executable, "-m", "kfrun", "validate", "-f", "-"], input=JOB, capture_output=True, text=True
    )
    assert ended.stdout == "<stdin>: trainjob.trainer.kubeflow.org/mnist is valid\n"
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_unknown_trainer_version_is_wrong_usage(no_home, capsys):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "-f", "job.yaml", "--trainer-version", "v9.9"]) == 2
    assert "v9.9" in capsys.readouterr().err


def test_nothing_heavy_is_imported(no_home):
    Path("job.yaml").write_text(JOB)
    code = (
        "import sys; from kfrun.__main__ import main; assert main(['validate', '-f', 'job.yaml']) == 0;"
        "heavy = {'jsonschema', 'jinja2', 'sqlite3', 'subprocess', 'asyncio', 'logging', 'importlib.metadata',"
        " 'http.client', 'ssl', 'tomllib', 'kfrun.execute.local', 'uv', 'concurrent.futures'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


# Outputs


FILES = {
    "json": "{",
    "sarif": "{",
    "junit": "<?xml",
    "tap": "TAP version 14",
    "github": "::error ",
    "text": "job.yaml:8:3",
}


@pytest.mark.parametrize("name", list(FILES))
def test_every_format_goes_to_standard_output_or_a_file(validate, name):
    shown = validate("job.yaml", "-o", name, text=WRONG, code=1)
    assert shown.startswith(FILES[name])
    assert validate("job.yaml", "-o", f"{name}=out", text=WRONG, code=1) == ""
    written = Path("out").read_text()
    # JUnit has the time of the check in it
    assert name == "junit" or written == shown
    assert written.startswith(FILES[name])


def test_several_outputs_at_once(validate):
    shown = validate("job.yaml", "-o", "sarif=f.sarif", "-o", "junit=f.xml", "-o", "text", text=WRONG, code=1)
    assert "job.yaml:8:3" in shown
    assert json.loads(Path("f.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "KF201"
    assert 'failures="1"' in Path("f.xml").read_text()


def test_codes_have_titles_in_sarif(validate):
    for text in (WRONG, MISSING_RUNTIME, "a: b\n c: [\n", JOB.replace("mnist", "Mnist")):
        data = json.loads(validate("job.yaml", "-o", "sarif", text=text, code=1))
        rules = data["runs"][0]["tool"]["driver"]["rules"]
        assert rules
        assert all(rule["shortDescription"]["text"] for rule in rules)
        assert all("How to mend it: " in rule["help"]["text"] for rule in rules)


def test_json_is_as_published(validate):
    schema = json.loads((Path(__file__).parents[3] / "schemas" / "findings-v1.json").read_text())
    for text, code in ((JOB, 0), (f"{WRONG}---\n{RUNTIME}", 1), ("a: b\n c: [\n", 1)):
        jsonschema.validate(json.loads(validate("job.yaml", "-o", "json", text=text, code=code)), schema)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-o", "json", "-o", "text"), "two outputs would go to standard output"),
        (("-o", "json=x", "-o", "tap=x"), 'two outputs would go to "x"'),
        (("-o", "xml"), '"xml" is no format'),
        (("-o", "json="), "names no file"),
        (("-o", "json=job.yaml/x"), "job.yaml/x cannot be written: File exists"),
        (("-o", "json=x", "-o", "tap=./x"), 'two outputs would go to "x"'),
        (("-o", "json=."), "it is a folder: name a file in it"),
    ],
)
def test_an_output_that_makes_no_sense_is_wrong_usage(no_home, capsys, arguments, expected):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml", *arguments]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.out == ""


def test_folders_of_an_output_are_made(no_home):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml", "-o", "junit=out/of/ci/kfrun.xml"]) == 0
    assert "<testsuite" in Path("out/of/ci/kfrun.xml").read_text()


def test_sarif_leads_to_pages_on_the_web(no_home):
    Path("job.yaml").write_text(JOB.replace("runtimeRef:", "runtimeReff:"))
    assert main(["validate", "job.yaml", "-o", "sarif=job.sarif"]) == 1
    driver = json.loads(Path("job.sarif").read_text())["runs"][0]["tool"]["driver"]
    pages = [driver["informationUri"], *(rule["helpUri"] for rule in driver["rules"])]
    assert len(pages) > 1
    assert all(page.startswith("https://") for page in pages)


def test_a_full_disk_is_no_wrong_usage(no_home, capsys):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml", "-o", "json=/dev/full"]) == 3
    assert "hint: free some space" in capsys.readouterr().err


def test_a_file_of_values_that_is_missing_is_told(no_home, capsys):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml", "--values", "x.yaml"]) == 1
    assert "x.yaml is not there" in capsys.readouterr().err


def test_no_manifest_is_wrong_usage(no_home, capsys):
    assert main(["validate"]) == 2
    assert "no manifest was named" in capsys.readouterr().err


def test_objects_of_other_kinds_are_passed_over_when_asked(validate):
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n---\non: push\n"
    validate("job.yaml", text=f"{JOB}---\n{other}", code=1)
    told = "passed over objects of other kinds: Service x, one without a kind\n"
    shown = validate("job.yaml", "--skip-other-kinds", text=f"{JOB}---\n{other}", told=told)
    assert shown.endswith("mnist is valid\n")
    misspelt = JOB.replace("kind: TrainJob", "kind: TranJob")
    assert "TranJob" in validate("job.yaml", "--skip-other-kinds", text=misspelt, code=1)


@pytest.mark.parametrize("verb", ["validate", "lint"])
@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "- hosts: all\n", "text\n", "null\n"])
def test_yaml_that_holds_no_object_is_passed_over_when_asked(no_home, capsys, verb, text):
    Path("other.yaml").write_text(text)
    Path("job.yaml").write_text(JOB)
    assert main([verb, "other.yaml"]) == 1
    assert main([verb, "--skip-other-kinds", "other.yaml"]) == 0
    assert main([verb, "--skip-other-kinds", "other.yaml", "job.yaml"]) == 0
    capsys.readouterr()
    Path("other.yaml").write_text("apiVersion: v1\nkind: List\nitems: [1]\n")
    assert main([verb, "--skip-other-kinds", "other.yaml"]) == 1
    assert "an item of a List must be an object" in capsys.readouterr().out


# What a backend says besides


ON_MINE = JOB.replace("name: plain-python", "name: mine\n    kind: TrainingRuntime")
IDLE = ON_MINE[: ON_MINE.index("  trainer:")]
LIMITED = f"{JOB}    resourcesPerNode:\n      limits: {{cpu: 1}}\n"
FLUX = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata:
  name: mine
spec:
  mlPolicy:
    numNodes: 1
    flux: {}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}
          spec:
            template:
              spec:
                containers:
                - {name: node, image: python}
"""
PREPARED = FLUX.replace("    flux: {}\n", "").replace(
    "      - name: node",
    "      - name: setup\n"
    "        template: {spec: {template: {spec: {containers: [{name: setup, image: python}]}}}}\n"
    "      - name: node",
)
UNABLE = {
    "KF420": (f"{IDLE}---\n{PREPARED}", "job.yaml:6:3"),
    "KF421": (f"{JOB}    numNodes: 20000\n", "job.yaml:10:15"),
    "KF422": (f"{IDLE}  trainer: {{numNodes: 1}}\n---\n{FLUX}", "job.yaml:18:11"),
}


@pytest.mark.parametrize("code", list(UNABLE))
def test_what_a_backend_cannot_run_is_refused_where_it_is_written(validate, code):
    text, place = UNABLE[code]
    validate(text=text)
    shown = validate("job.yaml", "--backend", "process", text=text, code=1)
    assert f"{place}: error {code}: " in shown
    assert "error KF" not in shown.replace(f"error {code}", "").replace("error KF420", "")
    assert validate("job.yaml", "--until", "rule", text=text)


def test_what_a_backend_does_not_honour_is_a_warning_where_it_is_written(validate):
    refused = validate("job.yaml", "--backend", "process", "--fail-on", "warning", text=LIMITED, code=1)
    assert "job.yaml:11:21: warning KF505: backend process does not enforce resources: CPU, memory and" in refused
    assert "containers[0].resources of its JobSet\n" in refused
    assert "11 |       limits: {cpu: 1}\n" in refused
    assert validate("job.yaml", "--fail-on", "warning", text=LIMITED).endswith("mnist is valid\n")


def test_what_a_backend_does_not_honour_is_one_line_a_job(validate):
    name = "job.yaml: trainjob.trainer.kubeflow.org"
    text = f"{LIMITED}---\n{LIMITED.replace('mnist', 'other')}    image: mine\n"
    assert validate("job.yaml", "--backend", "process", text=text).splitlines() == [
        f"{name}/mnist is valid",
        f"{name}/other is valid",
        f"{name}/mnist: not enforced by process: 1 field (resources); kfrun explain not-enforced",
        f"{name}/other: not enforced by process: 2 fields (image, resources); kfrun explain not-enforced",
        "2 objects: 2 valid, 0 refused",
    ]


def test_every_backend_speaks_for_itself(validate):
    assert "KF505" not in validate("job.yaml", "--backend", "process", text=JOB)
    shown = validate("job.yaml", "--backend", "memory", text=JOB)
    assert "not enforced by memory: 1 field (command); kfrun explain not-enforced\n" in shown


def test_lines_of_a_runtime_are_shown_and_what_it_cannot_is_told_once_for_all_its_jobs(validate):
    text = f"{ON_MINE}---\n{ON_MINE.replace('mnist', 'other')}---\n{PREPARED}"
    data = json.loads(validate("job.yaml", "--backend", "process", "-o", "json", text=text, code=1))
    (unable,) = (one for one in data["findings"] if one["code"] == "KF420")
    assert (unable["object"]["kind"], unable["object"]["name"]) == ("TrainingRuntime", "mine")
    ignored = [(one["object"]["name"], one["excerpt"].strip()) for one in data["findings"] if one["code"] == "KF505"]
    image = "- {name: node, image: python}"
    setup = "template: {spec: {template: {spec: {containers: [{name: setup, image: python}]}}}}"
    assert ignored == [(name, line) for name in ("mnist", "other") for line in (setup, image)]


@pytest.mark.parametrize("name", list(FILES))
def test_every_format_says_what_a_backend_says(validate, name):
    shown = validate("job.yaml", "--backend", "process", "-o", name, text=UNABLE["KF421"][0], code=1)
    assert "asks for 20000 pods" in shown


def test_what_was_sound_without_a_backend_is_not_sound_with_it(validate):
    said = [validate("job.yaml", *flags, text=LIMITED) for flags in ((), ("--backend", "process")) for _ in range(2)]
    assert said[0] == said[1]
    assert "not enforced" not in said[0]
    assert said[2] == said[3]
    assert "not enforced by process" in said[2]
    assert validate("job.yaml", "--backend", "process", "--no-cache", text=LIMITED) == said[2]


def test_a_backend_is_asked_about_updates_too(validate):
    Path("before.yaml").write_text(LIMITED)
    shown = validate("job.yaml", "--previous", "before.yaml", "--backend", "process", text=LIMITED)
    assert "mnist is a valid update of before.yaml" in shown
    assert "not enforced by process" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--backend", "process", "--until", "rule"), "--backend is asked at the last stage only"),
        (("--backend", "process", "--until", "schema", "--previous", "x"), "--backend is asked at the last stage only"),
        (("--backend", "docker"), "'docker' is not one of 'process', 'memory'"),
    ],
)
def test_a_backend_that_would_not_be_asked_is_wrong_usage(no_home, capsys, arguments, expected):
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml", *arguments]) == 2
    assert expected in capsys.readouterr().err


COMMANDS = {
    "one text": ("plain-python", '["python train.py"]', "KF725", "write [python, train.py]"),
    "a line of the shell": (
        "plain-python",
        '["cd x && python train.py"]',
        "KF725",
        'write [sh, -c, "cd x && python tr',
    ),
    "no launcher": ("torch-distributed", "[python, train.py, --lr, '1']", "KF724", "write [torchrun, train.py, ...]"),
}


@pytest.mark.parametrize(("runtime", "command", "code", "hint"), COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_that_can_hardly_be_meant_is_warned_of(validate, runtime, command, code, hint):
    text = f"{HEAD_OF_COMMANDS}  runtimeRef: {{name: {runtime}}}\n  trainer: {{numNodes: 2, command: {command}}}\n"
    shown = validate("job.yaml", text=text)
    assert "job.yaml:6:" in shown
    assert f"warning {code}" in shown
    assert hint in shown
    assert "mnist is valid" in shown
    ignored = text.replace("name: mnist", f"name: mnist, annotations: {{kfrun.dev/lint-ignore: {code}}}")
    assert code not in validate("job.yaml", text=ignored)
    validate("job.yaml", "--fail-on", "warning", text=text, code=1)


HEAD_OF_COMMANDS = "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mnist}\nspec:\n"


def test_quiet_says_only_what_was_found(validate):
    assert validate("-q", "job.yaml", text=JOB) == ""
    assert validate("job.yaml", "--quiet", text=WRONG, code=1) == validate("job.yaml", text=WRONG, code=1)
