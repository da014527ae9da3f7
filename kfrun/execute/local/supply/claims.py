"""Persistent volume claims: a folder each, kept beside the jobs' own until the claim is deleted and no pod uses it."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.execute import objects
from kfrun.host import files
from kfrun.model.kinds import CLAIM, JOBSET_NAME_LABEL
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event
from kfrun.observe.claims import claimed, has_ended, users

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.model.state import StoredObject
    from kfrun.model.workload import Workload
    from kfrun.observe.store import Store

_ALONE = "ReadWriteOncePod"
_TAKEN = f"1 node has pod using {CLAIM} with the same name and {_ALONE} access mode"


def folder(job_folder: str, workload: Workload, claim: str) -> str:
    """The folder of a claim, made if it is new.

    One that the JobSet itself makes and deletes lies with the job; every other one beside all jobs of its namespace.

    Raises:
        OSError: it cannot be made.
    """
    if "/" in claim or claim in ("", ".", ".."):
        raise OSError(errno.EINVAL, f'"{claim}" is no name of a claim')
    own = {made["metadata"]["name"] for made, goes in _templates(workload) if goes}
    # STATE/jobs/NAMESPACE/NAME/UID
    state = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(job_folder))))
    kept = _kept(state, workload.namespace, claim)
    # One that an earlier JobSet retained is used as it is.
    path = _with_job(job_folder, claim) if claim in own and not os.path.isdir(kept) else kept
    host.make_private_folder(os.path.dirname(path))
    os.makedirs(path, 0o755, exist_ok=True)
    return path


def _with_job(job_folder: str, claim: str) -> str:
    return os.path.join(job_folder, "claims", claim)


def _kept(state: str, namespace: str, claim: str) -> str:
    return os.path.join(state, "claims", namespace, claim)


def _templates(workload: Workload) -> Iterator[tuple[dict[str, Any], bool]]:
    """The claims of the JobSet's volumeClaimPolicies, and whether they go with it."""
    for policy in workload.jobset["spec"].get("volumeClaimPolicies", ()):
        goes = policy.get("retentionPolicy", {}).get("whenDeleted", "Delete") == "Delete"
        for template in policy.get("templates", ()):
            metadata = template["metadata"]
            labels = {**(metadata.get("labels") or {}), JOBSET_NAME_LABEL: workload.jobset_name}
            name = f"{metadata['name']}-{workload.jobset_name}"
            yield {**template, "metadata": {**metadata, "name": name, "labels": labels}}, goes


def bound(data: Mapping[str, Any]) -> dict[str, Any]:
    """A claim as it is once it has got what it asks for: here at once. Nobody sees to it that it takes no more."""
    spec = data.get("spec") or {}
    capacity = (spec.get("resources") or {}).get("requests") or {}
    return {**data, "status": {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": capacity}}


def create(store: Store, workload: Workload, uid: str) -> None:
    """Store the claims of a JobSet that are not there yet; those that go with it as its TrainJob's."""
    for template, goes in _templates(workload):
        key = ObjectKey("v1", CLAIM, workload.namespace, template["metadata"]["name"])
        found = store.find(*key[1:])
        if found is None:
            made = objects.created({"apiVersion": "v1", "kind": CLAIM, **template}, key, objects.new_uid(), time.time())
            store.create(bound(made), owner=uid if goes else "")
        elif found.data.get("spec") != template.get("spec"):
            now, jobset = (
                time.time(),
                ObjectKey(workload.jobset["apiVersion"], "JobSet", workload.namespace, workload.jobset_name),
            )
            message = f"{key.resource} was retained and stays as it is: the template asks for another one"
            store.record([Event(jobset, "Warning", "ClaimRetained", message, now, now, owner=uid)])


def delete(store: Store, key: ObjectKey) -> bool:
    """Delete a claim with what is in it, or, while a pod uses it, have that done later; False if there is none."""
    with store.writing():
        found = store.find(*key[1:])
        if found is None:
            return False
        if users(store.objects("Pod", key.namespace), key.name):
            if "deletionTimestamp" not in found.data["metadata"]:
                store.update(objects.being_deleted(found.data, time.time()))
            return True
        store.delete(*key[1:])
        place = _place(store, found)
        # Whoever makes the claim anew finds nothing of it.
        gone = f"{os.path.dirname(place)}/.{found.uid}.gone"
        if os.path.isdir(place):
            os.rename(place, gone)
    files.remove_tree(gone)
    with contextlib.suppress(OSError):
        os.unlink(_note(place, found))
    return True


def release(store: Store, namespace: str) -> None:
    """Delete the claims that were to be deleted as soon as no pod uses them."""
    for claim in store.objects(CLAIM, namespace):
        if "deletionTimestamp" in claim.data["metadata"]:
            delete(store, claim.key)


def _place(store: Store, claim: StoredObject) -> str:
    run = store.run(claim.owner) if claim.owner else None
    if run is not None:
        return _with_job(run.folder, claim.key.name)
    return _kept(os.path.dirname(store.path), claim.key.namespace, claim.key.name)


def obstacle(store: Store, namespace: str, pod: str, spec: Mapping[str, Any]) -> str:
    """Why a pod cannot be scheduled because of its claims, in the scheduler's words; empty where it can."""
    for name in claimed(spec):
        found = store.find(CLAIM, namespace, name)
        if found is None:
            continue
        if "deletionTimestamp" in found.data["metadata"]:
            return f'0/1 nodes are available: persistentvolumeclaim "{name}" is being deleted.'
        if _ALONE in ((found.data.get("spec") or {}).get("accessModes") or ()) and not _take(store, found, pod):
            return f"0/1 nodes are available: {_TAKEN}."
    return ""


def _take(store: Store, claim: StoredObject, pod: str) -> bool:
    """Have a claim for one pod alone; False if another one has it, and has not ended."""
    place = _place(store, claim)
    note = _note(place, claim)
    with store.writing():
        try:
            holder = files.read(note).decode()
        except FileNotFoundError:
            holder = ""
        found = store.find("Pod", claim.key.namespace, holder) if holder not in ("", pod) else None
        if found is not None and not has_ended(found):
            return False
        host.make_private_folder(os.path.dirname(place))
        with open(note, "wb", opener=files.opener) as file:
            file.write(pod.encode())
    return True


def _note(place: str, claim: StoredObject) -> str:
    """The file that tells which pod has a claim for itself."""
    return f"{os.path.dirname(place)}/.{claim.uid}.pod"


def remove(job_folder: str) -> None:
    """Remove the claims that lie with a job."""
    files.remove_tree(os.path.join(job_folder, "claims"))
