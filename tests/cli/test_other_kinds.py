"""Objects that kfrun does not read, beside a job: every verb that reads files passes over them if asked to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import SOUND

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"
OTHERS = "".join(
    f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: api-{number}}}\n" for number in range(3)
)
JOB = SOUND.replace("command: [python, train.py]", 'command: ["true"]')
LINE = "passed over objects of other kinds: Service web, Deployment api-0, Deployment api-1 and 1 more\n"


@pytest.fixture
def kfrun(no_home, capsys):
    """Runs kfrun in process beside a file of several kinds and a list; what was printed, on both streams."""
    Path("all.yaml").write_text(f"{JOB}---\n{SERVICE}{OTHERS}")
    Path("others").mkdir()
    Path("others/service.yaml").write_text(SERVICE)
    Path("others/list.yaml").write_text("- 1\n- 2\n")

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        assert main(list(words)) == code, capsys.readouterr()
        shown = capsys.readouterr()
        return shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("verb", "code"),
    [("plan", 0), ("apply", 0), ("run", 0), ("render", 0), ("diff", 1), ("convert", 0), ("validate", 0), ("lint", 0)],
)
def test_other_kinds_are_refused_or_passed_over(kfrun, verb, code):
    if verb not in ("lint", "convert"):  # they never refuse other kinds
        assert "KF207" in "".join(kfrun(verb, "-f", "all.yaml", code=3 if verb == "diff" else 1))
    shown, told = kfrun(verb, "-f", "all.yaml", "--skip-other-kinds", code=code)
    assert "KF207" not in told
    assert told.count(LINE) == 1
    assert "Service" not in shown


@pytest.mark.parametrize("words", [[], ["--no-cache"], ["--previous", "all.yaml"], ["--trainer-version", "2.2,2.3"]])
def test_every_way_of_checking_tells_once_what_it_passes_over(kfrun, words):
    for _ in range(2):
        _, told = kfrun("validate", "all.yaml", "--skip-other-kinds", *words)
        assert told == LINE


def test_delete_takes_the_jobs_of_such_a_file(kfrun):
    kfrun("apply", "-f", "all.yaml", "--skip-other-kinds", "--wait")
    shown, told = kfrun("delete", "-f", "all.yaml", "--skip-other-kinds")
    assert "deleted" in shown
    assert told == LINE


@pytest.mark.parametrize("verb", ["plan", "apply", "run", "render", "convert", "delete", "diff"])
def test_nothing_but_other_kinds_is_said(kfrun, verb):
    _, told = kfrun(verb, "-f", "others", "--skip-other-kinds", code=3 if verb == "diff" else 1)
    assert "there is nothing in the input but what is to be passed over" in told


def test_a_saved_plan_passes_over_the_same(kfrun):
    kfrun("plan", "-f", "all.yaml", "--skip-other-kinds", "--out", "job.plan")
    assert json.loads(Path("job.plan").read_text())["call"]["skip_other_kinds"] is True
    assert "created" in kfrun("apply", "job.plan")[0]


def test_a_job_of_an_older_operator_is_no_other_kind_to_convert(kfrun):
    Path("old.yaml").write_text("apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: old}\n---\n" + SERVICE)
    _, told = kfrun("convert", "-f", "old.yaml", "--skip-other-kinds", code=1)
    assert "passed over objects of other kinds: Service web\n" in told
    assert "PyTorchJob old" not in told.splitlines()[0]


def test_it_is_for_manifests(kfrun):
    Path("train.py").write_text("print(1)\n")
    assert "--skip-other-kinds is for manifests" in kfrun("run", "--skip-other-kinds", "train.py", code=2)[1]
    assert "no file was named" in kfrun("delete", "a", "--skip-other-kinds", code=2)[1]
