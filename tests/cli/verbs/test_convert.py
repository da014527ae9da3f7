from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import JOB

OLD = JOB.replace("plain-python", "torch-distributed").replace("trainer:", "podSpecOverrides: []\n  trainer:", 1)
ELASTIC = """\
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata:
  name: elastic
spec:
  elasticPolicy: {maxReplicas: 3}
  pytorchReplicaSpecs:
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - name: pytorch
            image: registry.example/train:1
            command: [torchrun, train.py]
"""
TF = "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata:\n  name: tf\nspec: {}\n"


@pytest.fixture
def convert(no_home, capsys):
    def run(text, *arguments, code=0):
        Path("old.yaml").write_text(text)
        assert main(["convert", "-f", "old.yaml", *arguments]) == code
        return capsys.readouterr()

    return run


@pytest.mark.parametrize("text", [OLD, ELASTIC])
def test_what_is_written_is_valid(convert, capsys, text):
    Path("new.yaml").write_text(convert(text).out)
    assert main(["validate", "-f", "new.yaml"]) == 0
    assert capsys.readouterr().err == ""


def test_an_old_job_is_refused_before_and_points_to_its_new_place(convert, capsys):
    convert(OLD)
    assert main(["validate", "-f", "old.yaml"]) == 1
    assert "runtimePatches" in capsys.readouterr().out


def test_what_does_not_map_is_named_on_standard_error(convert):
    shown = convert(ELASTIC)
    assert "old.yaml:6:18: warning KF430: elasticPolicy has no counterpart" in shown.err
    assert "warning" not in shown.out


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (OLD.replace("name: mnist", "generateName: sweep-", 1), "metadata.name"),
        (OLD.replace("name: mnist", "name: Mnist", 1), "metadata.name"),
        (OLD.replace("command: [python, train.py]", "numNodes: -1"), "spec.parallelism of its Job"),
        (
            ELASTIC.replace("image: registry", "imagePullPolicy: Sometimes\n            image: registry"),
            "imagePullPolicy",
        ),
    ],
)
def test_what_is_written_and_refused_is_said(convert, text, word):
    shown = convert(text, code=1)
    assert "KF432: kfrun validate refuses the" in shown.err
    assert word in shown.err
    assert "kind: TrainJob" in shown.out


def test_a_runtime_that_is_not_there_is_only_a_warning(convert):
    shown = convert(OLD.replace("torch-distributed", "elsewhere"))
    assert "warning KF432" in shown.err


def test_objects_of_other_kinds_are_passed_on_with_a_warning(convert):
    shown = convert(f"{ELASTIC}---\napiVersion: v1\nkind: Service\nmetadata: {{name: x}}\n")
    assert "warning KF432: kfrun validate refuses the Service" in shown.err
    assert "kind: Service" in shown.out


def test_a_generated_name_becomes_a_name(convert, capsys):
    shown = convert(ELASTIC.replace("name: elastic", "generateName: elastic-", 1))
    assert "warning KF430: generateName became the name" in shown.err
    Path("new.yaml").write_text(shown.out)
    assert main(["validate", "-f", "new.yaml"]) == 0


def test_json(convert):
    assert json.loads(convert(OLD, "-o", "json").out)["kind"] == "TrainJob"


def test_nothing_converted_is_an_error(convert):
    shown = convert(TF, code=1)
    assert shown.out == ""
    assert "KF431: a TFJob cannot be converted" in shown.err


def test_what_can_be_converted_is_although_something_else_cannot(convert):
    shown = convert(f"{TF}---\n{ELASTIC}", code=1)
    assert "kind: TrainJob" in shown.out
    assert "KF431" in shown.err


def test_templates_are_rendered_before_they_are_converted(convert):
    text = OLD.replace("name: mnist", "name: {{ name }}")
    assert "name: given\n" in convert(text, "--set", "name=given").out
    assert "KF121" in convert(text, "--set", "other=1", code=1).err
