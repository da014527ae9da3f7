"""What convert writes without a word is valid; and jobs that an operator takes are converted into such."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfrun import settings as kfrun_settings
from kfrun.flow import conversions
from kfrun.flow.checker import stages
from kfrun.flow.checker.stages import Asked
from kfrun.load import kubeyaml
from kfrun.model.source import Severity
from kfrun.model.state import Observed
from kfrun.report import yamljson

SETTINGS = kfrun_settings.load({}, {"KFRUN_HOME": "/nowhere"}, "/")
TRAINER = "trainer.kubeflow.org/v1alpha1"
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "PyTorchJob": ("kubeflow.org/v1", "pytorchReplicaSpecs", ("Master", "Worker")),
    "JAXJob": ("kubeflow.org/v1", "jaxReplicaSpecs", ("Worker",)),
    "XGBoostJob": ("kubeflow.org/v1", "xgbReplicaSpecs", ("Master", "Worker")),
    "TFJob": ("kubeflow.org/v1", "tfReplicaSpecs", ("Chief", "Worker")),
    "PaddleJob": ("kubeflow.org/v1", "paddleReplicaSpecs", ("Master", "Worker")),
    "MPIJob": ("kubeflow.org/v1", "mpiReplicaSpecs", ("Launcher", "Worker")),
    "MPIJob2": ("kubeflow.org/v2beta1", "mpiReplicaSpecs", ("Launcher", "Worker")),
}


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


METADATA = st.one_of(
    st.sampled_from(["mnist", "a", "run-1", "x" * 20]).map(lambda name: {"name": name}),
    st.sampled_from(["sweep-", "a", "sweep.", "Run_"]).map(lambda name: {"generateName": name}),
)
CONTAINER = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["pytorch", "jax", "xgboost", "mpi", "main"]),
        "image": st.just("registry.example.com/x:1"),
    },
    optional={
        "command": st.sampled_from([["python", "train.py"], ["torchrun", "x.py"], ["sh", "-c", "true"], []]),
        "args": st.sampled_from([["--lr", "1"], []]),
        "env": st.sampled_from([[], [{"name": "LR", "value": "1"}], [{"name": "A"}]]),
        "envFrom": st.just([{"configMapRef": {"name": "c"}}]),
        "resources": st.sampled_from([{}, {"limits": {"cpu": "1", "nvidia.com/gpu": 1}}, {"requests": {"cpu": 2}}]),
        "ports": st.sampled_from([[{"name": "pytorchjob-port", "containerPort": 23456}], [{"containerPort": 80}]]),
        "volumeMounts": st.just([{"name": "data", "mountPath": "/data"}]),
        "securityContext": st.just({"runAsUser": 1000}),
        "workingDir": st.just("/work"),
    },
)
SIDE = st.sampled_from(
    [{"name": "side", "image": "x:1"}, {"name": "node", "image": "x:1"}, {"name": "launcher", "image": "x:1"}]
)


@st.composite
def pod_specs(draw: st.DrawFn) -> dict[str, Any]:
    spec = draw(
        some(
            restartPolicy=st.sampled_from(["Always", "Never", "OnFailure"]),
            hostNetwork=st.booleans(),
            nodeSelector=st.just({"disk": "ssd"}),
            tolerations=st.just([{"key": "gpu", "operator": "Exists"}]),
            serviceAccountName=st.just("trainer"),
            initContainers=st.just([{"name": "fetch", "image": "x:1", "command": ["true"]}]),
        )
    )
    containers = [draw(CONTAINER), *draw(st.lists(SIDE, max_size=1))]
    mounts = any("volumeMounts" in container for container in containers)
    return {**spec, "containers": containers, **({"volumes": [{"name": "data", "emptyDir": {}}]} if mounts else {})}


TEMPLATE_METADATA = st.sampled_from(
    [None, {}, {"labels": {"team": "a"}}, {"annotations": {"sidecar.istio.io/inject": "false"}}, {"name": "x"}]
)
REPLICA = st.builds(
    lambda fields, metadata, spec: {
        **fields,
        "template": {**({"metadata": metadata} if metadata else {}), "spec": spec},
    },
    some(
        replicas=st.integers(1, 4),
        restartPolicy=st.sampled_from(["Always", "OnFailure", "Never", "ExitCode"]),
    ),
    TEMPLATE_METADATA,
    pod_specs(),
)
RUN_POLICY = some(
    suspend=st.booleans(),
    activeDeadlineSeconds=st.integers(1, 10**6),
    ttlSecondsAfterFinished=st.integers(0, 100),
    backoffLimit=st.integers(0, 9),
    cleanPodPolicy=st.sampled_from(["None", "All", "Running"]),
    schedulingPolicy=st.just({"minAvailable": 2}),
    managedBy=st.sampled_from(["kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue"]),
)
OWN: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "PyTorchJob": some(nprocPerNode=st.sampled_from(["auto", "4", "gpu"]), elasticPolicy=st.just({"maxReplicas": 3})),
    "MPIJob": some(slotsPerWorker=st.integers(1, 8), mainContainer=st.just("mpi")),
    "MPIJob2": some(
        slotsPerWorker=st.integers(1, 8),
        sshAuthMountPath=st.sampled_from(["/root/.ssh", "/home/me/.ssh"]),
        launcherCreationPolicy=st.sampled_from(["AtStartup", "WaitForWorkersReady"]),
        mpiImplementation=st.sampled_from(["OpenMPI", "Intel", "MPICH"]),
        runLauncherAsWorker=st.booleans(),
    ),
}


@st.composite
def operator_jobs(draw: st.DrawFn) -> dict[str, Any]:
    """A job that an operator takes."""
    kind = draw(st.sampled_from(list(KINDS)))
    version, field, types = KINDS[kind]
    replicas = {name: draw(REPLICA) for name in types}
    if not kind.startswith("MPI") and len(types) > 1 and draw(st.booleans()):
        del replicas[types[0]]
    spec = {**draw(OWN.get(kind, st.just({}))), **draw(some(runPolicy=RUN_POLICY)), field: replicas}
    metadata = {**draw(METADATA), **draw(some(namespace=st.just("team"), labels=st.just({"a": "b"})))}
    return {"apiVersion": version, "kind": kind.rstrip("2"), "metadata": metadata, "spec": spec}


JUNK: list[Any] = [None, "", "x", 0, -1, True, [], {}, [None], {"name": None}, {"a": 1}, "Ünï", 1.5]


@st.composite
def broken_jobs(draw: st.DrawFn) -> dict[str, Any]:
    """The same with something wrong somewhere, or an older TrainJob of this kind."""
    older = {
        "apiVersion": TRAINER,
        "kind": "TrainJob",
        "metadata": draw(METADATA),
        "spec": {
            "runtimeRef": {"name": "torch-distributed"},
            **draw(
                some(
                    labels=st.just({"a": "b"}),
                    trainer=some(numProcPerNode=st.sampled_from(["auto", "4", 2]), numNodes=st.integers(-1, 2)),
                    podSpecOverrides=st.just([{"targetJobs": [{"name": "node"}], "nodeSelector": {"a": "b"}}]),
                    podTemplateOverrides=st.just([{"targetJobs": [{"name": "node"}], "spec": {"nodeSelector": {}}}]),
                )
            ),
        },
    }
    # what strategies hand out is shared among examples
    job = copy.deepcopy(draw(st.one_of(operator_jobs(), st.just(older))))
    paths = [path for path in _paths(job, ()) if path and path[0] not in ("apiVersion", "kind")]
    for path in draw(st.lists(st.sampled_from(paths), max_size=2)):
        holder: Any = job
        try:
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        except (KeyError, IndexError, TypeError):
            continue
    return job


def _paths(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in _paths(item, (*path, key)))]


def converted(job: dict[str, Any]) -> Any:
    documents, problems = kubeyaml.parse(yaml.safe_dump(job), "old.yaml")
    assert problems == []
    return conversions.convert(documents, SETTINGS)


def refusals(objects: tuple[dict[str, Any], ...]) -> list[str]:
    """What validate says of what was written."""
    written, problems = kubeyaml.parse(yamljson.to_yaml(objects), "new.yaml")
    found = [*problems, *stages.check(written, Observed(), Asked(SETTINGS)).findings]
    return [f"{one.code} {one.field}: {one.message}" for one in found if one.severity is Severity.ERROR]


EXAMPLES = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(operator_jobs())
def test_a_job_that_an_operator_takes_becomes_a_valid_one(job: dict[str, Any]) -> None:
    done = converted(job)
    assert [note.message for note in done.notes if note.code == "KF432"] == []
    assert refusals(done.objects) == []
    assert bool(done.objects) is (job["kind"] not in ("TFJob", "PaddleJob"))


@EXAMPLES
@given(broken_jobs())
def test_what_is_written_without_a_word_is_valid(job: dict[str, Any]) -> None:
    done = converted(job)
    if not done.notes:
        assert refusals(done.objects) == []
    if refusals(done.objects):
        assert [note for note in done.notes if note.code == "KF432"]
    assert all(item["metadata"].get("name") != "" for item in done.objects if isinstance(item.get("metadata"), dict))


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_the_newest_spelling_is_judged_by_the_newest_release(version: str) -> None:
    job = {
        "apiVersion": TRAINER, "kind": "TrainJob", "metadata": {"name": "a"},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "labels": {"a": "b"}},
    }  # fmt: skip
    documents, _ = kubeyaml.parse(yaml.safe_dump(job), "old.yaml")
    done = conversions.convert(documents, SETTINGS._replace(trainer_version=version))
    assert done.notes == ()
