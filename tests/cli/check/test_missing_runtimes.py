"""What a job's runtime is to the verbs that check: never what this machine has stored, unless that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import SOUND

COMPANY = "company"
JOB = SOUND.replace("plain-python", COMPANY)
RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata:
  name: company
spec:
  template:
    spec:
      replicatedJobs:
        - name: node
          template:
            metadata:
              labels:
                trainer.kubeflow.org/trainjob-ancestor-step: trainer
            spec:
              template:
                spec:
                  containers:
                    - name: node
                      image: example.com/train:1.2
"""
MISSING = 'KF401: ClusterTrainingRuntime "company" was not found'
HINT = "--stored looks among those that were applied on this machine, too, --runtimes SRC elsewhere"
USED = "clustertrainingruntime.trainer.kubeflow.org/company is the one stored on this machine (--stored)"


@pytest.fixture
def kfrun(no_home, capsys):
    """Runs kfrun in process beside a job and a runtime, and gives all that was printed."""
    Path("job.yaml").write_text(JOB)
    Path("runtime.yaml").write_text(RUNTIME)

    def run(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code, capsys.readouterr()
        shown = capsys.readouterr()
        return shown.out + shown.err

    return run


@pytest.fixture
def stored(kfrun):
    """The same, once the runtime was applied."""
    kfrun("apply", "-q", "-f", "runtime.yaml")
    return kfrun


@pytest.mark.parametrize("verb", ["validate", "render"])
def test_a_stored_runtime_is_only_found_when_asked_for(stored, verb):
    shown = stored(verb, "-f", "job.yaml", code=1)
    assert MISSING in shown
    assert HINT in shown
    found = stored(verb, "-f", "job.yaml", "--stored")
    assert MISSING not in found
    assert USED in found or verb == "render"
    assert (USED in stored(verb, "-f", "job.yaml", "--stored")) == (verb == "validate")
    assert MISSING in stored(verb, "-f", "job.yaml", code=1)


@pytest.mark.parametrize("words", [(), ("--no-cache",), ("-o", "text"), ("--previous", "job.yaml")])
def test_every_way_of_checking_says_the_same_with_and_without_a_store(kfrun, words):
    before = kfrun("validate", "job.yaml", *words, code=1)
    kfrun("apply", "-q", "-f", "runtime.yaml")
    assert kfrun("validate", "job.yaml", *words, code=1) == before


@pytest.mark.parametrize("words", [("-f", "runtime.yaml"), ("--runtimes", "runtime.yaml")])
def test_a_stored_runtime_is_not_told_of_where_another_wins(stored, words):
    assert USED not in stored("validate", "-f", "job.yaml", *words, "--stored")


@pytest.mark.parametrize("words", [("--runtimes", "runtime.yaml"), ("--stored",)])
@pytest.mark.parametrize("until", ["schema", "rule"])
def test_who_looks_for_no_runtime_says_so(kfrun, until, words):
    assert "no runtime is looked for before" in kfrun("validate", "job.yaml", "--until", until, *words, code=2)


def test_older_objects_of_the_store_have_their_runtime_there(stored):
    assert "is valid" in stored("validate", "job.yaml", "--previous-stored")


def test_lint_asks_no_store_by_itself(kfrun):
    before = kfrun("lint", "job.yaml")
    kfrun("apply", "-q", "-f", "runtime.yaml")
    assert kfrun("lint", "job.yaml") == before


def test_what_is_converted_is_judged_without_a_store(kfrun):
    Path("old.yaml").write_text(JOB.replace("image:", "numProcPerNode: 1\n    image:"))
    before = kfrun("convert", "-f", "old.yaml")
    assert "was not found" in before
    kfrun("apply", "-q", "-f", "runtime.yaml")
    assert kfrun("convert", "-f", "old.yaml") == before


@pytest.mark.parametrize("verb", ["validate", "lint"])
@pytest.mark.parametrize(("level", "code", "severity"), [("error", 1, "error"), ("warn", 0, "warning")])
def test_a_missing_runtime_is_what_the_caller_says(kfrun, verb, level, code, severity):
    assert f"{severity} {MISSING}" in kfrun(verb, "job.yaml", f"--missing-runtime={level}", code=code)


@pytest.mark.parametrize("verb", ["validate", "lint"])
def test_a_missing_runtime_can_be_ignored(kfrun, verb):
    for _ in range(2):  # also when it is remembered as sound
        assert MISSING not in kfrun(verb, "job.yaml", "--missing-runtime", "ignore")
    assert MISSING in kfrun("validate", "job.yaml", code=1)


def test_a_warning_refuses_where_warnings_do(kfrun):
    assert MISSING in kfrun("validate", "job.yaml", "--missing-runtime=warn", "--fail-on=warning", code=1)


def test_a_job_that_names_no_runtime_is_refused_whatever_is_said(kfrun):
    Path("none.yaml").write_text(JOB.replace(f"name: {COMPANY}", 'name: ""'))
    assert "none.yaml:7:11: error" in kfrun("validate", "none.yaml", "--missing-runtime=ignore", code=1)


def test_a_project_says_it_once(kfrun):
    Path("kfrun.toml").write_text('missing_runtime = "warn"\n')
    assert f"warning {MISSING}" in kfrun("validate", "job.yaml")
    assert f"warning {MISSING}" in kfrun("lint", "job.yaml")
    assert f"error {MISSING}" in kfrun("validate", "job.yaml", "--missing-runtime=error", code=1)


@pytest.mark.parametrize("verb", ["plan", "apply", "run", "diff", "render"])
def test_who_acts_needs_the_runtime_whatever_a_project_says(kfrun, verb):
    Path("kfrun.toml").write_text('missing_runtime = "ignore"\n')
    assert f"error {MISSING}" in kfrun(verb, "-f", "job.yaml", code=3 if verb == "diff" else 1)


def test_a_word_that_means_nothing_is_wrong_usage(kfrun):
    assert "'warning' is not one of 'error', 'warn', 'ignore'" in kfrun(
        "validate", "job.yaml", "--missing-runtime=warning", code=2
    )
    Path("kfrun.toml").write_text('missing_runtime = "no"\n')
    assert "missing_runtime: expected error, warn, ignore" in kfrun("validate", "job.yaml", code=2)


@pytest.mark.parametrize("verb", ["plan", "diff"])
def test_who_acts_says_which_runtime_is_taken_from_the_store(stored, verb):
    shown = stored(verb, "-f", "job.yaml", code=1 if verb == "diff" else 0)
    assert "clustertrainingruntime.trainer.kubeflow.org/company" in shown
    assert "applied before" in shown or "stored here" in shown
