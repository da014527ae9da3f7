"""Runs made by hand, in the form in which supervisors leave them: log folders and stored objects."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from kfrun.model.source import ObjectKey
from kfrun.model.state import Event
from kfrun.observe.store import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kfrun.observe.store import Store

CREATED = "2026-11-21T08:00:00Z"
START = 1_800_000_000.0


class RunFolder:
    """The folder of one run: pods, their logs, the indexes of these."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "pods").mkdir(parents=True)

    def pod(
        self,
        index: int = 0,
        *,
        group: str = "node",
        job_index: int = 0,
        created: float = START,
        suffix: str = "a",
        **more: Any,
    ) -> Path:
        job = f"mnist-{group}-{job_index}"
        folder = self.path / "pods" / f"{job}-{index}-{suffix}"
        folder.mkdir()
        facts = {
            "name": folder.name, "job": job, "replicatedJob": group, "jobIndex": job_index, "index": index,
            "attempt": 0, "created": created, **more,
        }  # fmt: skip
        (folder / "pod.json").write_text(json.dumps(facts))
        return folder


def write_log(
    pod: Path, content: bytes, *, container: str = "node", restart: int = 0, samples: Sequence[tuple[float, int]] = ()
) -> Path:
    """The log of a container's attempt; samples are (seconds after START, size then)."""
    path = pod / f"{container}.{restart}.log"
    path.write_bytes(content)
    if samples:
        packed = b"".join(struct.pack("<dQ", START + time, size) for time, size in samples)
        path.with_suffix(".idx").write_bytes(packed)
    return path


def condition(kind: str, reason: str, message: str = "", status: str = "True") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-21T08:01:30Z",
    }


def trainjob(
    name: str = "mnist", *conditions: dict[str, Any], namespace: str = "default", **more: Any
) -> dict[str, Any]:
    spec = {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"numNodes": 2}, "suspend": False}
    data: dict[str, Any] = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "creationTimestamp": CREATED,
        },
        "spec": {**spec, **more.pop("spec", {})},
        "status": {},
    }
    data["metadata"].update(more.pop("metadata", {}))
    if conditions:
        data["status"]["conditions"] = list(conditions)
    data["status"].update(more)
    return data


def pod(
    job: str = "mnist", index: int = 0, *, suffix: str = "a", namespace: str = "default", **container: Any
) -> dict[str, Any]:
    name = f"{job}-node-0-{index}-{suffix}"
    labels = {
        "jobset.sigs.k8s.io/jobset-name": job,
        "jobset.sigs.k8s.io/replicatedjob-name": "node",
        "jobset.sigs.k8s.io/replicatedjob-replicas": "1",
        "jobset.sigs.k8s.io/job-index": "0",
        "batch.kubernetes.io/job-completion-index": str(index),
    }
    state = container.pop("state", {"running": {"startedAt": CREATED}})
    status = {"name": "node", "ready": "running" in state, "restartCount": 0, "state": state, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "creationTimestamp": CREATED,
            "labels": labels,
        },
        "spec": {"containers": [{"name": "node"}]},
        "status": {"phase": "Running" if "running" in state else "Failed", "containerStatuses": [status]},
    }


def terminated(code: int, reason: str = "Error", finished: str = "2026-11-21T08:01:00Z") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": CREATED, "finishedAt": finished}}


def add(store: Store, job: dict[str, Any], folder: Path, *pods: dict[str, Any], **run: Any) -> None:
    """Store a job with its run and pods."""
    metadata = job["metadata"]
    store.create(job)
    for item in pods:
        store.create(item, owner=metadata["uid"])
    values = {
        "uid": metadata["uid"], "namespace": metadata["namespace"], "name": metadata["name"], "folder": str(folder),
        "backend": "process", "digest": "d", "run_digest": "r", "boot": "b", "ended": True, **run,
    }  # fmt: skip
    store.add_run(Run(**values))


def event(job: dict[str, Any], reason: str, message: str, *, last: float = START, **more: Any) -> Event:
    metadata = job["metadata"]
    key = more.pop("key", ObjectKey(job["apiVersion"], "TrainJob", metadata["namespace"], metadata["name"]))
    values = {"type": "Normal", "first_time": last, "last_time": last, "owner": metadata["uid"], **more}
    return Event(key, reason=reason, message=message, **values)
