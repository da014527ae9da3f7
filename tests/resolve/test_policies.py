from __future__ import annotations

import base64
import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfrun.plan.support.findings import unable
from kfrun.resolve.material import ENTROPY, Material
from kfrun.resolve.policies import torchtune
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from tests.resolve.reading import document, node_container, resolved, runtime, trainjob

MATERIAL = Material("11111111-2222-3333-4444-555555555555", bytes(range(ENTROPY)))
GPU = {"limits": {"nvidia.com/gpu": 4}}


def _env(resolution):
    return {item["name"]: item.get("value") for item in node_container(resolution).get("env", [])}


def _objects(resolution):
    return {item["kind"]: item for item in resolution.objects}


def _mpi(**policy):
    """A runtime with a node and a launcher, which trains."""
    of = runtime(policy={"mpi": policy})
    (launcher,) = of["spec"]["template"]["spec"]["replicatedJobs"]
    node = {"name": "node", "template": {"spec": launcher["template"]["spec"]}}
    of["spec"]["template"]["spec"]["replicatedJobs"] = [node, {**launcher, "name": "launcher"}]
    return of


def _build(job, of, material=None):
    return resolve(document(job), Catalogue([document(of, "runtime.yaml")]), material=material)


@pytest.mark.parametrize("kind", ["jax", "xgboost", "torch"])
def test_nothing_is_injected_without_a_trainer_section(kind):
    container = node_container(resolved(trainjob(), runtime(policy={kind: {}})))
    assert "env" not in container
    assert "ports" not in container


def test_jax_settings_stand_before_the_jobs_and_give_way_to_them():
    env = [{"name": "A", "value": "1"}, {"name": "JAX_NUM_PROCESSES", "value": "7"}]
    resolution = resolved(trainjob(trainer={"numNodes": 3, "env": env}), runtime(policy={"jax": {}}))
    assert _env(resolution) == {
        "JAX_NUM_PROCESSES": "7",
        "JAX_PROCESS_ID": None,
        "JAX_COORDINATOR_ADDRESS": "tj-node-0-0.tj:29500",
        "A": "1",
    }
    assert list(_env(resolution))[-1] == "A"
    assert node_container(resolution)["ports"] == [{"containerPort": 29500}]
    assert resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["completions"] == 3


@pytest.mark.parametrize(("resources", "workers"), [(GPU, "8"), ({}, "2"), ({"limits": {"cpu": "6"}}, "2")])
def test_xgboost_has_a_worker_for_each_gpu(resources, workers):
    job = trainjob(trainer={"numNodes": 2, "resourcesPerNode": resources})
    assert _env(resolved(job, runtime(policy={"xgboost": {}})))["DMLC_NUM_WORKER"] == workers


@pytest.mark.parametrize(
    ("args", "count", "processes", "gpus", "expected"),
    [
        ((), 1, "1", 0, ("full_finetune_single_device", "m_full_single_device")),
        ((), 1, "auto", 1, ("full_finetune_single_device", "m_full_single_device")),
        ((), 1, "auto", 2, ("full_finetune_distributed", "m_full")),
        ((), 0, "1", 1, ("full_finetune_distributed", "m_full")),
        ((), 2, "1", 1, ("full_finetune_distributed", "m_full_multinode")),
        (("model.lora_attn_modules=[q]",), 1, "1", 0, ("lora_finetune_single_device", "m_lora_single_device")),
        (("model.lora_attn_modules=[q]",), 1, "4", 4, ("lora_finetune_distributed", "m_lora")),
        (("model.lora_attn_modules=[q]",), 2, "4", 4, ("full_finetune_distributed", "m_full_multinode")),
        (("model.quantize_base=True",), 1, "auto", 1, ("lora_finetune_single_device", "m_qlora_single_device")),
        (("model.quantize_base= true ",), 1, "auto", 2, ("lora_finetune_distributed", "m_qlora")),
        (("model.quantize_base=false",), 1, "auto", 2, ("full_finetune_distributed", "m_full")),
        (("model.quantize_base",), 1, "auto", 2, ("full_finetune_distributed", "m_full")),
        (("model.use_dora=true", "model.quantize_base=true"), 1, "auto", 2, ("full_finetune_distributed", "m_full")),
    ],
)
def test_recipe_and_configuration_of_torchtune(args, count, processes, gpus, expected):
    assert torchtune.choose("m", args, count=count, processes=processes, gpus=gpus) == expected


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("torchtune-llama3.2-1b", "llama3_2/1B"),
        ("x-qwen2.5-1.5b", "qwen2_5/1.5B"),
        ("my-tune", ""),
        ("a-b-c-d", ""),
    ],
)
def test_model_of_a_runtime_by_its_name(name, model):
    assert torchtune.model(name) == model


def test_torchtune_keeps_only_the_managed_settings_of_the_runtimes_command():
    command = ["tune", "run", "x", "dataset=d", "output_dir=/o", "tokenizer.path=/t", "output_dirs=/p"]
    of = runtime(policy={"torch": {}}, container={"command": command, "args": ["kept"], "resources": GPU})
    resolution = resolved(trainjob(trainer={"command": ["tune", "run"]}), of)
    container = node_container(resolution)
    assert container["command"] == [
        "tune", "run", "--rdzv_endpoint=tj-node-0-0.tj:29500", "full_finetune_distributed",
        "--config", "_full", "output_dir=/o", "tokenizer.path=/t",
    ]  # fmt: skip
    assert container["args"] == ["kept"]
    assert list(_env(resolution)) == ["PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK"]
    path = ("spec", "replicatedJobs", 0, "template", "spec", "template", "spec", "containers", 0, "command")
    assert (resolution.origins[path].layer, resolution.origins[path].detail) == ("policy", "torchtune")


@pytest.mark.parametrize(
    ("policy", "trainer", "hosts"),
    [
        ({}, {"numNodes": 2}, "tj-node-0-0.tj slots=1\ntj-node-0-1.tj slots=1\n"),
        ({"runLauncherAsNode": True}, {"numNodes": 2}, "tj-node-0-0.tj slots=1\ntj-launcher-0-0.tj slots=1\n"),
        ({"numProcPerNode": 3}, {"numNodes": 1, "resourcesPerNode": GPU}, "tj-node-0-0.tj slots=3\n"),
        ({}, {"numNodes": 1, "resourcesPerNode": GPU}, "tj-node-0-0.tj slots=4\n"),
        ({"numProcPerNode": 3}, {"numProcPerNode": 2}, "tj-node-0-0.tj slots=2\n"),
        ({}, {"numNodes": 0}, ""),
    ],
)
def test_hostfile_of_mpi(policy, trainer, hosts):
    resolution = resolved(trainjob(trainer=trainer), _mpi(**policy))
    assert _objects(resolution)["ConfigMap"]["data"] == {"hostfile": hosts}


@pytest.mark.parametrize("nodes", [2**31 - 1, 40_000])
def test_a_hostfile_that_no_configmap_holds_is_refused_at_once(nodes):
    resolution = resolved(trainjob(trainer={"numNodes": nodes}), _mpi())
    (finding,) = resolution.findings
    assert (finding.code, finding.field) == ("KF409", "spec.trainer.numNodes")
    assert resolution.jobset is None


def test_hostfile_follows_the_subdomain():
    of = _mpi()
    of["spec"]["template"]["spec"]["network"] = {"subdomain": "mesh"}
    assert _objects(resolved(trainjob(), of))["ConfigMap"]["data"] == {"hostfile": "tj-node-0-0.mesh slots=1\n"}


@pytest.mark.parametrize("kind", ["mpi", "flux"])
def test_secrets_are_made_of_material_alone(kind):
    job, of = trainjob(trainer={"numNodes": 1}), _mpi() if kind == "mpi" else runtime(policy={kind: {}})
    assert set(_objects(_build(job, of))) == {"ConfigMap"}
    first, second = _build(job, of, MATERIAL), _build(job, of, MATERIAL)
    assert set(_objects(first)) == {"ConfigMap", "Secret"}
    assert first.objects == second.objects
    assert first.jobset == _build(job, of).jobset
    for value in _objects(first)["Secret"]["data"].values():
        assert base64.b64decode(value, validate=True)


def test_another_implementation_of_mpi_is_refused():
    resolution = resolved(trainjob(trainer={}), _mpi(mpiImplementation=""))
    (finding,) = resolution.findings
    assert (finding.code, finding.field) == ("KF407", "spec.mlPolicy.mpi.mpiImplementation")
    assert resolution.jobset is None


@pytest.mark.parametrize(("spec", "field"), [({}, "spec.runtimeRef"), ({"trainer": {}}, "spec.trainer")])
def test_flux_without_a_number_of_nodes_is_refused(spec, field):
    resolution = resolved(trainjob(**spec), runtime(policy={"flux": {}}))
    (finding,) = resolution.findings
    assert (finding.code, finding.field) == ("KF408", field)
    assert str(finding.position).startswith("job.yaml:")
    assert resolution.jobset is None


@pytest.mark.parametrize(
    ("trainer", "container", "text", "args"),
    [
        ({"command": ["lmp", "-v"], "args": ["in"]}, {"args": ["rt"]}, "lmp -v in", ["rt"]),
        ({"args": ["in"]}, {}, "train in", None),
        ({}, {"args": ["rt"]}, "train", ["rt"]),
        ({"command": []}, {}, "", None),
        ({"command": [], "args": ["in"]}, {}, "in", None),
    ],
)
def test_flux_wraps_the_command(trainer, container, text, args):
    resolution = resolved(
        trainjob(trainer={"numNodes": 1, **trainer}), runtime(policy={"flux": {}}, container=container)
    )
    built = node_container(resolution)
    assert built["command"] == ["/bin/bash", "/etc/flux-config/entrypoint.sh", text]
    assert built.get("args") == args


def test_settings_of_flux_are_the_runtimes_then_the_jobs():
    container = {"env": [{"name": "FLUX_VIEW_IMAGE", "value": "rt"}, {"name": "FLUX_QUEUE_POLICY", "value": "easy"}]}
    job = trainjob(trainer={"numNodes": 1, "env": [{"name": "FLUX_VIEW_IMAGE", "value": "own"}]})
    resolution = resolved(job, runtime(policy={"flux": {}}, container=container))
    pod = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert [item["image"] for item in pod["initContainers"]] == ["own"]
    assert 'queue-policy = "easy"' in _objects(resolution)["ConfigMap"]["data"]["init.sh"]


def test_init_containers_of_the_runtime_stay_before_that_of_flux():
    own = {"name": "own", "image": "i", "command": ["x"]}
    resolution = resolved(trainjob(trainer={"numNodes": 1}), runtime(policy={"flux": {}}, initContainers=[own]))
    pod = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert [item["name"] for item in pod["initContainers"]] == ["own", "flux-installer"]


def _grouped(policy, **kwargs):
    of = runtime(policy={"torch": {}}, **kwargs)
    of["spec"]["podGroupPolicy"] = policy
    return of


def test_pod_group_counts_every_pod_and_what_it_requests():
    resources = {"requests": {"cpu": "1500m", "memory": "1Gi"}}
    of = _grouped({"coscheduling": {"scheduleTimeoutSeconds": 9}}, container={"resources": resources})
    of["spec"]["template"]["spec"]["replicatedJobs"].append(
        {"name": "aux", "template": {"spec": {"parallelism": 2, "template": {"spec": {"containers": [{"name": "c"}]}}}}}
    )
    (group,) = resolved(trainjob(trainer={"numNodes": 2}), of).objects
    assert group["spec"] == {
        "minMember": 4,
        "minResources": {"cpu": "3", "memory": "2Gi"},
        "scheduleTimeoutSeconds": 9,
    }


def test_pods_keep_their_labels_and_get_those_of_the_pod_group():
    of = _grouped({"coscheduling": {}, "volcano": {}})
    (job,) = of["spec"]["template"]["spec"]["replicatedJobs"]
    job["template"]["spec"]["template"]["metadata"] = {"labels": {"own": "x"}}
    resolution = resolved(trainjob(trainer={}), of)
    metadata = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["metadata"]
    assert metadata == {
        "labels": {"own": "x", "scheduling.x-k8s.io/pod-group": "tj"},
        "annotations": {"scheduling.k8s.io/group-name": "tj"},
    }
    path = ("spec", "replicatedJobs", 0, "template", "spec", "template", "metadata", "labels")
    assert resolution.origins[(*path, "scheduling.x-k8s.io/pod-group")].layer == "policy"
    assert resolution.origins[(*path, "own")].layer == "runtime"


def test_volcano_takes_queue_and_the_last_priority_class():
    of = _grouped({"volcano": {"networkTopology": {"mode": "soft"}}}, priorityClassName="high")
    of["spec"]["template"]["metadata"] = {"annotations": {"scheduling.volcano.sh/queue-name": "q"}}
    (group,) = resolved(trainjob(trainer={}), of).objects
    assert {key: group["spec"][key] for key in ("queue", "priorityClassName", "networkTopology")} == {
        "queue": "q",
        "priorityClassName": "high",
        "networkTopology": {"mode": "soft", "highestTierAllowed": 1},
    }


_MPI = {"numProcPerNode": 1, "mpiImplementation": "OpenMPI", "sshAuthMountPath": "/s", "runLauncherAsNode": True}
_GROUPS = {"coscheduling": {"scheduleTimeoutSeconds": 1}, "volcano": {"networkTopology": {"mode": "hard"}}}


def _every_policy(kind, settings):
    of = _mpi(**settings) if kind == "mpi" else runtime(policy={kind: settings})
    of["spec"]["mlPolicy"]["numNodes"] = 2
    of["spec"]["podGroupPolicy"] = _GROUPS
    for job in of["spec"]["template"]["spec"]["replicatedJobs"]:
        job["replicas"] = 1
        job["template"]["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    return of


_POLICIES = {"mpi": _MPI, "flux": {"numProcPerNode": 1}, "jax": {}, "xgboost": {}}
_RUNTIMES = [_every_policy(kind, options) for kind, options in _POLICIES.items()]
_JOB = trainjob(
    trainer={
        "numNodes": 2, "numProcPerNode": 2, "command": ["x"], "args": ["y"], "resourcesPerNode": GPU,
        "env": [{"name": "FLUX_VIEW_IMAGE", "value": "v"}],
    }
)  # fmt: skip


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _changed(data, path, value):
    data = copy.deepcopy(data)
    node = data["spec"]
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return data


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just("1e30"),
    st.lists(st.none() | st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), of=st.sampled_from(_RUNTIMES))
def test_no_value_makes_a_policy_raise(data, of):
    job_path = data.draw(st.sampled_from([path for path in _places(_JOB["spec"]) if path]))
    path = data.draw(st.sampled_from([path for path in _places(of["spec"]) if path]))
    job, of = _changed(_JOB, job_path, data.draw(_VALUES)), _changed(of, path, data.draw(_VALUES))
    resolution = _build(job, of, MATERIAL)
    assert resolution.jobset is not None or resolution.findings
    unable(resolution, "process")


def test_every_container_that_an_injection_misses_is_told():
    targets = [
        {"jobName": "node", "containerNames": ["side", "probe", "node-2"]},
        {"jobName": "eval", "containerNames": ["score"]},
    ]
    of = runtime(policy={"torch": {"envInjection": {"targets": targets}}}, initContainers=[{"name": "side"}])
    resolution = resolved(trainjob(trainer={}), of)
    assert resolution.jobset is None
    told = [(one.code, one.field, one.message.partition(",")[0]) for one in resolution.findings]
    at = "spec.mlPolicy.torch.envInjection.targets"
    assert told == [
        ("KF405", f"{at}[0].containerNames[1]", 'envInjection names container "probe" of job "node"'),
        ("KF405", f"{at}[0].containerNames[2]", 'envInjection names container "node-2" of job "node"'),
        ("KF405", f"{at}[1].containerNames[0]", 'envInjection names container "score" of job "eval"'),
    ]
