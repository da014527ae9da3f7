"""Programs and scripts that are not there, found before a job starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Kfrun, manifest

if TYPE_CHECKING:
    from pathlib import Path

TRAINER = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: job}}
spec:
  runtimeRef: {{name: plain-python}}
  trainer:
    command: {command}
"""


@pytest.fixture
def folder(kfrun: Kfrun) -> Path:
    kfrun.write("train.py", "print('trained')\n")
    for name, text in (
        ("windows.sh", "#!/bin/sh\r\necho hi\r\n"),
        ("lost.sh", "#!/opt/absent\n"),
        ("env.sh", "#!/usr/bin/env absent\n"),
        ("plain.sh", "echo hi\r\n"),
        ("sound.sh", "#!/bin/sh\necho hi\n"),
    ):
        kfrun.write(name, text).chmod(0o755 if name != "plain.sh" else 0o644)
    kfrun.write("no-x.sh", "#!/bin/sh\n").chmod(0o644)
    (kfrun.folder / "package").mkdir()
    (kfrun.folder / "runnable").mkdir()
    kfrun.write("runnable/__main__.py", "print('trained')\n")
    return kfrun.folder


def job(kfrun: Kfrun, command: list[str], name: str = "job.yaml") -> Path:
    return kfrun.write(name, TRAINER.format(command=json.dumps(command)))


@pytest.mark.parametrize(
    ("command", "code", "message", "hint"),
    [
        (["python", "trian.py"], "KF604", "there is no trian.py in ", "did you mean train.py?"),
        (["python3", "-u", "-X", "dev", "trian.py"], "KF604", "there is no trian.py in ", "did you mean train.py?"),
        (["python", "src/train.py"], "KF604", "there is no src/train.py in ", "./train.py is there"),
        (["python", "/absent/train.py"], "KF604", "there is no /absent/train.py\n", "not those of an image"),
        (["bash", "sond.sh"], "KF604", "there is no sond.sh in ", "did you mean sound.sh?"),
        (["env", "A=1", "python", "trian.py"], "KF604", "there is no trian.py in ", "did you mean train.py?"),
        (["nohup", "python", "trian.py"], "KF604", "there is no trian.py in ", "did you mean train.py?"),
        (["python", "package"], "KF604", "package is a folder without a __main__.py", "name the script in it"),
        (["absent-program"], "KF603", 'exec: "absent-program": executable file not found', "install it"),
        (["train.py"], "KF603", 'exec: "train.py": executable file not found', "[python, train.py]"),
        (["./train.py"], "KF603", 'exec: "./train.py"', "[python, ./train.py]"),
        (["./no-x.sh"], "KF603", 'exec: "./no-x.sh"', "chmod +x ./no-x.sh"),
        (["./windows.sh"], "KF603", 'exec: "./windows.sh": cannot be started', "carriage return"),
        (["./lost.sh"], "KF603", 'exec: "./lost.sh": cannot be started', "/opt/absent, which is not there"),
        (["./env.sh"], "KF603", 'exec: "./env.sh": cannot be started', "asks for absent, which no folder of PATH has"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_start_is_refused_by_run_and_warned_of_by_plan_and_apply(
    kfrun: Kfrun, command: list[str], code: str, message: str, hint: str
) -> None:
    path = job(kfrun, command)
    for verb, severity in (("plan", "warning"), ("run", "error"), ("apply", "warning")):
        assert kfrun.ok("get", "trainjobs", "-o", "name") == ""
        done = kfrun(verb, "-q", "-f", path) if verb != "plan" else kfrun(verb, "-f", path)
        assert done.returncode == (1 if severity == "error" else 0), done.stderr
        assert f"job.yaml:7:14: {severity} {code}: {message}" in done.stderr
        assert hint in done.stderr
    assert kfrun("wait", "job").returncode > 0


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py"],
        ["python", "-c", "print('trained')", "absent.py"],
        ["python", "-m", "runnable", "absent.py"],
        ["python", "runnable"],
        ["sh", "-c", "python train.py; true absent.sh"],
        ["./sound.sh", "absent.sh"],
        ["env", "-u", "A", "python", "train.py"],
        ["python", "-W", "ignore", "-u", "train.py"],
        ["bash", "--norc", "-eu", "sound.sh"],
    ],
)
@pytest.mark.usefixtures("folder")
def test_nothing_is_said_of_what_starts(kfrun: Kfrun, command: list[str]) -> None:
    path = job(kfrun, command)
    assert "KF60" not in kfrun("plan", "-f", path).stderr
    done = kfrun("run", "-q", "-f", path)
    assert (done.returncode, "KF60" in done.stderr) == (0, False), done.stderr


@pytest.mark.usefixtures("folder")
def test_a_shell_may_read_lines_of_windows_all_the_same(kfrun: Kfrun) -> None:
    done = kfrun("run", "-q", "-f", job(kfrun, ["sh", "plain.sh"]))
    assert done.returncode == 0
    assert "warning KF605: the lines of plain.sh end with a carriage return (\\r)" in done.stderr


def test_the_script_of_the_folder_above_is_named_with_the_way_to_it(kfrun: Kfrun, folder: Path) -> None:
    (folder / "k8s").mkdir()
    path = job(kfrun, ["python", "train.py"], "k8s/job.yaml")
    done = kfrun("run", "-q", "-f", path)
    assert "train.py is in the folder above: set kfrun.dev/source: .." in done.stderr
    path.write_text(path.read_text().replace("{name: job}", "{name: job, annotations: {kfrun.dev/source: ..}}"))
    assert kfrun.ok("run", "-q", "-f", path) == "trained\n"


@pytest.mark.usefixtures("folder")
def test_what_a_package_may_bring_is_looked_for_later_but_not_its_script(kfrun: Kfrun) -> None:
    path = job(kfrun, ["torchrun", "--nproc-per-node", "2", "trian.py"])
    path.write_text(path.read_text().replace("{name: plain-python}", "{name: torch-distributed}"))
    told = kfrun("plan", "-f", path).stderr
    assert ("KF603" in told, "warning KF604: there is no trian.py" in told) == (False, True)


def test_what_an_earlier_step_may_still_make_is_a_warning(kfrun: Kfrun) -> None:
    text = manifest("job", ["sh", "made.sh"])
    step = "                initContainers: [{name: first, command: [sh, -c, 'echo echo made > made.sh']}]\n"
    kfrun.write("job.yaml", text.replace("                containers:\n", f"{step}                containers:\n"))
    done = kfrun("apply", "-q", "-f", "job.yaml")
    assert done.returncode == 0, done.stderr
    assert "warning KF604: there is no made.sh" in done.stderr
    assert ", unless something makes it before" in done.stderr


def test_a_suspended_job_may_get_its_script_later(kfrun: Kfrun) -> None:
    path = job(kfrun, ["python", "late.py"])
    path.write_text(path.read_text() + "  suspend: true\n")
    done = kfrun("apply", "-q", "-f", path)
    assert (done.returncode, "warning KF604" in done.stderr) == (0, True)
    kfrun.write("late.py", "print('late')\n")
    kfrun.ok("resume", "job")
    kfrun.ok("wait", "job")
    assert kfrun.ok("logs", "job") == "late\n"


def test_names_of_scripts_reach_the_terminal_without_what_it_obeys(kfrun: Kfrun) -> None:
    path = job(kfrun, ["python", "\x1b[31mred.py"])
    done = kfrun("run", "-q", "-f", path)
    assert (done.returncode, "\x1b[31m" in done.stderr) == (1, False)


@pytest.mark.usefixtures("folder")
def test_validate_warns_of_the_scripts_beside_a_manifest_however_often_it_looks(kfrun: Kfrun) -> None:
    path = job(kfrun, ["python", "trian.py"])
    warning = "job.yaml:7:14: warning KF604: there is no trian.py in "
    assert [warning in kfrun("validate", path).stdout for _ in range(3)] == [True] * 3
    assert kfrun("validate", path).returncode == 0
    kfrun.write("trian.py", "")
    assert ["KF604" in kfrun("validate", path).stdout for _ in range(2)] == [False, False]
    (kfrun.folder / "trian.py").unlink()
    assert warning in kfrun("validate", path).stdout
    assert warning in kfrun("validate", "-f", ".").stdout


@pytest.mark.parametrize("command", [["./no-x.sh"], ["./windows.sh"], ["torchrun", "trian.py"]])
@pytest.mark.usefixtures("folder")
def test_validate_warns_of_what_could_not_start(kfrun: Kfrun, command: list[str]) -> None:
    assert "warning KF60" in kfrun("validate", job(kfrun, command)).stdout


@pytest.mark.parametrize(
    "command",
    [["absent-program"], ["/workspace/train.sh"], ["python", "/workspace/train.py"], ["python", "-m", "absent"]],
)
@pytest.mark.usefixtures("folder")
def test_validate_says_nothing_of_what_an_image_may_hold(kfrun: Kfrun, command: list[str]) -> None:
    assert "KF60" not in kfrun("validate", job(kfrun, command)).stdout
    path = job(kfrun, ["python", "trian.py"])
    path.write_text(path.read_text() + "    image: example.com/own:1\n")
    assert "KF60" not in kfrun("validate", path).stdout
    assert "KF604" not in kfrun("validate", "-f", "-", stdin=TRAINER.format(command="[python, trian.py]")).stdout


def test_a_folder_of_manifests_alone_says_nothing_of_scripts(kfrun: Kfrun) -> None:
    path = job(kfrun, ["python", "train.py"])
    assert "KF60" not in kfrun("validate", path).stdout
    kfrun.write("other.py", "")
    assert "warning KF604: there is no train.py in " in kfrun("validate", path).stdout


def test_validate_finds_the_script_of_the_folder_above(kfrun: Kfrun) -> None:
    kfrun.write("train.py", "")
    (kfrun.folder / "k8s").mkdir()
    path = job(kfrun, ["python", "train.py"], "k8s/job.yaml")
    assert "set kfrun.dev/source: .." in kfrun("validate", path).stdout


def test_one_text_in_place_of_a_list_is_told_once(kfrun: Kfrun, folder: Path) -> None:
    path = job(kfrun, ["python train.py"])
    for done in (kfrun("plan", "-f", path), kfrun("apply", "-q", "-f", path)):
        assert done.returncode == 0
        assert done.stderr.count("warning KF") == 1
        assert "KF725" in done.stderr
    refused = kfrun("run", "-q", "-f", folder / "job.yaml")
    assert refused.returncode == 1
    assert 'error KF603: exec: "python train.py"' in refused.stderr


def test_no_packages_are_installed_for_a_script_that_no_interpreter_is_named_for(kfrun: Kfrun, folder: Path) -> None:
    annotated = "{name: job, annotations: {kfrun.dev/packages: six}}"
    path = job(kfrun, ["train.py"])
    path.write_text(path.read_text().replace("{name: job}", annotated))
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == 1
    assert "KF603" in done.stderr
    assert "[python, train.py]" in done.stderr
