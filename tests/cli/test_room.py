"""What this machine has no room for is told before it waits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.execute.test_volumes_of_jobs import until_event

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
    command: [python, -c, "print('here')"]
    resourcesPerNode:
      requests: {cpu: %s, memory: 1Mi}
      limits: {nvidia.com/mig-9g.999gb: %d}
"""


def test_a_request_above_what_the_machine_has_is_told_in_the_words_of_the_event(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", JOB % (10_000, 1))
    words = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/mig-9g.999gb."
    said = (
        f"job.yaml:11:23: warning KF608: the pods of node are going to wait: {words} "
        f"Each requests cpu 10k of {os.cpu_count()}, nvidia.com/mig-9g.999gb 1 of 0"
    )
    planned = kfrun("plan", "job.yaml")
    assert planned.returncode == 0
    assert said in planned.stderr
    assert said in kfrun("apply", "-f", "job.yaml").stderr
    assert until_event(kfrun, "FailedScheduling") == words


def test_what_there_is_room_for_is_not_told(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", JOB % (1, 0))
    assert "KF608" not in kfrun("plan", "job.yaml").stderr
