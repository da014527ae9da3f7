"""Jobs on which a cluster and kfrun part ways: each is refused, warned of, or told what a cluster would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python, -c, "print('trained')"]
"""


@pytest.mark.parametrize("verb", ["run", "apply", "create"])
def test_a_job_whose_pods_nobody_could_count_is_refused_before_anything_starts(kfrun: Kfrun, verb: str) -> None:
    kfrun.write("job.yaml", f"{JOB}    numNodes: -1\n")
    done = kfrun(verb, "-f", "job.yaml")
    assert (done.returncode, done.stderr.count("job.yaml:10:15: error KF361: -1 is not allowed")) == (1, 2)
    assert "a cluster would take the TrainJob and refuse its Jobs: it would hang without a condition" in done.stderr
    assert kfrun("get", "trainjob", "job").returncode == 1


def test_a_job_without_pods_is_named_before_it_is_complete(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", f"{JOB}    numNodes: 0\n")
    done = kfrun("run", "-f", "job.yaml")
    assert done.returncode == 0
    assert "job.yaml:10:5: warning KF722: no pod trains, the command reaches no container: the job is" in done.stderr
    assert "job: Complete" in done.stderr
