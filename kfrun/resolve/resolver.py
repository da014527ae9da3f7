"""A TrainJob and its runtime become the JobSet that the Trainer controller would apply.

The steps are the controller's: defaults of the CRDs, runtime patches, pod sets, ML policies, the JobSet. Each is one
module; here they are only put in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.model.kinds import DEFAULT_NAMESPACE, TRAIN_JOB
from kfrun.model.resolution import SHIPPED, Resolution, RuntimeSource
from kfrun.model.source import Severity, field_text
from kfrun.model.values import replace
from kfrun.resolve import builder, extensions, patches, podgroups, podsets, policies
from kfrun.resolve.findings import finding
from kfrun.resolve.origins import Mark, OriginLog, Origins
from kfrun.resolve.podsets import Build
from kfrun.resolve.structs.decode import Decoder, describe
from kfrun.validate.schema import defaults, schemas, structure

if TYPE_CHECKING:
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.resolve.material import Material
    from kfrun.resolve.runtimes.catalogue import Catalogue

    Node = dict[str, Any]


def resolve(
    job: Document, catalogue: Catalogue, *, version: str = "v2.3", material: Material | None = None
) -> Resolution:
    """Resolve one TrainJob.

    Bad input never raises: the resolution then holds findings and no JobSet. It need not have passed validation.

    Args:
        job: the TrainJob.
        catalogue: where to look for its runtime.
        version: the Trainer version whose defaults apply.
        material: what keys are made of. Without it the Secrets of MPI and Flux jobs are left out of the objects:
            to validate or plan a job none are needed.

    Raises:
        UsageProblem: an unknown version.
    """
    key = job.key._replace(namespace=job.key.namespace or DEFAULT_NAMESPACE)
    found = catalogue.find(job)
    runtime = found if isinstance(found, RuntimeSource) else None
    settings = extensions.read(job, runtime.document if runtime else None)
    findings = [*settings.findings, *_too_new(job, found, version)]
    result = Resolution(
        trainjob=key,
        job=job,
        runtime=runtime,
        packages=settings.packages,
        source=settings.source,
        backend=settings.backend,
        mounts=settings.mounts,
    )
    if not isinstance(found, RuntimeSource):
        return replace(result, findings=(*findings, found))
    if version in schemas.BEFORE_PATCHES or _is_older(found):
        from kfrun.resolve.conversion import trainer

        job, found, notes = trainer.modern(job, found)
        findings += notes if version in schemas.BEFORE_PATCHES else ()
    try:
        build = _build(job, key, found, version)
        build.material = material
        policies.enforce(build)
        podgroups.enforce(build)
        policies.add_objects(build)
        jobset = builder.jobset(build)
    except InvalidInput as problem:
        return replace(result, findings=(*findings, *problem.findings))
    return replace(
        result,
        jobset=jobset,
        objects=tuple(build.objects),
        origins=Origins(build.ledger, jobset),
        findings=tuple(findings),
    )


def _too_new(job: Document, found: RuntimeSource | Finding, version: str) -> list[Finding]:
    """Nobody validates what kfrun ships, for the latest release: an earlier one may not know all of it."""
    if version == schemas.DEFAULT_VERSION or not isinstance(found, RuntimeSource) or found.found_in != SHIPPED:
        return []
    runtime, unknown = found.document, list[str]()
    for one in structure.violations(runtime.data, version, runtime.key.kind):
        is_unknown = one.keyword == "additionalProperties"
        names = one.value.keys() - one.schema.get("properties", {}).keys() if is_unknown else ()
        unknown += [field_text((*one.path, name)) for name in sorted(names)] or [f"this {field_text(one.path)}"]
    if not unknown:
        return []
    message = f'the runtime "{runtime.key.name}" is shipped for a later release: {version} does not know '
    path = ("spec", "runtimeRef")
    return [finding("KF403", message + ", ".join(unknown), job, path, severity=Severity.WARNING)]


def _is_older(runtime: RuntimeSource) -> bool:
    """Whether somebody else's runtime is of an earlier release: what it says of the processes is the job's now."""
    from kfrun.resolve.runtimes.catalogue import is_older

    return runtime.is_referred and is_older(runtime.document)


def trainer_container(job: Document, catalogue: Catalogue, *, version: str) -> Node:
    """The container that trains as the runtime and the job's patches have it; empty where it is not known."""
    found = catalogue.find(job)
    if not isinstance(found, RuntimeSource):
        return {}
    if version in schemas.BEFORE_PATCHES or _is_older(found):
        from kfrun.resolve.conversion import trainer

        job, found, _ = trainer.modern(job, found)
    try:
        build = _build(job, job.key, found, version)
    except InvalidInput:
        return {}
    containers = (
        container
        for replicated_job in build.replicated_jobs
        if podsets.ancestor(replicated_job) == podsets.TRAINER
        for container in podsets.pod_spec(replicated_job).get("containers", [])
    )
    container: Node = next((item for item in containers if item["name"] == podsets.NODE), {})
    if "flux" in (build.policy or {}):
        # its entrypoint gets the command and the arguments of the job as one word, and those of the runtime behind it
        return {key: value for key, value in container.items() if key != "args"}
    return container


def _build(job: Document, key: ObjectKey, runtime: RuntimeSource, version: str) -> Build:
    """Decode both documents, merge the patches and derive the pod sets."""
    ledger = OriginLog()
    _require_name(job, key)
    job_mark = Mark("job", job, ("spec",))
    runtime_mark = Mark("runtime", runtime.document, ("spec",))
    job_spec = defaults.apply(job.data, TRAIN_JOB, version).get("spec")
    runtime_spec = defaults.apply(runtime.document.data, runtime.key.kind, version).get("spec")
    decoded = _decoded(job_spec, "TrainJobSpec", Decoder(job_mark, ledger, written=False))
    runtime_policies = _policies(runtime_spec, runtime_mark, ledger)
    build = Build(
        name=key.name,
        namespace=key.namespace,
        job=decoded,
        policy=runtime_policies.get("mlPolicy"),
        pod_group_policy=runtime_policies.get("podGroupPolicy", {}),
        template=_template(runtime_spec, runtime_mark, ledger),
        job_mark=job_mark,
        runtime_mark=runtime_mark,
        ledger=ledger,
    )
    patches.apply(build.template, decoded.get("runtimePatches", []), job_mark, ledger)
    podsets.fill(build)
    return build


def _require_name(job: Document, key: ObjectKey) -> None:
    if not key.name:
        metadata = job.data.get("metadata")
        given = metadata.get("name") if isinstance(metadata, dict) else None
        found = "is missing" if given is None else f"must be a string, not {describe(given)}"
        raise InvalidInput([finding("KF404", f"the name {found}", job, ("metadata", "name"))])


def _decoded(value: Any, type_name: str, decoder: Decoder) -> Node:
    spec = decoder.struct({} if value is None else value, type_name, ("spec",))
    if decoder.findings:
        raise InvalidInput(decoder.findings)
    return spec


def _policies(spec: Any, mark: Mark, ledger: OriginLog) -> Node:
    """The runtime's mlPolicy and podGroupPolicy."""
    parts = {key: spec[key] for key in ("mlPolicy", "podGroupPolicy") if isinstance(spec, dict) and key in spec}
    return _decoded(parts, "TrainingRuntimeSpec", Decoder(mark, ledger, written=False))


def _template(spec: Any, mark: Mark, ledger: OriginLog) -> Node:
    decoder = Decoder(mark, ledger, written=True)
    parts = {"template": spec["template"]} if isinstance(spec, dict) and "template" in spec else {}
    decoded = _decoded(parts if isinstance(spec, dict) else spec, "TrainingRuntimeSpec", decoder)
    # what the controller always writes is added when the patches are in
    template: Node = decoded.setdefault("template", {})
    template.setdefault("metadata", {})
    template.setdefault("spec", {})
    return template
