from __future__ import annotations

import pytest

from kfrun.model.resolution import RuntimeSource
from kfrun.model.source import Finding
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.resolve.runtimes.shipped import shipped
from tests.resolve.reading import document, runtime, trainjob


def _runtime(name, kind="ClusterTrainingRuntime", namespace=None, source="rt.yaml", nodes=1):
    data = runtime(policy={"numNodes": nodes})
    data["kind"] = kind
    data["metadata"] = {"name": name} | ({"namespace": namespace} if namespace else {})
    return document(data, source)


def _job(name="rt", namespace=None, **reference):
    data = trainjob(runtimeRef={"name": name, **reference})
    if namespace:
        data["metadata"]["namespace"] = namespace
    return document(data)


def _hint(catalogue, job):
    finding = catalogue.find(job)
    assert isinstance(finding, Finding)
    assert finding.code == "KF401"
    assert finding.path == ("spec", "runtimeRef", "name")
    assert finding.position is not None
    return finding.hint


def test_documents_come_before_stored_before_shipped():
    given, stored, ours = (_runtime("rt", source=name) for name in ("given.yaml", "stored.yaml", "ours.yaml"))
    for catalogue, found_in, found in [
        (Catalogue([given], [stored], [ours]), "given.yaml", given),
        (Catalogue([], [stored], [ours]), "store", stored),
        (Catalogue([], [], [ours]), "shipped", ours),
    ]:
        source = catalogue.find(_job())
        assert isinstance(source, RuntimeSource)
        assert (source.found_in, source.document) == (found_in, found)
        assert source.key.resource == "clustertrainingruntime.trainer.kubeflow.org/rt"


def test_of_two_documents_of_one_name_the_later_counts():
    first, second = _runtime("rt", source="a.yaml"), _runtime("rt", source="b.yaml")
    catalogue = Catalogue([first, second])
    assert catalogue.find(_job()).found_in == "b.yaml"
    assert [source.found_in for source in catalogue.runtimes()] == ["b.yaml"]


def test_other_documents_are_passed_over():
    catalogue = Catalogue([_job(), document({"apiVersion": "v1", "kind": "ConfigMap"}), _runtime("rt")])
    assert isinstance(catalogue.find(_job()), RuntimeSource)


@pytest.mark.parametrize(
    ("runtime_namespace", "job_namespace", "found"),
    [(None, None, True), ("default", None, True), ("a", "a", True), ("a", None, False), ("a", "b", False)],
)
def test_a_training_runtime_serves_the_jobs_of_its_namespace(runtime_namespace, job_namespace, found):
    catalogue = Catalogue([_runtime("rt", "TrainingRuntime", runtime_namespace)])
    job = _job(kind="TrainingRuntime", namespace=job_namespace)
    assert isinstance(catalogue.find(job), RuntimeSource) is found


def test_a_near_name_is_suggested():
    hint = _hint(Catalogue([], [], shipped()), _job("torch-distibuted"))
    assert hint.startswith('did you mean "torch-distributed"? available: deepspeed-distributed, ')


def test_without_a_near_name_what_there_is_is_listed():
    assert _hint(Catalogue([_runtime("b"), _runtime("a")]), _job("zzz")) == "available: a, b"


def test_a_long_list_is_cut():
    hint = _hint(Catalogue([_runtime(f"r{n}") for n in range(9)]), _job("zzz"))
    assert hint == "available: r0, r1, r2, r3, r4, r5, r6, r7 …"


def test_an_empty_catalogue_says_so():
    told = "there is no ClusterTrainingRuntime at all: give its file with -f, or with --runtimes where it lies"
    assert _hint(Catalogue(), _job()) == told


def test_the_same_name_elsewhere_is_pointed_out():
    other = Catalogue([_runtime("rt", "TrainingRuntime", "team")])
    assert 'in namespace "team"' in _hint(other, _job(kind="TrainingRuntime"))
    assert 'TrainingRuntime "rt" in namespace "team"' in _hint(other, _job())
    own = Catalogue([_runtime("rt", "TrainingRuntime")])
    assert 'set "kind: TrainingRuntime"' in _hint(own, _job())
    cluster = Catalogue([_runtime("rt")])
    assert 'drop "kind" from runtimeRef' in _hint(cluster, _job(kind="TrainingRuntime"))


@pytest.mark.parametrize(("reference", "field"), [({"kind": "Foo"}, "kind"), ({"apiGroup": "example.org"}, "apiGroup")])
def test_other_kinds_are_refused(reference, field):
    finding = Catalogue([_runtime("rt")]).find(_job(**reference))
    assert (finding.code, finding.path) == ("KF402", ("spec", "runtimeRef", field))


@pytest.mark.parametrize("spec", [None, [], "x", {"runtimeRef": None}, {"runtimeRef": {"name": 3}}])
def test_a_job_without_a_reference_names_no_runtime(spec):
    job = document({"apiVersion": "x/v1", "kind": "TrainJob", "metadata": {"name": "tj"}, "spec": spec})
    assert Catalogue([_runtime("rt")]).find(job).code == "KF401"
