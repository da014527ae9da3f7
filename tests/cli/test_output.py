"""Nothing of what others wrote reaches a terminal, a CI runner or a report as anything but text."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import kfrun
from kfrun import terminal
from kfrun.__main__ import main
from kfrun.cli import console
from kfrun.report import yamljson
from tests.cli.manifests import JOB, RUNTIME

ROOT = Path(kfrun.__file__).parent
BOOM = "x\n::error::boom\r\x1b[31mred\x9b2J\u202eback\u2028line\u2029\u2066##[error]boom ##vso[task]\x7f"
"""Breaks, commands to runners, escapes of terminals, and what reorders a line."""

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
RAW = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)

PRINTERS = {
    "kfrun/__main__.py": "the version, before anything is imported",
    "kfrun/cli/console.py": "the way out",
    "kfrun/execute/local/process/mpi/agent.py": "the launch agent of a pod, into the pod's log",
    "kfrun/execute/local/takeover.py": "a supervisor's own log",
}
"""Modules that write to standard output or standard error, and what."""


def assert_plain(text: str) -> None:
    """No character in it is obeyed, and no line."""
    assert OBEYED.search(text) is None, ascii(text)
    assert RAW.search(text) is None, ascii(text)


def writes_itself(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return name in ("print", "sys.stdout.write", "sys.stderr.write") or name.startswith(("click.echo", "click.secho"))


def test_nobody_else_prints():
    found = set()
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # a call, or the function handed on
        names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and writes_itself(node)]
        if calls or {"click.echo", "click.secho"}.intersection(names):
            found.add(str(path.relative_to(ROOT.parent)))
    # stream.write is how the way out itself writes
    assert found | {"kfrun/cli/console.py"} == PRINTERS.keys()


def test_a_line_stays_a_line_without_what_a_terminal_obeys(capsys):
    console.say(BOOM)
    console.tell(BOOM, BOOM)
    shown = capsys.readouterr()
    assert (shown.out.count("\n"), shown.err.count("\n")) == (1, 2)
    assert_plain(shown.out + shown.err)
    assert "boom" in shown.out


@pytest.mark.parametrize("text", ["::error::x\n", "a\n  ::error::x\n", "a\n\u3000::add-mask::x", "a ##[group]x"])
def test_what_is_drawn_holds_no_command(capsys, text):
    console.write(text)
    shown = capsys.readouterr().out
    assert_plain(shown)
    assert "x" in shown


def test_styles_of_our_own_are_kept_and_no_others(capsys):
    console.write("\x1b[31mred\x1b[0m \x1b[8mhidden \x1b]0;title\x07", styled=True)
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m \\x1b[8mhidden \\x1b]0;title\\x07"
    console.write("\x1b[31mred")
    assert capsys.readouterr().out == "\\x1b[31mred"


def test_logins_in_urls_are_left_out_of_whatever_is_drawn(capsys):
    console.tell("no file at https://me:hunter2@example.com/x?token=abc&a=b")
    assert capsys.readouterr().err == "no file at https://***@example.com/x?token=(sensitive)&a=b\n"


def test_json_and_yaml_say_the_same_without_anything_that_is_obeyed():
    data = {"a": BOOM, BOOM: ["::x", "b\n\n ::y\n", "\ufeff", "##[x]", "## title", "plain\nlines\n"]}
    for text, read in ((terminal.json_text(data), json.loads), (yamljson.to_yaml([data]), _yaml)):
        assert_plain(text)
        assert read(text) == data
    assert "|" in yamljson.to_yaml([data])


def _yaml(text):
    import yaml

    return yaml.safe_load(text)


ARGUMENTS = [
    ["get", "trainjob", BOOM],
    ["get", BOOM],
    ["get", f"trainjob/{BOOM}"],
    ["get", "trainjobs", "-n", BOOM],
    ["get", "trainjobs", "-l", BOOM],
    ["get", "trainjobs", "-o", BOOM],
    ["get", "trainjobs", "-o", f"jsonpath={{{BOOM}"],
    ["get", "trainjobs", "-o", f"custom-columns={BOOM}"],
    ["get", "trainjobs", "--sort-by", BOOM],
    ["get", f"--{BOOM}"],
    ["describe", BOOM],
    ["describe", "trainjob", BOOM],
    ["delete", BOOM],
    ["delete", "-f", BOOM],
    ["logs", BOOM],
    ["logs", "x", "--since", BOOM],
    ["events", BOOM],
    ["events", "--for", BOOM],
    ["wait", BOOM],
    ["wait", "x", "--for", BOOM],
    ["wait", "x", "--timeout", BOOM],
    ["suspend", BOOM],
    ["resume", BOOM],
    ["explain", BOOM],
    ["explain", f"trainjob.{BOOM}"],
    ["runtimes", "show", BOOM],
    ["run", "-f", BOOM],
    ["plan", "-f", BOOM, "-o", "json"],
    ["plan", "-f", "job.yaml", "--out", f"{BOOM}/x"],
    ["plan", "-f", "job.yaml", "--trainer-version", BOOM],
    ["plan", "-f", "job.yaml", "--set", BOOM],
    ["apply", BOOM],
    ["validate", BOOM],
    ["validate", "job.yaml", "-o", BOOM],
    ["validate", "job.yaml", "--previous-ref", BOOM],
    ["lint", "job.yaml", "--disable", BOOM],
    ["convert", "-f", BOOM],
    ["render", "-f", BOOM],
    ["env", "prune", "--unused-for", BOOM],
    ["completion", BOOM],
    [BOOM],
]


@pytest.mark.parametrize("arguments", [[part.replace("\x00", "") for part in line] for line in ARGUMENTS], ids=repr)
def test_no_argument_is_shown_raw(no_home, capfd, arguments):
    Path("job.yaml").write_text(JOB)
    main(arguments)
    shown = capfd.readouterr()
    assert_plain(shown.out + shown.err)
    assert shown.err


QUOTED = json.dumps(BOOM)
MANIFESTS = {
    "name": JOB.replace("name: mnist", f"name: {QUOTED}"),
    "name of a command": JOB.replace("name: mnist", 'name: "::error::boom"'),
    "namespace": JOB.replace("  name: mnist", f"  name: mnist\n  namespace: {QUOTED}"),
    "runtime": JOB.replace("name: plain-python", f"name: {QUOTED}"),
    "unknown field": JOB.replace("trainer:", f"{QUOTED}: 1\n  trainer:"),
    "kind": JOB.replace("kind: TrainJob", f"kind: {QUOTED}"),
    "command": JOB.replace("train.py]", f"{QUOTED}, '::error::boom']"),
    "script": JOB.replace("[python, train.py]", f'[sh, -c, "true\\n::error::boom\\n  ::error::boom", {QUOTED}]'),
    "variable": JOB + f"    env:\n    - name: {QUOTED}\n      value: {QUOTED}\n",
    "label": JOB.replace("  name: mnist", f"  name: mnist\n  labels: {{{QUOTED}: {QUOTED}}}"),
    "annotation": JOB.replace("  name: mnist", f"  name: mnist\n  annotations: {{a: {QUOTED}, b: '::error::x'}}"),
    "packages": JOB.replace("  name: mnist", f"  name: mnist\n  annotations: {{kfrun.dev/packages: {QUOTED}}}"),
    "python": JOB.replace("  name: mnist", f"  name: mnist\n  annotations: {{kfrun.dev/python: {QUOTED}}}"),
    "image": JOB + f"    image: {QUOTED}\n",
    "own runtime": f"{JOB.replace('name: plain-python', 'kind: TrainingRuntime, name: mine')}---\n"
    + RUNTIME.replace("name: node\n", f"name: {QUOTED}\n"),
    "older job": f"apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {{name: {QUOTED}}}\n"
    f"spec: {{{QUOTED}: 1, pytorchReplicaSpecs: {{Worker: {{}}}}}}\n",
    "no YAML": f"a: [{BOOM}\n",
    "tab": f"\t{BOOM}",
}
VERBS = [
    ["validate", "--no-cache"],
    ["validate", "--no-cache", "-o", "json"],
    ["validate", "--no-cache", "-o", "junit"],
    ["validate", "--no-cache", "-o", "sarif"],
    ["validate", "--no-cache", "-o", "tap"],
    ["lint"],
    ["lint", "-o", "tap"],
    ["plan"],
    ["plan", "-o", "json"],
    ["diff"],
    ["apply", "--dry-run=client"],
    ["delete"],
    ["render"],
    ["render", "--explain"],
    ["render", "--explain", "-o", "json"],
    ["convert"],
    ["convert", "-o", "json"],
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_manifest_is_shown_raw(no_home, capfd, verb):
    for name, text in MANIFESTS.items():
        Path("job.yaml").write_text(text)
        main([*verb, "-f", "job.yaml"])
        shown = capfd.readouterr()
        try:
            assert_plain(shown.out + shown.err)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        assert shown.out or shown.err


def test_reports_stay_what_they_are(no_home, capfd):
    for name, text in MANIFESTS.items():
        Path("job.yaml").write_text(text)
        for form, read in (("json", json.loads), ("sarif", json.loads), ("junit", ET.fromstring)):
            main(["validate", "--no-cache", "-o", form, "-f", "job.yaml"])
            assert read(capfd.readouterr().out) is not None, name


def test_every_workflow_command_is_our_own(no_home, capfd):
    for name, text in MANIFESTS.items():
        Path("job.yaml").write_text(text)
        for verb in ("validate", "lint"):
            main([verb, "-o", "github", "-f", "job.yaml"])
            shown = capfd.readouterr().out
            assert OBEYED.search(shown) is None, name
            lines = shown.splitlines()
            assert [line for line in lines if not line.startswith(("::error file=", "::warning file="))] == [], name


def test_no_file_name_is_shown_raw(no_home, capfd):
    for name in (BOOM.replace("/", ""), "::error::boom.yaml", "a##[error]b.yaml"):
        for text in (JOB, JOB.replace("trainer:", "trainr:"), "a: ["):
            Path(name).write_text(text)
            for verb in ("validate", "lint", "plan", "diff", "render", "convert", "delete"):
                main([verb, "-f", name])
                shown = capfd.readouterr()
                assert_plain(shown.out + shown.err)
            main(["render", "--explain", "-f", name])
            shown = capfd.readouterr()
            assert_plain(shown.out + shown.err)


def test_no_variable_of_the_environment_is_shown_raw(no_home, capfd, monkeypatch):
    for name in ("KFRUN_NAMESPACE", "KFRUN_BACKEND", "KFRUN_COLOR", "KFRUN_TRAINER_VERSION", "KFRUN_STRICT"):
        monkeypatch.setenv(name, BOOM)
        main(["plan", "-f", "job.yaml"])
        shown = capfd.readouterr()
        assert_plain(shown.out + shown.err)
        assert name in shown.err
        monkeypatch.delenv(name)
    home = no_home / BOOM.replace("/", "")
    monkeypatch.setenv("KFRUN_HOME", str(home))
    for arguments in (["config", "view"], ["config", "view", "--origin"], ["env"], ["doctor"], ["get", "trainjobs"]):
        main(arguments)
        shown = capfd.readouterr()
        assert_plain(shown.out + shown.err)


def test_what_is_stored_is_shown_plain_and_exact_as_data(home):
    from tests.observe.runs import add, condition, event, trainjob

    job = trainjob("mnist", condition("Failed", "Bad", BOOM), spec={"trainer": {"command": ["a", BOOM]}})
    job["metadata"]["annotations"] = {"a": BOOM}
    add(home.store, job, home.run_folder())
    home.store.record([event(job, "Created", BOOM)])
    for arguments in (
        ["get", "trainjobs"], ["get", "trainjobs", "-o", "wide"], ["describe", "mnist"], ["events"], ["get", "events"],
        ["get", "trainjobs", "-o", "custom-columns=A:.metadata.annotations.a,B:.spec"], ["wait", "mnist"],
        ["get", "trainjobs", "-o", "yaml"], ["get", "trainjobs", "-o", "json"], ["get", "trainjobs", "-o", "name"],
    ):  # fmt: skip
        done = home(*arguments)
        assert_plain(done.out + done.err)
    assert json.loads(home.ok("get", "trainjob", "mnist", "-o", "json"))["metadata"]["annotations"]["a"] == BOOM
    assert _yaml(home.ok("get", "trainjob", "mnist", "-o", "yaml"))["metadata"]["annotations"]["a"] == BOOM
    path = "jsonpath={.metadata.annotations.a}"
    assert home("get", "trainjob", "mnist", "-o", path).raw.decode() == BOOM


def test_a_terminal_is_shown_no_data_that_it_obeys(home):
    """The same at a terminal of its own."""
    import pty
    import subprocess
    import sys

    from tests.observe.runs import add, trainjob

    job = trainjob("mnist", spec={})
    job["metadata"]["annotations"] = {"a": BOOM}
    add(home.store, job, home.run_folder())
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kfrun", "get", "trainjob", "mnist", "-o", "jsonpath={.metadata.annotations.a}"]
    done = subprocess.run(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, timeout=60, check=False)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert OBEYED.search(shown.replace("\r\n", "\n")) is None, ascii(shown)
