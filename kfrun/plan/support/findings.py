"""Why a backend cannot run a job, or not as it is written, as findings at the lines where it is. Pure.

A backend's tables, asked about one resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.load import excerpts
from kfrun.model.source import Finding, Severity, Stage, field_text
from kfrun.model.values import replace
from kfrun.model.workload import NotEnforced
from kfrun.plan.support import of
from kfrun.plan.support.matrix import CODE, last
from kfrun.resolve.findings import finding
from kfrun.resolve.pods import expand
from kfrun.resolve.podsets import NODE, TRAINER, all_containers, ancestor, pod_spec
from kfrun.resolve.runtimes import placement

if TYPE_CHECKING:
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Position
    from kfrun.plan.support.table import Support

    Node = dict[str, Any]

CODES = {
    "KF420": "a container without a command cannot run as a process",
    "KF422": "an ML policy whose jobs cannot run as local processes",
}


def check(resolution: Resolution, backend: str, user: int | None = None) -> list[Finding]:
    """Everything that a backend of `kfrun.plan.support.BACKENDS` has against a resolution; ``user`` runs kfrun.

    What keeps the job from running is an error; a field that is not honoured is a warning. Empty for a resolution
    without a JobSet: its own findings say why.
    """
    if resolution.jobset is None:
        return []
    found = not_enforced(resolution, backend, user)
    warnings = [named(resolution, item, backend, Severity.WARNING) for item in found]
    return [*unable(resolution, backend), *warnings]


def not_enforced(resolution: Resolution, backend: str, user: int | None = None) -> tuple[NotEnforced, ...]:
    """What a backend does not honour of a resolution: fields of its JobSet, and packages where it installs none.

    Empty for a resolution without a JobSet: its own findings say why.
    """
    if resolution.jobset is None:
        return ()
    support = of(backend)
    found = support.not_enforced(resolution.jobset, own_images=expand.own_images(resolution), user=user)
    if support.no_environment and resolution.packages.needs_environment:
        return (NotEnforced("packages", support.no_environment), *found)
    return found


def named(resolution: Resolution, item: NotEnforced, backend: str, severity: Severity = Severity.ERROR) -> Finding:
    """A field of the JobSet that ``backend`` does not honour, pointed at where it was written."""
    message = f"backend {backend} does not enforce {last(item.path)}: {item.why}"
    hint = "leave --strict away to run it all the same" if severity is Severity.ERROR else None
    return _located(resolution, Finding(CODE, message, Stage.BACKEND, severity, hint=hint, shown=item.path))


def located(
    resolution: Resolution,
    code: str,
    message: str,
    path: FieldPath,
    severity: Severity = Severity.WARNING,
    hint: str | None = None,
) -> Finding:
    """What is to be said of a field of the JobSet, pointed at where it was written."""
    found = Finding(code, message, Stage.BACKEND, severity, hint=hint, shown=field_text(path))
    return _located(resolution, found, _around(resolution, path))


def _around(resolution: Resolution, path: FieldPath) -> Position | None:
    """Where the nearest thing around a field of the JobSet was written."""
    found = (resolution.origins.get(path[:length]) for length in range(len(path) - 1, 0, -1))
    return next((origin.position for origin in found if origin is not None), None)


def _located(resolution: Resolution, found: Finding, around: Position | None = None) -> Finding:
    position = _written_at(resolution, found.field) or around or resolution.job.positions.key(("spec",))
    runtime = [resolution.runtime.document] if resolution.runtime is not None else []
    documents = (one for one in (resolution.job, *runtime) if one.source == position.file and one.text)
    excerpt = next((excerpts.excerpt(one, position) for one in documents), None)
    found = replace(found, position=position, object=resolution.trainjob, excerpt=excerpt)
    return placement.inside([found], resolution)[0]


def _written_at(resolution: Resolution, field: str) -> Position | None:
    """Where a field of the JobSet, or the first thing in it, was written: best in the job, else in its runtime."""
    found = [
        origin
        for path, origin in resolution.origins.items()
        if field_text(path) == field or field_text(path).startswith((f"{field}.", f"{field}["))
    ]
    own = [origin for origin in found if origin.layer in ("job", "patch")]
    return next((origin.position for origin in [*own, *found]), None)


def unable(resolution: Resolution, backend: str) -> list[Finding]:
    """Why a backend cannot run a resolution: its policy, too many pods, containers without a command.

    Empty for a resolution without a JobSet: its own findings say why.
    """
    if resolution.jobset is None:
        return []
    support = of(backend)
    found = _policy(resolution, support) or [*expand.too_many(resolution), *_commands(resolution, support)]
    return placement.inside(found, resolution)


def _policy(resolution: Resolution, support: Support) -> list[Finding]:
    """The ML policy, where its jobs need more than the backend has."""
    assert resolution.runtime is not None
    runtime = resolution.runtime.document
    spec = runtime.data.get("spec")
    policy = spec.get("mlPolicy") if isinstance(spec, dict) else None
    for kind, why in support.policies.items():
        if isinstance(policy, dict) and policy.get(kind) is not None:
            message = f"jobs of the ML policy {kind} {why}"
            hint = "`kfrun validate` and `kfrun render` do work; run it on a cluster, or use another policy's runtime"
            path = ("spec", "mlPolicy", kind)
            return [finding("KF422", message, runtime, path, stage=Stage.BACKEND, hint=hint)]
    return []


def _commands(resolution: Resolution, support: Support) -> list[Finding]:
    """Containers that leave their command to the image, where no image is used."""
    assert resolution.jobset is not None
    if not support.needs_command:
        return []
    found = []
    for index, replicated_job in enumerate(resolution.jobset["spec"].get("replicatedJobs", [])):
        below: FieldPath = ("spec", "replicatedJobs", index, "template", "spec", "template", "spec")
        for key, number, container in all_containers(pod_spec(replicated_job)):
            if not container.get("command"):
                message = f'container "{container["name"]}" has no command: {support.needs_command}'
                is_trainer = ancestor(replicated_job) == TRAINER and container["name"] == NODE
                path = ("spec", "trainer") if is_trainer else (*below, key, number)
                found.append(_no_command(resolution, message, path))
    return found


def _no_command(resolution: Resolution, message: str, path: FieldPath) -> Finding:
    if path == ("spec", "trainer"):
        hint = "set spec.trainer.command, for instance [python, train.py]"
        return finding("KF420", message, resolution.job, path, stage=Stage.BACKEND, hint=hint)
    hint = "give it a command in the runtime: a process knows nothing of an image's entrypoint"
    runtime = resolution.runtime
    if runtime is None:
        return finding("KF420", message, resolution.job, ("spec",), stage=Stage.BACKEND, hint=hint)
    return finding("KF420", message, runtime.document, ("spec", "template", *path), stage=Stage.BACKEND, hint=hint)
