"""``kfrun run`` of scripts and commands: no manifest is written, one is made."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

TRAIN = "import json, os, sys\nprint(json.dumps([os.getcwd(), *sys.argv[1:]]))\n"
AWKWARD = (
    "--epochs",
    "2",
    "-n",
    "x",
    "-f",
    "--help",
    "-q",
    "--",
    "--rm",
    "",
    "a b",
    "$(HOME)",
    "$$x",
    "é\n'\"\\",
    "-1",
    "0x1F",
    "null",
)


@pytest.fixture
def project(kfrun: Kfrun) -> Kfrun:
    """kfrun in a folder with a script and a blank in its name."""
    kfrun.folder /= "my churn"
    kfrun.folder.mkdir()
    kfrun.write("train.py", TRAIN)
    return kfrun


def stored(kfrun: Kfrun, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(kfrun.ok("get", "trainjob", name, "-o", "json"))
    return found


def test_a_script_runs_without_a_manifest_in_the_current_folder(project: Kfrun) -> None:
    done = project("run", "train.py")
    assert (done.returncode, json.loads(done.stdout)) == (0, [str(project.folder)])
    assert "manifest of train.py:\n  apiVersion: trainer" in done.stderr
    assert "+ trainjob.trainer.kubeflow.org/my-churn: not stored yet" in done.stderr
    assert sorted(path.name for path in project.folder.iterdir()) == ["train.py"]
    spec = stored(project, "my-churn")["spec"]
    assert (spec["runtimeRef"]["name"], spec["trainer"]["command"]) == ("plain-python", ["python", "train.py"])


@pytest.mark.parametrize("script", ["train.py", "./train.py", "sub/../train.py", "/"])
def test_everything_behind_a_script_belongs_to_it_unchanged(project: Kfrun, script: str) -> None:
    (project.folder / "sub").mkdir()
    named = project.folder / "train.py" if script == "/" else script
    assert json.loads(project.ok("run", "-q", named, *AWKWARD))[1:] == list(AWKWARD)
    assert stored(project, "my-churn")["spec"]["trainer"]["command"] == ["python", "train.py"]


def test_the_options_of_kfrun_stand_before_a_script(project: Kfrun) -> None:
    line = ("run", "--quiet=true", "-n", "team", "--nodes", "2", "--name=other", "train.py", "--nodes", "3")
    assert [json.loads(one.split(" ", 1)[1])[1:] for one in project.ok(*line).splitlines()] == [["--nodes", "3"]] * 2
    job = json.loads(project.ok("get", "trainjob", "other", "-n", "team", "-o", "json"))
    assert job["spec"]["trainer"]["numNodes"] == 2
    assert project.ok("-n", "team", "run", "-q", "train.py", "-n", "x").count("-n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--", "python", "train.py", "--lr", "1"), ["--lr", "1"]),
        (("-q", "--", "python", "-u", "train.py", "--", "-q"), ["--", "-q"]),
        (("-m", "ours.train", "-m", "x"), ["-m", "x"]),
        (("--", "python", "-m", "ours.train", "a"), ["a"]),
        (("run.sh", "--lr", "1"), ["--lr", "1"]),
        (("./tool", "--lr", "1"), ["--lr", "1"]),
        (("--", "sh", "-c", 'python train.py "$@"', "x", "1"), ["1"]),
    ],
)
def test_commands_modules_and_other_scripts_run_as_they_are(
    project: Kfrun, words: tuple[str, ...], said: list[str]
) -> None:
    (project.folder / "ours").mkdir()
    project.write("ours/train.py", TRAIN)
    project.write("run.sh", 'python train.py "$@"\n')
    project.write("tool", f"#!/usr/bin/env python3\n{TRAIN}").chmod(0o755)
    assert json.loads(project.ok("run", *words)) == [str(project.folder), *said]


def test_what_save_writes_is_the_manifest_and_runs_the_same(project: Kfrun) -> None:
    (project.folder / "k8s").mkdir()
    project.write("requirements.txt", "# nothing\n")
    for path in ("job.yaml", "k8s/job.yaml"):
        first = project("run", "--save", path, "--nodes", "2", "train.py", *AWKWARD)
        assert f"kfrun run -f {path} runs it again" in first.stderr
        job = stored(project, "my-churn")
        text = (project.folder / path).read_text()
        shown = first.stderr.partition("manifest of train.py:\n")[2].partition("\n\n")[0]
        assert "".join(f"  {line}\n" for line in text.splitlines()) == f"{shown}\n"
        assert f"{path}: trainjob.trainer.kubeflow.org/my-churn is valid" in project.ok("validate", path)
        assert project.ok("diff", path) == ""
        again = project("run", "-f", path)
        assert sorted(again.stdout.splitlines()) == sorted(first.stdout.splitlines())
        assert again.stderr.count("~ ") == 0
        assert stored(project, "my-churn")["spec"] == job["spec"]
    assert yaml.safe_load(text)["metadata"]["annotations"] == {
        "kfrun.dev/source": "..",
        "kfrun.dev/requirements": "../requirements.txt",
    }


def test_save_never_writes_over_another_file(project: Kfrun) -> None:
    project.write("job.yaml", "mine\n")
    for target, said in (("job.yaml", "is there already"), ("train.py", "is there already"), (".", "is a folder"),
                         ("none/job.yaml", "there is no folder none")):  # fmt: skip
        done = project("run", "--save", target, "train.py")
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert (project.folder / "job.yaml").read_text() == "mine\n"
    assert "No resources" in project("get", "trainjobs").stderr


def test_a_job_of_a_script_is_run_again_with_other_arguments(project: Kfrun) -> None:
    project.ok("run", "-q", "train.py", "--epochs", "2", "--lr=1")
    assert json.loads(project.ok("rerun", "-q", "my-churn", "--", "--epochs", "3"))[1:] == ["--epochs", "3", "--lr=1"]
    done = project("run", "train.py", "--epochs", "4")
    assert "~ spec.trainer.args" in done.stderr
    assert json.loads(done.stdout)[1:] == ["--epochs", "4"]


def test_two_scripts_of_one_name_do_not_take_each_others_job(project: Kfrun) -> None:
    project.ok("run", "-q", "train.py", "first")
    other = project.folder.parent / "other" / "my churn"
    other.mkdir(parents=True)
    (other / "train.py").write_text(TRAIN)
    mine, project.folder = project.folder, other
    done = project("run", "train.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: trainjob my-churn is of another folder, {mine}, and this is {other}" in done.stderr
    assert "kfrun run --name my-churn-2" in done.stderr
    assert project("run", "--name", "my-churn", "train.py").returncode == 1
    project.ok("run", "-q", "--name", "my-churn-2", "train.py")
    assert "first" in project.ok("logs", "my-churn")
    # another script of the same folder, by the same name
    project.folder = mine
    project.write("main.py", TRAIN)
    assert "trainjob my-churn runs python train.py, and this is python main.py" in project("run", "main.py").stderr
    project.ok("run", "-q", "train.py")
    # a folder that was moved takes its job along
    moved = mine.rename(mine.parent / "moved")
    project.folder = moved
    project.ok("run", "-q", "--name", "my-churn", "train.py")


def test_a_script_keeps_its_job_however_and_from_wherever_it_is_run(project: Kfrun) -> None:
    project.ok("run", "-q", "train.py")
    project.write("run.sh", "")
    for words in (
        ("./train.py",),
        (str(project.folder / "train.py"),),
        ("--", "python", "-u", "train.py"),
        ("-m", "train"),
    ):
        project.ok("run", "-q", *words)
    mine, project.folder = project.folder, project.folder.parent
    told = project("run", "-q", "my churn/train.py").stderr
    assert f"my-churn: it ran in {mine} before, and runs in {project.folder} now" in told
    assert "it ran in" not in project("run", "-q", "my churn/train.py").stderr
    project.ok("run", "-q", "--", "python", "my churn/train.py")
    project.folder /= "my churn"
    project.ok("run", "-q", "train.py")
    assert project.ok("get", "trainjobs", "-o", "name").split() == ["trainjob.trainer.kubeflow.org/my-churn"]
    # a program has no script: its arguments may be others
    project.ok("run", "-q", "--", "sh", "-c", "exit 0")
    project.ok("run", "-q", "--", "sh", "-c", "exit 0; echo other")


def test_a_script_whose_job_runs_is_refused_with_ways_out(project: Kfrun) -> None:
    project.write("train.py", "import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    running = project.start("run", "-q", "train.py")
    assert running.stdout is not None
    assert running.stdout.readline() == b"started\n"
    done = project("run", "train.py")
    assert done.returncode == 1
    assert "TrainJob my-churn exists and is running" in done.stderr
    for way in ("kfrun logs -f my-churn", "kfrun stop my-churn", "--name my-churn-2"):
        assert way in done.stderr
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    eventually(lambda: not project.processes(), what="the job has ended")


def test_a_script_is_started_and_left(project: Kfrun) -> None:
    done = project("run", "-d", "-q", "-n", "team", "train.py", "-d")
    assert (done.returncode, done.stdout) == (0, "trainjob.trainer.kubeflow.org/my-churn created\n")
    assert done.stderr == "kfrun logs -f my-churn -n team follows it\n"
    project.ok("wait", "-n", "team", "my-churn")
    assert json.loads(project.ok("logs", "-n", "team", "my-churn"))[1:] == ["-d"]
    assert "leave one away" in project("run", "-d", "--rm", "train.py").stderr


def test_pytorch_is_started_by_torchrun(project: Kfrun) -> None:
    project.write("train.py", "import helper\n")
    project.write("helper.py", "from torch import nn\n")
    line = ("--stdout", "--nodes", "2", "--nproc", "2", "--gpus", "1", "train.py", "--lr", "1")
    job = yaml.safe_load(project.ok("init", *line))
    assert job["spec"] == {
        "runtimeRef": {"name": "torch-distributed"},
        "trainer": {
            "numNodes": 2,
            "numProcPerNode": 2,
            "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}},
            "command": ["torchrun", "train.py"],
            "args": ["--lr", "1"],
        },
    }
    kept = yaml.safe_load(project.ok("init", "--stdout", "--", "python", "train.py"))["spec"]
    assert (kept["runtimeRef"]["name"], kept["trainer"]["command"]) == ("torch-distributed", ["python", "train.py"])
    plain = yaml.safe_load(project.ok("init", "--stdout", "--runtime", "plain-python", "train.py"))["spec"]
    assert (plain["runtimeRef"]["name"], plain["trainer"]["command"]) == ("plain-python", ["python", "train.py"])


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        ((), "nothing to run", "kfrun run train.py"),
        (("--",), "no script was named", "kfrun run -- python train.py"),
        (("-f", "job.yaml", "train.py"), "-f names a manifest, and train.py is a script", "behind --"),
        (("--nodes", "2", "-f", "job.yaml"), "--nodes is for a script", "--set spec.trainer.numNodes=2"),
        (("--nodes", "0", "train.py"), "0 is not in the range", ""),
        (("--name", "A_b", "train.py"), "--name A_b is no name of a job", "write --name a-b"),
        (("--nproc", "2", "train.py"), "train.py uses no PyTorch", "--runtime torch-distributed"),
        (("--nproc", "2", "--", "python", "train.py"), "a command with python runs as it is", "torchrun"),
        (("--set", "a=1", "train.py"), "--set is for manifests", "kfrun init train.py"),
        (("--arg", "a", "train.py"), "--arg is for manifests", "arguments stand behind the script"),
        (("-m", "a.yaml"), "there is no module a.yaml", "kfrun run -- python -m a.yaml"),
        (("trian.py",), "no such file: trian.py", "did you mean train.py?"),
        (("python", "train.py"), "no such file: python", "kfrun run -- python train.py"),
        ((".",), "no .json, .yaml or .yml file in the folder .", "kfrun run train.py runs a script of it"),
        (("--requirements", "no.txt", "train.py"), '"no.txt" is not there', ""),
    ],
)
def test_what_cannot_be_is_said_with_the_way_out(project: Kfrun, words: tuple[str, ...], said: str, hint: str) -> None:
    done = project("run", *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert hint in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (("run", "--epochs", "2", "train.py"), "kfrun run train.py --epochs 2;"),
        (("run", "-q", "--epochs=2", "train.py", "--lr", "1"), "kfrun run -q train.py --lr 1 --epochs=2;"),
        (("run", "--fast", "train.py"), "kfrun run train.py --fast;"),
        (("run", "-e", "2", "-m", "train"), "kfrun run -m train -e 2;"),
        (("run", "--epochs", "2"), "kfrun run train.py --epochs 2;"),
        (("run", "--epochs", "2", "job.yaml"), "kfrun run job.yaml -- --epochs 2;"),
        (("init", "--epochs", "2", "train.py"), "kfrun init train.py --epochs 2;"),
        (("rerun", "job", "--epochs", "3"), "kfrun rerun job -- --epochs 3;"),
        (("rerun", "--epochs", "3"), "kfrun rerun -- --epochs 3;"),
        (("rerun", "--fast", "job", "--", "--lr", "1"), "kfrun rerun job -- --lr 1 --fast;"),
        (("apply", "-f", "job.yaml", "--hf-token", "abc"), "kfrun apply -f job.yaml -- --hf-token '(sensitive)';"),
    ],
)
def test_an_option_of_the_job_in_front_of_it_is_told_where_it_stands(
    project: Kfrun, words: tuple[str, ...], way: str
) -> None:
    done = project(*words)
    assert (done.returncode, "No such option" in done.stderr) == (2, True)
    assert f"hint: if it is the job's: {way}" in done.stderr


def test_a_script_that_is_no_python_is_refused_with_file_line_and_column(project: Kfrun) -> None:
    project.write("train.py", "import os\nprint(\n")
    done = project("run", "train.py")
    assert done.returncode == 1
    assert (
        "train.py:2:6: error KF127: this is no Python: '(' was never closed\n  |\n2 | print(\n  |      ^" in done.stderr
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy ==\n", "requirements.txt:1:1: error KF415"),
        ("-r more.txt\n", '"more.txt" is not there'),
        ("--find-links nowhere\nnumpy\n", "requirements.txt:1:1: error KF415"),
    ],
)
def test_what_is_wrong_with_the_packages_is_told_at_its_line(project: Kfrun, text: str, said: str) -> None:
    project.write("requirements.txt", text)
    done = project("run", "train.py")
    assert done.returncode == 1
    assert said in done.stderr


def test_an_unreadable_lock_and_a_project_of_poetry_are_told(project: Kfrun) -> None:
    project.write("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\n")
    project.write("uv.lock", "version = \n")
    assert "uv.lock" in project("run", "train.py").stderr
    (project.folder / "uv.lock").unlink()
    project.write("pyproject.toml", "[tool.poetry.dependencies]\nnumpy = '*'\n")
    done = project("run", "train.py")
    assert done.returncode == 1
    assert "poetry export -o requirements.txt" in done.stderr
    assert project.ok("run", "-q", "--requirements", "none", "train.py")


def test_secrets_among_the_arguments_are_not_shown(project: Kfrun) -> None:
    done = project("run", "train.py", "--api-key", "hunter2", "--token=hunter2")
    assert "hunter2" not in done.stderr
    assert "hunter2" in done.stdout


def test_a_very_long_command_line_is_run_whole_and_shown_in_part(project: Kfrun) -> None:
    words = ["x" * 5000, *(f"data/{number:04}.npz" for number in range(127))]
    done = project("run", "train.py", *words)
    assert json.loads(done.stdout)[1:] == words
    shown = done.stderr.partition("\n\n")[0].splitlines()
    assert len(shown) == 62
    assert max(map(len, shown)) <= 202
    assert shown[-1].endswith("more lines")
    done = project("run", "train.py", *words, "one more")
    assert done.returncode == 1
    assert "the list has 129 items; at most 128 are allowed" in done.stderr
    assert "kfrun run -- sh -c" in done.stderr


def test_a_manifest_is_an_argument_and_flags_may_follow_it(project: Kfrun, tmp_path: Path) -> None:
    project.ok("init", "train.py")
    for words in (("job.yaml", "-q"), ("-q", "job.yaml"), ("-q", "*.yaml"), ("-q", "-f", "job.yaml"), ("-q", ".")):
        assert json.loads(project.ok("run", *words, "--", "--lr", "1"))[1:] == ["--lr", "1"]
    for verb in ("plan", "render", "validate", "lint", "convert", "diff"):
        more = ["--replace"] if verb == "plan" else []
        assert project(verb, "job.yaml", *more).returncode == (1 if verb == "diff" else 0), verb
        assert project(verb).returncode in (2, 3)
    assert project.ok("apply", "-q", "--wait", "job.yaml", "--replace")
    assert "kfrun delete -f job.yaml" in project("delete", "job.yaml").stderr
    assert project.ok("delete", "-f", "job.yaml")
