"""JobSets as their CRD and JobSet's own webhook take them.

Every rule takes the JobSet that the Trainer would apply. Runtime and patches fit their schemas, which hold the
JobSet's; so of its CRD only those rules are asked that a sound runtime and a sound TrainJob can break together: items
that come twice, and lists that were empty, which the controller leaves out of what it builds.
Upstream: jobset pkg/webhooks, v0.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model import kinds
from kfrun.model.source import Severity
from kfrun.patterns import pattern
from kfrun.validate.admission import claims
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    duplicate,
    forbidden,
    invalid,
    is_domain_path,
    is_label_value,
    is_service_label,
    items,
    node,
    number,
    one_of,
    quoted,
    required,
    text,
    too_long,
    values,
)
from kfrun.validate.schema import lists, schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CODES: Final = {
    "KF350": "a list that the JobSet needs and that is empty",
    "KF351": "names of Jobs or pods that would be too long or not allowed",
    "KF352": "a dependsOn that names no earlier job",
    "KF353": "a successPolicy that names a job that does not exist",
    "KF354": "a failurePolicy that JobSet refuses",
    "KF355": "a coordinator that JobSet refuses",
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
_ADDRESS: Final = "make the TrainJob's name, the job's or network.subdomain shorter"
_EMPTY: Final = "it has no item, and an empty list is left out of what is built"
_ITEM: Final = "add an item, or leave out what needs it"
_GATED: Final = ("RestartJob", "RestartJobAndIgnoreMaxRestarts")
"""Actions behind a feature gate of JobSet that is off unless somebody turns it on."""

LISTS_OF_JOBS: Final = (
    ("podFailurePolicy", "rules"),
    ("podFailurePolicy", "rules", "[]", "onExitCodes", "values"),
    ("successPolicy", "rules"),
)
LISTS_OF_PODS: Final = (
    ("containers",),
    ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"),
    ("volumes", "[]", "cephfs", "monitors"),
    ("volumes", "[]", "rbd", "monitors"),
)
"""The lists that the JobSet's schema asks for, below the specs of Jobs and of pods."""

_RULE_NAME = pattern(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASONS: Final = (
    "BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded", "PodFailurePolicy",
)  # fmt: skip
_TEMPLATE: Final = ("spec", "template")


def found(jobset: Node, rules: Iterable[Rule] | None = None) -> Iterator[tuple[Rule, Cause]]:
    """Every cause with the rule that found it."""
    for rule in RULES if rules is None else rules:
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
    return f"{text(node(jobset, 'metadata'), 'name')}-{text(job, 'name')}-{replicas(job) - 1}"


def _names(jobset: Node) -> Iterator[Cause]:
    for at, job in replicated_jobs(jobset):
        name = longest_job(jobset, job)
        if not is_service_label(name):
            yield invalid(at / "name", name, *_too_long(jobset, name, "the Jobs"))
        completions = number(node(job, "template", "spec"), "completions")
        mode = text(node(job, "template", "spec"), "completionMode") or "Indexed"
        if completions is None or mode != "Indexed":
            continue
        pod = f"{name}-{completions - 1}{POD_SUFFIX}"
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
    policy, at = node(jobset, "spec", "failurePolicy"), _SPEC / "failurePolicy"
    if text(policy, "restartStrategy") == "InPlaceRestart":
        yield _gated(at / "restartStrategy", "InPlaceRestart", "InPlaceRestart", "write Recreate, or leave it out")
    rules = list(items(policy, "rules", at))
    gated = next((one for one in rules if text(one[1], "action") in _GATED), None)
    if gated is not None:  # upstream looks no further
        action = text(gated[1], "action")
        instead = action.replace("RestartJob", "RestartJobSet")
        yield _gated(gated[0] / "action", action, "RestartJob", f"write {instead}, which starts all Jobs anew")
        return
    names: set[str] = set()
    for rule_at, rule in rules:
        name = text(rule, "name")
        if len(name) > 128 or not _RULE_NAME.fullmatch(name):
            yield invalid(rule_at / "name", name, "allowed: a letter, then up to 127 letters, digits, _ , and :", _RULE)
        elif name in names:
            yield duplicate(rule_at / "name", name)
        names.add(name)
        for place, reason in enumerate(values(rule, "onJobFailureReasons")):
            yield from one_of((rule_at / "onJobFailureReasons").item(place), str(reason), _REASONS)
        yield from _targets(rule, rule_at, "targetReplicatedJobs", _job_names(jobset))


def _gated(place: Place, value: str, gate: str, hint: str) -> Cause:
    message = f"{quoted(value)} is behind JobSet's feature gate {gate}, which is off by default"
    return forbidden(place, message, hint)


def _coordinator(jobset: Node) -> Iterator[Cause]:
    if node(jobset, "spec").get("coordinator") is None:
        return
    coordinator, at = node(jobset, "spec", "coordinator"), _SPEC / "coordinator"
    name = text(coordinator, "replicatedJob")
    names = _job_names(jobset)
    job = next((one for _, one in replicated_jobs(jobset) if text(one, "name") == name), None)
    yield from _coordinator_label(jobset, coordinator, at)
    if job is None:
        yield invalid(at / "replicatedJob", name, f"jobs of the JobSet: {', '.join(names)}", _near_job(name, names))
        return
    mode = text(node(job, "template", "spec"), "completionMode")
    if mode != "Indexed":
        message = f"its pods have no index (completionMode {mode}), and a coordinator is told by one"
        yield invalid(at / "replicatedJob", name, message, "write completionMode: Indexed, or leave it out")
    bounds = {"jobIndex": replicas(job), "podIndex": _pods_per_job(job)}
    for field, bound in bounds.items():
        index = number(coordinator, field) or 0
        if not 0 <= index < bound:
            yield invalid(at / field, index, f'"{name}" allows 0 to {bound - 1}', "write 0, or leave it out")


def _coordinator_label(jobset: Node, coordinator: Node, at: Place) -> Iterator[Cause]:
    """Every pod gets the coordinator's address as a label."""
    name = text(node(jobset, "metadata"), "name")
    indexes = f"{number(coordinator, 'jobIndex') or 0}-{number(coordinator, 'podIndex') or 0}"
    subdomain = text(node(jobset, "spec", "network"), "subdomain") or name
    address = f"{name}-{text(coordinator, 'replicatedJob')}-{indexes}.{subdomain}"
    if not is_label_value(address):
        message = f"pods get its address as a label: {address} has {len(address)} characters, 63 are allowed"
        yield invalid(at / "replicatedJob", text(coordinator, "replicatedJob"), message, _ADDRESS)


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


def _lacking(jobset: Node) -> Iterator[Cause]:
    """Lists that the schema asks for: a runtime may have them empty, and a patch may add a job without containers."""
    spec = node(jobset, "spec")
    for index, job in enumerate(values(spec, "replicatedJobs")):
        at = (_SPEC / "replicatedJobs").item(index) / "template" / "spec"
        of_job = node(job, "template", "spec")
        yield from _lists(of_job, at, LISTS_OF_JOBS)
        yield from _lists(node(of_job, "template", "spec"), at / "template" / "spec", LISTS_OF_PODS)
    for at, policy in items(spec, "volumeClaimPolicies", _SPEC):
        if "templates" not in policy:
            yield required(at / "templates", _EMPTY, _ITEM)
    if not values(spec, "replicatedJobs") and text(node(spec, "startupPolicy"), "startupPolicyOrder") == "InOrder":
        yield required(_SPEC / "replicatedJobs", _EMPTY, "add a job, or leave out startupPolicy")


def _lists(holder: Node, at: Place, paths: tuple[tuple[str, ...], ...]) -> Iterator[Cause]:
    for path in paths:
        if path[0] in holder or len(path) == 1:
            for missing in _absent(holder, at, path):
                yield required(missing, _EMPTY, _ITEM)


def _absent(value: Node, place: Place, path: tuple[str, ...]) -> Iterator[Place]:
    """The places of the field at ``path`` in every object that ought to hold it and does not."""
    for depth, name in enumerate(path[:-1]):
        below = value.get(name)
        if isinstance(below, list):
            for at, one in items(value, name, place):
                yield from _absent(one, at, path[depth + 2 :])
            return
        if not isinstance(below, dict):
            return
        value, place = below, place / name
    if path[-1] not in value:
        yield place / path[-1]


def _repeated(jobset: Node) -> Iterator[Cause]:
    """The runtime's schema holds the JobSet's, so its list keys are the JobSet's as well."""
    wrapped = {"spec": {"template": {"spec": node(jobset, "spec")}}}
    for one in lists.duplicates(wrapped, schemas.DEFAULT_VERSION, kinds.RUNTIMES[0]):
        path = one.path[len(_TEMPLATE) :]
        place = Place()
        for part in path:
            place = place.item(part) if isinstance(part, int) else place / part
        yield duplicate(place, ", ".join(f"{key} {value}" for key, value in one.key.items() if key) or "this item")


SCHEMA: Final = (
    Rule("KF350", "API server: required fields of the JobSet CRD", None, _lacking),
    Rule("KF357", "API server: list keys of the JobSet CRD", None, _repeated),
)
WEBHOOK: Final = (
    Rule("KF351", "jobset webhook: names of Jobs and pods", _WARN, _names),
    Rule("KF359", "jobset webhook: replicas and parallelism", Severity.ERROR, _pods),
    Rule("KF352", "jobset webhook: dependsOn", Severity.ERROR, _depends_on),
    Rule("KF353", "jobset webhook: successPolicy", Severity.ERROR, _success_policy),
    Rule("KF354", "jobset webhook: failurePolicy", _WARN, _failure_policy),
    Rule("KF355", "jobset webhook: coordinator", _WARN, _coordinator),
    Rule("KF356", "jobset webhook: volumeClaimPolicies", _WARN, claims.check),
    Rule("KF358", "jobset webhook: network, groupName, managedBy", _WARN, _subdomain),
)
"""A job whose dependencies can never be met would hang locally, too."""

RULES: Final = (*SCHEMA, *WEBHOOK)
