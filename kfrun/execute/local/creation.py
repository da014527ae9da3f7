"""Walks the actions of a plan and carries each out: records objects, starts and tells supervisors. Decides nothing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.errors import Conflict, Refused, Unavailable
from kfrun.execute.local import jobfiles, supervisors
from kfrun.model import change
from kfrun.model.values import dataclass
from kfrun.observe import location
from kfrun.observe.status import timestamp
from kfrun.observe.store import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kfrun.execute.local.process.preparation import JobLaunch
    from kfrun.model.change import Action, DesiredJob, Plan
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """Everything of this call that is not in the plan.

    Attributes:
        launches: by TrainJob, for jobs that are created or replaced.
        objects: documents given beside the jobs (runtimes), by key; their defaulted data.
        stored: the TrainJob objects to store, by key: defaulted data of their documents.
        planned: uid and generation of each stored TrainJob that the plan was made with.
        cache: folder in which environments are built.
        back_off: base and limit of waits between tries, seconds.
    """

    store: Store
    cache: Path
    launches: dict[ObjectKey, JobLaunch]
    objects: dict[ObjectKey, dict[str, Any]]
    stored: dict[ObjectKey, dict[str, Any]]
    planned: dict[ObjectKey, tuple[str, int]] = field(default_factory=dict)
    keep_environment: bool = False
    back_off: tuple[float, float] = (10.0, 300.0)
    backend: str = "process"


def execute(plan: Plan, context: Context, emit: Callable[[Action], None] = lambda _: None) -> None:
    """Carry the actions out in order; ``emit`` is called after each.

    Raises:
        Conflict: another kfrun changed one of the objects since the plan was made.
        Refused, StoreFailed, Unavailable: see `kfrun.errors`.
    """
    desired = {item.resolution.trainjob: item for item in plan.jobs}
    for action in plan.actions:
        _perform(action, desired.get(action.key), context)
        emit(action)


def _perform(action: Action, desired: DesiredJob | None, context: Context) -> None:
    match action:
        case change.ApplyObject():
            _apply_object(action.key, context)
        case change.CreateJob() | change.ReplaceJob():
            assert desired is not None
            _create(action, desired, context)
        case change.UpdateJob() | change.SuspendJob() | change.ResumeJob():
            assert desired is not None
            _update(action, desired, context)
        case change.DeleteJob():
            request(context.store, action.key, "delete")
        case change.DeleteObject():
            context.store.delete(action.key.kind, action.key.namespace, action.key.name)
        case _:
            # Environments are built by the job's supervisor; what is unchanged stays.
            return


def request(store: Store, key: ObjectKey, wish: str, *, now: bool = False, uid: str = "") -> bool:
    """Ask the supervisor of a TrainJob for ``cancel``, ``kill`` or ``delete``; False when there is no such job.

    ``now`` shortens the grace period of a deletion to nothing; with ``uid``, a later job of that name is left alone.
    An ended job has no supervisor: it is removed here.
    """
    with store.writing():
        found = store.find("TrainJob", key.namespace, key.name)
        if found is None or (uid and found.uid != uid):
            return False
        run = store.run(found.uid)
        if run is not None and not run.ended:
            if wish == "delete" and "deletionTimestamp" not in found.data["metadata"]:
                metadata = {**found.data["metadata"], "deletionTimestamp": timestamp(time.time())}
                store.update({**found.data, "metadata": metadata})
            store.change_run(run.uid, request=_stronger(run.request, f"{wish} now" if now else wish))
    if run is None:
        store.forget(found.uid)
    elif not run.ended:
        supervisors.wake(run.folder)
    elif wish == "delete":
        supervisors.remove(store, run)
    return True


_REQUESTS = ("", "cancel", "kill", "delete", "delete now")
"""The weakest first."""


def _stronger(old: str, new: str) -> str:
    """What two requests come to: nobody's deletion is taken back by somebody else's Ctrl-C."""
    if {old, new} == {"kill", "delete"}:
        return "delete now"
    return max(old, new, key=_REQUESTS.index)


def _apply_object(key: ObjectKey, context: Context) -> None:
    data = context.objects[key]
    found = context.store.find(key.kind, key.namespace, key.name)
    metadata = _metadata(data, key, found.uid if found else new_uid())
    if found is None:
        context.store.create({**data, "metadata": metadata})
        return
    old = found.data["metadata"]
    changed = data.get("spec") != found.data.get("spec")
    metadata["creationTimestamp"] = old["creationTimestamp"]
    metadata["generation"] = old.get("generation", 1) + int(changed)
    context.store.update({**data, "metadata": metadata}, expected=found.resource_version)


def _create(action: Action, desired: DesiredJob, context: Context) -> None:
    key, uid = action.key, new_uid()
    if isinstance(action, change.ReplaceJob):
        await_end(context.store, key)
    store, wanted = context.store, context.launches.get(key)
    supervisors.sweep(store, key.namespace, key.name)
    folder = str(location.job_folder(store.path, key.namespace, key.name, uid))
    if wanted is not None:
        _write_files(folder, _job(uid, desired, wanted, context))
    data = context.stored[key]
    try:
        with store.writing():
            replaced = _take_place(action, key, context)
            store.create({**data, "metadata": _metadata(data, key, uid)})
            if wanted is not None:
                store.add_run(_run(uid, folder, desired, context, replaced.folder if replaced else ""))
    except Conflict as error:
        supervisors.remove_folder(folder)
        message = f"{key.resource} was created by another kfrun at the same time"
        raise Conflict(message, f"look at it with `kfrun get trainjob {key.name}`, or try again") from error
    except BaseException:
        supervisors.remove_folder(folder)
        raise
    if replaced is not None and replaced.previous:
        supervisors.remove_folder(replaced.previous)
    if wanted is not None:
        _start(folder, key)


def await_end(store: Store, key: ObjectKey) -> None:
    """Wait until nothing of a finished job runs any more: its pods may still have their grace period."""
    from kfrun.observe import outcome, watch

    def has_ended() -> bool | None:
        found = store.find("TrainJob", key.namespace, key.name)
        run = store.run(found.uid) if found is not None and outcome.is_finished(found.data) else None
        return True if run is None or run.ended else None

    watch.wait(store, has_ended, heal=partial(supervisors.revive, store))


def _start(folder: str, key: ObjectKey) -> None:
    try:
        supervisors.start(folder)
    except OSError as error:
        raise Unavailable(
            f"the supervisor of {key.resource} could not be started: {error.strerror}",
            "the job is recorded; the next kfrun command tries again",
        ) from error


def _take_place(action: Action, key: ObjectKey, context: Context) -> Run | None:
    """Forget the finished job that this one replaces; its folder is kept for ``--previous``."""
    if not isinstance(action, change.ReplaceJob):
        return None
    found = context.store.find("TrainJob", key.namespace, key.name)
    if found is None:
        return None
    run = context.store.run(found.uid)
    _refuse_changed(found, context)
    if run is not None and not run.ended:
        raise Refused(f"{key.resource} was changed by another kfrun meanwhile", "try again")
    context.store.forget(found.uid)
    return run


def _refuse_changed(found: StoredObject, context: Context) -> None:
    """The plan was made for another job, or for another wish of the same one."""
    now = (found.uid, int(found.data["metadata"].get("generation", 1)))
    if context.planned.get(found.key, now) != now:
        raise Refused(f"{found.key.resource} was changed by another kfrun meanwhile", "try again")


def _job(uid: str, desired: DesiredJob, wanted: JobLaunch, context: Context) -> jobfiles.Job:
    environment, path, settings = wanted.environment, "", wanted.settings
    if environment is not None:
        from dataclasses import replace

        from kfrun.execute import environments

        if environment.isolated_for is not None:
            environment = replace(environment, isolated_for=uid)
        path = str(environments.location(environment, context.cache))
        settings = replace(settings, path=(f"{path}/bin", *settings.path))
    return jobfiles.Job(
        workload=wanted.workload,
        settings=settings,
        jobset=desired.resolution.jobset or {},
        environment=environment.to_json() if environment is not None else None,
        environment_path=path,
        cache=str(context.cache),
        keep_environment=context.keep_environment,
        back_off=context.back_off,
    )


def _write_files(folder: str, job: jobfiles.Job) -> None:
    try:
        jobfiles.write(folder, job)
    except OSError as error:
        supervisors.remove_folder(folder)
        raise Unavailable(
            f"the job's folder {folder} cannot be written: {error.strerror}", "free some space, or set KFRUN_HOME"
        ) from error


def _run(uid: str, folder: str, desired: DesiredJob, context: Context, previous: str) -> Run:
    key, runtime = desired.resolution.trainjob, desired.resolution.runtime
    return Run(
        uid=uid,
        namespace=key.namespace,
        name=key.name,
        folder=folder,
        backend=context.backend,
        digest=desired.digest,
        run_digest=desired.run_digest,
        boot=host.boot_id(),
        runtime=json.dumps(runtime.document.data) if runtime else "",
        previous=previous,
    )


def _update(action: Action, desired: DesiredJob, context: Context) -> None:
    key, store = action.key, context.store
    data, wanted = context.stored[key], context.launches.get(key)
    with store.writing():
        found = store.find("TrainJob", key.namespace, key.name)
        if found is None:
            raise Conflict(f"{key.resource} was deleted by another kfrun meanwhile", "apply it again")
        _refuse_changed(found, context)
        metadata = _metadata(data, key, found.uid)
        old = found.data["metadata"]
        metadata["creationTimestamp"] = old["creationTimestamp"]
        metadata["generation"] = old.get("generation", 1) + int(data.get("spec") != found.data.get("spec"))
        status = {"status": found.data["status"]} if "status" in found.data else {}
        store.update({**data, "metadata": metadata, **status})
        store.change_run(found.uid, digest=desired.digest)
        run = store.run(found.uid)
        if run is not None and wanted is not None:
            # Nothing runs now: what the job is resumed with is the new manifest.
            jobfiles.replace(run.folder, _job(run.uid, desired, wanted, context), desired.run_digest)
            store.change_run(run.uid, run_digest=desired.run_digest)
    if run is not None and not run.ended:
        supervisors.wake(run.folder)


def set_suspend(store: Store, key: ObjectKey, *, suspend: bool) -> bool | None:
    """Set spec.suspend of a stored TrainJob and tell its supervisor; None when there is none, False if it was so."""
    with store.writing():
        found = store.find("TrainJob", key.namespace, key.name)
        if found is None:
            return None
        if bool(found.data["spec"].get("suspend", False)) == suspend:
            return False
        metadata = {**found.data["metadata"], "generation": found.data["metadata"].get("generation", 1) + 1}
        spec = {**found.data["spec"], "suspend": suspend}
        store.update({**found.data, "metadata": metadata, "spec": spec}, expected=found.resource_version)
        run = store.run(found.uid)
    if run is not None and not run.ended:
        supervisors.wake(run.folder)
    return True


def _metadata(data: dict[str, Any], key: ObjectKey, uid: str) -> dict[str, Any]:
    """What the API server fills in on creation."""
    metadata = {**data.get("metadata", {}), "name": key.name, "uid": uid, "generation": 1}
    if key.namespace:
        metadata["namespace"] = key.namespace
    metadata["creationTimestamp"] = timestamp(time.time())
    return metadata


def new_uid() -> str:
    """A random UUID (version 4), without importing uuid and what it imports."""
    value = bytearray(os.urandom(16))
    value[6], value[8] = value[6] & 0x0F | 0x40, value[8] & 0x3F | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
