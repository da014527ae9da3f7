"""Which files of a folder are read, and what is passed over."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: NAME}
spec: {runtimeRef: {name: plain-python}, trainer: {command: [sh]}}
"""
BROKEN = (
    "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: broken}\nspec: {runtimeReff: {}}\n"
)
HELM = "{{- if .Values.on }}\napiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ .Release.Name }}}\n{{- end }}\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("NAME", "j-" + name.partition(".")[0].replace("/", "-")))


def valid(kfrun: Kfrun, *arguments: str, code: int = 0, **env: str) -> list[str]:
    """The names of the files in which something was found valid."""
    done = kfrun("validate", *arguments, **env)
    assert done.returncode == code, done.stdout + done.stderr
    return sorted(line.partition(":")[0].removeprefix("./") for line in done.stdout.splitlines() if "is valid" in line)


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (("bad.yaml",), ["a/job.yaml", "b/c/job.yaml", "job.yaml"]),
        (("bad*",), ["a/job.yaml", "b/c/job.yaml", "job.yaml"]),
        (("a/", "bad.yaml"), ["b/c/job.yaml", "job.yaml"]),
        (("b/c", "b/bad.yaml"), ["a/job.yaml", "job.yaml"]),
        (("**/c/", "b/*.yaml"), ["a/job.yaml", "job.yaml"]),
        (("./b",), ["a/job.yaml", "job.yaml"]),
        (("*.yaml", "!job.yaml"), ["a/job.yaml", "b/c/job.yaml", "job.yaml"]),
    ],
)
@pytest.mark.parametrize("given", ["flag", "file", "variable"])
def test_what_is_excluded_is_not_read(kfrun: Kfrun, patterns: tuple[str, ...], left: list[str], given: str) -> None:
    write(kfrun.folder, {"job.yaml": JOB, "a/job.yaml": JOB, "b/bad.yaml": BROKEN, "b/c/job.yaml": JOB})
    assert kfrun("validate", "-R", ".").returncode == 1
    if given == "flag":
        assert valid(kfrun, "-R", ".", *(word for one in patterns for word in ("--exclude", one))) == left
    elif given == "file":
        listed = ", ".join(f'"{one}"' for one in patterns)
        kfrun.write("kfrun.toml", f"[input]\nexclude = [{listed}]\n")
        assert valid(kfrun, "-R", ".") == left
    else:
        assert valid(kfrun, "-R", ".", KFRUN_EXCLUDE=":".join(patterns)) == left


def test_patterns_begin_where_they_are_written(kfrun: Kfrun) -> None:
    write(kfrun.folder, {"b/bad.yaml": BROKEN, "b/job.yaml": JOB, "b/c/bad.yaml": JOB})
    kfrun.write("kfrun.toml", '[input]\nexclude = ["b/bad.yaml"]\n')
    kfrun.folder /= "b"
    assert valid(kfrun, "-R", ".") == ["c/bad.yaml", "job.yaml"]
    assert valid(kfrun, "-R", ".", "--exclude", "c/bad.yaml") == ["job.yaml"]


def test_patterns_of_the_flag_and_of_the_file_add_up_and_a_named_file_is_always_read(kfrun: Kfrun) -> None:
    write(kfrun.folder, {"a.yaml": JOB, "b.yaml": JOB, "c.yaml": JOB})
    kfrun.write("kfrun.toml", '[input]\nexclude = ["a.yaml"]\n')
    assert valid(kfrun, ".", "--exclude", "b.yaml") == ["c.yaml"]
    assert valid(kfrun, "a.yaml", "b.yaml", "--exclude", "*") == ["a.yaml", "b.yaml"]
    assert valid(kfrun, "*.yaml", "--exclude", "*") == ["a.yaml", "b.yaml", "c.yaml"]


@pytest.mark.parametrize("verb", ["lint", "plan", "apply", "render", "diff"])
def test_other_verbs_exclude_as_well(kfrun: Kfrun, verb: str) -> None:
    write(kfrun.folder, {"job.yaml": JOB, "bad.yaml": BROKEN})
    before = kfrun(verb, "-f", ".")
    done = kfrun(verb, "-f", ".", "--exclude", "bad.yaml")
    assert done.returncode == (1 if verb == "diff" else 0), done.stderr
    assert ["bad.yaml" in one.stderr + one.stdout for one in (before, done)] == [True, False]


def test_a_saved_plan_keeps_what_was_excluded(kfrun: Kfrun) -> None:
    write(kfrun.folder, {"job.yaml": JOB, "bad.yaml": BROKEN})
    kfrun.ok("plan", "-f", ".", "--exclude", "bad.yaml", "--out", "job.plan")
    kfrun.ok("apply", "job.plan")


def test_what_git_ignores_is_not_read_unless_it_is_named(kfrun: Kfrun) -> None:
    subprocess.run(["git", "init", "-q", kfrun.folder], check=True)
    ignored = {".gitignore": "build/\n/top.yaml\n", "a/.gitignore": "*.yaml\n!kept.yaml\n"}
    files = {"top.yaml": BROKEN, "job.yaml": JOB, "build/x.yaml": BROKEN, "a/x.yaml": BROKEN, "a/kept.yaml": JOB}
    write(kfrun.folder, {**files, **ignored, "a/top.yaml": BROKEN, "b/build/y.yaml": BROKEN})
    assert valid(kfrun, "-R", ".") == ["a/kept.yaml", "job.yaml"]
    assert valid(kfrun, "-R", "a") == ["a/kept.yaml"]
    assert kfrun("validate", "build").returncode == 1
    assert kfrun("validate", "a/x.yaml").returncode == 1


@pytest.mark.parametrize("verb", ["validate", "lint", "plan"])
def test_what_other_tools_render_is_passed_over_with_a_line_each(kfrun: Kfrun, verb: str) -> None:
    write(
        kfrun.folder,
        {
            "job.yaml": JOB,
            "charts/x/Chart.yaml": "name: x\n",
            "charts/x/values.yaml": "on: true\n",
            "charts/x/templates/job.yaml": HELM,
            "go/a.yaml": HELM,
            "go/b.yaml": "metadata:\n  name: {{ .Release.Name }}\n",
            "ansible/nginx.yml.j2": "port: {{ port }}\n",
            "kust/kustomization.yaml": "resources: [a.yaml]\n",
        },
    )
    done = kfrun(verb, "-R", "-f", ".")
    assert done.returncode == 0, done.stderr + done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("passed over")]
    assert [line.partition("; ")[0] for line in told] == [
        "passed over Helm charts: ./charts/x",
        "passed over kustomizations: ./kust/kustomization.yaml",
        "passed over templates of other programs: ./ansible/nginx.yml.j2",
        "passed over Helm templates: ./go/a.yaml, ./go/b.yaml",
    ]
    assert told[0].endswith("; kfrun validate --helm ./charts/x checks what one makes")
    assert told[1].endswith("; kfrun validate -k ./kust checks what one makes")


def test_templates_of_trainjobs_are_read(kfrun: Kfrun) -> None:
    write(kfrun.folder, {"t/job.yaml.j2": JOB.replace("NAME", "{{ name }}"), "t/values": "name: a\n"})
    assert "passed over" not in kfrun("validate", "t", "--values", "t/values").stderr
    assert "KF121" in kfrun("validate", "t").stdout


def test_a_script_in_a_manifest_that_holds_a_template_is_no_template(kfrun: Kfrun) -> None:
    trainer = "spec:\n  runtimeRef: {name: plain-python}\n  trainer:\n    command:\n    - sh\n    - -c\n"
    text = JOB.partition("spec:")[0] + trainer + "    - docker inspect -f '{{.Id}}' x\n"
    write(kfrun.folder, {"d/job.yaml": text})
    assert valid(kfrun, "d") == ["d/job.yaml"]


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("charts/x", "", "kfrun validate --helm charts/x"),
        ("a.yaml", HELM, "kfrun validate --helm CHART"),
        ("b.yaml", "metadata:\n  name: {{ .Release.Name }}\n", "kfrun validate --helm CHART"),
        ("c.yml.j2", "port: {{ port }}\n", "another program's template"),
    ],
)
def test_what_is_named_is_no_manifest_and_the_way_is_told(kfrun: Kfrun, name: str, text: str, hint: str) -> None:
    write(kfrun.folder, {name: text} if text else {f"{name}/Chart.yaml": "name: x\n"})
    done = kfrun("validate", name)
    assert done.returncode == 1
    assert hint in done.stdout + done.stderr


def test_names_of_what_is_passed_over_reach_the_terminal_without_what_it_obeys(kfrun: Kfrun) -> None:
    write(kfrun.folder, {"job.yaml": JOB, "x\x1b[31m/Chart.yaml": "name: x\n"})
    assert "\x1b[31m" not in kfrun("validate", "-R", ".").stderr


@pytest.mark.parametrize("text", ['exclude = "charts"', "exclude = [1]", 'exclude = [""]', 'excluded = ["a"]'])
def test_a_wrong_setting_is_told(kfrun: Kfrun, text: str) -> None:
    kfrun.write("kfrun.toml", f"[input]\n{text}\n")
    done = kfrun("validate", ".")
    assert (done.returncode, "kfrun.toml:2" in done.stderr) == (2, True)
