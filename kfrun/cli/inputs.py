"""From ``-f`` to desired jobs: load, validate, resolve, expand. Called by every verb that reads manifests.

All findings of an input are collected before it is refused, so that one call shows everything that is wrong.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kfrun.errors import InvalidInput
from kfrun.model.source import Document, Finding, Position, Severity, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Literal

    from kfrun.cli.options import Values
    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, ObjectKey
    from kfrun.model.state import ObservedJob, StoredObject
    from kfrun.model.workload import Workload
    from kfrun.observe.store import Store
    from kfrun.resolve.material import Material
    from kfrun.settings import Settings

    Admission = Literal["cluster", "local"]

CODES = {"KF190": "-n names another namespace than the manifest"}

JOB = "TrainJob"
JOBSET_NAME = "jobset.sigs.k8s.io/jobset-name"
RUNTIMES = ("ClusterTrainingRuntime", "TrainingRuntime")


class _Nowhere(NamedTuple):
    """Positions of an object that has no source text."""

    place: Position

    def value(self, path: FieldPath) -> Position:  # noqa: ARG002
        """The object as a whole."""
        return self.place

    def key(self, path: FieldPath) -> Position:  # noqa: ARG002
        """The object as a whole."""
        return self.place


class Known(NamedTuple):
    """What the store knows: the runtimes applied before, and the jobs and objects that the input speaks of.

    Attributes:
        runtimes: as documents, for the catalogue.
        jobs: stored TrainJobs that the input names.
        objects: stored runtimes and core objects that the input names.
        child_jobs: the Jobs that JobSets have made under names that those of the input begin with, and the TrainJobs
            that they belong to.
    """

    runtimes: tuple[Document, ...] = ()
    jobs: Mapping[ObjectKey, ObservedJob] = MappingProxyType({})
    objects: Mapping[ObjectKey, dict[str, Any]] = MappingProxyType({})
    child_jobs: Mapping[tuple[str, str], str] = MappingProxyType({})


class Checked(NamedTuple):
    """Documents with their namespaces filled in, what was found, and the resolutions of the jobs that are sound."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]
    resolutions: tuple[Resolution, ...] = ()


class Inputs(NamedTuple):
    """What an input asks for, ready to be planned.

    Attributes:
        jobs: the desired TrainJobs.
        objects: the other objects of the input, with their defaults.
        workloads: of the desired jobs, by key.
        trainjobs: the TrainJobs as they are to be stored, by key: defaults and ``suspend`` filled in.
        warnings: findings that do not refuse the input.
    """

    jobs: tuple[DesiredJob, ...] = ()
    objects: tuple[Document, ...] = ()
    workloads: Mapping[ObjectKey, Workload] = MappingProxyType({})
    trainjobs: Mapping[ObjectKey, dict[str, Any]] = MappingProxyType({})
    warnings: tuple[Finding, ...] = ()


def read(
    filenames: Sequence[str],
    *,
    recursive: bool,
    settings: Settings,
    values: Values | None = None,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
) -> tuple[Document, ...]:
    """Load the documents of ``-f`` and fill their namespaces in; ``note`` is told of every source and its text.

    ``only_objects`` passes over what is YAML and no object.

    Raises:
        InvalidInput: what cannot be read, or ``-n`` contradicts a manifest.
    """
    from kfrun.load import sources

    found = values.read(note) if values else None
    documents = sources.load(
        filenames,
        recursive=recursive,
        stdin=sys.stdin.buffer,
        values=found,
        note=note,
        only_objects=only_objects,
    )
    contradictions = [wrong for item in documents if (wrong := contradiction(item, settings)) is not None]
    if contradictions:
        raise InvalidInput(contradictions)
    return tuple(in_namespace(document, settings.namespace) for document in documents)


def check(
    documents: Sequence[Document],
    known: Known,
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
        if document.key.kind != JOB or document.key in wrong:
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
    from kfrun.validate.admission import check as admission

    is_flag = settings.origins["backend"].layer == "flag"
    backend = settings.backend if is_flag else resolution.backend or settings.backend
    locally = asked == "local" and backend == "process"
    return admission.check(resolution, version=settings.trainer_version, locally=locally, priority_classes=priorities)


def _material(stored: ObservedJob | None) -> Material:
    from kfrun.resolve.material import ENTROPY, Material

    # a job gets its uid when it is created; until then any text nobody can guess stands for it
    return Material(stored.uid if stored else os.urandom(16).hex(), os.urandom(ENTROPY))


def prepare(
    documents: Sequence[Document], known: Known, *, settings: Settings, cluster_defaults: bool = False
) -> Inputs:
    """Validate, resolve and expand the documents for the planner.

    Raises:
        InvalidInput: with every finding of every stage.
    """
    from kfrun.resolve.pods import expand

    checked = check(documents, known, settings=settings, admission="local")
    findings = list(checked.findings)
    for resolution in checked.resolutions:
        findings += expand.expand_findings(resolution)
    require_sound(findings)
    jobs, workloads, trainjobs = [], {}, {}
    for resolution in checked.resolutions:
        key = resolution.trainjob
        job, workload = _desired(resolution, known.jobs.get(key), settings, cluster_defaults=cluster_defaults)
        jobs.append(job)
        workloads[key] = workload
        trainjobs[key] = _to_store(job, known.jobs.get(key))
    return Inputs(
        jobs=tuple(jobs),
        objects=tuple(_with_defaults(item, settings) for item in documents if item.key.kind != JOB),
        workloads=workloads,
        trainjobs=trainjobs,
        warnings=tuple(findings),
    )


def warn(prepared: Inputs, settings: Settings) -> None:
    """Show on stderr what a cluster would refuse and this machine does not, and other warnings."""
    if not prepared.warnings:
        return
    from kfrun.report import findings
    from kfrun.settings import uses_color

    color = uses_color(settings.color, os.environ, is_terminal=sys.stderr.isatty())
    click.echo(findings.to_text(prepared.warnings, color=color), err=True)


def require_sound(findings: Sequence[Finding]) -> None:
    """Raise `InvalidInput` with all the findings if one of them is an error."""
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise InvalidInput(findings)


def recall(store: Store, documents: Iterable[Document]) -> Known:
    """What ``store`` knows of an input."""
    jobs, objects, child_jobs = {}, {}, {}
    for key in {document.key for document in documents}:
        found = store.find(key.kind, key.namespace, key.name)
        if key.kind == JOB:
            for child in store.objects("Job", key.namespace, begins=f"{key.name}-"):
                child_jobs[key.namespace, child.key.name] = child.data["metadata"]["labels"][JOBSET_NAME]
        if found is not None and key.kind == JOB:
            jobs[key] = observed_job(store, found)
        elif found is not None:
            objects[key] = found.data
    runtimes = [without_text(item.data, "store") for kind in RUNTIMES for item in store.objects(kind)]
    return Known(tuple(runtimes), jobs, objects, child_jobs)


def look_up(documents: Iterable[Document], settings: Settings) -> Known:
    """What this host's store knows of an input; no store is made where there is none.

    Raises:
        StoreFailed: there is one, but it cannot be read.
    """
    from kfrun.observe import location

    if not location.has_database(settings):
        return Known()
    from kfrun.cli import session

    with session.open_store(settings) as store:
        return recall(store, documents)


def observed_job(store: Store, job: StoredObject) -> ObservedJob:
    """A stored TrainJob as the planner sees it."""
    import json

    from kfrun.model.state import ObservedJob

    run = store.run(job.uid)
    conditions = job.data.get("status", {}).get("conditions", ())
    return ObservedJob(
        key=job.key,
        uid=job.uid,
        resource_version=job.resource_version,
        data=job.data,
        runtime=json.loads(run.runtime) if run and run.runtime else None,
        digest=run.digest if run else "",
        run_digest=run.run_digest if run else "",
        finished=any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions),
        suspended=bool(job.data["spec"].get("suspend", False)),
        deleting=run is not None and run.request.startswith("delete"),
    )


def _desired(
    resolution: Resolution, stored: ObservedJob | None, settings: Settings, *, cluster_defaults: bool
) -> tuple[DesiredJob, Workload]:
    from kfrun.plan import compare
    from kfrun.resolve.pods import expand

    asked_for = resolution.runtime.document.data if resolution.runtime else None
    if stored is not None and stored.runtime is not None and not stored.finished:
        resolution = _with_own_runtime(resolution, stored.runtime, settings)
    workload = expand.expand(resolution, cluster_defaults=cluster_defaults)
    resolution = replace(resolution, job=_with_defaults(resolution.job, settings))
    job = compare.desired(resolution, runtime=asked_for, not_enforced=workload.not_enforced)
    return job, workload


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
    if kind != JOB and kind not in RUNTIMES:
        return document
    data = defaults.apply(document.data, kind, settings.trainer_version)
    if kind == JOB and "suspend" not in document.data["spec"]:
        data["spec"].pop("suspend", None)
    return replace(document, data=data)


def without_text(data: dict[str, Any], source: str) -> Document:
    """An object that has no source text."""
    return Document(data=data, positions=_Nowhere(Position(source, 1, 1)), source=source, text="")


def _is_namespaced(document: Document) -> bool:
    from kfrun.validate.kinds import CLUSTER_SCOPED

    return document.key.kind not in CLUSTER_SCOPED and isinstance(document.data.get("metadata"), dict)


def contradiction(document: Document, settings: Settings) -> Finding | None:
    """Where the manifest names another namespace than ``-n``."""
    namespace = settings.namespace
    if settings.origins["namespace"].layer != "flag" or document.key.namespace in ("", namespace):
        return None
    if not _is_namespaced(document):
        return None
    from kfrun.load import excerpts

    path = ("metadata", "namespace")
    position = document.positions.value(path)
    return Finding(
        "KF190",
        f'the manifest says namespace "{document.key.namespace}", the command line "{namespace}"',
        Stage.RULE,
        path=path,
        position=position,
        hint=f"leave -n away, or say -n {document.key.namespace}",
        object=document.key,
        excerpt=excerpts.excerpt(document, position),
    )


def in_namespace(document: Document, namespace: str) -> Document:
    """The document with the namespace that it has when it says none; cluster-scoped kinds have none."""
    if not _is_namespaced(document) or document.data["metadata"].get("namespace"):
        return document
    metadata = {**document.data["metadata"], "namespace": namespace}
    return replace(document, data={**document.data, "metadata": metadata})
