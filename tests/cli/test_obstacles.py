"""What is found before a job starts: programs and scripts that are not there or cannot be started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.__main__ import main

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
  annotations: {annotations}
spec:
  runtimeRef: {{name: plain-python}}
  trainer:
    command: {command}
"""


@pytest.fixture
def told(no_home, capsys):
    """What ``plan`` and a dry run of ``apply`` say of a command: exit codes and standard errors."""

    def run(command, path="job.yaml", annotations="{}"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(JOB.format(command=json.dumps(command), annotations=annotations))
        codes, texts = [], []
        for arguments in (["plan", "-f", path], ["apply", "-q", "--dry-run", "client", "-f", path]):
            codes.append(main(arguments))
            texts.append(capsys.readouterr().err)
        return codes, *texts

    return run


def script(name, text="print(1)\n", mode=0o644):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(text.encode())
    Path(name).chmod(mode)


@pytest.fixture
def files(no_home, monkeypatch):
    for launcher in ("torchrun", "accelerate"):
        script(f"bin/{launcher}", "#!/bin/sh\n", 0o755)
    monkeypatch.setenv("PATH", f"{Path.cwd()}/bin", prepend=":")
    script("train.py")
    script("src/inner.py")
    script("plain.sh", "echo 1\n")
    script("first.sh", "#!/bin/sh\necho 1\n")
    script("ends.sh", "#!/bin/sh\r\necho 1\r\n", 0o755)
    script("lost.sh", "#!/no/such/shell\n", 0o755)
    script("sound.sh", "#!/bin/sh\n", 0o755)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["python", "trian.py"], "KF604", "did you mean train.py?"),
        (["python3", "-u", "inner.py", "--lr", "1"], "KF604", "./src/inner.py is there"),
        (["torchrun", "--nproc-per-node", "2", "lost.py"], "KF604", "there is no lost.py in"),
        (["torchrun", "--nproc-per-node=2", "--standalone", "lost.py"], "KF604", "there is no lost.py in"),
        (["accelerate", "launch", "lost.py", "--lr", "1"], "KF604", "there is no lost.py in"),
        (["bash", "missing.sh"], "KF604", "there is no missing.sh in"),
        (["python", "-W", "ignore", "-X", "dev", "missing.py"], "KF604", "there is no missing.py in"),
        (["train.py"], "KF603", "[python, train.py]"),
        (["./train.py"], "KF603", "[python, ./train.py]"),
        (["./plain.sh"], "KF603", "chmod +x ./plain.sh"),
        (["./first.sh"], "KF603", "chmod +x ./first.sh, or [sh, ./first.sh]"),
        (["./ends.sh"], "KF603", "carriage return (\\r), as on Windows (CRLF)"),
        (["./lost.sh"], "KF603", "/no/such/shell"),
        (["./nothing"], "KF603", "has no nothing"),
    ],
)
def test_what_the_jobs_folder_lacks_is_a_warning_of_plan_and_refused_by_apply(told, files, command, code, words):
    codes, planned, applied = told(command)
    assert codes == [0, 1]
    assert f"job.yaml:9:14: warning {code}: " in planned
    assert f"job.yaml:9:14: error {code}: " in applied
    assert words in planned.replace("\n", " ")
    assert words in applied.replace("\n", " ")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["no-such-program"], "KF603"),
        (["/no/such/program"], "KF603"),
        (["python", "/workspace/train.py"], "KF604"),
        (["sh", "ends.sh"], "KF605"),
    ],
)
def test_what_may_be_there_when_the_job_starts_is_a_warning_everywhere(told, files, command, code):
    codes, planned, applied = told(command)
    assert codes == [0, 0]
    assert f"warning {code}: " in planned
    assert f"warning {code}: " in applied


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py", "missing.py"],
        ["python", "-m", "nothing"],
        ["python", "-c", "print(1)", "missing.py"],
        ["python", "--version"],
        ["./sound.sh"],
        ["sh", "-c", "python missing.py"],
        ["sh", "-ec", "./nothing"],
        ["bash", "sound.sh"],
        ["python", "src"],
        ["python", "$(SCRIPT)"],
        ["$(PROGRAM)"],
        ["env", "A=b", "python", "missing.py"],
        ["sleep", "missing.py"],
    ],
)
def test_sound_commands_and_those_that_nobody_can_tell_of_are_let_pass(told, files, command):
    assert told(command) == ([0, 0], "", "")


def test_a_script_above_the_manifests_folder_is_found_by_naming_the_source_folder(told, files):
    codes, planned, applied = told(["python", "train.py"], "k8s/job.yaml")
    assert codes == [0, 1]
    assert "= help: train.py is in the folder above: set kfrun.dev/source: ..\n" in planned
    assert "= help: train.py is in the folder above: set kfrun.dev/source: ..\n" in applied
    assert told(["python", "train.py"], "k8s/job.yaml", "{kfrun.dev/source: ..}")[0] == [0, 0]
    wrong = told(["python", "train.py"], annotations="{kfrun.dev/source: src}")
    assert "set kfrun.dev/source: .\n" in wrong[1]


def test_one_text_in_place_of_a_list_is_told_once(told, files):
    codes, planned, applied = told(["python train.py"])
    assert codes == [0, 0]
    for text in (planned, applied):
        assert text.count("warning KF") == 1
        assert "KF725" in text
        assert "write [python, train.py]" in text


def test_nobody_installs_packages_for_a_command_that_cannot_start(told, files):
    packages = "{kfrun.dev/packages: six}"
    for command in (["python train.py"], ["train.py"], ["python", "missing.py"]):
        assert told(command, annotations=packages)[0] == [0, 1]
    # a package may bring it
    assert told(["some-program"], annotations=packages) == ([0, 0], "", "")


def test_what_an_init_container_may_make_is_no_error(no_home, capsys):
    runtime = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: rt}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                initContainers:
                - {name: get, command: [sh, -c, "echo 'print(1)' > made.py"]}
                containers:
                - {name: node, command: [python, made.py]}
---
"""
    job = "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: job}\n"
    Path("job.yaml").write_text(f"{runtime}{job}spec: {{runtimeRef: {{kind: TrainingRuntime, name: rt}}}}\n")
    assert main(["apply", "-q", "--dry-run", "client", "-f", "job.yaml"]) == 0
    assert "warning KF604: there is no made.py" in capsys.readouterr().err


def test_nothing_of_a_name_reaches_the_terminal_raw(told):
    _, planned, applied = told(["python", "bad\x1b[31m\nname.py"])
    assert "\x1b" not in planned + applied
    assert "KF604" in planned
