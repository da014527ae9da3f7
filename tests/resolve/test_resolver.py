from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfrun.errors import UsageProblem
from kfrun.model.source import Document, Position
from kfrun.resolve.findings import CODES
from kfrun.resolve.pods import expand
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from tests.resolve.reading import document, documents, node_container, resolved, runtime, trainjob


def _env(resolution):
    return {item["name"]: item.get("value") for item in node_container(resolution).get("env", [])}


def test_namespace_is_filled_in():
    resolution = resolved(trainjob(), runtime())
    assert resolution.trainjob.namespace == "default"
    assert resolution.jobset["metadata"] == {"name": "tj", "namespace": "default"}


def test_documents_are_left_as_they_were():
    job, of = (
        document(trainjob(trainer={"env": [{"name": "A", "value": "1"}]})),
        document(runtime(policy={"torch": {}})),
    )
    before = copy.deepcopy((job.data, of.data))
    resolve(job, Catalogue([of]))
    assert (job.data, of.data) == before


def test_resolving_twice_gives_the_same():
    job, of = document(trainjob(trainer={})), document(runtime(policy={"torch": {}}))
    first, second = resolve(job, Catalogue([of])), resolve(job, Catalogue([of]))
    assert first == second


@pytest.mark.parametrize(
    ("trainer", "container", "expected"),
    [
        ({}, {}, {"command": ["train"], "image": "img"}),
        ({"command": ["x"]}, {"args": ["a"]}, {"command": ["x"], "args": ["a"], "image": "img"}),
        ({"args": ["x"]}, {"args": ["a"]}, {"command": ["train"], "args": ["x"], "image": "img"}),
        ({"command": [], "args": []}, {"args": ["a"]}, {"image": "img"}),
        ({"image": "own"}, {}, {"command": ["train"], "image": "own"}),
    ],
)
def test_image_command_and_args_override_one_by_one(trainer, container, expected):
    built = node_container(resolved(trainjob(trainer=trainer), runtime(container=container)))
    assert {key: built[key] for key in ("image", "command", "args") if key in built} == expected


@pytest.mark.parametrize(
    ("resources", "of", "expected"),
    [
        ({"limits": {"cpu": "2500m"}}, {}, "3"),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "4"}}, {}, "1"),
        ({"limits": {"nvidia.com/gpu": 2}}, {}, "auto"),
        ({"limits": {"nvidia.com/mig-1g.5gb": 2}}, {}, "1"),
        ({"requests": {"cpu": "3"}}, {"limits": {"nvidia.com/gpu": 4}}, "3"),
        (None, {"limits": {"nvidia.com/gpu": 4}}, "auto"),
        (None, {}, "1"),
    ],
)
def test_torch_counts_processes_by_the_jobs_resources_as_a_whole(resources, of, expected):
    trainer = {} if resources is None else {"resourcesPerNode": resources}
    resolution = resolved(trainjob(trainer=trainer), runtime(policy={"torch": {}}, container={"resources": of}))
    assert _env(resolution)["PET_NPROC_PER_NODE"] == expected


def test_torch_injects_nothing_without_a_trainer_section():
    assert _env(resolved(trainjob(), runtime(policy={"torch": {}}))) == {}


def test_env_stands_in_the_order_runtime_job_policy():
    resolution = resolved(
        trainjob(trainer={"env": [{"name": "B", "value": "job"}, {"name": "C", "value": "c"}]}),
        runtime(policy={"torch": {}}, container={"env": [{"name": "A", "value": "a"}, {"name": "B", "value": "rt"}]}),
    )
    env = _env(resolution)
    assert list(env)[:4] == ["A", "B", "C", "PET_NNODES"]
    assert env["B"] == "job"


def _patch(manager="example.org/me", **pod):
    template = {"spec": {"template": {"spec": pod}}}
    return {
        "manager": manager,
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}}},
    }


def test_the_later_of_two_patches_wins():
    patches = [_patch(nodeSelector={"a": "1"}), _patch(nodeSelector={"a": "2"})]
    resolution = resolved(trainjob(runtimePatches=patches), runtime())
    pod = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"a": "2"}


def test_zero_values_of_a_patch_change_nothing_but_pointers_do():
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "subPath": "s"}
    of = runtime(
        container={"env": [{"name": "A", "value": "1"}], "volumeMounts": [mount]}, terminationGracePeriodSeconds=9
    )
    container = {
        "name": "node",
        "env": [{"name": "A", "value": ""}],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": False, "subPath": ""}],
    }
    patch = _patch(containers=[container], terminationGracePeriodSeconds=0)
    resolution = resolved(trainjob(runtimePatches=[patch]), of)
    built = node_container(resolution)
    assert built["env"] == [{"name": "A", "value": "1"}]
    assert built["volumeMounts"] == [mount]
    pod = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 0


def test_a_patch_without_a_container_name_is_refused_at_its_place():
    resolution = resolved(trainjob(runtimePatches=[_patch(containers=[{"env": []}])]), runtime())
    (finding,) = resolution.findings
    assert finding.code == "KF406"
    assert finding.field.endswith("template.spec.containers[0]")


def test_jobs_that_only_a_patch_knows_come_first():
    patch = _patch()
    patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"] = [{"name": "extra"}]
    names = [
        job["name"] for job in resolved(trainjob(runtimePatches=[patch]), runtime()).jobset["spec"]["replicatedJobs"]
    ]
    assert names == ["extra", "node"]


JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: tj
spec:
  runtimeRef: {name: rt}
  trainer:
    numNodes: 3
    command: [python, train.py]
    resourcesPerNode:
      limits:
        cpu: "2"
    env:
    - name: A
      value: "1"
  runtimePatches:
  - manager: example.org/me
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
                      zone: a
"""


def test_every_field_tells_where_it_comes_from():
    resolution = resolve(
        documents(JOB)[0],
        Catalogue([document(runtime(policy={"torch": {}}, container={"workingDir": "/w"}), "rt.yaml")]),
    )
    origins = {
        ".".join(map(str, path)): (origin.layer, origin.detail, origin.position.file, origin.position.line)
        for path, origin in resolution.origins.items()
    }
    job = "spec.replicatedJobs.0.template.spec"
    pod = f"{job}.template.spec"
    node = f"{pod}.containers.0"
    assert origins["metadata.name"] == ("job", "", "job.yaml", 4)
    assert origins["metadata.namespace"][0] == "default"
    assert origins["spec.suspend"][0] == "default"
    assert origins["spec.replicatedJobs.0.groupName"][0] == "default"
    assert origins[f"{job}.parallelism"] == ("job", "", "job.yaml", 8)
    assert origins[f"{node}.command"] == ("job", "", "job.yaml", 9)
    assert origins[f"{node}.resources.limits.cpu"] == ("job", "", "job.yaml", 12)
    assert origins[f"{node}.env.0"] == ("job", "", "job.yaml", 14)
    assert origins[f"{node}.image"] == ("runtime", "", "rt.yaml", 1)
    assert origins[f"{node}.workingDir"][0] == "runtime"
    assert origins[f"{pod}.nodeSelector.zone"] == ("patch", "example.org/me", "job.yaml", 28)
    for index in range(1, 6):
        assert origins[f"{node}.env.{index}"][:2] == ("policy", "torch")
    assert origins[f"{node}.ports.0"][:2] == ("policy", "torch")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"trainer": []}, "spec.trainer"),
        ({"trainer": {"env": [{"name": "A", "value": 1}]}}, "spec.trainer.env[0].value"),
        ({"trainer": {"numNodes": "two"}}, "spec.trainer.numNodes"),
        ({"trainer": {"numNodes": 2**80}}, "spec.trainer.numNodes"),
        ({"trainer": {"resourcesPerNode": {"limits": {"cpu": "much"}}}}, "spec.trainer.resourcesPerNode.limits.cpu"),
        ({"runtimePatches": "x"}, "spec.runtimePatches"),
        ({"suspend": "yes"}, "spec.suspend"),
    ],
)
def test_a_wrong_type_is_a_finding_at_its_place(change, field):
    resolution = resolved(trainjob(**change), runtime())
    (finding,) = resolution.findings
    assert (finding.code, finding.field) == ("KF404", field)
    assert finding.message.startswith("must be ")


@pytest.mark.parametrize("name", [None, "", 3, {}])
def test_a_job_needs_a_name(name):
    job = trainjob()
    job["metadata"] = {"name": name}
    (finding,) = resolved(job, runtime()).findings
    assert (finding.code, finding.field) == ("KF404", "metadata.name")


def test_an_unknown_version_is_a_usage_problem():
    with pytest.raises(UsageProblem):
        resolve(document(trainjob()), Catalogue([document(runtime())]), version="v0")


class _Nowhere:
    def value(self, path):
        return Position("x", 1, 1)

    key = value


def _plain(data):
    return Document(data, _Nowhere(), "x", json.dumps(data))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_BASE_JOB = trainjob(
    annotations={"kfrun.dev/packages": "a"},
    trainer={
        "numNodes": 2,
        "command": ["x"],
        "env": [{"name": "A", "value": "1"}],
        "resourcesPerNode": {"limits": {"cpu": 1}},
    },
    initializer={"dataset": {"storageUri": "hf://a/b", "secretRef": {"name": "s"}}},
    runtimePatches=[_patch(containers=[{"name": "node", "env": [{"name": "Z", "value": "z"}]}], tolerations=[{}])],
)
_BASE_RUNTIME = runtime(
    policy={"torch": {"envInjection": {"targets": [{"jobName": "node", "containerNames": ["side"]}]}}},
    container={"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}], "ports": [{}]},
    jobset={"network": {"subdomain": "s"}, "coordinator": {"replicatedJob": "node"}, "successPolicy": {}},
    initContainers=[{"name": "side", "restartPolicy": "Always"}],
)


def _paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _with(data, path, value):
    data = copy.deepcopy(data)
    if not path:
        return value
    node = data
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return data


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from([path for path in _paths(_BASE_JOB) if path]),
    runtime_path=st.sampled_from([(), *(path for path in _paths(_BASE_RUNTIME) if path)]),
    value=_JSON,
    runtime_value=_JSON,
)
def test_no_json_value_anywhere_makes_it_raise(path, runtime_path, value, runtime_value):
    job = _with(_BASE_JOB, path, value)
    of = _with(_BASE_RUNTIME, runtime_path, runtime_value) if runtime_path else _BASE_RUNTIME
    resolution = resolve(_plain(job), Catalogue([_plain(of)]))
    if resolution.jobset is None:
        assert resolution.findings
    elif not expand.too_many(resolution):
        expand.expand(resolution)
    assert {finding.code for finding in resolution.findings} <= set(CODES)
