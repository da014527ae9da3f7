"""kfrun env: real environments, a real store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.execute.environments import environment_setup as setup

JOB = """
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: keeper
  annotations:
    kfrun.dev/packages: tinypkg
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python, -c, "import time, tinypkg; open('ready', 'w'); time.sleep(600)"]
"""


@pytest.fixture
def kfrun(tmp_path):
    setup.make_wheel(tmp_path / "wheels")
    environ = setup.clean_environ(
        PIP_FIND_LINKS=str(tmp_path / "wheels"),
        PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull,
        KFRUN_HOME=str(tmp_path / "home"),
        PYTHONPATH=str(setup.ROOT),
    )

    def run(*arguments: str, code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "kfrun", *arguments],
            capture_output=True,
            text=True,
            env={**environ, **variables},
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    yield run
    run("delete", "trainjob", "keeper", "--ignore-not-found")


def test_no_environments_are_no_error_and_print_nothing(kfrun):
    assert kfrun("env") == kfrun("env", "list") == ""
    assert kfrun("env", "prune") == ""
    assert json.loads(kfrun("env", "list", "-o", "json")) == {"formatVersion": 1, "environments": []}


def test_the_environment_of_a_running_job_is_shown_and_stays_until_it_has_ended(kfrun, tmp_path):
    (tmp_path / "job.yaml").write_text(JOB)
    kfrun("apply", "-f", "job.yaml")
    setup.until((tmp_path / "ready").exists, "the job to run")
    (item,) = json.loads(kfrun("env", "list", "-o", "json"))["environments"]
    assert (item["requirements"], item["state"], item["installer"]) == (["tinypkg"], "ready", "uv")
    assert item["size"] > 1000
    row = kfrun("env").splitlines()[1]
    assert row.startswith(item["name"])
    assert "in use" in row
    assert row.endswith("tinypkg")
    assert kfrun("env", "prune") == ""
    assert kfrun("env", "prune", KFRUN_BACKEND="memory") == "", "environments belong to the machine"
    kfrun("delete", "-f", "job.yaml")
    assert kfrun("env", "prune", "--unused-for", "1h") == ""
    assert kfrun("env", "prune", "--dry-run") == f"{item['name']} would be removed\n"
    assert Path(item["path"]).exists()
    assert kfrun("env", "prune", "-o", "name") == f"{item['name']}\n"
    assert not Path(item["path"]).exists()


def test_a_span_that_makes_no_sense_is_a_usage_error(kfrun):
    kfrun("env", "prune", "--unused-for", "soon", code=2)
