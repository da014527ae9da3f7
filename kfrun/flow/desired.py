"""From documents to desired jobs: validate and resolve.

All findings of an input are collected before it is refused, so that one call shows everything that is wrong.
"""

from __future__ import annotations

import os
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kfrun.errors import InvalidInput
from kfrun.model.kinds import RUNTIMES, TRAIN_JOB
from kfrun.model.source import Severity, without_text
from kfrun.plan.support import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import Observed, ObservedJob
    from kfrun.resolve.material import Material
    from kfrun.settings import Settings

    Admission = Literal["cluster", "local"]


class Checked(NamedTuple):
    """Documents with their namespaces filled in, what was found, and the resolutions of the jobs that are sound."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]
    resolutions: tuple[Resolution, ...] = ()


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


def check(
    documents: Sequence[Document],
    known: Observed,
    *,
    settings: Settings,
    with_keys: bool = False,
    admission: Admission | None = None,
    updated: Collection[ObjectKey] = (),
) -> Checked:
    """Validate the documents and resolve their jobs; findings are returned, not raised.

    ``with_keys`` makes the keys of MPI and Flux jobs too, anew each time: only who shows or applies them needs any.
    ``admission`` asks for the later stages, too: webhooks, and what becomes of the JobSet and its Jobs. ``local``
    leaves out, or only warns of, what local processes do not need. ``updated`` are objects that exist already.
    """
    from kfrun.resolve import resolver, shipped
    from kfrun.resolve.catalogue import Catalogue
    from kfrun.validate import documents as validation

    version = settings.trainer_version
    findings = list(validation.check(documents, version=version))
    wrong = broken(findings)
    if admission is not None:
        findings += _runtimes_admitted(documents, wrong, settings, updated)
        wrong = broken(findings)
    catalogue = Catalogue(documents, known.runtimes, shipped.shipped())
    priorities = [item.key.name for item in documents if item.data.get("kind") == "PriorityClass"]
    resolutions = []
    for document in documents:
        if document.key.kind != TRAIN_JOB or document.key in wrong:
            continue
        material = _material(known.jobs.get(document.key)) if with_keys else None
        resolution = resolver.resolve(document, catalogue, version=version, material=material)
        # What follows from a runtime that was found to be wrong would only repeat it.
        if resolution.runtime is None or resolution.runtime.document.key not in wrong:
            findings += resolution.findings
            findings += admitted(resolution, admission, settings, priorities)
            resolutions.append(resolution)
    return Checked(tuple(documents), tuple(findings), tuple(resolutions))


def broken(findings: Iterable[Finding]) -> set[ObjectKey | None]:
    """The objects that are refused: nothing further is asked about them."""
    return {finding.object for finding in findings if finding.severity is Severity.ERROR}


def _runtimes_admitted(
    documents: Iterable[Document], wrong: set[ObjectKey | None], settings: Settings, updated: Collection[ObjectKey]
) -> Iterator[Finding]:
    from kfrun.validate.admission import check as admission

    for document in documents:
        if document.key.kind in RUNTIMES and document.key not in wrong:
            is_update = document.key in updated
            yield from admission.check_runtime(document, version=settings.trainer_version, is_update=is_update)


def admitted(
    resolution: Resolution, asked: Admission | None, settings: Settings, priorities: Collection[str]
) -> list[Finding]:
    """What the stages after a job's resolution say; nothing where they are not asked for."""
    if asked is None:
        return []
    from kfrun.plan import support
    from kfrun.validate.admission import check as admission

    # Where no image is used, nothing that a cluster asks of one matters.
    without_images = "image" in support.of(_backend(resolution, settings)).not_honoured["Container"]
    locally = asked == "local" and without_images
    return admission.check(resolution, version=settings.trainer_version, locally=locally, priority_classes=priorities)


def _backend(resolution: Resolution, settings: Settings) -> str:
    """The backend of a job: the flag, else the manifest, else the setting; one that there is not is the planner's."""
    is_flag = settings.origins["backend"].layer == "flag"
    chosen = settings.backend if is_flag else resolution.backend or settings.backend
    return chosen if chosen in BACKENDS else BACKENDS[0]


def _material(stored: ObservedJob | None) -> Material:
    from kfrun.resolve.material import ENTROPY, Material

    # a job gets its uid when it is created; until then any text nobody can guess stands for it
    return Material(stored.uid if stored else os.urandom(16).hex(), os.urandom(ENTROPY))


def prepare(documents: Sequence[Document], known: Observed, *, settings: Settings) -> DesiredState:
    """Validate and resolve the documents for the planner.

    Raises:
        InvalidInput: with every finding of every stage.
    """
    from kfrun.plan.support import findings as support

    checked = check(documents, known, settings=settings, admission="local")
    findings = list(checked.findings)
    for resolution in checked.resolutions:
        findings += support.unable(resolution, _backend(resolution, settings))
    require_sound(findings)
    jobs, trainjobs = [], {}
    for resolution in checked.resolutions:
        stored = known.jobs.get(resolution.trainjob)
        job = _desired(resolution, stored, settings)
        jobs.append(job)
        trainjobs[resolution.trainjob] = _to_store(job, stored)
    return DesiredState(
        jobs=tuple(jobs),
        objects=tuple(_with_defaults(item, settings) for item in documents if item.key.kind != TRAIN_JOB),
        trainjobs=trainjobs,
        warnings=tuple(findings),
    )


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
    from kfrun.resolve.catalogue import Catalogue

    if resolution.runtime is None or resolution.runtime.document.data == runtime:
        return resolution
    copy = [without_text(dict(runtime), "the job's own copy")]
    # What was shipped stays so: its image is a default, not a wish that a process would not honour.
    was_shipped = resolution.runtime.found_in == "shipped"
    catalogue = Catalogue(shipped=copy) if was_shipped else Catalogue(copy)
    own = resolver.resolve(resolution.job, catalogue, version=settings.trainer_version)
    # A manifest that names another runtime is refused by the planner: runtimeRef cannot change.
    return resolution if own.jobset is None else own


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
