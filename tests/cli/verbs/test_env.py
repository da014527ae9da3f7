"""kfrun env: real environments, a real store."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kfrun.execute.environments.request import MARKER
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
    assert kfrun("env", "prune") == "", "what was used within the last day stays"
    assert kfrun("env", "prune", "--dry-run", "--all") == f"{item['name']} would be removed\n"
    assert Path(item["path"]).exists()
    (removed,) = json.loads(kfrun("env", "prune", "-o", "json", "--all", "--dry-run"))["environments"]
    assert removed["size"] > 1000
    assert kfrun("env", "prune", "-o", "name", "--all") == f"{item['name']}\n"
    assert not Path(item["path"]).exists()


def made(tmp_path, name, *, age):
    """An environment that looks built, used last so many seconds ago."""
    path = tmp_path / "home" / "cache" / "environments" / name
    path.mkdir(parents=True)
    marker = {
        "requirements": ["six"],
        "python": "3.11",
        "installer": "uv",
        "created": time.time() - age,
        "isolatedFor": None,
    }
    (path / MARKER).write_text(json.dumps(marker))
    os.utime(path / MARKER, (time.time() - age,) * 2)
    (path / "filler").write_bytes(b"x" * 5000)
    return path


def test_what_is_freed_is_summed_up_and_what_stays_is_told(kfrun, tmp_path, capfd):
    old, new = made(tmp_path, "a" * 32, age=90_000), made(tmp_path, "b" * 32, age=60)
    assert kfrun("env", "prune", "--dry-run") == f"{old.name} would be removed\n"
    assert kfrun("env", "prune") == f"{old.name} removed\n"
    assert (old.exists(), new.exists()) == (False, True)
    kfrun("env", "prune", "--all", "--unused-for", "1d", code=2)
    assert kfrun("env", "prune", "--unused-for", "10s") == f"{new.name} removed\n"


@pytest.mark.parametrize(("typed", "is_gone"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_on_a_terminal_somebody_is_asked(kfrun, tmp_path, typed, is_gone):
    path = made(tmp_path, "a" * 32, age=90_000)
    main, side = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kfrun", "env", "prune"],
        stdin=side, stdout=side, stderr=side, cwd=tmp_path, env={**os.environ, "KFRUN_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    os.close(side)
    os.write(main, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(main, 4096):
            shown += chunk
    os.close(main)
    assert process.wait(timeout=30) == 0
    assert b"remove 1 environment, " in shown
    assert path.exists() is not is_gone


def test_a_span_that_makes_no_sense_is_a_usage_error(kfrun):
    kfrun("env", "prune", "--unused-for", "soon", code=2)
