"""What CI systems are given: their files are read, and the command lines in them are run as these systems would."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text())
GOOD = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: plain-python
  trainer:
    image: example.com/mnist:1.2
    resourcesPerNode: {limits: {cpu: "1"}}
    command: [python, train.py]
"""
LATEST = GOOD.replace(":1.2", ":latest")
WRONG = GOOD.replace("trainer:\n", "trainr:\n")
WORKFLOW = "on: push\njobs: {}\n"


@pytest.fixture
def project(tmp_path):
    """A project with manifests and YAML of others."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    (tmp_path / "manifests" / "job.yaml").write_text(GOOD)
    return tmp_path


def shell(project: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line as CI does: bash, stopping at the first failure, kfrun on the PATH."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KFRUN_HOME": str(project / ".home"),
        "HOME": str(project),
        **variables,
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=project, env=environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


# pre-commit


def hook(name: str) -> dict:
    (found,) = [one for one in HOOKS if one["id"] == name]
    return found


def commit(project: Path, name: str) -> subprocess.CompletedProcess[str]:
    files = [str(path.relative_to(project)) for path in sorted(project.rglob("*.yaml"))]
    return shell(project, f"{hook(name)['entry']} {shlex.join(files)}")


@pytest.mark.parametrize("one", HOOKS, ids=[one["id"] for one in HOOKS])
def test_hooks_have_what_pre_commit_asks_for(one):
    assert {"id", "name", "entry", "language"} <= set(one)
    assert one["language"] == "python", "pre-commit installs the repository with pip"
    assert one["types"] == ["yaml"]
    assert one["require_serial"] is True


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("kfrun-validate", GOOD, 0),
        ("kfrun-validate", LATEST, 0),
        ("kfrun-validate", WRONG, 1),
        ("kfrun-lint", GOOD, 0),
        ("kfrun-lint", LATEST, 1),
    ],
)
def test_a_hook_judges_what_is_committed(project, name, text, code):
    (project / "manifests" / "job.yaml").write_text(text)
    done = commit(project, name)
    assert (done.returncode, done.stderr) == (code, "")
    assert "workflow.yaml" not in done.stdout


# GitHub


def steps() -> dict[str, dict]:
    return {step["name"]: step for step in ACTION["runs"]["steps"]}


def act(project: Path, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action with these inputs; the others have their defaults."""
    values = {key: one["default"] for key, one in ACTION["inputs"].items()} | inputs
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], text)
        for key, text in steps()[name]["env"].items()
    }
    assert "${{" not in "".join(variables.values())
    return shell(project, steps()[name]["run"], **variables)


def test_no_input_can_be_a_command():
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]


@pytest.mark.parametrize(
    ("step", "text", "inputs", "code", "expected"),
    [
        ("Validate", GOOD, {}, 0, ""),
        ("Validate", WRONG, {}, 1, "::error file=manifests/job.yaml,line=8,col=3,"),
        ("Validate", WRONG, {"files": "manifests"}, 1, "::error file=manifests/job.yaml,line=8,"),
        ("Lint", GOOD, {}, 0, ""),
        ("Lint", LATEST, {}, 0, "::warning file=manifests/job.yaml,line=9,col=12,title=KF701"),
        ("Lint", LATEST, {"fail-on": "warning"}, 1, "::warning file="),
    ],
)
def test_a_step_annotates_the_pull_request(project, step, text, inputs, code, expected):
    (project / "manifests" / "job.yaml").write_text(text)
    done = act(project, step, **inputs)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(expected)
    assert bool(done.stdout) is bool(expected)


def test_steps_write_sarif_where_asked(project):
    (project / "manifests" / "job.yaml").write_text(LATEST)
    act(project, "Validate", sarif=".")
    act(project, "Lint", sarif=".")
    rules = {
        path.name: [one["ruleId"] for one in json.loads(path.read_text())["runs"][0]["results"]]
        for path in project.glob("*.sarif")
    }
    assert rules == {"kfrun-validate.sarif": [], "kfrun-lint.sarif": ["KF701"]}


def test_a_step_takes_the_version_of_the_trainer(project):
    done = act(project, "Validate", **{"trainer-version": "v9.9"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "v9.9" in done.stderr


def test_an_input_stays_an_argument(project):
    done = act(project, "Validate", files='"; touch hacked; echo "')
    assert done.returncode == 1
    assert not (project / "hacked").exists()


def test_the_action_installs_its_own_checkout():
    install = steps()["Install kfrun"]
    assert install["env"]["KFRUN_SOURCE"] == "${{ github.action_path }}"
    assert '-m pip install --quiet --disable-pip-version-check "$KFRUN_SOURCE"' in install["run"]
    assert install["run"].rstrip().endswith('>> "$GITHUB_PATH"')


# GitLab


@pytest.mark.parametrize(("text", "codes"), [(GOOD, [0, 0]), (LATEST, [0, 0]), (WRONG, [1, 0])])
def test_the_gitlab_job_writes_the_reports_that_it_keeps(project, text, codes):
    (project / "manifests" / "job.yaml").write_text(text)
    job = GITLAB["kfrun"]
    done = [shell(project, command, **GITLAB["variables"]) for command in job["script"]]
    assert [(one.returncode, one.stderr) for one in done] == [(code, "") for code in codes]
    for name in job["artifacts"]["reports"]["junit"]:
        assert (project / name).read_text().startswith("<?xml")
    assert job["artifacts"]["when"] == "always"


# The container


def instructions() -> list[tuple[str, str]]:
    """Name and arguments of every instruction of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of every stage, its FROM first."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def test_the_image_has_two_stages_on_a_slim_base():
    assert [stage[0][1].split()[0] for stage in stages()] == ["python:${PYTHON}-slim"] * 2
    (argument,) = [rest for name, rest in instructions() if name == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.1[1-9]", argument)


def test_the_image_is_compiled_when_it_is_built():
    build = dict(pair.split("=") for name, rest in stages()[0] if name == "ENV" for pair in rest.split())
    assert build["UV_COMPILE_BYTECODE"] == "1"
    assert build["UV_LINK_MODE"] == "copy"
    (install,) = [rest for name, rest in stages()[0] if "uv pip install" in rest]
    assert install.endswith("rm /opt/kfrun/bin/uv /opt/kfrun/bin/uvx"), "what only jobs with packages need is left out"


def test_the_image_runs_kfrun_without_rights():
    final = stages()[1]
    last = dict(final)
    assert json.loads(last["ENTRYPOINT"]) == ["kfrun"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    user = next(rest for name, rest in final if name == "RUN")
    assert f"--uid {last['USER'].split(':')[0]} " in user
    assert [name for name, _ in final].index("USER") > [name for name, _ in final].index("COPY")
    assert "/opt/kfrun/bin" in last["ENV"]
    assert last["COPY"] == "--from=build /opt/kfrun /opt/kfrun"


def test_the_image_gets_everything_that_the_package_is_built_from():
    copied = {item for name, rest in stages()[0] if name == "COPY" for item in rest.split()[:-1]}
    assert {path for path in copied if not (ROOT / path).exists()} == set()
    text = (ROOT / "pyproject.toml").read_text()
    included = re.findall(r'^"([\w./]+)" = "kfrun/_data', text, re.MULTILINE)
    assert included
    assert {path.split("/")[0] for path in included} | {"pyproject.toml", "README.md", "LICENSE", "kfrun"} <= copied


# Editors


def test_the_documented_schema_is_where_the_page_says():
    page = (ROOT / "docs" / "ci.md").read_text()
    (path,) = re.findall(r"yaml-language-server: \$schema=(\S+)", page)
    assert json.loads((ROOT / path).read_text())["title"] == "TrainJob"
    for name in re.findall(r"`(\w+runtime\.json)`", page):
        assert ((ROOT / path).parent / name).exists()
