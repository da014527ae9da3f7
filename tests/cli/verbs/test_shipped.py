"""The runtimes that kfrun ships, as objects beside those that are stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.cli import main
from tests.cli.manifests import RUNTIME

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[3] / "runtimes").glob("*.yaml"))
OWN = RUNTIME.replace("TrainingRuntime", "ClusterTrainingRuntime")


@pytest.fixture(params=["process", "memory"])
def anywhere(request, no_home, monkeypatch, capfd):
    """Command lines at a place where nothing is stored, and the folder that must not be made."""
    if request.param == "memory":
        from kfrun.execute import memory
        from kfrun.execute.memory import MemoryBackend

        place = MemoryBackend()
        monkeypatch.setattr(memory, "shared", lambda: place)
        monkeypatch.setenv("KFRUN_BACKEND", "memory")

    def call(*arguments):
        capfd.readouterr()
        code = main.run(arguments)
        return code, *capfd.readouterr()

    yield call
    assert not no_home.exists(), "nothing is written"


@pytest.mark.parametrize("kind", ["ctr", "clustertrainingruntimes", "runtimes", "ClusterTrainingRuntime"])
def test_they_are_listed_where_nothing_is_stored(anywhere, kind):
    code, out, err = anywhere("get", kind, "-o", "name")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == SHIPPED
    assert (code, err) == (0, "")
    assert [line.split()[-2:] for line in anywhere("get", kind, "--no-headers")[1].splitlines()] == [
        ["shipped", "<unknown>"]
    ] * len(SHIPPED)


@pytest.mark.parametrize("named", [["ctr", "plain-python"], ["runtime/plain-python"]])
def test_one_is_printed_in_every_form(anywhere, named):
    data = json.loads(anywhere("get", *named, "-o", "json")[1])
    assert (data["kind"], data["metadata"]["name"]) == ("ClusterTrainingRuntime", "plain-python")
    assert anywhere("get", *named, "-o", "yaml")[1].startswith("apiVersion: trainer.kubeflow.org/v1alpha1\n")
    assert anywhere("get", *named, "-o", "jsonpath={.spec.mlPolicy.numNodes}")[1] == "1"
    assert anywhere("get", *named, "-o", "custom-columns=N:.metadata.name")[1].split() == ["N", "plain-python"]
    assert "shipped" in anywhere("get", *named, "-o", "wide")[1]


def test_what_is_printed_can_be_applied_and_comes_first_then(home):
    home.path.parent.joinpath("own.yaml").write_text(home.ok("get", "ctr", "plain-python", "-o", "yaml"))
    assert "created" in home.ok("apply", "-q", "-f", "own.yaml")
    rows = {line.split()[0]: line.split()[3] for line in home.ok("get", "ctr", "--no-headers").splitlines()}
    assert rows == {name: "applied" if name == "plain-python" else "shipped" for name in SHIPPED}
    assert '"plain-python" deleted' in home.ok("delete", "ctr", "plain-python")
    assert "shipped" in home.ok("get", "ctr", "plain-python", "--no-headers")


def test_a_stored_one_hides_the_shipped_one_for_selectors_too(home):
    text = home.ok("get", "ctr", "torch-distributed", "-o", "yaml").replace("framework: torch", "framework: other")
    home.path.parent.joinpath("own.yaml").write_text(text)
    home.ok("apply", "-q", "-f", "own.yaml")
    assert home("get", "ctr", "-l", "trainer.kubeflow.org/framework=torch").err == "No resources found\n"


def test_labels_choose_among_them(anywhere):
    out = anywhere("get", "ctr", "-l", "trainer.kubeflow.org/framework=torch", "-o", "name")[1]
    assert out.split() == ["clustertrainingruntime.trainer.kubeflow.org/torch-distributed"]
    assert anywhere("get", "ctr", "-l", "a=b")[2] == "No resources found\n"
    assert anywhere("describe", "ctr", "-l", "a=b")[2] == "No resources found\n"


@pytest.mark.parametrize("named", [["clustertrainingruntime", "plain-python"], ["ctr/plain-python"]])
def test_one_is_described(anywhere, named):
    code, out, _ = anywhere("describe", *named)
    assert code == 0
    assert ["From:", "shipped"] in [line.split() for line in out.splitlines()]
    assert "docker.io/library/python" in out


@pytest.mark.parametrize("named", [["ctr", "plain-python"], ["runtime/plain-python"], ["ctr/plain-python"]])
def test_none_can_be_deleted(anywhere, named):
    code, out, err = anywhere("delete", *named)
    assert (code, out) == (1, "")
    assert 'error: clustertrainingruntime "plain-python" is shipped with kfrun: it cannot be deleted\n' in err


def test_all_means_those_that_are_stored(home):
    home.path.parent.joinpath("own.yaml").write_text(OWN)
    home.ok("apply", "-q", "-f", "own.yaml")
    assert home.ok("delete", "ctr", "--all") == 'clustertrainingruntime.trainer.kubeflow.org "mine" deleted\n'
    assert home("delete", "ctr", "--all").err == "No resources found\n"


@pytest.mark.parametrize("verb", ["get", "describe", "delete"])
def test_a_misspelt_name_is_near_theirs(anywhere, verb):
    code, _, err = anywhere(verb, "ctr", "plain-pyton")
    assert (code, "did you mean plain-python?" in err) == (1, True)


@pytest.mark.parametrize(
    ("line", "offered"), [("get ctr pl", "plain-python"), ("describe ctr/to", "ctr/torch-distributed")]
)
def test_their_names_are_completed(anywhere, monkeypatch, line, offered):
    monkeypatch.setenv("_KFRUN_COMPLETE", f"kfrun {line}")
    assert offered in anywhere()[1]
