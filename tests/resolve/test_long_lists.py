"""Lists of thousands of entries are merged in time in proportion to them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from kfrun.load import kubeyaml
from kfrun.resolve import resolver
from kfrun.resolve.runtimes.catalogue import Catalogue

COUNT = 8000
SECONDS = 3.0
"""Of this process; what is quadratic takes ten times as long."""


def env(name: str) -> list[dict[str, str]]:
    return [{"name": f"{name}{number}", "value": "x"} for number in range(COUNT)]


PORTS = [{"name": f"p{number}", "containerPort": number + 1} for number in range(COUNT)]
VOLUMES = [{"name": f"v{number}", "emptyDir": {}} for number in range(COUNT)]
MOUNTS = [{"name": "v", "mountPath": f"/{number}"} for number in range(COUNT)]


def patch(**pod: Any) -> list[dict[str, Any]]:
    job = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    return [{"manager": "a.b/c", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}]


@pytest.mark.parametrize(
    ("container", "spec"),
    [
        ({"env": env("A")}, {"trainer": {"env": env("B")}}),
        ({"ports": PORTS}, {"trainer": {}}),
        ({"volumeMounts": MOUNTS}, {"trainer": {}}),
        ({"env": env("A")}, {"runtimePatches": patch(containers=[{"name": "side", "env": env("B")}])}),
        ({}, {"runtimePatches": patch(volumes=VOLUMES)}),
        ({}, {"runtimePatches": patch(containers=[{"name": f"c{number}"} for number in range(COUNT)])}),
    ],
    ids=["variables", "ports", "mounts", "patched variables", "volumes", "containers"],
)
def test_long_lists_are_merged_in_time(container: dict[str, Any], spec: dict[str, Any]) -> None:
    pod = {"containers": [{"name": name, "image": "x:1", **container} for name in ("node", "side")]}
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    job = {"name": "node", "template": {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}}}
    runtime = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainingRuntime", "metadata": {"name": "mine"},
        "spec": {"mlPolicy": {"torch": {}}, "template": {"spec": {"replicatedJobs": [job]}}},
    }  # fmt: skip
    trainjob = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": {"name": "a"},
        "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": "mine"}, **spec},
    }  # fmt: skip
    documents, problems = kubeyaml.parse(f"{json.dumps(runtime)}\n{json.dumps(trainjob)}\n", "job.json")
    assert problems == []
    started = time.process_time()
    assert resolver.resolve(documents[1], Catalogue(documents)).jobset is not None
    assert time.process_time() - started < SECONDS
