"""A container's main process whose recorder is gone: it runs on, and is watched by whoever supervises."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from kfrun import host
from kfrun.host import orphans


class Orphan:
    """One such process. It cannot be mistaken for a later one of its pid.

    Attributes:
        code: with which it ended, 128 + n for signal n; None while it runs, and where nobody can tell.
        descriptor: readable when it has ended; None where the system has none.
    """

    def __init__(self, pid: int, start: str) -> None:
        self.pid, self.start = pid, start
        self.code: int | None = None
        self.descriptor = host.open_pidfd(pid)
        # Gone since its pidfd was opened, it was the right one.
        found = host.start_time(pid, zombie=True)
        self._is_gone = found is not None and found != start
        if self._is_gone:
            self.let_go()

    @property
    def is_running(self) -> bool:
        """Whether it still runs, if it is no child of this process."""
        if self.descriptor is None:
            return host.start_time(self.pid) == self.start
        # Not by its state: it may run on when its first thread has ended.
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        return not poller.poll(0)

    def has_ended(self) -> bool:
        """Whether it has ended; then `code` says how."""
        if self._is_gone:
            return True
        if hasattr(os, "waitid"):
            # It is our child if its recorder was, and we take in the orphans below us. Left as it is until `release`.
            with contextlib.suppress(ChildProcessError):
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is not None:
                    self.code = found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
                return found is not None
        if self.is_running:
            return False
        status = orphans.exit_status(self.pid, self.start, self.descriptor)
        self.code = None if status is None else code_of(status)
        return True

    def send(self, number: int) -> None:
        """A signal to it, and to nothing else."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.descriptor is not None:
                signal.pidfd_send_signal(self.descriptor, number)
            elif host.start_time(self.pid) == self.start:
                os.kill(self.pid, number)

    def release(self) -> None:
        """Let go of it: its end is written down, or its recorder saw to it."""
        if not self._is_gone:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self.let_go()

    def let_go(self) -> None:
        """Watch it no more."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def code_of(status: int) -> int:
    """The exit code of a status as wait(2) has it, 128 + n for signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
