from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun import settings
from kfrun.__main__ import main
from kfrun.load import kubeyaml
from kfrun.observe import location
from kfrun.observe.store import Store
from tests.cli.manifests import RUNTIME


@pytest.fixture
def runtimes(no_home, capsys):
    def run(*arguments, code=0):
        assert main(["runtimes", *arguments]) == code
        return capsys.readouterr()

    return run


def store_runtime(no_home, namespace, **annotations):
    (document,), _ = kubeyaml.parse(RUNTIME, "runtime.yaml")
    metadata = {"name": "mine", "namespace": namespace, "uid": namespace, "annotations": annotations}
    found = settings.load({}, {"KFRUN_HOME": str(no_home)}, Path.cwd())
    with Store.open(location.database(found)) as store:
        store.create({**document.data, "metadata": metadata})


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_the_shipped_runtimes_are_listed(runtimes, arguments, no_home):
    lines = runtimes(*arguments).out.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "FRAMEWORK", "NODES", "FROM"]
    assert ["torch-distributed", "ClusterTrainingRuntime", "torch", "1", "shipped"] in [line.split() for line in lines]
    assert not no_home.exists()


def test_applied_runtimes_of_the_namespace_are_listed(runtimes, no_home):
    store_runtime(no_home, "default")
    store_runtime(no_home, "team-a")
    names = runtimes("list", "-o", "name").out.splitlines()
    assert names.count("trainingruntime.trainer.kubeflow.org/mine") == 1
    rows = [line.split() for line in runtimes("list", "-n", "team-a").out.splitlines()]
    assert ["mine", "TrainingRuntime", "<none>", "1", "applied"] in rows


def test_a_runtime_is_shown_ready_to_be_applied(runtimes):
    (document,), findings = kubeyaml.parse(runtimes("show", "torch-distributed").out, "out")
    assert findings == []
    assert document.key.resource == "clustertrainingruntime.trainer.kubeflow.org/torch-distributed"
    assert json.loads(runtimes("show", "torch-distributed", "-o", "json").out) == document.data


def test_the_packages_of_a_runtime_are_one_a_line(runtimes, no_home):
    store_runtime(no_home, "default", **{"kfrun.dev/packages": "numpy>=2\n# a comment\nscikit-learn\n"})
    assert runtimes("packages", "mine").out == "numpy>=2\nscikit-learn\n"


@pytest.mark.parametrize("name", ["torch", "torch-distribted"])
def test_a_runtime_that_is_not_there_gets_a_suggestion(runtimes, name):
    shown = runtimes("show", name, code=1)
    assert shown.out == ""
    assert f'there is no runtime "{name}"' in shown.err
    assert 'did you mean "torch-distributed"?' in shown.err


def test_every_output_of_the_list_can_be_read(runtimes):
    documents, _ = kubeyaml.parse(runtimes("list", "-o", "yaml").out, "out")
    data = json.loads(runtimes("list", "-o", "json").out)
    assert [item.data for item in documents] == data["items"]
