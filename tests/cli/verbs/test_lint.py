from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from kfrun.__main__ import main
from tests.cli.manifests import JOB, RUNTIME, WRONG

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "findings-v1.json").read_text())
LATEST = JOB + "    image: example.com/mnist:latest\n    resourcesPerNode: {limits: {cpu: '1'}}\n"
OWN = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")


@pytest.fixture
def lint(no_home, capsys):
    def run(*arguments, text=LATEST, code=0):
        Path("job.yaml").write_text(text)
        assert main(["lint", "job.yaml", *arguments]) == code
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out

    return run


@pytest.fixture
def refused(no_home, capsys):
    def run(*arguments, text=LATEST):
        Path("job.yaml").write_text(text)
        assert main(["lint", "job.yaml", *arguments]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        return shown.err

    return run


def codes(shown: str) -> list[str]:
    return [one["code"] for one in json.loads(shown)["findings"]]


def test_a_moving_tag_is_shown_with_its_place_and_a_way_out(lint):
    shown = lint()
    assert "job.yaml:10:12: warning KF701" in shown
    assert "  = help: name a version" in shown
    assert shown.endswith("1 warning\n")


def test_what_is_sound_is_said_in_a_line(lint):
    assert lint(text=LATEST.replace(":latest", ":1.2")) == "1 object: nothing found\n"


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--fail-on", "error"), 0), (("--fail-on", "warning"), 1)])
def test_warnings_refuse_only_when_asked(lint, arguments, code):
    lint(*arguments, code=code)


def test_the_runtime_is_found_in_the_input_and_among_those_shipped(lint):
    text = JOB + "    image: example.com/mnist:1\n"
    assert codes(lint("-o", "json", text=text)) == ["KF703"]
    with_resources = "- name: node\n                  resources: {limits: {cpu: 1}}\n                  command"
    resources = RUNTIME.replace("- name: node\n                  command", with_resources)
    assert codes(lint("-o", "json", text=f"{OWN}---\n{resources}")) == ["KF711"]


UNLABELLED = RUNTIME.replace(
    """          metadata:
            labels:
              trainer.kubeflow.org/trainjob-ancestor-step: trainer
""",
    "",
).replace("  name: mine\n", "  name: mine\n  labels: {trainer.kubeflow.org/framework: torch}\n")
IGNORED = OWN.replace("trainer:", "activeDeadlineSeconds: 9\n  trainer:\n    numNodes: 3")


def test_settings_that_reach_no_container_are_named(lint):
    shown = lint(text=f"{UNLABELLED}---\n{IGNORED}")
    for field in ("numNodes", "command"):
        assert f"warning KF722: {field} reaches no container: no Job template of runtime" in shown
        assert f"spec.trainer.{field}" in shown
    assert "3 nodes" not in shown


def test_a_runtime_that_takes_the_settings_is_spoken_of_with_its_nodes(lint):
    shown = lint(text=f"{RUNTIME.replace('  name: mine', '  name: mine', 1)}---\n{IGNORED}")
    assert "KF722" not in shown
    assert "3 nodes and no volume" in shown


def test_what_reaches_no_container_can_be_let_pass(lint):
    ignored = IGNORED.replace("numNodes: 3", "numNodes: 3  # kfrun: ignore KF722")
    shown = lint("-o", "json", text=f"{UNLABELLED}---\n{ignored}")
    fields = [one["field"] for one in json.loads(shown)["findings"] if one["code"] == "KF722"]
    assert fields == ["spec.trainer.command"]


def test_json_is_as_published(lint):
    data = json.loads(lint("-o", "json"))
    jsonschema.validate(data, SCHEMA)
    (one,) = data["findings"]
    assert (one["code"], one["severity"], one["stage"], one["field"]) == (
        "KF701",
        "warning",
        "lint",
        "spec.trainer.image",
    )
    assert (one["file"], one["line"], one["column"]) == ("job.yaml", 10, 12)
    assert [item["valid"] for item in data["objects"]] == [True]
    assert [item["valid"] for item in json.loads(lint("-o", "json", "--fail-on", "warning", code=1))["objects"]] == [
        False
    ]


def test_what_cannot_be_read_is_refused(lint):
    shown = lint("-o", "github", text="a: b\n c: [\n", code=1)
    assert shown.startswith("::error file=job.yaml,line=2,")


def test_structure_is_left_to_validate(lint):
    assert codes(lint("-o", "json", text=WRONG)) == ["KF703"]


# Switches


def test_a_comment_and_an_annotation_switch_policies_off(lint):
    assert codes(lint("-o", "json", text=LATEST.replace(":latest", ":latest # kfrun: ignore KF701"))) == []
    text = LATEST.replace("  name: mnist", "  annotations: {kfrun.dev/lint-ignore: KF701}\n  name: mnist")
    assert codes(lint("-o", "json", text=text)) == []
    assert main(["validate", "job.yaml"]) == 0


def test_flags_win_over_the_project(lint):
    Path("kfrun.toml").write_text('[lint]\ndisable = ["KF701"]\n')
    assert codes(lint("-o", "json")) == []
    assert codes(lint("-o", "json", "--enable", "KF701")) == ["KF701"]
    Path("kfrun.toml").write_text('[lint]\nenable = ["KF701"]\n')
    assert codes(lint("-o", "json", "--disable", "KF701")) == []
    assert codes(lint("-o", "json", "--disable", "all")) == []
    assert codes(lint("-o", "json", "--disable", "all", "--enable", "KF701")) == ["KF701"]


def test_the_project_wins_over_the_user(lint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "kfrun").mkdir(parents=True)
    (tmp_path / "config" / "kfrun" / "config.toml").write_text(
        '[lint]\ndisable = ["KF701"]\nrequired_labels = ["team"]\n'
    )
    assert codes(lint("-o", "json")) == ["KF717"]
    Path("kfrun.toml").write_text('[lint]\nenable = ["KF701"]\nrequired_labels = []\n')
    assert codes(lint("-o", "json")) == ["KF701"]


def test_severities_labels_and_registries_are_the_teams(lint):
    Path("kfrun.toml").write_text(
        '[lint]\nrequired_labels = ["team"]\nregistries = ["ghcr.io/"]\n[lint.severity]\nKF718 = "error"\n'
    )
    found = json.loads(lint("-o", "json", code=1))["findings"]
    assert {(one["code"], one["severity"]) for one in found} == {
        ("KF701", "warning"),
        ("KF717", "warning"),
        ("KF718", "error"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lint = 1\n", "expected a table"),
        ("[lint]\nenabled = []\n", "known keys: enable"),
        ('[lint]\nenable = "KF701"\n', "expected a list"),
        ('[lint]\nenable = ["KF999"]\n', '"KF999" is no lint policy'),
        ("[lint]\nseverity = 1\n", "expected a table such as"),
        ('[lint.severity]\nKF701 = "fatal"\n', "expected error or warning"),
        ('[lint.severity]\nKF999 = "error"\n', '"KF999" is no lint policy'),
    ],
)
def test_a_wrong_table_is_wrong_usage(refused, text, expected):
    Path("kfrun.toml").write_text(text)
    assert expected in refused()


def test_other_verbs_pass_over_the_table(lint, capsys):
    Path("kfrun.toml").write_text('[lint]\ndisable = ["KF701"]\n')
    Path("job.yaml").write_text(JOB)
    assert main(["validate", "job.yaml"]) == 0


@pytest.mark.parametrize("flag", ["--enable", "--disable"])
def test_an_unknown_code_is_wrong_usage(refused, flag):
    assert '"KF201" is no lint policy' in refused(flag, "KF201")


def test_nothing_heavy_is_imported(no_home):
    Path("job.yaml").write_text(LATEST)
    code = (
        "import sys; from kfrun.__main__ import main; assert main(['lint', 'job.yaml']) == 0;"
        "heavy = {'jsonschema', 'jsonschema_rs', 'jinja2', 'sqlite3', 'subprocess', 'asyncio', 'logging', 'packaging',"
        " 'http.client', 'ssl', 'tomllib', 'kfrun.execute.local', 'xml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "[]", ended.stderr


def test_what_cannot_be_read_hides_nothing_else(lint):
    Path("absent.yaml").symlink_to("nowhere")
    Path("broken.yaml").write_text("a: [\n")
    shown = lint("absent.yaml", "broken.yaml", code=1)
    assert "absent.yaml:1:1" in shown
    assert "broken.yaml:2:1" in shown
    assert "KF701" in shown


def test_policies_are_listed_with_who_switched_them(no_home, capsys):
    Path("kfrun.toml").write_text('[lint]\ndisable = ["KF703"]\nseverity = { KF701 = "error" }\n')
    assert main(["lint", "--list", "--enable", "KF704", "--disable", "KF705", "-o", "json"]) == 0
    listed = {one["code"]: one for one in json.loads(capsys.readouterr().out)["policies"]}
    toml = str(Path.cwd() / "kfrun.toml")
    assert [(listed[code]["on"], listed[code]["severity"], listed[code]["from"]) for code in ("KF701", "KF702")] == [
        (True, "error", toml),
        (True, "warning", "default"),
    ]
    assert [(listed[code]["on"], listed[code]["from"]) for code in ("KF703", "KF704", "KF705")] == [
        (False, toml),
        (True, "--enable"),
        (False, "--disable"),
    ]
    assert main(["lint", "--list", "--disable", "all"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["CODE", "STATE", "SEVERITY", "FROM", "FINDS"]
    assert {row.split()[1] for row in rows} == {"off"}
    assert [row.split()[0] for row in rows] == list(listed)


@pytest.mark.parametrize("output", ["sarif", "json=out.json"])
def test_a_list_is_no_report(no_home, capsys, output):
    assert main(["lint", "--list", "-o", output]) == 2
    assert "--list is a table" in capsys.readouterr().err


def test_quiet_says_only_what_was_found(lint):
    assert lint("-q", text=LATEST.replace(":latest", ":1.2")) == ""
    assert "KF701" in lint("--quiet")
