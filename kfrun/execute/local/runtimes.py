"""Which runtime runs a job's containers, by the backend that its run was recorded with: the only place that knows all.

A new one is a package beside `kfrun.execute.local.process`, and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.local.process.runtime import ProcessRuntime

if TYPE_CHECKING:
    from kfrun.execute.local.runtime import ContainerRuntime
    from kfrun.observe.store import Run

_RUNTIMES: dict[str, type[ContainerRuntime]] = {"process": ProcessRuntime}


def named(backend: str) -> type[ContainerRuntime]:
    """The runtime of a run's backend.

    Raises:
        ValueError: this version of kfrun has none of that name.
    """
    if backend not in _RUNTIMES:
        raise ValueError(f'another version of kfrun runs it with the backend "{backend}", which this one does not have')
    return _RUNTIMES[backend]


def clean(run: Run) -> bool:
    """Remove whatever of a job still runs, without its files; False if nobody here knows its backend."""
    if run.backend not in _RUNTIMES:
        return False
    _RUNTIMES[run.backend].clean(run.uid)
    return True
