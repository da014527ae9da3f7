"""The logs of a job of this machine, as files in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import NotFound
from kfrun.execute.objects import no_run
from kfrun.observe.logfiles import FolderLogs, InstallerLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store
    from kfrun.observe.watch import RunEnd


class LocalLogs:
    """See `kfrun.observe.logtexts.JobLogs`."""

    def __init__(self, store: Store, job: StoredObject, heal: Callable[[], object]) -> None:
        run = store.run(job.uid)
        if run is None:
            raise NotFound(f"{job.key.name} does not run on this machine: there are no logs")
        self._run = run
        self._store, self._heal = store, heal
        self._end: RunEnd | None = None
        self._stamp, self._is_over = 0, False

    @property
    def deleted(self) -> bool:
        """See `JobLogs.deleted`."""
        return self._end is not None and self._end.deleted

    def run(self) -> FolderLogs:
        """See `JobLogs.run`."""
        return FolderLogs(self._run.folder)

    def replaced(self) -> FolderLogs | None:
        """See `JobLogs.replaced`."""
        run = self._run
        former = self._store.former_runs(run.namespace, run.name)
        # what an earlier kfrun replaced is in no history
        folder = next((one.folder for one in former if one.number < run.number), run.previous)
        return FolderLogs(folder) if folder else None

    def installer(self) -> FolderLogs:
        """See `JobLogs.installer`."""
        return InstallerLog(self._run.folder)

    def ended(self) -> bool:
        """See `JobLogs.ended`."""
        if self._end is None:
            from kfrun.observe.watch import RunEnd

            self._end = RunEnd(self._store, self._run.uid, heal=self._heal)
        if self._end() or self._has_ended_unstored():
            return True
        self._store.require_news()
        return False

    def _has_ended_unstored(self) -> bool:
        """Whether it ended and the store does not know, because its disk is full."""
        from kfrun.execute.local import supervisors

        stamp = supervisors.reserve_stamp(self._run.folder)
        if stamp and stamp != self._stamp:
            from kfrun.execute.controller import trainjob
            from kfrun.execute.local import ledger

            run = self._store.run(self._run.uid)
            state = ledger.latest(self._store, run) if run is not None else None
            self._stamp, self._is_over = stamp, state is not None and trainjob.is_over(state)
            # Whoever asks next how it ended must know it, too.
            self._heal()
        return bool(stamp) and self._is_over


class FormerLogs:
    """The logs of a run that was replaced; see `kfrun.observe.logtexts.JobLogs`.

    Raises:
        NotFound: there is no such run any more.
    """

    deleted = False

    def __init__(self, store: Store, job: StoredObject, number: int) -> None:
        runs = store.former_runs(job.key.namespace, job.key.name)
        found = next((run for run in runs if run.number == number), None)
        if found is None:
            run = store.run(job.uid)
            raise no_run(job, number, [one.number for one in (run, *runs) if one is not None])
        self._folder = found.folder
        self._before = next((run.folder for run in runs if run.number < number), "")

    def run(self) -> FolderLogs:
        """See `JobLogs.run`."""
        return FolderLogs(self._folder)

    def replaced(self) -> FolderLogs | None:
        """See `JobLogs.replaced`."""
        return FolderLogs(self._before) if self._before else None

    def installer(self) -> FolderLogs:
        """See `JobLogs.installer`."""
        return InstallerLog(self._folder)

    def ended(self) -> bool:
        """See `JobLogs.ended`."""
        return True
