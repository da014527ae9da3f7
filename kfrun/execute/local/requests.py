"""What is asked of a stored TrainJob: written down in the store, and its supervisor told that there is news."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kfrun.errors import Refused, StoreBusy, StoreFull
from kfrun.execute import objects
from kfrun.execute.local import supervisors
from kfrun.execute.local.supply import secretkeep
from kfrun.model import kinds
from kfrun.model.state import is_finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Run, Store

_TRIES = 20
_Result = TypeVar("_Result")


def request(
    store: Store, key: ObjectKey, wish: str, *, now: bool = False, grace: float | None = None, uid: str = ""
) -> bool | None:
    """Ask the supervisor of a TrainJob for ``cancel``, ``kill`` or ``delete``; None when there is no such job.

    ``now`` and ``grace``: see `Backend.wish`. With ``uid``, a later job of that name is left alone.
    An ended job has no supervisor: it is removed here. One that another controller runs can only be deleted:
    False for the rest.
    """
    wanted = objects.asked(wish, now=now, grace=grace, at=time.time())
    ask = partial(past_stopped, store, key, partial(_request, store, key, wish, wanted, uid=uid))
    try:
        return ask()
    except StoreFull:
        if wish != "delete":
            raise
    # What is to go may be what fills the disk; whoever still writes may be faster than we a few times.
    for _ in range(_TRIES):
        make_room(store, key, uid)
        with suppress(StoreFull):
            return ask()
    return ask()


def past_stopped(store: Store, key: ObjectKey, write: Callable[[], _Result]) -> _Result:
    """What ``write`` does, though a supervisor was stopped while it held the store: the job's own, or another's."""
    supervisors.get_past(_runs_of(store, key))
    try:
        return write()
    except StoreBusy:
        supervisors.get_past(store.unended_runs())
        return write()


def make_room(store: Store, key: ObjectKey, uid: str = "") -> None:
    """Give back the space of a TrainJob that is going to be deleted; with ``uid``, a later one of that name is kept."""
    for run in _runs_of(store, key, uid):
        supervisors.free_space(store, run)


def _runs_of(store: Store, key: ObjectKey, uid: str = "") -> list[Run]:
    found = store.find(kinds.TRAIN_JOB, key.namespace, key.name)
    run = store.run(found.uid) if found is not None and uid in ("", found.uid) else None
    return [] if run is None else [run]


def _request(store: Store, key: ObjectKey, wish: str, wanted: str, *, uid: str) -> bool | None:
    with store.writing():
        found = store.find(kinds.TRAIN_JOB, key.namespace, key.name)
        if found is None or (uid and found.uid != uid):
            return None
        run = store.run(found.uid)
        if run is not None and not run.ended:
            if wish == "delete" and "deletionTimestamp" not in found.data["metadata"]:
                store.update(objects.being_deleted(found.data, time.time()))
            store.change_run(run.uid, request=objects.stronger(run.request, wanted))
            store.rouse(run)
    if run is None:
        if wish == "delete":
            _forget(store, found)
        return wish == "delete"
    if not run.ended:
        supervisors.wake(run.folder)
    elif wish == "delete":
        supervisors.remove(store, run)
    return True


def _forget(store: Store, job: StoredObject) -> None:
    """Remove a TrainJob that another controller runs, and what is kept of runs of its name here."""
    former = store.former_runs(job.key.namespace, job.key.name)
    with store.writing():
        store.forget_history(job.key.namespace, job.key.name)
        store.forget(job.uid)
    for run in former:
        supervisors.remove_folder(run.folder)


def set_suspend(store: Store, key: ObjectKey, *, suspend: bool, uid: str = "") -> bool | None:
    """Set spec.suspend of a stored TrainJob and tell its supervisor; None when there is none, False if it was so."""
    return past_stopped(store, key, partial(_set_suspend, store, key, suspend=suspend, uid=uid))


def _set_suspend(store: Store, key: ObjectKey, *, suspend: bool, uid: str) -> bool | None:
    with store.writing():
        found = store.find(kinds.TRAIN_JOB, key.namespace, key.name)
        if found is None or (uid and found.uid != uid):
            return None
        if bool(found.data["spec"].get("suspend", False)) == suspend:
            return False
        run = store.run(found.uid)
        if not suspend and run is not None:
            _require_secrets(run)
        store.update(objects.with_suspend(found.data, suspend=suspend), expected=found.resource_version)
        if run is not None:
            store.rouse(run)
    if run is not None and not run.ended:
        supervisors.wake(run.folder)
    return True


def _require_secrets(run: Run) -> None:
    """Refuse to resume a job that would wait for what was given to it, and is lost: the machine was restarted, say."""
    names = secretkeep.lost(run.folder)
    if names:
        again = " ".join(f"--secret-env-file {name}=FILE" for name in names)
        raise Refused(
            f"{run.name} was given {', '.join(names)} by --secret-env-file, which is not kept any more",
            f"kfrun apply -f MANIFEST {again} gives it again; then resume it",
        )


def await_end(store: Store, key: ObjectKey) -> None:
    """Wait until nothing of a job that is finished, or was told to stop, runs any more: it has its grace period."""
    from kfrun.observe import watch

    def has_ended() -> bool | None:
        found = store.find(kinds.TRAIN_JOB, key.namespace, key.name)
        run = store.run(found.uid) if found is not None else None
        if found is None or run is None or run.ended:
            return True
        return None if run.request or is_finished(found.data) else True

    watch.wait(store, has_ended, heal=partial(supervisors.revive, store))
