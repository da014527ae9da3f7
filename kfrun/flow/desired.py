"""From documents to desired jobs, once they are checked.

All findings of an input are collected before it is refused, so that one call shows everything that is wrong.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.flow.checker import stages
from kfrun.flow.checker.stages import Asked
from kfrun.model.kinds import RUNTIMES, TRAIN_JOB
from kfrun.model.source import Severity, without_text
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import Observed, ObservedJob
    from kfrun.settings import Settings


class DesiredState(NamedTuple):
    """What an input asks for, ready to be planned.

    Attributes:
        jobs: the desired TrainJobs.
        objects: the other objects of the input, with their defaults.
        trainjobs: the TrainJobs as they are to be stored, by key: defaults and ``suspend`` filled in.
        warnings: findings that do not refuse the input.
    """

    jobs: tuple[DesiredJob, ...] = ()
    objects: tuple[Document, ...] = ()
    trainjobs: Mapping[ObjectKey, dict[str, Any]] = MappingProxyType({})
    warnings: tuple[Finding, ...] = ()


def prepare(documents: Sequence[Document], known: Observed, *, settings: Settings, anew: bool = False) -> DesiredState:
    """Validate and resolve the documents for the planner; ``anew``: jobs that have not finished may be replaced, too.

    Raises:
        InvalidInput: with every finding of every stage.
    """
    from kfrun.plan import hangs
    from kfrun.plan.support import findings as support

    checked = stages.check(documents, known, Asked(settings, admission="local"))
    findings = list(checked.findings)
    for resolution in checked.resolutions:
        findings += support.unable(resolution, stages.backend_of(resolution, settings))
        findings += _without_effect(resolution)
    require_sound(findings)
    jobs, trainjobs = [], {}
    for resolution in checked.resolutions:
        stored = known.jobs.get(resolution.trainjob)
        job = _desired(resolution, None if anew else stored, settings)
        told = hangs.of(job.resolution, findings, _suspended_as(None if anew else stored, settings))
        findings += hangs.findings(job.resolution, told, is_suspended=stored is not None and stored.suspended)
        jobs.append(replace(job, resolution=replace(job.resolution, hangs=hangs.notes(told))))
        trainjobs[resolution.trainjob] = _to_store(job, stored)
    return DesiredState(
        jobs=tuple(jobs),
        objects=tuple(_with_defaults(item, settings) for item in documents if item.key.kind != TRAIN_JOB),
        trainjobs=trainjobs,
        warnings=tuple(findings),
    )


def _without_effect(resolution: Resolution) -> Sequence[Finding]:
    """Settings of a job that reach no container, unless its author lets them pass."""
    from kfrun.resolve.pods import effects

    found = effects.of(resolution)
    if not found.unreached:
        return ()
    from kfrun.validate.lint import table

    return table.check_effects(resolution.job, found)


def require_sound(findings: Sequence[Finding]) -> None:
    """Raise `InvalidInput` with all the findings if one of them is an error."""
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise InvalidInput(findings)


def _desired(resolution: Resolution, stored: ObservedJob | None, settings: Settings) -> DesiredJob:
    from kfrun.plan import compare

    asked_for = resolution.runtime.document.data if resolution.runtime else None
    if stored is not None and stored.runtime is not None and not stored.finished:
        resolution = _with_own_runtime(resolution, stored.runtime, settings)
    resolution = replace(resolution, job=_with_defaults(resolution.job, settings))
    return compare.desired(resolution, runtime=asked_for)


def _with_own_runtime(resolution: Resolution, runtime: Mapping[str, Any], settings: Settings) -> Resolution:
    """A job keeps the runtime that it was created with until it is replaced, as on a cluster."""
    from kfrun.resolve import resolver
    from kfrun.resolve.runtimes.catalogue import Catalogue, is_older

    if resolution.runtime is None or resolution.runtime.document.data == runtime:
        return resolution
    today = resolution.runtime.document
    own_copy = without_text(dict(runtime), "the job's own copy")
    copy = [replace(own_copy, folder=today.folder, requirements=today.requirements)]
    # What was shipped stays so: its image is a default, not a wish that a process would not honour.
    was_shipped = resolution.runtime.found_in == "shipped"
    if was_shipped:
        catalogue = Catalogue(shipped=copy)
    else:  # what an earlier release wrote is read as it was when the job was created
        catalogue = Catalogue(sources=copy) if is_older(copy[0]) else Catalogue(copy)
    own = resolver.resolve(resolution.job, catalogue, version=settings.trainer_version)
    # A manifest that names another runtime is refused by the planner: runtimeRef cannot change.
    return resolution if own.jobset is None else own


def _suspended_as(stored: ObservedJob | None, settings: Settings) -> dict[str, Any] | None:
    """The JobSet of a stored job that is suspended; None without one."""
    if stored is None or stored.finished or not stored.suspended or stored.runtime is None:
        return None
    from kfrun.resolve import resolver
    from kfrun.resolve.runtimes.catalogue import Catalogue

    catalogue = Catalogue([without_text(dict(stored.runtime), "the job's own copy")])
    return resolver.resolve(without_text(stored.data, "store"), catalogue, version=settings.trainer_version).jobset


def _to_store(job: DesiredJob, stored: ObservedJob | None) -> dict[str, Any]:
    from kfrun.plan import compare

    data = job.resolution.job.data
    before, suspended = (stored.digest, stored.suspended) if stored and not stored.finished else ("", False)
    suspend = compare.wants_suspend(job, before, suspended=suspended)
    return {**data, "spec": {**data["spec"], "suspend": suspend}}


def _with_defaults(document: Document, settings: Settings) -> Document:
    """Defaults filled in, but ``suspend`` of a TrainJob only where it was written: see `kfrun.plan.compare`."""
    from kfrun.validate.schema import defaults

    kind = document.key.kind
    if kind != TRAIN_JOB and kind not in RUNTIMES:
        return document
    data = defaults.apply(document.data, kind, settings.trainer_version)
    if kind == TRAIN_JOB and "suspend" not in document.data["spec"]:
        data["spec"].pop("suspend", None)
    return replace(document, data=data)
