"""Code that changes between runs: what plan and apply say of it, and rerun."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually
from tests.load.git.gitrepos import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: churn
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python, -S, train.py]
    args: [--lr, "0.1", --epochs=3]
"""
TRAIN = """\
import json, os, sys, time
import helper
os.makedirs("runs/1", exist_ok=True)
os.makedirs("checkpoints", exist_ok=True)
for name in ("runs/1/events.out.tfevents.1", "checkpoints/last.pt", "metrics.json", "hparams.yaml", "train.log",
             "runs/1/train.py", "snapshot.py", "copies/train.py"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "w") as file:
        file.write(repr(time.time_ns()))
print(*sys.argv[1:])
"""


@pytest.fixture
def project(kfrun: Kfrun) -> Kfrun:
    """A folder with a job, its script, a module of its own and a file of settings."""
    kfrun.write("job.yaml", JOB)
    kfrun.write("train.py", TRAIN)
    kfrun.write("helper.py", "")
    kfrun.write("config.yaml", "depth: 3\n")
    return kfrun


def causes(kfrun: Kfrun, *flags: str, code: int = 0) -> str:
    """What plan says of the job."""
    done = kfrun("plan", "-f", "job.yaml", "--detailed-exitcode", *flags)
    assert done.returncode == code, done
    return next(line for line in done.stdout.splitlines() if "/churn" in line)


@pytest.mark.parametrize("with_git", [False, True])
def test_what_a_job_writes_beside_its_script_is_no_change(project: Kfrun, with_git: bool) -> None:
    if with_git:
        git(project.folder, "init", "-q")
        project.write("metrics.json", "{}")  # somebody tracks what the job writes
        git(project.folder, "add", "train.py", "helper.py", "metrics.json")
    for _ in range(3):
        assert project("run", "-q", "-f", "job.yaml").returncode == 0
        assert causes(project).endswith("unchanged; finished: Complete (AllJobsCompleted)")
    assert (project.folder / "copies" / "train.py").exists()


@pytest.mark.parametrize("name", ["train.py", "helper.py", "config.yaml"])
def test_plan_and_apply_say_which_file_has_changed_and_change_nothing(project: Kfrun, name: str) -> None:
    project.ok("apply", "-q", "--wait", "-f", "job.yaml")
    project.write(name, (project.folder / name).read_text() + "\n# changed\n")
    said = f"; {name} has changed since this run: --replace runs it again"
    assert causes(project).endswith(said)
    done = project("apply", "-f", "job.yaml")
    assert (done.returncode, done.stdout) == (0, "trainjob.trainer.kubeflow.org/churn unchanged\n")
    assert said in done.stderr
    assert f"; {name} has changed since this run" in causes(project, "--replace", code=2)
    assert project.ok("apply", "-q", "--replace", "--wait", "-f", "job.yaml").endswith("churn replaced\n")
    assert causes(project).endswith("finished: Complete (AllJobsCompleted)")
    assert project.ok("logs", "churn") == project.ok("logs", "-p", "churn") == "--lr 0.1 --epochs=3\n"


def test_run_says_what_has_changed_and_a_running_job_too(project: Kfrun) -> None:
    project.write("train.py", "import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    project.ok("apply", "-q", "-f", "job.yaml")
    eventually(lambda: project.ok("logs", "churn") == "up\n")
    project.write("train.py", TRAIN)
    project.write("new.py", "")
    assert causes(project).endswith("unchanged; running; train.py has changed since this run")
    project.ok("delete", "--now", "churn")
    project.ok("run", "-q", "-f", "job.yaml")
    project.write("helper.py", "# changed\n")
    project.write("train.py", TRAIN + "# changed\n")
    done = project("run", "-f", "job.yaml")
    assert "finished: Complete (AllJobsCompleted); helper.py and 1 more have changed since this run\n" in done.stderr
    assert "      code: ~ helper.py, ~ train.py\n" in done.stderr


def test_the_json_form_has_the_code(project: Kfrun) -> None:
    def plan(*flags: str) -> dict:
        return json.loads(project.ok("plan", "-f", "job.yaml", "-o", "json", *flags))

    first = plan()["jobs"][0]["codeDigest"]
    assert len(first) == 32
    project.ok("run", "-q", "-f", "job.yaml")
    project.write("helper.py", "# changed\n")
    assert plan()["jobs"][0]["codeDigest"] != first
    (action,) = plan()["actions"]
    assert (action["type"], action["code"]) == ("Unchanged", [{"file": "helper.py", "change": "changed"}])
    (action,) = plan("--replace")["actions"]
    assert (action["type"], action["code"]) == ("ReplaceJob", [{"file": "helper.py", "change": "changed"}])


def test_a_saved_plan_keeps_the_code_and_the_arguments(project: Kfrun) -> None:
    project.ok("plan", "-f", "job.yaml", "--out", "a.plan", "--", "--lr", "7")
    project.write("helper.py", "# changed\n")
    done = project("apply", "a.plan")
    assert done.returncode == 1
    assert "helper.py was changed since the plan was made" in done.stderr
    project.write("helper.py", "")
    project.ok("apply", "-q", "--wait", "a.plan")
    assert project.ok("logs", "churn") == "--lr 7 --epochs=3\n"


def test_rerun_runs_the_stored_manifest_with_todays_code_from_any_folder(project: Kfrun) -> None:
    project.ok("run", "-q", "-f", "job.yaml")
    project.write("train.py", TRAIN + "print('new')\n")
    (project.folder / "job.yaml").unlink()
    project.folder = project.home.parent
    done = project("rerun", "churn")
    assert (done.returncode, done.stdout) == (0, "--lr 0.1 --epochs=3\nnew\n")
    assert "train.py has changed since this run" in done.stderr
    done = project("rerun", "churn")
    assert "nothing has changed since the last run: code, manifest and arguments are the same\n" in done.stderr


@pytest.mark.parametrize("names", [["churn"], ["trainjob", "churn"], ["tj/churn"], []])
@pytest.mark.parametrize("words", [["--", "--lr", "0.05"], ["--arg", "--lr=0.05"], ["--arg=--lr", "--arg=0.05"]])
def test_rerun_puts_arguments_in_the_place_of_those_that_are_there(
    project: Kfrun, names: list[str], words: list[str]
) -> None:
    project.ok("run", "-q", "-f", "job.yaml")
    done = project("rerun", *names, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("=", " ") == "--lr 0.05 --epochs 3\n"
    assert "~ spec.trainer.args" in done.stderr


def test_rerun_ends_with_the_jobs_code_and_can_leave_at_once(project: Kfrun) -> None:
    project.write("train.py", "import sys\nsys.exit(7)\n")
    assert project("run", "-q", "-f", "job.yaml").returncode == 7
    assert project("rerun", "-q", "churn").returncode == 7
    project.write("train.py", "print('done')\n")
    done = project("rerun", "-d", "-q", "churn")
    assert (done.returncode, done.stdout) == (0, "trainjob.trainer.kubeflow.org/churn replaced\n")
    assert done.stderr == "kfrun logs -f churn follows it\n"
    project.ok("wait", "churn")
    assert project.ok("logs", "churn") == "done\n"


def test_rerun_refuses_a_running_job_with_the_way_out_and_what_is_not_there(project: Kfrun) -> None:
    project.write("train.py", "import time\ntime.sleep(60)\n")
    project.ok("apply", "-q", "-f", "job.yaml")
    done = project("rerun", "churn")
    assert done.returncode == 1
    assert "the stored TrainJob churn: error KF502: TrainJob churn exists and is running" in done.stderr
    assert "kfrun logs -f churn follows it" in done.stderr
    done = project("rerun", "chrun")
    assert done.returncode == 1
    assert "did you mean churn?" in done.stderr
    assert project("rerun", "a", "b").returncode == 2
    assert project("rerun", "pods", "churn").returncode != 0


def test_ctrl_c_stops_what_rerun_started(project: Kfrun) -> None:
    project.ok("run", "-q", "-f", "job.yaml")
    project.write("train.py", "import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    running = project.start("rerun", "-q", "churn")
    eventually(lambda: project("logs", "churn").stdout == "up\n")
    running.send_signal(signal.SIGINT)
    out, error = running.communicate(timeout=30)
    assert (running.returncode, out, b"Traceback" in error) == (130, b"up\n", False)


def test_rerun_takes_the_runtime_that_the_job_was_created_with(project: Kfrun) -> None:
    runtime = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata:
  name: own
spec:
  mlPolicy: {{numNodes: 1}}
  template:
    spec:
      replicatedJobs:
        - name: node
          template:
            metadata:
              labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
            spec:
              template:
                spec:
                  containers:
                    - name: node
                      image: python
                      env: [{{name: WHICH, value: {which}}}]
"""
    project.write("runtime.yaml", runtime.format(which="first"))
    project.write("job.yaml", JOB.replace("plain-python", "own"))
    project.write("train.py", "import os\nprint(os.environ['WHICH'])\n")
    project.ok("apply", "-q", "-f", "runtime.yaml")
    assert project.ok("run", "-q", "-f", "job.yaml") == "first\n"
    project.write("runtime.yaml", runtime.format(which="second"))
    project.ok("apply", "-q", "-f", "runtime.yaml")
    assert project.ok("rerun", "-q", "churn") == "first\n"
    assert project.ok("run", "-q", "-f", "job.yaml") == "second\n"


def test_a_job_from_a_pipe_runs_again_where_it_ran(project: Kfrun) -> None:
    assert project("run", "-q", "-f", "-", stdin=JOB).stdout == "--lr 0.1 --epochs=3\n"
    project.folder = project.home.parent
    assert project.ok("rerun", "-q", "churn") == "--lr 0.1 --epochs=3\n"


def test_a_source_folder_elsewhere_is_where_the_code_is(project: Kfrun) -> None:
    (project.folder / "k8s").mkdir()
    source = "metadata:\n  annotations: {kfrun.dev/source: ..}\n"
    project.write("k8s/job.yaml", JOB.replace("metadata:\n", source))
    project.ok("run", "-q", "-f", "k8s/job.yaml")
    project.write("helper.py", "# changed\n")
    done = project("plan", "-f", "k8s/job.yaml")
    assert "helper.py has changed since this run" in done.stdout
    assert project.ok("rerun", "-q", "churn") == "--lr 0.1 --epochs=3\n"


def test_arguments_reach_render_plan_apply_and_run(project: Kfrun) -> None:
    for verb in ("plan", "render"):
        assert "--lr" in project.ok(verb, "-f", "job.yaml", "--", "--lr", "9")
    assert "command of node: python -S train.py --lr 9 --epochs=3" in project.ok(
        "plan", "-f", "job.yaml", "--", "--lr", "9"
    )
    assert project.ok("run", "-q", "-f", "job.yaml", "--arg", "--lr=9") == "--lr=9 --epochs=3\n"
    done = project("apply", "-f", "job.yaml", "--", "--lr", "1", "data")
    assert done.returncode == 1
    assert "KF501" in done.stderr
    project.ok("apply", "-q", "--wait", "--replace", "-f", "job.yaml", "--", "--lr", "1", "data")
    assert project.ok("logs", "churn") == "--lr 1 data --epochs=3\n"


@pytest.mark.parametrize("verb", ["validate", "lint", "diff", "plan", "apply", "run", "render", "convert", "delete"])
def test_a_set_that_nothing_uses_is_a_mistake_for_every_verb(project: Kfrun, verb: str) -> None:
    done = project(verb, "-f", "job.yaml", "--set", "lr=0.5")
    assert done.returncode == (3 if verb == "diff" else 2)
    assert "--set lr: nothing in the input uses it" in done.stderr
    assert not project.database.exists() or project.ok("get", "trainjobs", "-o", "name") == ""


def test_a_finding_about_a_field_that_was_set_names_the_flag(project: Kfrun, tmp_path: Path) -> None:
    flags = ("--set", "spec.trainer.numNodes=x", "--set", "spec.trainer.args[1]=0.5")
    done = project("validate", "-f", "job.yaml", *flags)
    assert done.returncode == 1
    assert "--set spec.trainer.numNodes: error KF202" in done.stdout + done.stderr
    assert "--set-string spec.trainer.args[1]=… gives a text" in done.stdout + done.stderr
    github = project("validate", "-f", "job.yaml", *flags, "-o", "github").stdout
    assert "file=" not in github
    assert "given by --set spec.trainer.numNodes" in github
    sarif = project("validate", "-f", "job.yaml", *flags, "-o", "sarif").stdout
    results = json.loads(sarif)["runs"][0]["results"]
    assert all("physicalLocation" not in place for one in results for place in one["locations"])
    told = json.loads(project("validate", "-f", "job.yaml", *flags, "-o", "json").stdout)["findings"]
    assert {one["given"] for one in told} == {"--set spec.trainer.numNodes", "--set spec.trainer.args[1]"}
    assert {one["file"] for one in told} == {None}


def test_a_field_that_was_set_is_applied(project: Kfrun) -> None:
    done = project(
        "run", "-f", "job.yaml", "--set", "spec.trainer.numNodes=2", "--set-string", "spec.trainer.args[1]=7"
    )
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["[node-0] --lr 7 --epochs=3", "[node-1] --lr 7 --epochs=3"]
