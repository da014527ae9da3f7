"""Which place is meant, by settings: the only module that names all of them. Each is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.state import Observed
from kfrun.settings import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.answers import Check
    from kfrun.execute.backend import Backend
    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Finding, ObjectKey
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.settings import Settings

MEMORY = "memory"


def open_backend(settings: Settings, *, create: bool = False, heal: bool = True) -> Backend:
    """The place that the settings mean; close it, or use it as a context manager.

    Args:
        settings: of this call.
        create: make what it needs to keep anything, where there is nothing yet.
        heal: look after jobs that nobody looks after any more, so that what the caller reads is true.

    Raises:
        Unavailable: it cannot be reached.
    """
    if settings.backend == MEMORY:
        from kfrun.execute import memory

        place = memory.shared()
        place.keep = settings.runs_keep
        return place
    from kfrun.execute.local.backend import LocalBackend

    return LocalBackend.open(settings, create=create, heal=heal)


def served(settings: Settings) -> tuple[str, ...]:
    """The backends that the place offers, by the names that manifests and flags use."""
    return (MEMORY,) if settings.backend == MEMORY else tuple(name for name in BACKENDS if name != MEMORY)


def observe(settings: Settings, keys: Sequence[ObjectKey], apply_set: ObjectKey | None = None) -> Observed:
    """What is there of an input, without keeping anything open; nothing is made where there is nothing yet.

    Raises:
        Unavailable: there is something, but it cannot be read.
    """
    if settings.backend != MEMORY:
        from kfrun.observe import location

        if not location.has_database(settings):
            return _nothing(apply_set)
    with open_backend(settings) as backend:
        return backend.observe(keys, apply_set)


def checks(settings: Settings) -> Iterator[Check]:
    """What could keep jobs from running at the place that the settings mean; asked without opening it.

    Nothing is changed, and what cannot be opened is one of the answers.
    """
    if settings.backend == MEMORY:
        return open_backend(settings).checks()
    import os

    from kfrun.execute.local import health

    return health.examine(settings, os.environ)


def environments(settings: Settings) -> frozenset[str]:
    """Folders of the Python environments of this machine that jobs use which have not ended, wherever others run."""
    from kfrun.execute.local.backend import LocalBackend

    with LocalBackend.open(settings) as place:
        return place.environments()


def preflight(settings: Settings, jobs: Sequence[DesiredJob], wishes: Wishes, caller: Caller) -> Sequence[Finding]:
    """See `kfrun.execute.backend.Backend.preflight`; without keeping anything open."""
    if settings.backend == MEMORY:
        return open_backend(settings).preflight(jobs, wishes, caller)
    from kfrun.execute.local import runtimes

    return runtimes.preflight(jobs, wishes, caller, settings.backend)


def scripts(resolution: Resolution) -> Iterator[Finding]:
    """Warnings of scripts that a manifest names, and that are not there beside it, or cannot be started."""
    from kfrun.execute.local import runtimes

    return runtimes.preparation("process").scripts(resolution)


def warm_up(settings: Settings) -> None:
    """Have the place load what it needs to start jobs, while the caller does something else.

    Raises:
        OSError: no process could be started.
    """
    if settings.backend != MEMORY:
        from kfrun.execute.local import supervisors

        supervisors.prepare()


def _nothing(apply_set: ObjectKey | None) -> Observed:
    if apply_set is None:
        return Observed()
    from kfrun.plan import prune

    return Observed(apply_set=prune.as_seen(apply_set, {}, {}, {}))
