"""The part of a `kfrun.execute.backend.Backend` for places that have no way into their pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from kfrun.execute.answers import Usage
    from kfrun.model.state import StoredObject
    from kfrun.plan.support.table import Support


class SealedPods:
    """Everything is refused, with the reason that the place's support names."""

    @property
    def support(self) -> Support:
        """See `Backend.support`."""
        raise NotImplementedError

    def execute(
        self,
        pod: StoredObject,  # noqa: ARG002
        container: str,  # noqa: ARG002
        command: Sequence[str],  # noqa: ARG002
        *,
        stdin: BinaryIO | None,  # noqa: ARG002
        terminal: bool,  # noqa: ARG002
    ) -> int:
        """See `Backend.execute`."""
        raise _unsupported(self.support, "exec")

    def copy(self, pod: StoredObject, container: str, source: str, target: str, *, upload: bool) -> None:  # noqa: ARG002
        """See `Backend.copy`."""
        raise _unsupported(self.support, "copy")

    def forward(self, pod: StoredObject, ports: Sequence[tuple[int, int]]) -> None:  # noqa: ARG002
        """See `Backend.forward`."""
        raise _unsupported(self.support, "forward")

    def usage(self, namespace: str | None) -> Sequence[Usage]:  # noqa: ARG002
        """See `Backend.usage`."""
        raise _unsupported(self.support, "usage")


def _unsupported(support: Support, operation: str) -> Unsupported:
    return Unsupported(f"backend {support.backend} has no {operation}: {support.refusals[operation]}")
