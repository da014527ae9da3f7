"""What resolve yields of a TrainJob: the JobSet that the controller would apply, and the origin of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from kfrun.model.values import NamedTuple, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kfrun.model.requirements import Lock
    from kfrun.model.source import Document, FieldPath, Finding, ObjectKey, Position
    from kfrun.model.workload import Hang


class Effects(NamedTuple):
    """What becomes of a TrainJob, as far as it is known; `kfrun.resolve.pods.effects` finds it out.

    Attributes:
        nodes: how many pods will train.
        unreached: settings of the job that reach no container (KF722), each a `kfrun.validate.located.Problem`.
    """

    nodes: int | None = None
    unreached: tuple[Any, ...] = ()


class Origin(NamedTuple):
    """Where a field of the resolved JobSet came from.

    ``layer`` is one of: ``runtime``, ``job``, ``patch``, ``policy``, ``default``; ``detail`` names
    the patch's manager or the ML policy (``torch``).
    """

    layer: Literal["runtime", "job", "patch", "policy", "default"]
    position: Position | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Python packages of a job, merged by the rules of `kfrun.resolve.packages`.

    Attributes:
        requirements: lines of a requirements file in installation order, most of them PEP 508; paths are file URLs.
        index_urls: the first is the index, the others are extra ones; may hold credentials, never print them.
        python: the Python version asked for (``3.12``, ``>=3.12``), or None for the interpreter of the caller.
        isolated: an environment of this job's own, also without packages, removed when the job ends.
        constraints: as ``requirements``: which versions, if they are installed at all.
        options: pip's, a line each, index URLs too where ``index_urls`` does not name all; never print them.
        locks: that uv installs what they list.
        folders: are put on the path.
        sources: files that packages were read from, and how many these ask for.
    """

    requirements: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = ()
    python: str | None = None
    isolated: bool = False
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    folders: tuple[str, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()

    @property
    def needs_environment(self) -> bool:
        """Whether anything has to be built at all."""
        return bool(self.requirements or self.python or self.isolated or self.locks or self.folders)


_CONTAINERS: Final = ("initContainers", "containers")
STORE: Final = "store"
SHIPPED: Final = "shipped"
_ELSEWHERE: Final = {SHIPPED: "shipped with kfrun", STORE: "stored here"}
"""How the places of this machine are called."""


@dataclass(frozen=True, slots=True)
class RuntimeSource:
    """The runtime that a job uses and where it was found: in a path or another source, `STORE`, `SHIPPED`.

    ``is_referred``: it is not in the input.
    """

    key: ObjectKey
    found_in: str
    document: Document
    is_referred: bool = False

    def __str__(self) -> str:
        where = _ELSEWHERE.get(self.found_in, f"from {self.found_in}")
        return f"{self.key.resource}, {where}" if self.is_referred else self.key.resource


@dataclass(frozen=True, slots=True)
class Resolution:
    """A TrainJob and its runtime, resolved. Holds objects or findings, never raises for bad input.

    Attributes:
        trainjob: the TrainJob's key, namespace filled in.
        job: the TrainJob's document.
        runtime: the runtime it was resolved with; None when it was not found.
        jobset: exactly what the controller would apply; None when it could not be built.
        objects: ConfigMaps, Secrets, PodGroups beside it, as the controller would apply them.
        packages: what ``kfrun.dev/packages`` and its like ask for.
        source: ``kfrun.dev/source`` as written (relative to the manifest's folder); None when absent.
        backend: ``kfrun.dev/backend``; None when absent.
        mounts: ``kfrun.dev/mount``: folders relative to the source folder, and the paths at which containers see them.
        origins: paths into ``jobset`` and where each came from; a path not listed has its nearest ancestor's.
        findings: errors make the resolution unusable; warnings do not.
        hangs: where a cluster would hang, and kfrun goes on; known when the job is to run here.
    """

    trainjob: ObjectKey
    job: Document
    runtime: RuntimeSource | None = None
    jobset: dict[str, Any] | None = None
    objects: tuple[dict[str, Any], ...] = ()
    packages: PackageSet = PackageSet()
    source: str | None = None
    backend: str | None = None
    mounts: tuple[tuple[str, str], ...] = ()
    origins: Mapping[FieldPath, Origin] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    hangs: tuple[Hang, ...] = ()

    def beside(self, path: FieldPath) -> Position | None:
        """The key of the job that set something in the object at ``path`` of the JobSet, which is within a container.

        What is missing there the job has left out. None where the job set nothing, or is not known to have.
        """
        around: Callable[[FieldPath, Document], Position | None] | None = getattr(self.origins, "around", None)
        item = max((index for index, part in enumerate(path) if part in _CONTAINERS), default=len(path)) + 1
        return around(path, self.job) if around is not None and len(path) > item + 1 else None
