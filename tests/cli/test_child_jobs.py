"""Two TrainJobs whose JobSets would make a Job of the same name: the second one is refused, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.manifests import JOB, RUNTIME
from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.conftest import Kfrun

LONG = RUNTIME.replace("name: mine", "name: long").replace(
    "- name: node\n        template", "- name: b-node\n        template"
)
FIRST = f"{LONG}---\n{JOB}".replace("name: mnist", "name: a").replace(
    "name: plain-python", "kind: TrainingRuntime\n    name: long"
)
SECOND = JOB.replace("name: mnist", "name: a-b")
COMMAND = "command: [sleep, '0']"


def test_a_job_that_is_stored_keeps_the_names_of_its_jobs(kfrun: Kfrun) -> None:
    first = kfrun.write("first.yaml", FIRST.replace("command: [python, train.py]", COMMAND))
    second = kfrun.write("second.yaml", SECOND.replace("command: [python, train.py]", COMMAND))
    kfrun.ok("apply", "-q", "--wait", "-f", first)
    for verb in ("plan", "apply", "run"):
        done = kfrun(verb, "-f", second)
        assert done.returncode == 1
        assert "KF508" in done.stdout + done.stderr
        assert "TrainJob a-b needs a Job a-b-node-0, and so does TrainJob a" in done.stdout + done.stderr
    assert kfrun.ok("get", "trainjobs", "-o", "name").split() == ["trainjob.trainer.kubeflow.org/a"]
    kfrun.ok("run", "-q", "-f", first)
    kfrun.ok("delete", "a")
    eventually(lambda: not kfrun.ok("get", "jobs", "-o", "name"))
    kfrun.ok("run", "-q", "-f", second)
