"""One probe of one attempt of a container: when it asks, and how many answers make a result.

A kubelet asks first at some moment of the first period. Here that is early, but not at once: what was started this
very moment has not even begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.controller.facts import Probed
from kfrun.execute.local.kubelet import errand

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.execute.controller.facts import Attempt, Fact
    from kfrun.execute.local.kubelet.errand import Errand, Reply
    from kfrun.model.runstate import ContainerState

_FIRST = 0.25
_PERIOD, _SUCCESSES, _FAILURES = 10, 1, 3
TIMEOUT = 1


class Prober:
    """Asks, counts and tells.

    Args:
        name: ``startup``, ``readiness`` or ``liveness``.
        spec: the probe.
        call: what asks.
        since: when the container started, by a clock that nobody sets.
        is_first: no other probe was waited for.
    """

    def __init__(
        self,
        attempt: Attempt,
        name: str,
        spec: dict[str, Any],
        call: Callable[[], Reply],
        *,
        since: float,
        is_first: bool,
    ) -> None:
        self._attempt, self._name, self._spec, self._call = attempt, name, spec, call
        self._due = since + max(float(spec.get("initialDelaySeconds") or 0), _FIRST if is_first else 0.0)
        self._period = float(spec.get("periodSeconds") or _PERIOD)
        self._errand: Errand | None = None
        self._last: bool | None = None
        self._run = 0
        self._result: bool | None = None
        self._is_on_hold = False
        self._container: ContainerState | None = None

    def mind(self, container: ContainerState, now: float) -> None:
        """Ask if it is time to."""
        if self._container is None:
            self._result = {"readiness": container.ready, "liveness": True}.get(self._name)
        self._container = container
        if self._errand is None and not self._is_on_hold and now >= self._due:
            self._due = self._due + self._period if now < self._due + self._period else now + self._period
            self._errand = errand.begin(self._call, float(self._spec.get("timeoutSeconds") or TIMEOUT))

    def due(self) -> float | None:
        """When something is to happen by itself; None for never."""
        if self._errand is not None:
            return self._errand.due
        return None if self._is_on_hold else self._due

    def descriptors(self) -> list[int]:
        """Readable when `collect` has something."""
        return [] if self._errand is None else self._errand.descriptors()

    def collect(self) -> list[Fact]:
        """What is new."""
        found: list[Fact] = []
        answer = None if self._errand is None else self._errand.answer()
        if answer is not None:
            self.close()
            found = self._count(answer)
        is_unsaid = self._container is not None and self._container.ready != self._result
        if not found and self._name == "readiness" and is_unsaid:
            # It was lost for a while, and is found again.
            found = [Probed(self._attempt, self._name, self._result)]
        return found

    def close(self) -> None:
        """Ask no more."""
        if self._errand is not None:
            self._errand.end()
        self._errand = None

    def _count(self, answer: Reply) -> list[Fact]:
        probe = self._name.capitalize()
        if answer.passed is None:
            message = f"{probe} probe errored and resulted in unknown state: {answer.message}"
            return [Probed(self._attempt, self._name, None, message)]
        message, reason = "", "Unhealthy"
        if not answer.passed:
            message = f"{probe} probe failed: {answer.message}"
        elif answer.is_warning:
            message, reason = f"{probe} probe warning: {answer.message}", "ProbeWarning"
        passed = self._decided(answer.passed)
        return [Probed(self._attempt, self._name, passed, message, reason)] if message or passed is not None else []

    def _decided(self, passed: bool) -> bool | None:
        """The result, when this answer changes it."""
        self._run = self._run + 1 if passed == self._last else 1
        self._last = passed
        enough = self._spec.get("successThreshold") or _SUCCESSES
        enough = enough if passed else self._spec.get("failureThreshold") or _FAILURES
        if self._run < enough or passed == self._result:
            return None
        self._result = passed
        # Until there is another attempt.
        self._is_on_hold = not passed and self._name != "readiness"
        return passed
