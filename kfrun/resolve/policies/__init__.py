"""One module an ML policy, and the table of them. Called by resolver.

A policy is a function of a `Build`: it sets the counts of the pods and puts its environment, ports and volumes into
the pod sets. A new policy is one module and one line of `POLICIES`, and one of `OBJECTS` if it brings objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.resolve.policies import flux, jax, mpi, plain, torch, xgboost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.resolve.podsets import Build

POLICIES: Mapping[str, Callable[[Build], None]] = {
    "torch": torch.enforce,
    "mpi": mpi.enforce,
    "jax": jax.enforce,
    "xgboost": xgboost.enforce,
    "flux": flux.enforce,
}
"""The policies by their field of ``mlPolicy``."""

OBJECTS: Mapping[str, Callable[[Build], None]] = {"mpi": mpi.add_objects, "flux": flux.add_objects}
"""What policies add beside the JobSet, when all counts are final."""

_EXCLUDE_PLAIN = frozenset({"torch", "mpi", "jax"})


def enforce(build: Build) -> None:
    """Run the policies of the runtime.

    Raises:
        InvalidInput: a policy that cannot be enforced.
    """
    chosen = _chosen(build)
    if not _EXCLUDE_PLAIN.intersection(chosen):
        plain.enforce(build)
    for kind in chosen:
        POLICIES[kind](build)


def add_objects(build: Build) -> None:
    """Add the ConfigMaps and Secrets of the policies to ``build.objects``."""
    for kind in _chosen(build):
        if kind in OBJECTS:
            OBJECTS[kind](build)


def _chosen(build: Build) -> list[str]:
    return [kind for kind in POLICIES if kind in (build.policy or {})]
