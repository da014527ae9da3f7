from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.__main__ import main
from kfrun.load import kubeyaml
from tests.cli.manifests import JOB, MISSING_RUNTIME


@pytest.fixture
def render(no_home, capsys):
    def run(*arguments, text=JOB, code=0):
        Path("job.yaml").write_text(text)
        assert main(["render", "-f", "job.yaml", *arguments]) == code
        return capsys.readouterr()

    return run


def test_the_jobset_is_printed_as_yaml_that_kubectl_reads(render):
    documents, findings = kubeyaml.parse(render().out, "out")
    assert findings == []
    assert [item.key.resource for item in documents] == ["jobset.jobset.x-k8s.io/mnist"]
    (job,) = documents[0].data["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "train.py"]


def test_yaml_and_json_are_the_same_objects(render):
    documents, _ = kubeyaml.parse(render().out, "out")
    assert json.loads(render("-o", "json").out) == documents[0].data


def test_the_objects_of_several_jobs_are_separate_documents(render):
    text = f"{JOB}---\n{JOB.replace('mnist', 'other')}"
    shown = render(text=text).out
    assert shown.count("\n---\n") == 1
    documents, _ = kubeyaml.parse(shown, "out")
    assert [item.key.name for item in documents] == ["mnist", "other"]
    data = json.loads(render("-o", "json", text=text).out)
    assert (data["kind"], len(data["items"])) == ("List", 2)


def test_the_same_input_gives_the_same_bytes(render):
    assert render().out == render().out


def test_the_namespace_reaches_the_objects(render):
    documents, _ = kubeyaml.parse(render("-n", "team-a").out, "out")
    assert documents[0].key.namespace == "team-a"


def test_the_cluster_retries_are_left_to_the_cluster(render):
    assert "backoffLimit" not in render().out


def test_refused_input_prints_nothing_but_findings(render):
    shown = render(text=MISSING_RUNTIME, code=1)
    assert shown.out == ""
    assert "KF401" in shown.err


def test_no_state_is_made(render, no_home):
    render()
    assert not no_home.exists()


EXPLAINED = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: mine
    kind: TrainingRuntime
  trainer:
    command: [python, train.py]
    numNodes: 2
    env:
    - name: TEXT
      value: |
        one # no comment
        two
  runtimePatches:
  - manager: example.com/team
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template:
              spec:
                template:
                  spec:
                    nodeSelector:
                      disk: ssd
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata:
  name: mine
spec:
  mlPolicy:
    torch: {}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels:
              trainer.kubeflow.org/trainjob-ancestor-step: trainer
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: python:3.13
"""


def comments(text):
    """What stands before every comment, without its blanks -> the comment."""
    return {line.split("  # ")[0].strip(): line.split("  # ")[1] for line in text.splitlines() if "  # " in line}


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        ("apiVersion: jobset.x-k8s.io/v1alpha2", "controller"),
        ("name: mnist", "job job.yaml:4"),
        ("namespace: default", "default"),
        ("- name: node", "runtime job.yaml:50"),
        ("image: python:3.13", "runtime job.yaml:51"),
        ("parallelism: 2", "job job.yaml:11"),
        ("- train.py", "job job.yaml:10"),
        ("env:", "job job.yaml:13"),
        ("value: |", "job job.yaml:14"),
        ("disk: ssd", "patch example.com/team job.yaml:29"),
        ("- name: PET_NNODES", "policy torch job.yaml:37"),
        ("ports:", "policy torch job.yaml:37"),
        ("replicas: 1", "default"),
    ],
)
def test_explain_says_behind_every_field_where_it_comes_from(render, line, origin):
    assert comments(render("--explain", text=EXPLAINED).out)[line] == origin


@pytest.mark.parametrize(
    "text", [JOB, EXPLAINED, f"{JOB.replace('mnist', 'other')}---\n{EXPLAINED}"], ids=["one", "patched", "several"]
)
def test_explained_objects_are_the_same_objects(render, text):
    plain = render(text=text).out
    told = render("--explain", text=text).out
    read = [[item.data for item in kubeyaml.parse(shown, "out")[0]] for shown in (plain, told)]
    assert read[0] == read[1]
    assert "  # " not in plain
    behind = [line.split("  # ")[0].rstrip() for line in told.splitlines()]
    assert behind == plain.splitlines()
    data = json.loads(render("--explain", "-o", "json", text=text).out)
    assert [item["object"] for item in data["objects"]] == read[0]


def test_json_carries_the_origins_beside_the_objects(render):
    data = json.loads(render("--explain", "-o", "json", text=EXPLAINED).out)
    assert data["formatVersion"] == 1
    (item,) = data["objects"]
    pod = "spec.replicatedJobs[0].template.spec.template.spec"
    assert item["origins"][f"{pod}.nodeSelector.disk"] == {
        "layer": "patch",
        "detail": "example.com/team",
        "file": "job.yaml",
        "line": 29,
        "column": 29,
    }
    assert item["origins"]["kind"] == {"layer": "controller"}
    assert item["origins"]["spec.replicatedJobs[0].replicas"] == {"layer": "default"}


def test_objects_beside_the_jobset_come_from_their_policy(render):
    text = EXPLAINED.replace("torch: {}", "mpi: {numProcPerNode: 1}")
    told = comments(render("--explain", text=text).out)
    assert told["hostfile: |"] == "policy mpi job.yaml:37"
