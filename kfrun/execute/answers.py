"""What a place where jobs run answers, see `kfrun.execute.backend.Backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.source import ObjectKey
    from kfrun.model.workload import Hang


class JobDetails(NamedTuple):
    """What a place alone knows of a job.

    Attributes:
        pods: all that there were, those that were removed too where that is known.
        folder: where logs lie; empty where they lie in no folder.
        environment: folder of the Python environment, empty without one.
        packages: requirements that were installed, without credentials.
        not_enforced: fields that are not honoured, with the reason.
        hangs: where a cluster would hang, and kfrun goes on.
    """

    pods: Sequence[Mapping[str, Any]] = ()
    folder: str = ""
    environment: str = ""
    packages: Sequence[str] = ()
    not_enforced: Sequence[str] = ()
    hangs: Sequence[Hang] = ()


class Usage(NamedTuple):
    """What a pod takes now: CPU seconds a second, and bytes of memory."""

    pod: ObjectKey
    cpu: float
    memory: int


class Check(NamedTuple):
    """The result of one look at what could keep jobs from running.

    Attributes:
        status: ``ok``, ``warn`` (something is slower or missing) or ``fail`` (jobs will not run).
        message: what was found.
        fix: what to do about it; empty when it is ok.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    fix: str = ""
