from __future__ import annotations

import pytest

from kfrun.plan import support
from kfrun.plan.support.findings import unable
from kfrun.resolve.pods.expand import expand, own_images
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.resolve.runtimes.shipped import shipped
from kfrun.validate.admission import check
from kfrun.validate.schema import structure
from tests.resolve.reading import document, trainjob

TRAINING = ["jax-distributed", "plain-python", "torch-distributed", "xgboost-distributed"]
"""All nodes are alike, and run as processes."""
MPI = ["deepspeed-distributed", "mlx-distributed", "mpi-distributed"]
TUNING = ["torchtune-llama3.2-1b", "torchtune-llama3.2-3b", "torchtune-qwen2.5-1.5b"]
NAMES = sorted([*TRAINING, *MPI, *TUNING, "flux-distributed"])


def _resolution(name, **spec):
    return resolve(document(trainjob(runtimeRef={"name": name}, **spec)), Catalogue([], [], shipped()))


def _container(replicated_job):
    (found,) = replicated_job["template"]["spec"]["template"]["spec"]["containers"]
    return found


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


@pytest.mark.parametrize("name", TRAINING)
def test_a_job_needs_only_a_command(name):
    resolution = _resolution(name, trainer={"command": ["train"], "numNodes": 2})
    assert not resolution.findings
    assert not unable(resolution, "process")
    (job,) = expand(resolution).jobs
    assert [job.hostname(index) for index in range(job.completions)] == ["tj-node-0-0", "tj-node-0-1"]


@pytest.mark.parametrize("name", TRAINING)
def test_nothing_of_a_shipped_runtime_goes_unenforced(name):
    assert _not_enforced(_resolution(name, trainer={"command": ["train"]})) == ()


@pytest.mark.parametrize("name", TRAINING)
def test_without_a_command_the_process_backend_says_what_to_do(name):
    (finding,) = unable(_resolution(name, trainer={}), "process")
    assert finding.code == "KF420"
    assert finding.path == ("spec", "trainer")
    assert "spec.trainer.command" in finding.hint


def test_an_image_of_the_jobs_own_is_named():
    (named,) = _not_enforced(_resolution("plain-python", trainer={"command": ["train"], "image": "own"}))
    assert named.path.endswith("containers[0].image")


def test_a_framework_brings_its_packages_and_plain_python_none():
    assert _resolution("torch-distributed").packages.requirements == ("torch",)
    assert _resolution("jax-distributed").packages.requirements == ("jax",)
    assert _resolution("xgboost-distributed").packages.requirements == ("xgboost",)
    assert _resolution("deepspeed-distributed").packages.requirements == ("torch", "deepspeed", "mpi4py")
    assert not _resolution("plain-python").packages.needs_environment


@pytest.mark.parametrize("name", NAMES)
def test_what_a_shipped_runtime_makes_of_a_job_is_what_a_cluster_takes(name):
    resolution = _resolution(name, trainer={"command": ["train"], "numNodes": 1})
    assert not resolution.findings
    assert not check.check(resolution, version="v2.3")


@pytest.mark.parametrize("name", MPI)
def test_the_launcher_of_an_mpi_job_counts_as_a_node_and_gets_the_command(name):
    resolution = _resolution(name, trainer={"command": ["mpirun", "train"], "numNodes": 3, "numProcPerNode": 2})
    nodes, launcher = resolution.jobset["spec"]["replicatedJobs"]
    assert nodes["template"]["spec"]["completions"] == 2
    assert launcher["dependsOn"] == [{"name": "node", "status": "Ready"}]
    assert _container(nodes)["command"] == ["/usr/sbin/sshd"]
    assert _container(launcher)["command"] == ["mpirun", "train"]
    (hosts,) = (item for item in resolution.objects if item["kind"] == "ConfigMap")
    expected = ["tj-node-0-0.tj", "tj-node-0-1.tj", "tj-launcher-0-0.tj"]
    assert hosts["data"]["hostfile"].splitlines() == [f"{host} slots=2" for host in expected]


@pytest.mark.parametrize("name", TUNING)
def test_torchtune_is_told_what_to_tune_and_where_it_lies(name):
    resolution = _resolution(name, trainer={"command": ["tune", "run"], "args": ["epochs=1"]})
    data, model, node = resolution.jobset["spec"]["replicatedJobs"]
    assert [item["name"] for item in node["dependsOn"]] == [data["name"], model["name"]]
    command = _container(node)["command"]
    assert command[:4] == ["tune", "run", "--rdzv_endpoint=tj-node-0-0.tj:29500", "full_finetune_distributed"]
    model = command[5].removesuffix("_full").replace("_", ".").replace("/", "-")
    assert name == f"torchtune-{model}".lower()
    assert {"output_dir=/workspace/output", "checkpointer.checkpoint_dir=/workspace/model"} < set(command)
    assert _container(node)["args"] == ["epochs=1"]


def test_a_job_of_flux_runs_its_command_on_all_nodes():
    resolution = _resolution("flux-distributed", trainer={"command": ["lmp", "-in", "x"], "numNodes": 3})
    (node,) = resolution.jobset["spec"]["replicatedJobs"]
    assert node["template"]["spec"]["completions"] == 3
    assert _container(node)["command"][-1] == "lmp -in x"
    (finding,) = unable(resolution, "process")
    assert finding.code == "KF422"


def test_resources_reach_the_container_of_plain_python():
    resources = {"limits": {"cpu": "2"}}
    resolution = _resolution("plain-python", trainer={"command": ["x"], "resourcesPerNode": resources})
    job = resolution.jobset["spec"]["replicatedJobs"][0]
    assert job["template"]["spec"]["template"]["spec"]["containers"][0]["resources"] == resources
