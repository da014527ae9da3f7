"""How a process becomes a job's only supervisor, and what it does when the job's own files do not let it.

A job that no supervisor can look after ends as Failed: starting one after the other would never end.

All of it runs in a fork of the nursery, one for each job.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun.errors import KfrunError, StoreFailed
from kfrun.execute.controller.facts import SUPERVISOR_FAILED
from kfrun.execute.local import jobfiles, requests, runtimes, supervisors
from kfrun.execute.local.supervisor import Supervisor
from kfrun.execute.local.supply import secretkeep
from kfrun.host import lock
from kfrun.model.kinds import API_VERSION, TRAIN_JOB
from kfrun.model.runstate import Condition
from kfrun.model.source import ObjectKey
from kfrun.model.state import Event, is_finished
from kfrun.observe import location, status
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from kfrun.observe.store import Run

_LOCK_TRIES, _LOCK_SECONDS = 25, 0.02
_TRIES, _HEALTHY_SECONDS = 3, 60.0
_PASSING = (errno.EAGAIN, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC)
"""What the system may grant later: the next command tries again."""


def main(folder: str) -> None:
    """Supervise the job in ``folder`` until it is over; returns at once when another supervisor has it."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if not os.path.isdir(folder):
            _forget(folder)
        elif _lock(folder):
            _supervise(folder)
    except KfrunError as error:
        # To supervisor.log.
        sys.stderr.write(f"{error.message}\n")


def _forget(folder: str) -> None:
    """Somebody removed the job's folder by hand, or was killed while removing it: nothing is known of it any more.

    What runs of it is ended, which may take its grace period; until then the job is being deleted.
    """
    database, uid = location.database_of(folder), os.path.basename(folder)
    path = f"{database.parent}/{uid}.lock"
    try:
        descriptor = lock.take(path)
    except OSError:
        # The whole state is gone.
        return
    if descriptor is None:
        # Another one is at it.
        return
    try:
        with Store.open(database, create=False) as store:
            run = store.run(uid)
            if run is not None and not run.ended:
                with contextlib.suppress(StoreFailed):
                    key = ObjectKey(API_VERSION, TRAIN_JOB, run.namespace, run.name)
                    requests.request(store, key, "delete", uid=uid)
                runtimes.clean(run)
                supervisors.remove(store, run)
    finally:
        os.unlink(path)
        os.close(descriptor)


def _lock(folder: str) -> bool:
    """Become the job's only supervisor. Others may probe the lock just now: that takes microseconds."""
    path = f"{folder}/supervisor.lock"
    for _ in range(_LOCK_TRIES):
        try:
            # Held until this process ends.
            descriptor = lock.take(path)
            if descriptor is not None:
                supervisors.say_who(descriptor)
                return True
        except IsADirectoryError:
            os.rename(path, f"{path}.was")
        except OSError:
            # The folder is gone.
            return False
        time.sleep(_LOCK_SECONDS)
    return False


def _supervise(folder: str) -> None:
    with Store.open(location.database_of(folder), create=False) as store:
        run = store.run(Path(folder).name)
        if run is None:
            # Deleted while we were starting.
            supervisors.remove_folder(folder)
        elif not run.ended:
            _reconcile(store, run)


def _reconcile(store: Store, run: Run) -> None:
    for _ in range(_TRIES):
        supervisor = _supervisor(store, run)
        if supervisor is None:
            return
        why = _work(supervisor)
        if not why:
            return
        supervisor.close()
        run = store.run(run.uid) or run
    _abandon(store, run, f"its supervisor failed ({why}; {run.folder}/supervisor.log tells more)")


def _supervisor(store: Store, run: Run) -> Supervisor | None:
    """What looks after a run; None where its files let nobody do so: then it has ended."""
    try:
        job = jobfiles.read(run.folder, run.run_digest)
        jobfiles.make_reserve(run.folder, job.workload)
        return Supervisor(store, run, job)
    except KfrunError:
        raise
    except Exception as error:  # whatever it stumbles over, the next one would, too
        if getattr(error, "errno", None) in _PASSING:
            raise
        _print_traceback()
        why = (
            str(error)
            if isinstance(error, OSError | ValueError)
            else f"{run.folder}/job.json or {store.path}: {error!r}"
        )
        _abandon(store, run, f"the job's own files cannot be read ({why})")
        return None


def _work(supervisor: Supervisor) -> str:
    """Supervise; why that failed, empty when the job needs it no more. Of what went well long enough nothing counts."""
    while True:
        begun = time.monotonic()
        try:
            supervisor.work()
        except KfrunError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen for ever
            _print_traceback()
            if time.monotonic() - begun < _HEALTHY_SECONDS:
                return repr(error)
        else:
            return ""


def _print_traceback() -> None:
    """To supervisor.log."""
    import traceback

    traceback.print_exc()


def _abandon(store: Store, run: Run, why: str) -> None:
    """Nothing can be adopted or started. Stop what runs, and say so."""
    grace = 0.0 if run.request in ("kill", "delete now") else runtimes.GRACE_SECONDS
    left = "it was stopped" if runtimes.clean(run, grace) else "its processes were left alone"
    secretkeep.forget(run.folder)
    now, message = time.time(), f"{why}; {left}: run its manifest again"
    with store.writing():
        # It may have been asked for meanwhile.
        latest = store.run(run.uid)
        if latest is not None and not latest.request.startswith("delete"):
            _record_failure(store, run, message, now)
            return
    supervisors.remove(store, run)


def _record_failure(store: Store, run: Run, message: str, now: float) -> None:
    with store.writing():
        found = store.find(TRAIN_JOB, run.namespace, run.name)
        if found is not None and found.uid == run.uid and not is_finished(found.data):
            data = found.data.get("status", {})
            failed = status.conditions_json([Condition("Failed", "True", SUPERVISOR_FAILED, message, now)])
            shown = {**data, "conditions": [*data.get("conditions", ()), *failed]}
            store.update({**found.data, "status": shown})
            store.record([Event(found.key, "Warning", SUPERVISOR_FAILED, message, now, now, owner=run.uid)])
        store.release_ports(run.uid)
        store.change_run(run.uid, ended=1)
