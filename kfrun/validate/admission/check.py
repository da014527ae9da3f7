"""Everything that a cluster says of a TrainJob after its schema: webhook, JobSet and Job admission.

In a cluster these are three moments: the TrainJob is refused; or it is taken and its JobSet is refused, which shows
as an event; or the JobSet is taken and its Jobs are refused, which shows nowhere but in events of the JobSet. Here
each finding stands at the line of the runtime or the TrainJob that causes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.load import excerpts
from kfrun.model import kinds
from kfrun.model.source import Document, Finding, Related, Severity, Stage
from kfrun.model.values import replace
from kfrun.validate.admission import claims, jobs, jobset, jobsetdefaults, runtime_webhook, webhook
from kfrun.validate.admission.causes import NOT_FOUND, Cause, Node, Rule, node, text, values
from kfrun.validate.schema import defaults, schemas

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Position

_ON_CLUSTERS = {
    Stage.JOBSET: "a cluster would take the TrainJob and refuse its JobSet: it would hang without a condition",
    Stage.JOB: "a cluster would take the TrainJob and refuse its Jobs: it would hang without a condition",
}
"""What nobody would notice there, by the stage that refuses it."""

_NAME_DEPTH = len(("spec", "replicatedJobs", 0, "name"))


def check(
    resolution: Resolution,
    *,
    version: str = schemas.DEFAULT_VERSION,
    locally: bool = False,
    priority_classes: Collection[str] = (),
) -> list[Finding]:
    """What a cluster would say of a resolved TrainJob.

    Stages are in the cluster's order; what one of them refuses the next ones are not asked about.

    Args:
        resolution: as resolve made it; without a runtime there is nothing to say.
        version: the Trainer version whose defaults apply.
        locally: the job is to run as local processes: what these do not need is no error, see `causes.Rule`.
        priority_classes: names of the PriorityClasses that the cluster has, beside the system's.
    """
    if resolution.runtime is None:
        return []
    facts = _facts(resolution, version, priority_classes)
    findings = _webhook(resolution, facts, locally=locally)
    if resolution.jobset is None or _refused(findings):
        return findings
    admitted = jobsetdefaults.apply(resolution.jobset)
    for rules in (jobset.SCHEMA, jobset.WEBHOOK):
        findings += _built(resolution, Stage.JOBSET, jobset.found(admitted, rules), locally=locally)
        if rules is jobset.SCHEMA and _refused(findings):
            return findings
    is_long = any(finding.code == "KF351" for finding in findings)
    for index, job in enumerate(values(node(admitted, "spec"), "replicatedJobs")):
        causes = _job_causes(admitted, job, index, is_long=is_long)
        findings += _built(resolution, Stage.JOB, causes, locally=locally)
    return findings


def check_runtime(
    document: Document, *, version: str = schemas.DEFAULT_VERSION, is_update: bool = False
) -> list[Finding]:
    """What the Trainer's webhook says of a runtime, a deprecation included.

    On update it looks at ClusterTrainingRuntimes only, and says nothing of deprecation.
    """
    if is_update and document.key.kind != kinds.RUNTIMES[0]:
        return []
    data = defaults.apply(document.data, document.key.kind, version)
    findings = [_at(document, rule, cause) for rule, cause in runtime_webhook.found(data)]
    if not is_update:
        rule = runtime_webhook.DEPRECATED
        found = [_at(document, rule, cause) for cause in runtime_webhook.deprecated(data)]
        findings += [replace(one, severity=Severity.WARNING) for one in found]
    return findings


def _refused(findings: Iterable[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _facts(resolution: Resolution, version: str, priority_classes: Collection[str]) -> webhook.Facts:
    assert resolution.runtime is not None
    runtime = resolution.runtime.document
    return webhook.Facts(
        job=defaults.apply(resolution.job.data, kinds.TRAIN_JOB, version),
        runtime=defaults.apply(runtime.data, runtime.key.kind, version),
        priority_classes=frozenset(priority_classes),
    )


def _webhook(resolution: Resolution, facts: webhook.Facts, *, locally: bool) -> list[Finding]:
    assert resolution.runtime is not None
    job, runtime = resolution.job, resolution.runtime
    found = [
        replace(_at(job, rule, cause), severity=severity)
        for rule, cause in webhook.found(facts)
        if (severity := _severity(rule, locally=locally)) is not None
    ]
    for cause in runtime_webhook.deprecated(facts.runtime):
        message = f'the runtime "{runtime.key.name}" is deprecated: it will be removed in a future release of Trainer'
        place = cause._replace(path=("spec", "runtimeRef"), field="spec.runtimeRef", message=message)
        found.append(replace(_at(job, runtime_webhook.DEPRECATED, place), severity=Severity.WARNING))
    return found


def _at(document: Document, rule: Rule, cause: Cause) -> Finding:
    """A finding about ``document`` itself, at the Trainer's webhook."""
    position = document.positions.value(cause.path)
    return Finding(
        code=rule.code,
        message=cause.message,
        stage=Stage.WEBHOOK,
        path=cause.path,
        position=position,
        hint=_hint(rule, cause),
        object=document.key,
        excerpt=excerpts.excerpt(document, position) if document.text else None,
        shown=cause.field,
    )


def _hint(rule: Rule, cause: Cause) -> str:
    """How to mend it: what the rule says of this cause, or else what is said of its code."""
    if cause.hint:
        return cause.hint
    from kfrun.validate.admission import reasons

    return reasons.mend(rule.code)


def _severity(rule: Rule, *, locally: bool) -> Severity | None:
    return rule.locally if locally else Severity.ERROR


def _built(
    resolution: Resolution, stage: Stage, causes: Iterable[tuple[Rule, Cause]], *, locally: bool
) -> Iterator[Finding]:
    """Causes in the built JobSet (paths are its) as findings at the lines that they come from."""
    for rule, cause in causes:
        severity = _severity(rule, locally=locally)
        if severity is None:
            continue
        position, related = _origin(resolution, cause.path)
        yield Finding(
            code=rule.code,
            message=cause.message,
            stage=stage,
            severity=severity,
            path=cause.path,
            position=position,
            hint=f"{_hint(rule, cause)}; {_ON_CLUSTERS[stage]}" if locally else _hint(rule, cause),
            object=resolution.job.key,
            excerpt=_excerpt(resolution, position),
            shown=cause.field,
            related=related,
        )


def _origin(resolution: Resolution, path: FieldPath) -> tuple[Position, tuple[Related, ...]]:
    """Where the field, or the nearest one around it, was written; the TrainJob's name where nothing was.

    What is missing beside something that the job set is the job's; what the runtime has around it is related.
    """
    name = resolution.job.positions.value(("metadata", "name"))
    if len(path) == _NAME_DEPTH and path[-1] == "name":
        return name, ()
    for length in range(len(path), 0, -1):
        beside = resolution.beside(path[:length]) if length < len(path) else None
        origin = resolution.origins.get(path[:length])
        if beside is not None:
            return beside, _around(resolution, path[:length])
        if origin is not None and origin.position is not None:
            return origin.position, ()
    return name, ()


def _around(resolution: Resolution, path: FieldPath) -> tuple[Related, ...]:
    """What of the runtime is around a field that the job has set."""
    assert resolution.runtime is not None
    for length in range(len(path), 0, -1):
        origin = resolution.origins.get(path[:length])
        if origin is not None and origin.layer == "runtime":
            return (Related(str(resolution.runtime), origin.position),)
    return ()


def _excerpt(resolution: Resolution, position: Position) -> str | None:
    """The line at ``position``, which is one of the TrainJob or of its runtime."""
    assert resolution.runtime is not None
    for document in (resolution.job, resolution.runtime.document):
        if document.source == position.file and document.text:
            return excerpts.excerpt(document, position)
    return None


def _job_causes(jobset_: Node, job: Node, index: int, *, is_long: bool) -> Iterator[tuple[Rule, Cause]]:
    """The causes of the Jobs of one replicatedJob, with paths of the JobSet."""
    template = _as_job(jobset_, job)
    declared = {text(volume, "name") for volume in values(node(template, "spec", "template", "spec"), "volumes")}
    for rule, cause in jobs.found(template):
        if is_long and rule is jobs.NAME:
            continue
        # A volume that was refused is missing for its mounts: that follows, and would only repeat it.
        named = _named(template, cause.path)
        if cause.reason == NOT_FOUND and isinstance(named, str) and named in declared:
            continue
        yield rule, cause._replace(path=_in_jobset(cause.path, index))


def _named(job: Node, path: FieldPath) -> object:
    value: object = job
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
    return value


def _in_jobset(path: FieldPath, index: int) -> FieldPath:
    """A path of a Job as one of its JobSet; its name is the replicatedJob's and the JobSet's."""
    if path == ("metadata", "name"):
        return ("spec", "replicatedJobs", index, "name")
    return ("spec", "replicatedJobs", index, "template", *path)


def _as_job(jobset_: Node, job: Node) -> Node:
    """The last Job of a replicatedJob as the JobSet controller would create it."""
    template = node(job, "template")
    spec, pod = node(template, "spec"), node(template, "spec", "template", "spec")
    claimed = list(claims.volumes(jobset_, pod))
    if claimed:
        pod = {**pod, "volumes": [*values(pod, "volumes"), *claimed]}
    return {
        **template,
        "metadata": {**node(template, "metadata"), "name": jobset.longest_job(jobset_, job)},
        "spec": {
            "completions": spec.get("parallelism", 1),
            **spec,
            "template": {**node(spec, "template"), "spec": pod},
        },
    }
