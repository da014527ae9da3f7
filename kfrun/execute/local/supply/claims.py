"""Persistent volume claims: a folder each, kept beside the jobs' own until somebody deletes it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from kfrun import host

if TYPE_CHECKING:
    from kfrun.model.source import ObjectKey
    from kfrun.model.workload import Workload
    from kfrun.observe.store import Store


def folder(job_folder: str, workload: Workload, claim: str) -> str:
    """The folder of a claim, made if it is new.

    One that the JobSet itself makes and deletes lies with the job; every other one beside all jobs of its namespace.

    Raises:
        OSError: it cannot be made.
    """
    if "/" in claim or claim in ("", ".", ".."):
        raise OSError(errno.EINVAL, f'"{claim}" is no name of a claim')
    if claim in _own(workload):
        path = os.path.join(job_folder, "claims", claim)
    else:
        # STATE/jobs/NAMESPACE/NAME/UID
        state = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(job_folder))))
        path = os.path.join(state, "claims", workload.namespace, claim)
    host.make_private_folder(os.path.dirname(path))
    os.makedirs(path, 0o755, exist_ok=True)
    return path


def forget(store: Store, key: ObjectKey) -> None:
    """Remove what is in a claim that was deleted. While a pod uses it, it stays, as on a cluster."""
    if key.kind != "PersistentVolumeClaim" or any(
        _uses(pod.data, key.name) for pod in store.objects("Pod", key.namespace)
    ):
        return
    import shutil

    shutil.rmtree(os.path.join(os.path.dirname(store.path), "claims", key.namespace, key.name), ignore_errors=True)


def _uses(pod: dict[str, Any], claim: str) -> bool:
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return False
    volumes = pod.get("spec", {}).get("volumes", ())
    return any((one.get("persistentVolumeClaim") or {}).get("claimName") == claim for one in volumes)


def remove(job_folder: str) -> None:
    """Remove the claims that lie with a job."""
    import shutil

    shutil.rmtree(os.path.join(job_folder, "claims"), ignore_errors=True)


def _own(workload: Workload) -> set[str]:
    """The claims that go with the JobSet: those of its ``volumeClaimPolicies``, unless they are to be retained."""
    return {
        f"{template['metadata']['name']}-{workload.jobset_name}"
        for policy in workload.jobset["spec"].get("volumeClaimPolicies", ())
        if policy.get("retentionPolicy", {}).get("whenDeleted", "Delete") == "Delete"
        for template in policy.get("templates", ())
    }
