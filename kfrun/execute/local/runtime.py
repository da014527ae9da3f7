"""The interface between the supervisor and what really runs containers: processes now, engines later.

A runtime starts, signals and watches attempts of containers. It decides nothing: retries, order and status belong
to `kfrun.execute.controller`. Implementations must survive the death of their supervisor: whatever `start` began
can be taken over by `adopt` in another process, with its true exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDER_LOST = "RecorderLost"
START_ERROR = "StartError"
START_ERROR_CODE = 128


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one container: what `start` and `adopt` are told about."""

    pod: str
    container: str
    restarts: int


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of an attempt.

    Attributes:
        exit_code: of the container's main process, 128 + n for signal n; 128 when it could not be started.
        reason: ``Completed``, ``Error``, ``StartError`` or ``RecorderLost`` (it ended and nobody saw how).
        at: seconds since the epoch.
    """

    attempt: Attempt
    exit_code: int
    reason: str
    message: str
    at: float


class ContainerRuntime(Protocol):
    """What a supervisor needs of a backend."""

    def start(self, attempt: Attempt, ports: dict[str, int]) -> None:
        """Start an attempt. Whatever goes wrong is reported by `collect` as an `Exit` with reason StartError."""

    def adopt(self, attempt: Attempt) -> bool:
        """Watch an attempt that an earlier supervisor started; False when it never was (start it then)."""

    def terminate(self, attempt: Attempt) -> None:
        """SIGTERM to the main process of the container, and to nothing else."""

    def kill(self, attempts: Sequence[Attempt]) -> None:
        """SIGKILL to everything of these containers."""

    def descriptors(self) -> Sequence[int]:
        """Descriptors that become readable when `collect` has something."""

    def poll_interval(self) -> float | None:
        """Seconds between calls of `collect` where descriptors do not tell; None where they do."""

    def collect(self) -> list[Exit]:
        """The attempts that ended since the last call."""

    def sample_logs(self) -> None:
        """Note how far each log has grown (the side index of times)."""

    def clean(self) -> None:
        """Remove whatever of this job still runs: it must leave nothing behind."""
