from __future__ import annotations

import pytest

from kfrun.plan import support
from kfrun.plan.support.findings import unable
from kfrun.resolve.pods.expand import expand, own_images
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.resolve.runtimes.shipped import shipped
from kfrun.validate.schema import structure
from tests.resolve.reading import document, trainjob

NAMES = ["plain-python", "torch-distributed"]


def _resolution(name, **spec):
    return resolve(document(trainjob(runtimeRef={"name": name}, **spec)), Catalogue([], [], shipped()))


def _not_enforced(resolution):
    return support.of("process").not_enforced(resolution.jobset, own_images=own_images(resolution))


def test_all_shipped_runtimes_are_found():
    assert [source.key.name for source in Catalogue([], [], shipped()).runtimes()] == NAMES
    assert len(shipped()) == len(NAMES)
    assert shipped()[0].key.name == NAMES[0]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_runtimes_are_valid_for_kubectl(name):
    (runtime,) = (item for item in shipped() if item.key.name == name)
    assert structure.check(runtime, version="v2.3") == []
    assert "trainer.kubeflow.org/framework" in runtime.data["metadata"]["labels"]


@pytest.mark.parametrize("name", NAMES)
def test_a_job_needs_only_a_command(name):
    resolution = _resolution(name, trainer={"command": ["train"], "numNodes": 2})
    assert not resolution.findings
    assert not unable(resolution, "process")
    (job,) = expand(resolution).jobs
    assert [job.hostname(index) for index in range(job.completions)] == ["tj-node-0-0", "tj-node-0-1"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_shipped_runtime_goes_unenforced(name):
    assert _not_enforced(_resolution(name, trainer={"command": ["train"]})) == ()


@pytest.mark.parametrize("name", NAMES)
def test_without_a_command_the_process_backend_says_what_to_do(name):
    (finding,) = unable(_resolution(name, trainer={}), "process")
    assert finding.code == "KF420"
    assert finding.path == ("spec", "trainer")
    assert "spec.trainer.command" in finding.hint


def test_an_image_of_the_jobs_own_is_named():
    (named,) = _not_enforced(_resolution(NAMES[0], trainer={"command": ["train"], "image": "own"}))
    assert named.path.endswith("containers[0].image")


def test_torch_brings_its_package_and_plain_python_none():
    assert _resolution("torch-distributed").packages.requirements == ("torch",)
    assert not _resolution("plain-python").packages.needs_environment


def test_resources_reach_the_container_of_plain_python():
    resources = {"limits": {"cpu": "2"}}
    resolution = _resolution("plain-python", trainer={"command": ["x"], "resourcesPerNode": resources})
    job = resolution.jobset["spec"]["replicatedJobs"][0]
    assert job["template"]["spec"]["template"]["spec"]["containers"][0]["resources"] == resources
