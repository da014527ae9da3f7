"""Every error that kfrun raises on purpose, each with its exit code. Imports nothing of kfrun at run time.

KfrunError
  InvalidInput          1   findings: the input was refused
  NotFound              1   no such object, runtime, file
  Refused               1   valid, but not possible now (a running job of that name, an immutable field)
    Conflict            1   another kfrun changed the object at the same time
    Unsupported         1   the backend has no such thing
  UsageProblem          2   the command line is wrong
  Unavailable           3   kfrun could not do its work
    EnvironmentFailed   3   the Python environment could not be built
      InstallerKilled   3   a signal ended the installer
    StoreFailed         3   the store cannot be read or written
      StoreBusy         3   another process keeps it locked
      StoreFull         3   the disk that it lies on is full
  WaitTimeout         124   the time was up
  Interrupted         130   Ctrl-C

Exit codes are interface; a failed job's own code is passed by the CLI, it is no error of kfrun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Finding


class KfrunError(Exception):
    """What went wrong in one sentence, and how to mend it.

    Attributes:
        message: one sentence, no trailing period needed.
        hint: the way out, when there is one.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(KfrunError):
    """The input was refused; ``findings`` says where and why."""

    exit_code = 1

    def __init__(self, findings: Sequence[Finding]) -> None:
        count = len(findings)
        super().__init__(f"the input was refused: {count} finding{'' if count == 1 else 's'}")
        self.findings = tuple(findings)


class NotFound(KfrunError):
    """There is no such object or file."""

    exit_code = 1


class Refused(KfrunError):
    """The request is valid but cannot be done in the present state."""

    exit_code = 1


class Conflict(Refused):
    """Somebody else changed the object between reading and writing it."""


class Unsupported(Refused):
    """The backend cannot do this, for a reason of its own."""


class UsageProblem(KfrunError):
    """The command line makes no sense."""

    exit_code = 2


class Unavailable(KfrunError):
    """kfrun could not do its work: engine, cluster, environment, disk."""


class EnvironmentFailed(Unavailable):
    """A Python environment could not be built."""


class InstallerKilled(EnvironmentFailed):
    """What builds a Python environment was ended by a signal: tried again it may succeed."""


class StoreFailed(Unavailable):
    """The store cannot be opened, read or written."""


class StoreBusy(StoreFailed):
    """Somebody else writes into the store for too long; perhaps he was stopped meanwhile."""


class StoreFull(StoreFailed):
    """The store takes nothing more: its disk is full. It can be read."""


class WaitTimeout(KfrunError):
    """What was waited for did not come in time."""

    exit_code = 124


class Interrupted(KfrunError):
    """The user pressed Ctrl-C."""

    exit_code = 130
