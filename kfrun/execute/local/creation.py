"""Carries the steps of a plan out on this machine: records objects, starts and tells supervisors. Decides nothing."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.errors import Conflict, Refused, Unavailable
from kfrun.execute import objects
from kfrun.execute.local import jobfiles, ledger, requests, runtimes, supervisors
from kfrun.execute.local.supply import claims, secretkeep
from kfrun.model import change, kinds
from kfrun.model.values import NamedTuple, asdict, replace
from kfrun.observe import location
from kfrun.observe.store import FormerRun, Run
from kfrun.plan import jobs
from kfrun.resolve.pods import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kfrun.execute.backend import Step
    from kfrun.execute.local.runtime import Launch, Way
    from kfrun.model.change import Action, DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store

    Launcher = Callable[[str], Launch]


def perform(
    store: Store, steps: Sequence[Step], way: Way, emit: Callable[[Action], None], begin: Callable[[], None]
) -> None:
    """Carry the steps out in order; ``emit`` is called after each, ``begin`` before the first.

    Raises:
        Conflict: another kfrun changed one of the objects since the plan was made.
        Refused, StoreFailed, Unavailable, UsageProblem: see `kfrun.errors`.
    """
    launches = [_launch(step, way) for step in steps]
    going = [step for step in steps if isinstance(step.action, change.DeleteJob)]
    if going and store.has_little_room():
        # What is to go may be what fills the disk.
        for step in going:
            requests.make_room(store, step.action.key, _planned_uid(step))
    begin()
    for step, launch in zip(steps, launches, strict=True):
        _perform(store, step, launch, way)
        emit(step.action)


def _launch(step: Step, way: Way) -> Launcher | None:
    """What the job is started with, where the step is going to start any pods; before anything is done."""
    if step.job is None or not jobs.starts(step.action) or jobs.is_managed_elsewhere(step.job.resolution.job.data):
        return None
    return runtimes.preparation(_backend(step.job, way)).launch(step.job.resolution, way)


def _backend(job: DesiredJob, way: Way) -> str:
    return jobs.backend_of(job, way.wishes, way.settings.backend)


def _perform(store: Store, step: Step, launch: Launcher | None, way: Way) -> None:
    action = step.action
    if step.secrets and not isinstance(action, change.CreateJob | change.ReplaceJob):
        _give_again(store, step)
    match action:
        case change.ApplyObject():
            _apply_object(store, action.key, _data(step))
        case change.CreateJob() | change.ReplaceJob():
            _create(store, step, launch, way)
        case change.UpdateJob() | change.SuspendJob() | change.ResumeJob():
            requests.past_stopped(store, action.key, partial(_update, store, step, launch, way))
        case change.DeleteJob():
            requests.request(store, action.key, "delete", uid=_planned_uid(step))
        case change.DeleteObject():
            if action.key.kind == kinds.CLAIM:
                claims.delete(store, action.key)
            else:
                store.delete(action.key.kind, action.key.namespace, action.key.name)
        case _:
            # Environments are built by the job's supervisor; what is unchanged stays.
            return


def _planned_uid(step: Step) -> str:
    return step.planned[0] if step.planned else ""


def put(store: Store, data: Mapping[str, Any]) -> None:
    """Create or replace an object of kfrun's own; a stored one keeps its uid."""
    metadata = data["metadata"]
    with store.writing():
        found = store.find(data["kind"], metadata["namespace"], metadata["name"])
        if found is None:
            store.create({**data, "metadata": {**metadata, "uid": objects.new_uid()}})
        else:
            store.update({**data, "metadata": {**metadata, "uid": found.uid}})


def _data(step: Step) -> dict[str, Any]:
    assert step.data is not None
    return dict(step.data)


def _desired(step: Step) -> DesiredJob:
    assert step.job is not None
    return step.job


def _apply_object(store: Store, key: ObjectKey, data: dict[str, Any]) -> None:
    found = store.find(key.kind, key.namespace, key.name)
    finished = claims.bound if key.kind == kinds.CLAIM else dict
    if found is None:
        store.create(finished(objects.created(data, key, objects.new_uid(), time.time())))
    else:
        store.update(finished(objects.updated(data, found.data, key)), expected=found.resource_version)


def _create(store: Store, step: Step, launch: Launcher | None, way: Way) -> None:
    key, uid = step.action.key, objects.new_uid()
    if isinstance(step.action, change.ReplaceJob):
        if step.action.stops:
            requests.request(store, key, "cancel", uid=_planned_uid(step))
        requests.await_end(store, key)
    supervisors.sweep(store, key.namespace, key.name)
    folder = str(location.job_folder(store.path, key.namespace, key.name, uid))
    job = _job(uid, _desired(step), launch, way) if launch is not None else None
    if job is not None:
        _write_files(folder, job, step)
    try:
        with store.writing():
            number = store.next_number(key.namespace, key.name)
            replaced = _take_place(store, step, most=way.settings.runs_keep - 1)
            store.create(objects.created(_data(step), key, uid, time.time()))
            if job is not None:
                store.add_run(replace(_run(uid, folder, _desired(step), way, replaced.folder), number=number))
                claims.create(store, job.workload, uid)
    except Conflict as error:
        supervisors.remove_folder(folder)
        raise objects.created_meanwhile(key) from error
    except BaseException:
        supervisors.remove_folder(folder)
        raise
    for path in replaced.left:
        supervisors.remove_folder(path)
    if job is not None:
        if step.secrets:
            # Not before it is recorded: were this command killed then, nobody would see to what was kept.
            _give(store, uid, folder, step.secrets)
        _start(folder, key)


def _give_again(store: Store, step: Step) -> None:
    """Secrets for a job that is there: while it has not ended it may wait for them."""
    key = step.action.key
    found = store.find(key.kind, key.namespace, key.name)
    run = store.run(found.uid) if found is not None else None
    if run is not None and not run.ended:
        _give(store, run.uid, run.folder, step.secrets)


def _give(store: Store, uid: str, folder: str, secrets: Mapping[str, Mapping[str, str]]) -> None:
    problem: OSError | None = None
    try:
        secretkeep.keep(folder, secrets)
    except OSError as error:
        problem = error
    latest = store.run(uid)
    if latest is None or latest.ended:
        # It ended meanwhile.
        secretkeep.forget(folder)
    elif problem is not None:
        again = " ".join(f"--secret-env-file {name}=FILE" for name in secrets)
        raise Unavailable(
            f"{problem.filename or folder} cannot be written: {problem.strerror}",
            f"the job is recorded and waits: once that is mended, kfrun apply -f MANIFEST {again} gives it its Secrets",
        ) from problem


def _start(folder: str, key: ObjectKey) -> None:
    try:
        supervisors.start(folder)
    except OSError as error:
        raise Unavailable(
            f"the supervisor of {key.resource} could not be started: {error.strerror}",
            "the job is recorded; the next kfrun command tries again",
        ) from error


class _Replaced(NamedTuple):
    """What came of the run that another one replaces.

    Attributes:
        folder: its own, where its logs stay; empty where it has none.
        left: folders that nobody knows any more.
    """

    folder: str = ""
    left: tuple[str, ...] = ()


def _take_place(store: Store, step: Step, *, most: int) -> _Replaced:
    """Put the finished job that this one replaces into the history, which holds at most so many runs of a name.

    Raises:
        Refused: it is not the one that was planned with, or it runs.
    """
    key = step.action.key
    found = store.find(key.kind, key.namespace, key.name) if isinstance(step.action, change.ReplaceJob) else None
    if found is None:
        return _Replaced()
    run = store.run(found.uid)
    objects.refuse_changed(found, step.planned)
    if run is not None and not run.ended:
        raise Refused(f"{key.resource} was changed by another kfrun meanwhile", "try again")
    gone = store.keep(_former(store, found, run), most=most) if run is not None else []
    if run is not None:
        # What its JobSet claimed goes with that, as on a cluster.
        claims.remove(run.folder)
    known = {one.folder for one in store.former_runs(key.namespace, key.name)}
    store.forget(found.uid)
    if run is None:
        return _Replaced()
    # what an earlier kfrun replaced is in no history
    left = {run.folder, run.previous, *(one.folder for one in gone)} - known - {""}
    return _Replaced(run.folder if run.folder in known else "", tuple(left))


def _former(store: Store, job: StoredObject, run: Run) -> FormerRun:
    state = ledger.latest(store, run)
    first = state.first_failure if state is not None else None
    return FormerRun(
        namespace=run.namespace,
        name=run.name,
        number=run.number,
        uid=run.uid,
        folder=run.folder,
        backend=run.backend,
        digest=run.digest,
        run_digest=run.run_digest,
        runtime=run.runtime,
        code=run.code,
        failure=json.dumps(asdict(first)) if first is not None else "",
        data=json.dumps(job.data, separators=(",", ":")),
    )


def _job(uid: str, desired: DesiredJob, launch: Launcher, way: Way) -> jobfiles.RunFiles:
    settings, environment, path = launch(uid)
    return jobfiles.RunFiles(
        workload=expand.expand(desired.resolution, cluster_defaults=way.wishes.cluster_defaults),
        settings=settings,
        environment=environment,
        environment_path=path,
        cache=way.settings.cache_dir,
        keep_environment=way.wishes.keep_environment,
        back_off=(way.settings.retry_delay, way.settings.max_retry_delay),
        objects=tuple(_objects(uid, desired.resolution)),
    )


def _objects(uid: str, resolution: Resolution) -> Iterator[dict[str, Any]]:
    """What the controller makes beside the JobSet for its pods to read; the keys of an MPI job are made now."""
    own = [item for item in resolution.objects if item["kind"] in ("ConfigMap", "Secret")]
    yield from own
    if own:
        from kfrun.resolve.policies import mpi

        yield from mpi.missing_keys(own, uid, os.urandom)


def _write_files(folder: str, job: jobfiles.RunFiles, step: Step) -> None:
    try:
        jobfiles.write(folder, job)
        if step.secrets:
            secretkeep.announce(folder, step.secrets)
    except OSError as error:
        supervisors.remove_folder(folder)
        raise Unavailable(
            f"the job's folder {folder} cannot be written: {error.strerror}", "free some space, or set KFRUN_HOME"
        ) from error


def _run(uid: str, folder: str, desired: DesiredJob, way: Way, previous: str) -> Run:
    key, runtime = desired.resolution.trainjob, desired.resolution.runtime
    return Run(
        uid=uid,
        namespace=key.namespace,
        name=key.name,
        folder=folder,
        backend=_backend(desired, way),
        digest=desired.digest,
        run_digest=desired.run_digest,
        boot=host.boot_id(),
        runtime=json.dumps(runtime.document.data) if runtime else "",
        previous=previous,
        code=desired.code.to_json() if desired.code else "",
    )


def _update(store: Store, step: Step, launch: Launcher | None, way: Way) -> None:
    key, data, desired = step.action.key, _data(step), _desired(step)
    with store.writing():
        found = store.find(key.kind, key.namespace, key.name)
        if found is None:
            raise objects.deleted_meanwhile(key)
        objects.refuse_changed(found, step.planned)
        store.update(objects.updated(data, found.data, key))
        store.change_run(found.uid, digest=desired.digest)
        run = store.run(found.uid)
        if run is not None and launch is not None:
            # Nothing runs now: what the job is resumed with is the new manifest.
            jobfiles.replace(run.folder, _job(run.uid, desired, launch, way), desired.run_digest)
            code = desired.code.to_json() if desired.code else ""
            store.change_run(run.uid, run_digest=desired.run_digest, code=code)
        if run is not None:
            store.rouse(run)
    if run is not None and not run.ended:
        supervisors.wake(run.folder)
