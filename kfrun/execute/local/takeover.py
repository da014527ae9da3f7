"""How a process becomes a job's only supervisor, and what it does when the job's own files do not let it.

All of it runs in a fork of the nursery, one for each job.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun.errors import KfrunError
from kfrun.execute.controller.facts import RECORDER_LOST
from kfrun.execute.local import jobfiles, runtimes, supervisors
from kfrun.execute.local.supervisor import Supervisor
from kfrun.host import lock
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.runstate import Condition
from kfrun.model.state import Event, is_finished
from kfrun.observe import location, status
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from kfrun.observe.store import Run

_LOCK_TRIES, _LOCK_SECONDS = 25, 0.02


def main(folder: str) -> None:
    """Supervise the job in ``folder`` until it is over; returns at once when another supervisor has it."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not _lock(folder):
        return
    try:
        _supervise(folder)
    except KfrunError as error:
        # To supervisor.log.
        sys.stderr.write(f"{error.message}\n")


def _lock(folder: str) -> bool:
    """Become the job's only supervisor. Others may probe the lock just now: that takes microseconds."""
    for _ in range(_LOCK_TRIES):
        try:
            # Held until this process ends.
            if lock.take(f"{folder}/supervisor.lock") is not None:
                return True
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
    try:
        job = jobfiles.read(run.folder, run.run_digest)
    except (OSError, ValueError) as error:
        _abandon(store, run, str(error))
        return
    try:
        supervisor = Supervisor(store, run, job)
    except ValueError as error:
        _abandon(store, run, str(error))
        return
    supervisor.work()


def _abandon(store: Store, run: Run, why: str) -> None:
    """The job's own files tell nothing: nothing can be adopted or started. Stop what runs, and say so."""
    left = "it was stopped" if runtimes.clean(run) else "its processes were left alone"
    if run.request.startswith("delete"):
        supervisors.remove(store, run)
        return
    now, message = time.time(), f"the job's own files cannot be read ({why}); {left}: run its manifest again"
    with store.writing():
        found = store.find(TRAIN_JOB, run.namespace, run.name)
        if found is not None and found.uid == run.uid and not is_finished(found.data):
            data = found.data.get("status", {})
            failed = status.conditions_json([Condition("Failed", "True", RECORDER_LOST, message, now)])
            shown = {**data, "conditions": [*data.get("conditions", ()), *failed]}
            store.update({**found.data, "status": shown})
            store.record([Event(found.key, "Warning", RECORDER_LOST, message, now, now, owner=run.uid)])
        store.release_ports(run.uid)
        store.change_run(run.uid, ended=1)
