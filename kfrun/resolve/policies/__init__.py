"""One module an ML policy, and the table of them.

A policy is a function of a `Build`, ``enforce`` of its module: it sets the counts of the pods and puts its
environment, ports and volumes into the pod sets. One that brings objects has ``add_objects``, too. A new policy is one
module and one name in `POLICIES`, and one in `WITH_OBJECTS` if it brings objects. A module is imported when a runtime
asks for its policy: most commands meet one of them or none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kfrun.resolve.podsets import Build

POLICIES: Final = ("torch", "mpi", "jax", "xgboost", "flux")
"""The modules of the policies, named as their field of ``mlPolicy``, in the order in which they are enforced."""

WITH_OBJECTS: Final = frozenset({"mpi", "flux"})
"""Those that add objects beside the JobSet, when all counts are final."""

_EXCLUDE_PLAIN = frozenset({"torch", "mpi", "jax"})


def enforce(build: Build) -> None:
    """Run the policies of the runtime.

    Raises:
        InvalidInput: a policy that cannot be enforced.
    """
    chosen = _chosen(build)
    if not _EXCLUDE_PLAIN.intersection(chosen):
        _module("plain").enforce(build)
    for kind in chosen:
        _module(kind).enforce(build)


def add_objects(build: Build) -> None:
    """Add the ConfigMaps and Secrets of the policies to ``build.objects``."""
    for kind in _chosen(build):
        if kind in WITH_OBJECTS:
            _module(kind).add_objects(build)


def _chosen(build: Build) -> list[str]:
    return [kind for kind in POLICIES if kind in (build.policy or {})]


def _module(name: str) -> Any:
    return import_module(f"{__name__}.{name}")
