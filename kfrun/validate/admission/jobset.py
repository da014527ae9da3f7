"""JobSets as JobSet's own webhook takes them, and lists that repeat an item only after the build.

Every rule takes the JobSet that the Trainer would apply. Upstream: jobset pkg/webhooks, v0.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model import kinds
from kfrun.model.source import Severity
from kfrun.patterns import pattern
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    duplicate,
    invalid,
    is_domain_path,
    is_label,
    is_service_label,
    items,
    label_name,
    node,
    number,
    one_of,
    required,
    text,
    too_long,
    values,
)
from kfrun.validate.schema import lists, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES: Final = {
    "KF351": "names of Jobs or pods that would be too long or not allowed",
    "KF352": "a dependsOn that names no earlier job",
    "KF353": "a successPolicy that names a job that does not exist",
    "KF354": "a failurePolicy that JobSet refuses",
    "KF355": "a coordinator that does not exist",
    "KF356": "a volumeClaimPolicy that JobSet refuses",
    "KF357": "an item of a list that the built JobSet has twice",
    "KF358": "a subdomain, group or manager that JobSet refuses",
    "KF359": "more pods than a JobSet may have",
}

POD_SUFFIX: Final = "-abcde"
"""What Kubernetes adds to the name of a pod, as far as lengths go."""

MOST_PODS: Final = 2**31 - 1
_WARN: Final = Severity.WARNING
_SPEC: Final = Place() / "spec"
_RULE: Final = "write a name such as restartOnPreemption"
_GROUP: Final = "write a name such as workers"
_SHORTER: Final = "make the name of the claim template or the TrainJob's shorter"
_RULE_NAME = pattern(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASONS: Final = (
    "BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded", "PodFailurePolicy",
)  # fmt: skip
_TEMPLATE: Final = ("spec", "template")


def found(jobset: Node) -> Iterator[tuple[Rule, Cause]]:
    """Every cause with the rule that found it."""
    for rule in RULES:
        for cause in rule.check(jobset):
            yield rule, cause


def replicated_jobs(jobset: Node) -> Iterator[tuple[Place, Node]]:
    """The replicatedJobs and their places."""
    return items(node(jobset, "spec"), "replicatedJobs", _SPEC)


def replicas(job: Node) -> int:
    """``replicas`` with its default."""
    count = number(job, "replicas")
    return 1 if count is None else count


def longest_job(jobset: Node, job: Node) -> str:
    """The name of the last Job of a replicatedJob, which is the longest."""
    return f"{text(node(jobset, 'metadata'), 'name')}-{text(job, 'name')}-{max(replicas(job) - 1, 0)}"


def pods_of(job: Node) -> Node:
    """The spec of a replicatedJob's pods."""
    return node(job, "template", "spec", "template", "spec")


def _names(jobset: Node) -> Iterator[Cause]:
    for at, job in replicated_jobs(jobset):
        name = longest_job(jobset, job)
        if not is_service_label(name):
            yield invalid(at / "name", name, *_too_long(jobset, name, "the Jobs"))
        completions = number(node(job, "template", "spec"), "completions")
        mode = text(node(job, "template", "spec"), "completionMode") or "Indexed"
        if completions is None or mode != "Indexed":
            continue
        pod = f"{name}-{max(completions - 1, 0)}{POD_SUFFIX}"
        if not is_service_label(pod) and is_service_label(name):
            yield invalid(at / "name", pod, *_too_long(jobset, pod, "the pods"))


def _too_long(jobset: Node, name: str, what: str) -> tuple[str, str]:
    """What is wrong with a name that is made of the TrainJob's, and how to mend it."""
    excess = len(name) - 63
    if excess <= 0:
        message = f"{what} would be named so; allowed: lower-case letters, digits and -, a letter first"
        return message, "write such a name for the TrainJob and for the job of the runtime"
    message = f"{what} would have names of {len(name)} characters, 63 are allowed; make the TrainJob's name shorter"
    left = len(text(node(jobset, "metadata"), "name")) - excess
    if left < 1:
        return message, "give the job of the runtime a shorter name"
    return message, f"with this runtime, it may have {left} characters"


def _pods(jobset: Node) -> Iterator[Cause]:
    for at, job in replicated_jobs(jobset):
        parallelism = number(node(job, "template", "spec"), "parallelism")
        pods = replicas(job) * (1 if parallelism is None else parallelism)
        if pods > MOST_PODS:
            yield invalid(at, pods, f"replicas times parallelism may be {MOST_PODS} at most", "ask for fewer nodes")


def _depends_on(jobset: Node) -> Iterator[Cause]:
    earlier: set[str] = set()
    for at, job in replicated_jobs(jobset):
        if not earlier and values(job, "dependsOn"):
            yield invalid(
                at / "dependsOn",
                job["dependsOn"],
                "the first job can depend on none",
                "remove it, or put this job behind the others",
            )
        is_first = not earlier
        earlier.add(text(job, "name"))
        for one_at, one in items(job, "dependsOn", at):
            name = text(one, "name")
            if not is_first and name not in earlier:
                yield invalid(
                    one_at / "name",
                    name,
                    f"allowed are earlier jobs: {', '.join(sorted(earlier - {text(job, 'name')}))}",
                    _order(jobset, name, earlier),
                )


def _targets(holder: Node, at: Place, field: str, names: list[str]) -> Iterator[Cause]:
    for index, target in enumerate(values(holder, field)):
        if target not in names:
            yield invalid(
                (at / field).item(index),
                target,
                f"jobs of the JobSet: {', '.join(names)}",
                _near_job(str(target), names),
            )


def _near_job(name: str, names: list[str]) -> str:
    from kfrun.validate.schema.hints import near_value

    return near_value(name, names) or ""


def _order(jobset: Node, name: str, earlier: set[str]) -> str:
    if name in _job_names(jobset):
        return f'put the job "{name}" before this one'
    return _near_job(name, sorted(earlier))


def _job_names(jobset: Node) -> list[str]:
    return [text(job, "name") for _, job in replicated_jobs(jobset)]


def _success_policy(jobset: Node) -> Iterator[Cause]:
    policy = node(jobset, "spec", "successPolicy")
    return _targets(policy, _SPEC / "successPolicy", "targetReplicatedJobs", _job_names(jobset))


def _failure_policy(jobset: Node) -> Iterator[Cause]:
    names: set[str] = set()
    policy = node(jobset, "spec", "failurePolicy")
    for at, rule in items(policy, "rules", _SPEC / "failurePolicy"):
        name = text(rule, "name")
        if len(name) > 128 or not _RULE_NAME.fullmatch(name):
            yield invalid(at / "name", name, "allowed: a letter, then up to 127 letters, digits, _ , and :", _RULE)
        elif name in names:
            yield duplicate(at / "name", name)
        names.add(name)
        for place, reason in enumerate(values(rule, "onJobFailureReasons")):
            yield from one_of((at / "onJobFailureReasons").item(place), str(reason), _REASONS)
        yield from _targets(rule, at, "targetReplicatedJobs", _job_names(jobset))


def _coordinator(jobset: Node) -> Iterator[Cause]:
    if node(jobset, "spec").get("coordinator") is None:
        return
    coordinator, at = node(jobset, "spec", "coordinator"), _SPEC / "coordinator"
    name = text(coordinator, "replicatedJob")
    names = _job_names(jobset)
    job = next((one for _, one in replicated_jobs(jobset) if text(one, "name") == name), None)
    if job is None:
        yield invalid(at / "replicatedJob", name, f"jobs of the JobSet: {', '.join(names)}", _near_job(name, names))
        return
    bounds = {"jobIndex": replicas(job), "podIndex": _pods_per_job(job)}
    for field, bound in bounds.items():
        index = number(coordinator, field) or 0
        if not 0 <= index < bound:
            yield invalid(at / field, index, f'"{name}" allows 0 to {bound - 1}', "write 0, or leave it out")


def _pods_per_job(job: Node) -> int:
    spec = node(job, "template", "spec")
    count = number(spec, "completions")
    if count is None:
        count = number(spec, "parallelism")
    return 1 if count is None else count


def _subdomain(jobset: Node) -> Iterator[Cause]:
    network = node(jobset, "spec", "network")
    subdomain = text(network, "subdomain")
    if subdomain and not is_service_label(subdomain):
        form = "allowed: up to 63 lower-case letters, digits and -, a letter first"
        yield invalid(_SPEC / "network" / "subdomain", subdomain, form, "leave it out: JobSet takes its own name")
    for at, job in replicated_jobs(jobset):
        group = text(job, "groupName")
        if group and not is_service_label(group):
            yield invalid(at / "groupName", group, "allowed: lower-case letters, digits and -, a letter first", _GROUP)
    manager = node(jobset, "spec").get("managedBy")
    if isinstance(manager, str):
        if not is_domain_path(manager):
            yield invalid(
                _SPEC / "managedBy", manager, "allowed: a domain, a slash and a path, like acme.io/foo", "leave it out"
            )
        if len(manager) > 63:
            yield too_long(_SPEC / "managedBy", len(manager), 63)


def _claims(jobset: Node) -> Iterator[Cause]:
    names: set[str] = set()
    for policy_at, policy in items(node(jobset, "spec"), "volumeClaimPolicies", _SPEC):
        for at, template in items(policy, "templates", policy_at):
            name, place = text(node(template, "metadata"), "name"), at / "metadata" / "name"
            if not name:
                yield required(place)
                continue
            if name in names:
                yield duplicate(place, name)
            names.add(name)
            yield from _claim(jobset, place, name)


def _claim(jobset: Node, place: Place, name: str) -> Iterator[Cause]:
    yield from label_name(place, name)
    claim = f"{name}-{text(node(jobset, 'metadata'), 'name')}"
    if is_label(name) and len(claim) > 63:
        yield invalid(place, claim, "claims are named so; at most 63 characters are allowed", _SHORTER)
    pods = [pods_of(job) for _, job in replicated_jobs(jobset)]
    if any(name == text(volume, "name") for pod in pods for volume in values(pod, "volumes")):
        yield invalid(place, name, "a pod has a volume of this name already", "remove the volume: JobSet adds it")
    if not any(mounts(pod, name) for pod in pods):
        yield invalid(
            place,
            name,
            "no container mounts it",
            f"add it to a container: volumeMounts: [{{name: {name}, mountPath: /...}}]",
        )


def mounts(pod: Node, volume: str) -> bool:
    """Whether a container or init container of ``pod`` mounts ``volume``."""
    containers = [*values(pod, "containers"), *values(pod, "initContainers")]
    return any(text(mount, "name") == volume for one in containers for mount in values(one, "volumeMounts"))


def _repeated(jobset: Node) -> Iterator[Cause]:
    """The runtime's schema holds the JobSet's, so its list keys are the JobSet's as well."""
    wrapped = {"spec": {"template": {"spec": node(jobset, "spec")}}}
    for one in lists.duplicates(wrapped, schemas.DEFAULT_VERSION, kinds.RUNTIMES[0]):
        path = one.path[len(_TEMPLATE) :]
        place = Place()
        for part in path:
            place = place.item(part) if isinstance(part, int) else place / part
        yield duplicate(place, ", ".join(f"{key} {value}" for key, value in one.key.items() if key) or "this item")


RULES: Final = (
    Rule("KF357", "API server: list keys of the JobSet CRD", None, _repeated),
    Rule("KF351", "jobset webhook: names of Jobs and pods", _WARN, _names),
    Rule("KF359", "jobset webhook: replicas and parallelism", Severity.ERROR, _pods),
    Rule("KF352", "jobset webhook: dependsOn", Severity.ERROR, _depends_on),
    Rule("KF353", "jobset webhook: successPolicy", Severity.ERROR, _success_policy),
    Rule("KF354", "jobset webhook: failurePolicy", _WARN, _failure_policy),
    Rule("KF355", "jobset webhook: coordinator", _WARN, _coordinator),
    Rule("KF356", "jobset webhook: volumeClaimPolicies", _WARN, _claims),
    Rule("KF358", "jobset webhook: network, groupName, managedBy", _WARN, _subdomain),
)
"""What is checked of a JobSet; a job whose dependencies can never be met would hang locally, too."""
