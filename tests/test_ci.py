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

from tests import docblocks
from tests.cli.manifests import SOUND as GOOD
from tests.load.git import gitrepos

ROOT = Path(__file__).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text())
LATEST = GOOD.replace(":1.2", ":latest")
WRONG = GOOD.replace("trainer:\n", "trainr:\n")
OTHER = GOOD.replace("name: mnist", "name: other")
WORKFLOW = "on: push\njobs: {}\n"
PASSED_OVER = "passed over objects of other kinds: one without a kind\n"


@pytest.fixture
def project(tmp_path):
    """A project with manifests and YAML of others."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    (tmp_path / "manifests" / "job.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def changed(project):
    """The project as a repository: its job was committed, a branch forked, and a field changed that cannot change."""
    gitrepos.commit(project, {})
    gitrepos.git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    text = GOOD.replace("  trainer:\n", "  trainer:\n    numNodes: 2\n")
    gitrepos.commit(project, {"manifests/job.yaml": text})
    gitrepos.write(project, {"manifests/job.yaml": text.replace(": 2", ": 3")})
    return project


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
    assert (done.returncode, done.stderr) == (code, PASSED_OVER)
    assert "workflow.yaml" not in done.stdout


def test_the_hook_checks_updates_of_what_was_committed(changed):
    done = shell(changed, f"{hook('kfrun-validate')['entry']} --previous-ref=HEAD manifests/job.yaml")
    assert (done.returncode, done.stderr) == (1, "")
    assert "was 2, now 3 (before: HEAD:manifests/job.yaml:9)" in done.stdout


def test_commands_on_the_page_compare_with_older_versions(changed):
    """The page's commands, as they stand there; kubectl is a program that prints what a cluster would."""
    page = ROOT / "docs" / "ci.md"
    (by_revision,) = [one.text for one in docblocks.blocks(page) if "git merge-base" in one.text]
    done = shell(changed, by_revision)
    assert (done.returncode, done.stderr) == (1, "")
    assert "spec.trainer.image was" not in done.stdout
    assert re.search(r"spec\.trainer\.numNodes is new \(before: [0-9a-f]{12}:manifests/job\.yaml:8\)", done.stdout)
    (live,) = [one.text for one in docblocks.blocks(page) if "kubectl get" in one.text]
    gitrepos.write(
        changed, {"job.yaml": GOOD.replace("mnist:1.2", "mnist:1.3"), "bin/kubectl": "#!/bin/sh\ncat live\n"}
    )
    gitrepos.write(changed, {"live": json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(GOOD)]})})
    (changed / "bin" / "kubectl").chmod(0o755)
    done = shell(changed, f'PATH="$PWD/bin:$PATH"\n{live}')
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        'spec.trainer.image was "example.com/mnist:1.2", now "example.com/mnist:1.3" (before: <stdin>:' in done.stdout
    )


# GitHub


def steps() -> dict[str, dict]:
    return {step["name"]: step for step in ACTION["runs"]["steps"]}


def act(project: Path, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action with these inputs; the others have their defaults."""
    given = {key.upper(): inputs.pop(key) for key in [*inputs] if key.isupper()}
    values = {key: one["default"] for key, one in ACTION["inputs"].items()} | inputs
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], text)
        for key, text in steps()[name]["env"].items()
    }
    assert "${{" not in "".join(variables.values())
    return shell(project, steps()[name]["run"], **variables, **given)


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
    assert (done.returncode, done.stderr) == (code, "" if "files" in inputs else PASSED_OVER)
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


def test_a_step_writes_a_summary_unless_told_not_to(project):
    (project / "manifests" / "job.yaml").write_text(WRONG)
    summary = project / "summary.md"
    act(project, "Validate", GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("### kfrun validate: 1 object, 1 refused\n\n| | where |")
    assert "| error | manifests/job.yaml:8:3 |" in summary.read_text()
    act(project, "Lint", GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("### kfrun lint: 1 object")
    summary.unlink()
    act(project, "Validate", GITHUB_STEP_SUMMARY=str(summary), summary="false")
    assert not summary.exists()


def test_a_step_takes_several_files_patterns_and_values(project):
    gitrepos.write(project, {"other/a.yaml": WRONG, "other/b c.yaml": OTHER, "third/a.yaml": WRONG, "v.yaml": "x: 1\n"})
    done = act(project, "Validate", files="manifests\nother\n", exclude="a.yaml\n")
    assert (done.returncode, done.stdout) == (0, "")
    done = act(project, "Validate", files="manifests\nthird\n")
    assert done.stdout.startswith("::error file=third/a.yaml,line=8,")
    gitrepos.write(project, {"manifests/job.yaml": GOOD.replace("name: mnist", 'name: "mnist-{{ x }}"')})
    assert act(project, "Validate", files="manifests", values="v.yaml").returncode == 0
    assert act(project, "Lint", files="manifests", values="v.yaml").returncode == 0


def test_a_step_goes_as_far_as_it_is_told(project):
    (project / "manifests" / "job.yaml").write_text(GOOD.replace("plain-python", "company"))
    assert "KF401" in act(project, "Validate").stdout
    assert act(project, "Validate", until="rule").stdout == ""
    done = act(project, "Validate", **{"missing-runtime": "warn"})
    assert (done.returncode, done.stdout.split()[0]) == (0, "::warning")


def test_a_step_takes_the_version_of_the_trainer(project):
    done = act(project, "Validate", **{"trainer-version": "v9.9"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "v9.9" in done.stderr


def test_a_step_compares_with_an_older_version(changed):
    done = act(changed, "Validate", **{"files": "manifests", "previous-ref": "HEAD"})
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("::error file=manifests/job.yaml,line=8,col=3,title=KF320")
    done = act(changed, "Validate", **{"previous-ref": "HEAD^1"})
    assert "numNodes is new" in done.stdout
    done = act(changed, "Validate", **{"previous-ref": "--upload-pack=touch hacked"})
    assert (done.returncode, done.stdout) == (2, "")


def test_the_page_shows_inputs_that_the_action_has():
    (block,) = [one.text for one in docblocks.blocks(ROOT / "docs" / "ci.md") if "actions/checkout" in one.text]
    used = next(step for step in yaml.safe_load(block)["steps"] if "ORGANISATION/kfrun" in step["uses"])
    assert set(used["with"]) <= set(ACTION["inputs"])


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
    assert [(one.returncode, one.stderr) for one in done] == [(code, PASSED_OVER) for code in codes]
    for name in job["artifacts"]["reports"]["junit"]:
        assert (project / name).read_text().startswith("<?xml")
    assert job["artifacts"]["when"] == "always"


def test_the_gitlab_job_compares_with_an_older_version(changed):
    variables = GITLAB["variables"] | {"KFRUN_PREVIOUS_REF": gitrepos.git(changed, "rev-parse", "HEAD")}
    done = shell(changed, GITLAB["kfrun"]["script"][0], **variables)
    assert (done.returncode, done.stderr) == (1, PASSED_OVER)
    assert "was 2, now 3" in done.stdout
    (git_wanted,) = [line for line in GITLAB["kfrun"]["before_script"] if "apt-get" in line]
    assert shell(changed, git_wanted.replace("apt-get", "false"), **variables).returncode == 0
    assert shell(changed, git_wanted.replace("command -v git", "false"), **GITLAB["variables"]).stdout == ""


# Editors


def test_the_documented_schema_is_where_the_page_says(kfrun):
    page = (ROOT / "docs" / "ci.md").read_text()
    (path,) = re.findall(r"yaml-language-server: \$schema=(\S+)", page)
    ((verb, written),) = re.findall(r"^kfrun (schema.*) > (\S+)$", page, re.MULTILINE)
    assert path == written
    assert {"title", "$id"} < set(json.loads(kfrun.ok(*verb.split())))


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*/job.yaml")), ids=lambda path: path.parent.name)
def test_editors_find_the_schema_of_an_example(example):
    paths = re.findall(r"yaml-language-server: \$schema=(\S+)", example.read_text())
    kinds = [one["kind"] for one in yaml.safe_load_all(example.read_text())]
    assert [json.loads((example.parent / path).read_text())["title"] for path in paths] == kinds
