"""Which runtime runs a job's containers, by the backend that its run was recorded with: the only place that knows all.

A new one is a package beside `kfrun.execute.local.process`, and its lines here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kfrun.execute.answers import Check
    from kfrun.execute.local.runtime import ContainerRuntime, Preparation
    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Finding
    from kfrun.model.wishes import Caller, Wishes
    from kfrun.observe.store import Run


def _process() -> type[ContainerRuntime]:
    from kfrun.execute.local.process.runtime import ProcessRuntime

    return ProcessRuntime


def _process_preparation() -> Preparation:
    from kfrun.execute.local.process import preparation

    return preparation


GRACE_SECONDS = 30.0
"""Of a job whose files cannot be read: what a cluster takes where a pod says nothing."""

# A door loads the one, a supervisor the other.
_RUNTIMES: dict[str, Callable[[], type[ContainerRuntime]]] = {"process": _process}
PREPARATIONS: dict[str, Callable[[], Preparation]] = {"process": _process_preparation}


def preparation(backend: str) -> Preparation:
    """What the runtime of a backend does before a job is created; `PREPARATIONS` are all that there are."""
    return PREPARATIONS[backend]()


def preflight(jobs: Sequence[DesiredJob], wishes: Wishes, caller: Caller, default: str) -> list[Finding]:
    """See `kfrun.execute.backend.Backend.preflight`; ``default`` is the backend of jobs for which nobody names one."""
    from kfrun.plan.jobs import backend_of

    if wishes.python is not None:
        preparation(wishes.backend or default).check(wishes, caller)
    found: list[Finding] = []
    for job in jobs:
        name = backend_of(job, wishes, default)
        # A backend that is not offered here is refused by the plan.
        if name in PREPARATIONS:
            found += preparation(name).preflight(job.resolution, wishes, caller)
            if _asks_for_room(job.resolution):
                from kfrun import host
                from kfrun.execute.local.supply import room

                found += room.findings(job.resolution, host.capacity(), host.accelerators)
    return found


def checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """What could keep the runtimes that need more than this machine from running jobs."""
    from kfrun.execute.local.containers import checks

    return checks.of(environ)


def _asks_for_room(resolution: Resolution) -> bool:
    """Whether a pod requests anything at all: few do, and for them alone is loaded what compares it."""
    groups = (resolution.jobset or {"spec": {}})["spec"].get("replicatedJobs", ())
    pods = (group["template"]["spec"]["template"]["spec"] for group in groups)
    asking = (item for pod in pods for item in (pod, *pod.get("initContainers", ()), *pod.get("containers", ())))
    return any(item.get("resources") for item in asking)


def load() -> None:
    """Import every runtime now: a supervisor that is forked later starts its job at once."""
    for runtime in _RUNTIMES.values():
        runtime()


def named(backend: str) -> type[ContainerRuntime]:
    """The runtime of a run's backend.

    Raises:
        ValueError: this version of kfrun has none of that name.
    """
    if backend not in _RUNTIMES:
        raise ValueError(f'another version of kfrun runs it with the backend "{backend}", which this one does not have')
    return _RUNTIMES[backend]()


def clean(run: Run, grace: float = GRACE_SECONDS) -> bool:
    """Remove whatever of a job still runs, without its files; False if nobody here knows its backend."""
    if run.backend not in _RUNTIMES:
        return False
    _RUNTIMES[run.backend]().clean(run.uid, grace)
    return True
