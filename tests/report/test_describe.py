from __future__ import annotations

from kfrun.report import describe
from kfrun.report.columns import JobFacts
from kfrun.report.table import epoch
from tests.observe.runs import condition, pod, terminated, trainjob

NOW = epoch("2026-11-21T08:02:00Z")

TEXT = """\
Name:          mnist
Namespace:     default
Labels:        team=a
               x=y
Annotations:   kfrun.dev/packages: numpy
               scipy
Created:       2026-11-21T08:00:00Z (2m ago)
UID:           uid-default-mnist
State:         Failed
Failure:       node-0 failed with exit code 7
Exit Code:     7
Runtime:       ClusterTrainingRuntime/torch-distributed
Nodes:         2
Backend:       process
Packages:      numpy
               scipy
Environment:   /cache/env
Trainer:
  Args:
    - --lr
    - 0.1
  Env:
    - name: LR
      value: 1
Not Enforced:  spec.x (no cgroup)
Conditions:
  TYPE     STATUS   REASON       AGE   MESSAGE
  Failed   True     FailedJobs   30s   jobset failed
Pods:
  NODE     POD                CONTAINER   STATUS   EXIT   RESTARTS   MESSAGE
  node-0   mnist-node-0-0-a   node        Error    7      0
Events:  <none>
"""


def test_trainjob():
    meta = {"labels": {"team": "a", "x": "y"}, "annotations": {"kfrun.dev/packages": "numpy\nscipy"}}
    trainer = {"numNodes": 2, "args": ["--lr", "0.1"], "env": [{"name": "LR", "value": "1"}]}
    job = trainjob(
        "mnist", condition("Failed", "FailedJobs", "jobset failed"), metadata=meta, spec={"trainer": trainer}
    )
    view = describe.TrainJobView(
        job=job,
        pods=[pod(state=terminated(7))],
        nodes=["node-0"],
        facts=JobFacts("2", "7", "process"),
        packages=["numpy", "scipy"],
        environment="/cache/env",
        not_enforced=["spec.x (no cgroup)"],
        failure="node-0 failed with exit code 7",
    )
    assert describe.trainjob(view, NOW) == TEXT


def test_pod_without_containers_has_a_line():
    item = pod()
    item["status"] = {"phase": "Pending", "message": "waiting for 2 GPUs, 1 free"}
    text = describe.trainjob(describe.TrainJobView(job=trainjob(), pods=[item], nodes=["node-0"]), NOW)
    assert "waiting for 2 GPUs, 1 free" in text


def test_any_object():
    obj = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainingRuntime", "metadata": {"name": "r"},
        "spec": {"mlPolicy": {"numNodes": 2, "torch": {}}, "flag": True},
    }  # fmt: skip
    assert describe.generic(obj, [], NOW) == (
        "Name:         r\nNamespace:    <none>\nLabels:       <none>\nAnnotations:  <none>\nCreated:      <none>\n"
        "UID:          <none>\nAPI Version:  trainer.kubeflow.org/v1alpha1\nKind:         TrainingRuntime\n"
        "From:         shipped\nSpec:\n"
        "  mlPolicy:\n    numNodes: 2\n    torch: <none>\n  flag: true\nEvents:  <none>\n"
    )
