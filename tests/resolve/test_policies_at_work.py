"""JAX and XGBoost jobs as local processes: what their policies inject is what two nodes need to meet."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

MEET = """\
import os, socket, time
host, _, port = {address}.rpartition(":")
rank, size = int(os.environ["{rank}"]), int(os.environ["{size}"])
if rank == 0:
    server = socket.create_server((host, int(port)))
    server.settimeout(60)
    print("rank 0 met", [server.accept()[0].recv(9).decode() for _ in range(size - 1)], flush=True)
else:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((host, int(port)), 5).sendall(str(rank).encode())
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
"""
"""Rank 0 listens where its policy says, the others find it there."""

MANIFEST = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {{name: meet}}
spec:
  mlPolicy: {{numNodes: 1, {kind}: {{}}}}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec: {{template: {{spec: {{containers: [{{name: node, image: img}}]}}}}}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: meet}}
spec:
  runtimeRef: {{kind: TrainingRuntime, name: meet}}
  trainer: {{numNodes: 2, command: {command}}}
"""


@pytest.mark.parametrize(
    ("kind", "address", "rank", "size"),
    [
        ("jax", 'os.environ["JAX_COORDINATOR_ADDRESS"]', "JAX_PROCESS_ID", "JAX_NUM_PROCESSES"),
        (
            "xgboost",
            "f\"{os.environ['DMLC_TRACKER_URI']}:{os.environ['DMLC_TRACKER_PORT']}\"",
            "DMLC_TASK_ID",
            "DMLC_NUM_WORKER",
        ),
    ],
)
def test_two_nodes_meet_at_the_injected_address(kfrun: Kfrun, kind: str, address: str, rank: str, size: str) -> None:
    program = kfrun.write("meet.py", MEET.format(address=address, rank=rank, size=size))
    command = json.dumps([sys.executable, str(program)])
    manifest = kfrun.write("meet.yaml", MANIFEST.format(kind=kind, command=command))
    assert "rank 0 met ['1']" in kfrun.ok("run", "-f", manifest)


def test_a_policy_that_needs_volumes_is_refused_before_anything_starts(kfrun: Kfrun) -> None:
    manifest = kfrun.write("flux.yaml", MANIFEST.format(kind="flux", command='["train"]'))
    done = kfrun("apply", "-f", manifest)
    assert done.returncode == 1, done.stderr
    assert "flux.yaml:5:" in done.stderr
    assert "KF422" in done.stderr
    assert kfrun("get", "trainjobs").stdout == ""


def test_render_shows_new_keys_each_time_and_validate_needs_none(kfrun: Kfrun) -> None:
    manifest = kfrun.write("flux.yaml", MANIFEST.format(kind="flux", command='["train"]'))
    kfrun.ok("validate", "-f", manifest)
    first, second = kfrun.ok("render", "-f", manifest, "-o", "json"), kfrun.ok("render", "-f", manifest, "-o", "json")
    kinds = [item["kind"] for item in json.loads(first)["items"]]
    assert kinds == ["ConfigMap", "Secret", "JobSet"]
    secrets = [json.loads(shown)["items"][1]["data"]["curve.cert"] for shown in (first, second)]
    assert secrets[0] != secrets[1]
