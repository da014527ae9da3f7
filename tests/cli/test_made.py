"""What kustomize and helm make: read like files, and what is found stands in the files that it comes from.

Programs here are scripts that print what the real ones do; kustomize is also taken from a real kubectl if there is one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import SOUND

WRONG = SOUND.replace("trainer:\n", "trainr:\n")
TEMPLATE = WRONG.replace("name: mnist", "name: {{ .Values.name }}")
OF_HELM = f"---\n# Source: train/templates/config.yaml\n{{}}\n---\n# Source: train/templates/job.yaml\n{WRONG}"
ORIGIN = "  annotations:\n    config.kubernetes.io/origin: |\n      path: ../base/job.yaml\n"
REAL = shutil.which("kubectl")


@pytest.fixture
def kfrun(no_home, capsys, monkeypatch):
    """Runs kfrun in process beside a chart and an overlay, with only the programs that were installed; all output."""
    for path, text in {
        "charts/train/Chart.yaml": "name: train\nversion: 1.0.0\n",
        "charts/train/templates/job.yaml": TEMPLATE,
        "base/job.yaml": WRONG,
        "base/kustomization.yaml": "resources: [job.yaml]\n",
        "over/kustomization.yaml": "resources: [../base]\nbuildMetadata: [originAnnotations]\n",
    }.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Path("bin").mkdir()
    monkeypatch.setenv("PATH", str(Path("bin").absolute()))

    def run(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code, capsys.readouterr()
        shown = capsys.readouterr()
        return shown.out + shown.err

    return run


def install(name: str, output: str = "", *, code: int = 0) -> None:
    """A program that writes its arguments down, prints ``output`` and ends with ``code``."""
    Path(f"{name}.out").write_text(output)
    here = Path.cwd()
    said = "echo 'warning: x' >&2; echo 'Error: chart is broken' >&2;" if code else ""
    body = (
        f"printf '%s\\n' \"$@\" > {here}/{name}.args; {said} while IFS= read -r line; do printf '%s\\n' \"$line\"; done"
    )
    Path(f"bin/{name}").write_text(f"#!/bin/sh\n{{ {body}; }} < {here}/{name}.out\nexit {code}\n")
    Path(f"bin/{name}").chmod(0o755)


def test_findings_about_a_chart_stand_in_its_template(kfrun):
    install("helm", OF_HELM)
    shown = kfrun("validate", "--helm", "charts/train", "--skip-other-kinds", code=1)
    assert "charts/train/templates/job.yaml:8:3: error KF201" in shown
    assert "8 |   trainr:" in shown
    assert Path("helm.args").read_text().splitlines() == ["template", "./charts/train"]


def test_a_chart_leads_to_no_file_outside_of_it(kfrun):
    Path("secret.yaml").write_text(WRONG)
    install("helm", OF_HELM.replace("train/templates/job.yaml", "train/../../secret.yaml"))
    shown = kfrun("validate", "--helm", "charts/train", "--skip-other-kinds", code=1)
    assert "secret" not in shown
    assert shown.startswith("charts/train:1:1: error KF201")


def test_what_was_made_can_be_deleted(kfrun):
    install("kustomize", SOUND.replace("[python, train.py]", '["/bin/true"]'))
    kfrun("apply", "-k", "over", "--wait")
    assert 'trainjob.trainer.kubeflow.org "mnist" deleted' in kfrun("delete", "-k", "over")


def test_a_line_that_was_rendered_is_found_by_its_key(kfrun):
    install("helm", OF_HELM.replace("name: mnist", "name: -MNIST-").replace("trainr:", "trainer:"))
    shown = kfrun("validate", "--helm", "charts/train", "--skip-other-kinds", "-o", "json", code=1)
    places = {(one["file"], one["line"]) for one in json.loads(shown.partition("passed over")[0])["findings"]}
    assert places == {("charts/train/templates/job.yaml", 4)}


def test_findings_about_an_overlay_stand_where_its_origin_says(kfrun):
    install("kustomize", WRONG.replace("metadata:\n", f"metadata:\n{ORIGIN}"))
    shown = kfrun("validate", "-k", "over", "-o", "github", code=1)
    assert shown.startswith("::error file=base/job.yaml,line=8,col=3,title=KF201")
    assert Path("kustomize.args").read_text().splitlines() == ["build", "./over"]


def test_without_an_origin_findings_stand_in_the_kustomization(kfrun):
    install("kubectl", WRONG)
    assert kfrun("validate", "-k", "over", code=1).startswith("over/kustomization.yaml:1:1: error KF201")
    assert Path("kubectl.args").read_text().splitlines() == ["kustomize", "./over"]


@pytest.mark.parametrize("name", ["mnist", "dev-mnist-2"])
def test_an_overlay_of_what_is_written_in_braces_is_found_at_its_value(kfrun, name):
    made = SOUND.replace("runtimeRef:\n    name: plain-python", "runtimeRef:\n    name: company")
    made = made.replace("name: mnist\n", f"name: {name}\n{ORIGIN}", 1)
    assert "company" in made
    install("kustomize", made)
    Path("base/job.yaml").write_text(
        "# two\nkind: TrainJob\napiVersion: trainer.kubeflow.org/v1alpha1\nmetadata: {name: mnist}\n"
        "spec: {runtimeRef: {name: company}}\n---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: company}\n"
    )
    assert kfrun("validate", "-k", "over", code=1).startswith("base/job.yaml:5:27: error KF401")


@pytest.mark.skipif(REAL is None, reason="there is no kubectl")
def test_a_real_kustomize_is_understood(kfrun, monkeypatch):
    assert REAL is not None
    monkeypatch.setenv("PATH", f"{Path(REAL).parent}:/usr/bin:/bin")
    assert kfrun("validate", "-k", "over", code=1).startswith("base/job.yaml:8:3: error KF201")


@pytest.mark.parametrize("verb", ["validate", "plan", "apply", "run", "render", "lint"])
def test_every_verb_reads_what_is_made(kfrun, verb):
    install("kustomize", SOUND.replace("[python, train.py]", '["/bin/true"]'))
    assert "trainjob.trainer.kubeflow.org/mnist" in kfrun(verb, "-k", "over") or verb in ("render", "lint")


def test_a_saved_plan_makes_it_again(kfrun, monkeypatch):
    install("kustomize", SOUND.replace("[python, train.py]", '["/bin/true"]'))
    kfrun("plan", "-k", "over", "--out", "job.plan")
    plan = Path("job.plan").absolute()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert "created" in kfrun("apply", str(plan))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-k", "over"), "error: neither kustomize nor kubectl is in PATH\nhint: install kustomize or kubectl\n"),
        (("--helm", "charts/train"), "error: helm is not in PATH\nhint: install helm\n"),
    ],
)
def test_a_program_that_is_missing_is_said(kfrun, words, expected):
    assert kfrun("validate", *words, code=3) == expected


def test_a_program_that_fails_is_said_with_its_last_line(kfrun):
    install("helm", code=1)
    shown = kfrun("validate", "--helm", "charts/train", code=3)
    assert shown == "error: helm template charts/train failed with exit code 1: Error: chart is broken\n"


def test_a_folder_that_is_missing_is_said(kfrun):
    install("kustomize")
    assert "no such folder or chart: none" in kfrun("validate", "-k", "none", code=1)
    assert "no such folder or chart" in kfrun("validate", "-k", "", code=1)


def test_one_input_that_fails_hides_no_other(kfrun):
    shown = kfrun("validate", "base/job.yaml", "-k", "none", code=1)
    assert "base/job.yaml:8:3: error KF201" in shown
    assert "none:1:1: error KF115: no such folder or chart: none" in shown
    assert "://" not in shown


def test_git_knows_nothing_of_what_is_made(kfrun):
    shown = kfrun("validate", "-k", "over", "--previous-ref", "HEAD", code=2)
    assert "git knows no older version of what another program makes" in shown


def test_nothing_made_is_no_object(kfrun):
    install("kustomize")
    assert kfrun("validate", "-k", "over", code=1).startswith("over:1:1: error KF112")


def test_a_folder_is_never_an_option(kfrun):
    install("kustomize", SOUND)
    Path("--enable-helm").mkdir()
    kfrun("validate", "--kustomize=--enable-helm")
    assert Path("kustomize.args").read_text().splitlines() == ["build", "./--enable-helm"]
