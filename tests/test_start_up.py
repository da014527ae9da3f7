"""What a command imports is what it costs: each fast verb loads only what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
JOB = ROOT / "examples" / "failing" / "job.yaml"
PACKAGED_JOB = ROOT / "examples" / "quickstart" / "job.yaml"

NEVER = {
    "asyncio", "concurrent.futures", "dataclasses", "docker", "http.client", "http.server", "importlib.metadata",
    "jinja2", "jsonschema", "kubernetes", "logging", "multiprocessing", "numpy", "referencing", "requests", "ssl",
    "tomllib", "typing_extensions", "unittest", "urllib.request", "wcwidth", "xml", "zoneinfo",
}  # fmt: skip
"""No command that reads good manifests or the store needs these: engines, networks and the slow validator."""

HELLO = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: hello
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python, -c, "print('hello')"]
"""

CODE = """
import json, sys
before = set(sys.modules)
from kfrun.__main__ import main
code = main(sys.argv[1:])
sys.stdout.flush()
modules = sorted(set(sys.modules) - before)
import typing
ours = [name for name in modules if name.startswith("kfrun.")]
slow = [name for name in ours if getattr(sys.modules[name], "NamedTuple", None) is typing.NamedTuple]
print(json.dumps({"code": code, "modules": modules, "slow": slow}), file=sys.stderr)
"""

COMMANDS = {
    "version": (["--version"], 8, {"click", "json", "kfrun.cli"}),
    "help": (["--help"], 90, {"yaml", "jsonschema_rs", "sqlite3", "packaging", "kfrun.load", "kfrun.execute"}),
    "help of a verb": (
        ["run", "--help"],
        150,
        {"yaml", "jsonschema_rs", "sqlite3", "packaging", "kfrun.execute.local"},
    ),
    "validate": (["validate", "-f", str(JOB)], 160, {"sqlite3", "packaging", "kfrun.execute.local", "subprocess"}),
    "plan": (["plan", "-f", str(JOB)], 219, {"sqlite3", "packaging", "subprocess"}),
    "render": (["render", "-f", str(JOB)], 195, {"sqlite3", "packaging", "kfrun.execute.local", "subprocess"}),
    "get": (["get", "trainjobs"], 120, {"yaml", "jsonschema_rs", "packaging", "kfrun.load", "kfrun.resolve"}),
}
"""Command line, the most modules that it may load beside those of a bare interpreter, and what it has no use for."""


def loaded(arguments: list[str], home: Path) -> dict:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KFRUN_", "PYTHON", "COV"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**environ, "KFRUN_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_only_what_it_needs(name, tmp_path):
    arguments, most, useless = COMMANDS[name]
    found = loaded(arguments, tmp_path)
    assert found["code"] in (0, None)
    modules = set(found["modules"])
    assert modules & (NEVER | useless) == set()
    assert found["slow"] == []
    assert len(modules) <= most, sorted(modules)


def test_what_runs_and_shows_jobs_loads_no_dataclasses(tmp_path):
    manifest = tmp_path / "job.yaml"
    manifest.write_text(HELLO)
    script = tmp_path / "train.py"
    script.write_text("import argparse\n")
    for arguments in (
        ["run", "-f", str(manifest)], ["run", str(script)], ["apply", "-f", str(manifest)], ["get", "trainjobs"],
        ["get", "trainjob", "hello"], ["logs", "hello"], ["describe", "trainjob", "hello"],
        ["wait", "trainjob", "hello", "--timeout", "60s"],
    ):  # fmt: skip
        found = loaded(arguments, tmp_path)
        assert found["code"] in (0, None), arguments
        assert set(found["modules"]) & NEVER == set(), arguments
        assert found["slow"] == [], arguments


def test_packages_are_read_without_the_packaging_library_where_the_requirement_is_plain(tmp_path):
    assert "packaging" not in loaded(["plan", "-f", str(PACKAGED_JOB)], tmp_path)["modules"]


def test_a_requirements_file_is_read_without_what_only_other_requirements_take(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy>=2  # numbers\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("six==1.17.0\n")
    manifest = tmp_path / "job.yaml"
    annotation = "  annotations: {kfrun.dev/requirements: requirements.txt}\n"
    manifest.write_text(HELLO.replace("  name: hello\n", f"  name: hello\n{annotation}"))
    for verb in ("validate", "plan"):
        modules = set(loaded([verb, "-f", str(manifest)], tmp_path)["modules"])
        assert modules & (NEVER | {"packaging", "pathlib", "shlex"}) == set(), verb


@pytest.mark.parametrize("named", [[], ["-f"]])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_plain_validate_loads_no_click_and_of_yaml_only_its_events(named, wrong, tmp_path):
    manifest = tmp_path / "job.yaml"
    manifest.write_text(JOB.read_text().replace("numNodes: 2", "numNodes: two" if wrong else "numNodes: 2"))
    found = loaded(["validate", *named, str(manifest)], tmp_path)
    assert found["code"] == int(wrong)
    # each class that the standard library's NamedTuple defines takes 60 us longer: kfrun.model.values has another
    assert found["slow"] == []
    modules = set(found["modules"])
    assert modules & {"click", "dataclasses", "inspect", "gettext", "jsonschema", "jsonschema_rs", "uuid"} == set()
    assert {name for name in modules if name.startswith("yaml.")} == {
        "yaml._yaml", "yaml.error", "yaml.events", "yaml.nodes", "yaml.tokens",
    }  # fmt: skip


def test_the_reference_validator_is_loaded_only_in_doubt(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(JOB.read_text() + "    resourcesPerNode: {limits: {cpu: \uff15}}\n", encoding="utf-8")
    found = loaded(["validate", "-f", str(wrong)], tmp_path)
    assert found["code"] == 1
    assert "jsonschema" in found["modules"]
