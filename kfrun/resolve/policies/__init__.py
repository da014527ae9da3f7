"""One module an ML policy, and the table of them. Called by resolver.

A policy is a function of a `Build`: it sets the count of the trainer's pods and puts its environment and ports into
the pod sets. A new policy is one module and one line of `POLICIES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import InvalidInput
from kfrun.resolve.findings import finding
from kfrun.resolve.policies import plain, torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.model.source import Finding
    from kfrun.resolve.podsets import Build

POLICIES: Mapping[str, Callable[[Build], None]] = {
    "plain": plain.enforce,
    "torch": torch.enforce,
}
"""Policies that this version resolves, by their field of ``mlPolicy``; ``plain`` is the absence of the others."""

_EXCLUDE_PLAIN = frozenset({"torch", "mpi", "jax"})
_KINDS = ("torch", "mpi", "jax", "xgboost", "flux")


def enforce(build: Build) -> None:
    """Run the policies of the runtime.

    Raises:
        InvalidInput: a policy that this version does not resolve, or one that cannot be enforced.
    """
    chosen = [kind for kind in _KINDS if kind in (build.policy or {})]
    missing = [_missing(build, kind) for kind in chosen if kind not in POLICIES]
    if missing:
        raise InvalidInput(missing)
    if not _EXCLUDE_PLAIN.intersection(chosen):
        POLICIES["plain"](build)
    for kind in chosen:
        POLICIES[kind](build)


def _missing(build: Build, kind: str) -> Finding:
    mark = build.runtime_mark.at("mlPolicy", kind)
    known = ", ".join(sorted(POLICIES))
    message = f'the ML policy "{kind}" is not supported by this version of kfrun (it resolves: {known})'
    return finding("KF403", message, mark.document, mark.path)
