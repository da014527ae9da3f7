"""How a TrainJob ended, and with which exit code (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import EnvironmentFailed, Interrupted
from kfrun.model.state import DEADLINE_EXCEEDED, ENGINE_LOST, EVICTED, RECORDER_LOST, UNSEEN_ENDS, true_condition
from kfrun.model.values import dataclass
from kfrun.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CODES = {
    "Cancelled": Interrupted.exit_code,
    "EnvironmentFailed": EnvironmentFailed.exit_code,
    DEADLINE_EXCEEDED: 1,
    "NodeRestarted": 1,
    ENGINE_LOST: 1,
    RECORDER_LOST: 1,
    "SupervisorFailed": 1,
}
"""Reasons of Failed that decide the exit code, whatever the containers ended with."""


_SIGNALLED = 128
_LAST_SIGNAL = 64
_MEANINGS = {
    124: "it took too long for timeout(1)",
    126: "a command in it cannot be executed",
    127: "a command in it was not found",
    129: "hung up (SIGHUP)",
    130: "interrupted (SIGINT)",
    132: "illegal instruction (SIGILL); built for another processor?",
    134: "aborted (SIGABRT)",
    135: "bus error (SIGBUS); is /dev/shm full?",
    136: "arithmetic error (SIGFPE)",
    137: "killed (SIGKILL); out of memory?",
    139: "segmentation fault (SIGSEGV)",
    141: "nobody read its output (SIGPIPE)",
    143: "terminated (SIGTERM)",
}
"""What a shell, or a signal, means by an exit code."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a TrainJob.

    Attributes:
        exit_code: 0, the code of the container that failed first, or one of kfrun's own.
        reason: of the condition Complete or Failed.
        message: one sentence for people, without the job's name.
        node: the node whose code it is (``node-1``); empty when no container's code decided.
        is_known: False where a container's code would have decided, and nobody saw it.
    """

    succeeded: bool
    exit_code: int
    reason: str
    message: str
    node: str = ""
    is_known: bool = True

    @property
    def shown_code(self) -> str:
        """The exit code for people: one that is not known must not look like one that is."""
        return str(self.exit_code) if self.is_known else "unknown"


@dataclass(frozen=True, slots=True)
class _Failure:
    node: str
    exit_code: int
    reason: str
    finished: str = ""
    cause: str = ""


def outcome(
    trainjob: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], first_failure: Mapping[str, Any] | None = None
) -> Outcome | None:
    """How ``trainjob`` ended, None while it has not.

    Args:
        trainjob: the stored TrainJob, status included.
        pods: its stored pods.
        first_failure: ``first_failure`` of the run's state, which also knows of pods that were removed.
    """
    complete, failed = true_condition(trainjob, "Complete"), true_condition(trainjob, "Failed")
    if complete is not None:
        return Outcome(True, 0, str(complete.get("reason", "")), str(complete.get("message", "")))
    if failed is None:
        return None
    reason, message = str(failed.get("reason", "")), str(failed.get("message", ""))
    if reason in _CODES:
        return Outcome(False, _CODES[reason], reason, message, is_known=reason not in UNSEEN_ENDS)
    failure = _recorded(first_failure) or _earliest(pods)
    if failure is None:
        return Outcome(False, 1, reason, message)
    if failure.reason in UNSEEN_ENDS:
        message = f"{failure.node} ended, and nobody saw how: its exit code is unknown"
        return Outcome(False, 1, reason, message, is_known=False)
    return Outcome(False, failure.exit_code, reason, f"{failure.node} {_told(failure)}", failure.node)


def _told(failure: _Failure) -> str:
    cause = clean(failure.cause)
    if failure.reason in (DEADLINE_EXCEEDED, EVICTED):
        return cause
    if failure.reason == "Completed":
        return f"failed: {cause}"
    reason = _words(failure.exit_code) if failure.reason in ("", "Error") else f" ({failure.reason})"
    return f"failed with exit code {failure.exit_code}{f': {cause}' if cause else reason}"


def _words(code: int) -> str:
    """What an exit code means, where it is one that shells and signals give."""
    known = _MEANINGS.get(code)
    if known is None and _SIGNALLED < code <= _SIGNALLED + _LAST_SIGNAL:
        known = f"ended by signal {code - _SIGNALLED}"
    return f": {known}" if known else ""


def _recorded(first: Mapping[str, Any] | None) -> _Failure | None:
    if not first:
        return None
    return _Failure(first["node"], first["exit_code"], first.get("reason", ""), cause=first.get("cause", ""))


def _earliest(pods: Sequence[Mapping[str, Any]]) -> _Failure | None:
    """The container that ended first with a code other than 0."""
    return min((f for pod in pods for f in _failures(pod)), key=lambda failure: failure.finished, default=None)


def _failures(pod: Mapping[str, Any]) -> Iterator[_Failure]:
    status = pod.get("status", {})
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in statuses:
        for state in (container.get("lastState") or {}, container.get("state") or {}):
            ended = state.get("terminated")
            if ended and ended.get("exitCode"):
                yield _Failure(node_of(pod), ended["exitCode"], ended.get("reason", ""), ended.get("finishedAt", ""))


def node_of(pod: Mapping[str, Any]) -> str:
    """How users name a stored pod: ``node-0``; ``worker-2-0`` for one of the further Jobs of a replicatedJob."""
    labels = pod["metadata"].get("labels", {})
    group = labels.get("jobset.sigs.k8s.io/replicatedjob-name", "")
    index = labels.get("batch.kubernetes.io/job-completion-index", "0")
    if not group:
        return str(pod["metadata"]["name"])
    job_index = labels.get("jobset.sigs.k8s.io/job-index", "0")
    replicas = labels.get("jobset.sigs.k8s.io/replicatedjob-replicas", "1" if job_index == "0" else "")
    return f"{group}-{index}" if replicas == "1" else f"{group}-{job_index}-{index}"
