"""Documents for the tests of resolve, read as kfrun reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun.load import kubeyaml
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue

if TYPE_CHECKING:
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document

DATA = Path(__file__).resolve().parent / "data"


def documents(text: str, source: str = "job.yaml") -> list[Document]:
    """The documents of a text that is fine."""
    read, findings = kubeyaml.parse(text, source)
    assert not findings
    return read


def document(data: Any, source: str = "job.yaml") -> Document:
    """A document of plain data (JSON is YAML)."""
    (read,) = documents(json.dumps(data), source)
    return read


def runtime(
    *,
    policy: dict[str, Any] | None = None,
    container: dict[str, Any] | None = None,
    jobset: dict[str, Any] | None = None,
    job: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    **pod: Any,
) -> dict[str, Any]:
    """A ClusterTrainingRuntime ``rt`` with one trainer job; the arguments go to their places in it."""
    node = {"name": "node", "image": "img", "command": ["train"], **(container or {})}
    template = {"spec": {"containers": [node], **pod}}
    label = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    spec: dict[str, Any] = {
        "template": {
            "spec": {
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {"metadata": {"labels": label}, "spec": {"template": template, **(job or {})}},
                    }
                ],
                **(jobset or {}),
            }
        }
    }
    if policy is not None:
        spec["mlPolicy"] = policy
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "rt", "annotations": annotations or {}},
        "spec": spec,
    }


def trainjob(*, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A TrainJob ``tj`` of the runtime ``rt``."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "tj", "annotations": annotations or {}},
        "spec": {"runtimeRef": {"name": "rt"}, **spec},
    }


def resolved(job: dict[str, Any], of: dict[str, Any]) -> Resolution:
    """Resolve plain data."""
    return resolve(document(job), Catalogue([document(of, "runtime.yaml")]))


def node_container(resolution: Resolution) -> dict[str, Any]:
    """The first container of the first job of a resolution's JobSet."""
    assert resolution.jobset is not None, resolution.findings
    job = resolution.jobset["spec"]["replicatedJobs"][0]
    container: dict[str, Any] = job["template"]["spec"]["template"]["spec"]["containers"][0]
    return container
