"""What a resolution cannot work out from its documents: identity and chance, as values. Given by resolver's callers.

Resolve itself is pure: equal material gives equal keys, so a job that keeps its material keeps its Secrets.
"""

from __future__ import annotations

from typing import Final

from kfrun.model.values import dataclass

ENTROPY: Final = 96
"""Bytes of chance that a job needs: 64 bits more than the order of P-521 has, rounded up."""


@dataclass(frozen=True, slots=True)
class Material:
    """The material of one TrainJob.

    Attributes:
        uid: the TrainJob's uid; Flux derives its certificate from it, as the controller does.
        entropy: `ENTROPY` bytes of the system's secure random source; the SSH key of an MPI job is made
            of them. A secret.
    """

    uid: str
    entropy: bytes
