"""Jobs that a JobSet creates, as the API server takes them.

`check` says what `kubectl create --dry-run=server` would: fields as the API server writes them, and its reasons. The
words are kfrun's. Upstream: pkg/apis/batch/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.source import Severity
from kfrun.validate.admission import pods, scheduling
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    about,
    annotated,
    choice,
    duplicate,
    invalid,
    is_domain_path,
    is_label,
    is_label_value,
    is_subdomain,
    items,
    labels,
    node,
    not_negative,
    number,
    one_of,
    qualified_name,
    required,
    spelled,
    text,
    too_long,
    too_many,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES: Final = {
    "KF360": "the name of a Job, or its labels or annotations, that the API server refuses",
    "KF361": "a number of a Job that the API server refuses",
    "KF362": "a value of a Job that is none of the allowed ones, or that excludes another",
    "KF363": "a podFailurePolicy that the API server refuses",
    "KF364": "a successPolicy of a Job that the API server refuses",
    "KF365": "a restartPolicy that Jobs do not have",
}

MOST_INDEXES: Final = 100_000
MOST_WITH_LIMIT: Final = 10_000
_MOST_RULES: Final = 20
_MOST_CODES: Final = 255
_DIGITS: Final = 10
_LONGEST_INDEXES: Final = 64 * 1024
_WARN: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR
_INDEXED: Final = "Indexed"
_PLAIN: Final = "NonIndexed"
_UID: Final = "uid-of-the-Job"
_OWN: Final = (
    "batch.kubernetes.io/controller-uid", "controller-uid", "batch.kubernetes.io/job-name", "job-name",
)  # fmt: skip
"""Labels that a Job gives its pods: two with its uid, which nobody knows before, and two with its name."""

_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_SHORTER: Final = "make the TrainJob's name shorter"
_CONTAINER: Final = "name a container of the pod, or leave containerName out"
_NUMBERS: Final = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip

Found = tuple[Rule, Cause]


def check(job: Node) -> list[Cause]:
    """Why the API server refuses ``job``, a ``batch/v1`` Job; empty when it takes it."""
    return [cause for _, cause in found(job)]


def found(job: Node) -> Iterator[Found]:
    """Every cause with the rule that found it."""
    spec = node(job, "spec")
    for rule in RULES:
        if rule.concerns(spec):
            for cause in rule.check(job):
                yield rule, cause
    yield from pods.check(node(job, "spec", "template"), _SPEC / "template")


_SPEC: Final = Place() / "spec"


def _name(job: Node) -> Iterator[Cause]:
    name, at = text(node(job, "metadata"), "name"), Place() / "metadata" / "name"
    spec = node(job, "spec")
    if not name:
        yield required(at)
    elif not is_subdomain(name):
        yield invalid(
            at,
            name,
            "allowed: lower-case letters, digits, - and ., a letter or digit at both ends",
            spelled(name, is_subdomain),
        )
    completions = number(spec, "completions")
    if completions and text(spec, "completionMode") == _INDEXED:
        longest = f"{name}-{completions - 1}"
        if not is_label(longest):
            yield invalid(
                at, name, f'its pods would be named "{longest}", which is no DNS label (63 characters)', _SHORTER
            )
    if spec.get("manualSelector") is not True and not is_label_value(name):
        place = (_SPEC / "template" / "metadata" / "labels").shown_as(_SPEC / "template" / "labels")
        yield invalid(place, name, "the name becomes a label of the pods", _SHORTER)


def _metadata(job: Node) -> Iterator[Cause]:
    metadata = node(job, "metadata")
    yield from labels(Place() / "metadata" / "labels", node(metadata, "labels"))
    yield from annotated(Place() / "metadata" / "annotations", node(metadata, "annotations"))


def _numbers(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    yield from not_negative(spec, _SPEC, *_NUMBERS)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(
            _SPEC / "backoffLimitPerIndex", "maxFailedIndexes needs it", "add it, or remove maxFailedIndexes"
        )


def _indexed(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    mode = text(spec, "completionMode")
    yield from choice(spec, _SPEC, "completionMode", (_INDEXED, _PLAIN))
    if mode == _INDEXED:
        yield from _of_indexed(spec)
        return
    limits = ("backoffLimitPerIndex", "maxFailedIndexes") if spec.get("completionMode", _PLAIN) == _PLAIN else ()
    for field in (*limits, "successPolicy"):
        if spec.get(field) is not None:
            hint = "leave completionMode out: JobSet writes Indexed"
            yield invalid(_SPEC / field, spec[field], "it needs completionMode Indexed", hint)


def _of_indexed(spec: Node) -> Iterator[Cause]:
    completions = number(spec, "completions")
    if completions is None:
        yield required(_SPEC / "completions", "completionMode Indexed needs it")
        return
    yield from _at_most(spec, "parallelism", MOST_INDEXES, "completionMode Indexed allows")
    yield from _at_most(spec, "maxFailedIndexes", min(completions, MOST_INDEXES), "the completions allow")
    if completions > MOST_INDEXES and spec.get("backoffLimitPerIndex") is not None:
        if spec.get("maxFailedIndexes") is None:
            why = f"more than {MOST_INDEXES} completions need it"
            yield required(_SPEC / "maxFailedIndexes", why, f"set it, to {MOST_WITH_LIMIT} at most")
        for field in ("maxFailedIndexes", "parallelism"):
            yield from _at_most(spec, field, MOST_WITH_LIMIT, "so many completions allow")


def _at_most(spec: Node, field: str, most: int, why: str) -> Iterator[Cause]:
    value = number(spec, field)
    if value is not None and value > most:
        yield invalid(_SPEC / field, value, f"{why} at most {most}", f"write {most} or less")


def _choices(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    manager = spec.get("managedBy")
    if isinstance(manager, str):
        if not manager:
            yield required(_SPEC / "managedBy", "it may be left out, but not empty", "leave it out")
        elif not is_domain_path(manager):
            yield invalid(
                _SPEC / "managedBy", manager, "allowed: a domain, a slash and a path, like acme.io/foo", "leave it out"
            )
        if len(manager) > 63:
            yield too_long(_SPEC / "managedBy", len(manager), 63)
    choices = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    yield from choice(spec, _SPEC, "podReplacementPolicy", choices)


def _selection(job: Node) -> Iterator[Cause]:
    """The labels by which a Job finds its pods: it writes them itself unless ``manualSelector`` is true."""
    spec, is_manual = node(job, "spec"), node(job, "spec").get("manualSelector") is True
    given, at = node(spec, "template", "metadata", "labels"), _SPEC / "template" / "metadata" / "labels"
    selector = spec.get("selector")
    if not is_manual and selector is None and not any(key in given for key in _OWN):
        return
    name = text(node(job, "metadata"), "name")
    own = {} if is_manual else dict(zip(_OWN, (_UID, _UID, name, name), strict=True))
    for key, value in own.items():
        if given.get(key, value) != value:
            yield invalid(at.key(key), given[key], "the Job writes this label itself", "remove it")
    if is_manual and selector is None:
        yield required(_SPEC / "selector", "manualSelector needs it", "remove manualSelector")
    wanted = node(spec, "selector")
    if not is_manual:
        wanted = {**wanted, "matchLabels": {_OWN[0]: _UID, **node(wanted, "matchLabels")}}
    wrong = list(scheduling.selector(wanted, _SPEC / "selector"))
    yield from wrong
    if wrong:
        return
    if not is_manual and not scheduling.selects(wanted, own):
        yield invalid(_SPEC / "selector", selector, "it is generated unless manualSelector is true", "remove it")
    if (is_manual and selector is None) or not scheduling.selects(wanted, {**own, **given}):
        hint = "remove selector and manualSelector" if selector is not None or is_manual else "remove these labels"
        yield invalid(at, given, "the selector does not match these labels", hint)


def _restart(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    policy = text(node(spec, "template", "spec"), "restartPolicy")
    at = _SPEC / "template" / "spec" / "restartPolicy"
    if policy in ("", "Always"):
        yield required(at, "a Job's pods need OnFailure or Never", "write Never, or leave it out")
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(at, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(at, policy, "podFailurePolicy needs Never", "write Never")


def _failure_policy(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    policy, at = node(spec, "podFailurePolicy"), _SPEC / "podFailurePolicy"
    rules = values(policy, "rules")
    if len(rules) > _MOST_RULES:
        yield too_many(at / "rules", len(rules), _MOST_RULES)
    pod = node(spec, "template", "spec")
    names = {text(one, "name") for part in ("containers", "initContainers") for one in values(pod, part)}
    for rule_at, rule in items(policy, "rules", at):
        yield from _action(rule, rule_at, per_index=spec.get("backoffLimitPerIndex") is not None)
        codes, conditions = rule.get("onExitCodes"), values(rule, "onPodConditions")
        if codes is not None:
            yield from _exit_codes(node(rule, "onExitCodes"), rule_at / "onExitCodes", names)
        if bool(conditions) == (codes is not None):
            yield invalid(rule_at, rule, "one of onExitCodes and onPodConditions must be set", "make a rule of each")
        if len(conditions) > _MOST_RULES:
            yield too_many(rule_at / "onPodConditions", len(conditions), _MOST_RULES)
        for one_at, one in items(rule, "onPodConditions", rule_at):
            yield from qualified_name(one_at / "type", text(one, "type"))
            yield from one_of(one_at / "status", text(one, "status"), ("False", "True", "Unknown"))


def _action(rule: Node, at: Place, *, per_index: bool) -> Iterator[Cause]:
    action = text(rule, "action")
    if not action:
        yield required(at / "action", f"allowed: {', '.join(_ACTIONS)}", "write FailJob, or what else is meant")
    elif action == "FailIndex" and not per_index:
        yield invalid(
            at / "action", action, "it needs backoffLimitPerIndex", "set backoffLimitPerIndex, or write FailJob"
        )
    yield from one_of(at / "action", action, _ACTIONS)


def _exit_codes(codes: Node, at: Place, names: set[str]) -> Iterator[Cause]:
    operator, given = text(codes, "operator"), values(codes, "values")
    container = codes.get("containerName")
    if not operator:
        yield required(at / "operator", "allowed: In, NotIn", "write In or NotIn")
    yield from one_of(at / "operator", operator, ("In", "NotIn"))
    if isinstance(container, str) and container not in names:
        yield invalid(at / "containerName", container, "the pod has no such container", _CONTAINER)
    if not given:
        yield invalid(at / "values", given, "one exit code is needed at least", "name the codes, such as [42]")
    elif len(given) > _MOST_CODES:
        yield too_many(at / "values", len(given), _MOST_CODES)
    seen: set[str] = set()
    for index, code in enumerate(given):
        if operator == "In" and code == 0:
            yield invalid((at / "values").item(index), code, "In excludes 0, which is success", "remove the 0")
        if str(code) in seen:
            yield duplicate((at / "values").item(index), code)
        seen.add(str(code))
    if all(isinstance(code, int) for code in given) and given != sorted(given):
        yield invalid(at / "values", given, "they must be in ascending order", f"write {sorted(given)}")


def _success_policy(job: Node) -> Iterator[Cause]:
    spec = node(job, "spec")
    if spec.get("successPolicy") is None or text(spec, "completionMode") != _INDEXED:
        return
    policy, at = node(spec, "successPolicy"), _SPEC / "successPolicy"
    completions = number(spec, "completions") or 0
    rules = values(policy, "rules")
    if not rules:
        yield required(at / "rules", "a rule is needed", "add a rule, or remove successPolicy")
    elif len(rules) > _MOST_RULES:
        yield too_many(at / "rules", len(rules), _MOST_RULES)
    for rule_at, rule in items(policy, "rules", at):
        yield from _success_rule(rule, rule_at, completions)


def _success_rule(rule: Node, at: Place, completions: int) -> Iterator[Cause]:
    count, indexes = number(rule, "succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(at, "succeededCount or succeededIndexes must be set", "say how many, or which, have to succeed")
    most = completions
    if isinstance(indexes, str):
        if len(indexes) > _LONGEST_INDEXES:
            yield too_long(at / "succeededIndexes", len(indexes), _LONGEST_INDEXES)
        named = _count_indexes(indexes, completions)
        if named is None:
            form = f'allowed: ascending indexes below {completions}, like "0,2-3"'
            yield invalid(at / "succeededIndexes", indexes, form, "write each index once, in ascending order")
        most = min(most, named or 0)
    yield from not_negative(rule, at, "succeededCount")
    if count is not None and count > most:
        yield invalid(at / "succeededCount", count, f"allowed: {most} at most", f"write {most} or less")


def _count_indexes(written: str, completions: int) -> int | None:
    """How many indexes a text names, None when it is no ascending list of indexes below ``completions``."""
    total, last = 0, -1
    for part in written.split(",") if written else ():
        first, dash, end = part.partition("-")
        ends = tuple(one.removeprefix("+") for one in ((first, end) if dash else (first, first)))
        if not all(one.isascii() and one.isdigit() and len(one) <= _DIGITS for one in ends):
            return None
        low, high = map(int, ends)
        if not last < low <= high < completions or (dash and low == high):
            return None
        total, last = total + high - low + 1, high
    return total


NAME: Final = Rule("KF360", "batch/validation: ValidateJob; names of objects", _WARN, _name)

RULES: Final = (
    NAME,
    Rule("KF360", "apimachinery/validation: ValidateObjectMeta", _WARN, _metadata),
    Rule("KF361", "batch/validation: validateJobSpec", _ERROR, _numbers),
    Rule("KF361", "batch/validation: validateJobSpec, completionMode", _ERROR, _indexed),
    Rule(
        "KF362",
        "batch/validation: validateJobSpec",
        _ERROR,
        _choices,
        about("managedBy podReplacementPolicy podFailurePolicy"),
    ),
    Rule("KF362", "batch/validation: validateGeneratedSelector", _WARN, _selection),
    Rule("KF365", "batch/validation: validateJobSpec, restartPolicy", _ERROR, _restart),
    Rule("KF363", "batch/validation: validatePodFailurePolicy", _ERROR, _failure_policy, about("podFailurePolicy")),
    Rule("KF364", "batch/validation: validateSuccessPolicy", _ERROR, _success_policy, about("successPolicy")),
)
"""What is checked of a Job beside its pods; the order is that of the answers."""
