"""Where pods may be placed, as the API server takes it: affinity, tolerations, topology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    choice,
    duplicate,
    forbidden,
    invalid,
    is_label_value,
    items,
    label_name,
    labels,
    needed,
    node,
    number,
    one_of,
    qualified_name,
    required,
    subdomain_name,
    text,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED_TERMS: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED_TERMS: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_ANNOTATION: Final = "scheduler.alpha.kubernetes.io/tolerations"
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT: Final = "write the value of the taint as kubectl describe node shows it"
_HOW: Final = ("DoNotSchedule", "ScheduleAnyway")


def tolerations(pod: Node, place: Place, field: str = "tolerations") -> Iterator[Cause]:
    """``tolerations``; upstream names the operator where the value is wrong."""
    for at, one in items(pod, field, place):
        key, operator, value = text(one, "key"), text(one, "operator"), text(one, "value")
        if key:
            yield from qualified_name(at / "key", key)
        elif operator != "Exists":
            yield invalid(
                at / "operator",
                operator,
                "without a key it must be Exists",
                "name the key of the taint, or write Exists",
            )
        if one.get("tolerationSeconds") is not None and text(one, "effect") != "NoExecute":
            yield invalid(
                at / "effect",
                text(one, "effect"),
                "tolerationSeconds needs NoExecute",
                "write effect: NoExecute, or remove tolerationSeconds",
            )
        yield from one_of(at / "operator", operator, ("Equal", "Exists"))
        if operator == "Exists" and value:
            yield invalid(at / "operator", value, "Exists takes no value", "remove value, or write Equal")
        elif operator in ("", "Equal") and not is_label_value(value):
            yield invalid(
                at / "operator", value, "allowed as a value: letters, digits, -, _ and . (63 at most)", _TAINT
            )
        yield from one_of(at / "effect", text(one, "effect"), _EFFECTS)


def annotated_tolerations(annotations: Node, at: Place) -> Iterator[Cause]:
    """Tolerations as they were written before there was a field for them."""
    import json

    written = text(annotations, _ANNOTATION)
    if not written:
        return
    try:
        parsed = json.loads(written)
    except (ValueError, RecursionError):
        parsed = written
    if parsed is None:
        return
    if not isinstance(parsed, list) or not all(map(_is_toleration, parsed)):
        yield invalid(at.key(_ANNOTATION).shown_as(at), written, "allowed: a list in JSON", "use the field tolerations")
        return
    yield from tolerations({_ANNOTATION: parsed}, at, _ANNOTATION)


def _is_toleration(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or isinstance(value.get("tolerationSeconds"), bool):
        return False
    texts = all(isinstance(value.get(field, ""), str | None) for field in ("key", "operator", "value", "effect"))
    return texts and isinstance(value.get("tolerationSeconds"), int | None)


def spread(pod: Node, place: Place) -> Iterator[Cause]:
    """``topologySpreadConstraints``; of two of a kind, the first is refused."""
    constraints = list(items(pod, "topologySpreadConstraints", place))
    last = {
        (text(one, "topologyKey"), text(one, "whenUnsatisfiable")): index for index, (_, one) in enumerate(constraints)
    }
    for index, (at, one) in enumerate(constraints):
        key, how = text(one, "topologyKey"), text(one, "whenUnsatisfiable")
        skew, domains = number(one, "maxSkew") or 0, number(one, "minDomains")
        if skew <= 0:
            yield invalid(at / "maxSkew", skew, "allowed: 1 or more", "write 1")
        yield from needed(one, at, "topologyKey")
        if how not in _HOW:
            yield unsupported(at / "whenUnsatisfiable", how, _HOW)
        if index < last[key, how]:
            yield duplicate(at.shown_as(at / "{topologyKey, whenUnsatisfiable}"), f"{key}, {how}")
        if domains is not None and (domains <= 0 or how != "DoNotSchedule"):
            yield invalid(
                at / "minDomains",
                domains,
                "allowed: 1 or more, with whenUnsatisfiable DoNotSchedule",
                "remove minDomains, or write 1 or more beside whenUnsatisfiable: DoNotSchedule",
            )
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from choice(one, at, field, ("Honor", "Ignore"))
        yield from _label_keys(one, at, ("matchLabelKeys",))
        yield from selector(node(one, "labelSelector"), at / "labelSelector")


def _label_keys(term: Node, at: Place, fields: tuple[str, ...]) -> Iterator[Cause]:
    """Keys whose values are the pod's own: they need a selector beside them, and stand in one place only."""
    matched = values(term, "matchLabelKeys")
    for field in fields:
        if values(term, field) and term.get("labelSelector") is None:
            yield forbidden(at / field, "it needs a labelSelector", "add a labelSelector, or remove it")
        elif values(term, field):
            for index, key in enumerate(values(term, field)):
                yield from qualified_name((at / field).item(index), str(key))
    one, indexes = node(term, "labelSelector"), {str(key): index for index, key in enumerate(matched)}
    taken, others = set(node(one, "matchLabels")), set(map(str, values(term, "mismatchLabelKeys")))
    for expression in values(one, "matchExpressions") if matched else ():
        key = text(expression, "key")
        if key in indexes and key in taken:
            # upstream names the term by the index of the key
            place = (at / "matchLabelKeys").item(indexes[key]).shown_as(at.item(indexes[key]))
            yield invalid(place, key, "the labelSelector has it twice", "remove it from one")
        taken.add(key)
    for index, key in enumerate(map(str, matched)):
        if key in others:
            wrong = "mismatchLabelKeys has it, too"
            yield invalid((at / "matchLabelKeys").item(index), key, wrong, "remove it from one of the two")


def affinity(pod: Node, place: Place) -> Iterator[Cause]:
    """``affinity`` to nodes and to other pods."""
    whole, at = node(pod, "affinity"), place / "affinity"
    yield from _to_nodes(node(whole, "nodeAffinity"), at / "nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        to_pods = node(whole, kind)
        for term_at, term in items(to_pods, REQUIRED_TERMS, at / kind):
            yield from _pod_term(term, term_at)
        for term_at, term in items(to_pods, PREFERRED_TERMS, at / kind):
            yield from _weight(term, term_at)
            yield from _pod_term(node(term, "podAffinityTerm"), term_at / "podAffinityTerm")


def _to_nodes(part: Node, at: Place) -> Iterator[Cause]:
    if part.get(REQUIRED_TERMS) is not None:
        needed, needed_at = node(part, REQUIRED_TERMS), at / REQUIRED_TERMS
        if not values(needed, "nodeSelectorTerms"):
            yield required(needed_at / "nodeSelectorTerms", "it needs a term", "add a term with matchExpressions")
        for term_at, term in items(needed, "nodeSelectorTerms", needed_at):
            yield from _node_term(term, term_at)
    for term_at, term in items(part, PREFERRED_TERMS, at):
        yield from _weight(term, term_at)
        yield from _node_term(node(term, "preference"), term_at / "preference", is_strict=False)


def _node_term(term: Node, at: Place, *, is_strict: bool = True) -> Iterator[Cause]:
    """A term for nodes; one that is only preferred may name values that no label has."""
    for one_at, one in items(term, "matchExpressions", at):
        for cause in _expression(one, one_at, numeric=True):
            if is_strict or not isinstance(cause.path[-1], int):
                yield cause
    for one_at, one in items(term, "matchFields", at):
        operator = text(one, "operator")
        if operator not in ("In", "NotIn"):
            yield invalid(one_at / "operator", operator, "allowed: In, NotIn", "write In or NotIn")
        elif len(values(one, "values")) != 1:
            yield required(one_at / "values", "exactly one value is needed", "name one node")
        if text(one, "key") != "metadata.name":
            yield invalid(
                one_at / "key",
                text(one, "key"),
                "allowed: metadata.name",
                "write metadata.name; labels go into matchExpressions",
            )
            continue
        for index, value in enumerate(values(one, "values")):
            yield from subdomain_name((one_at / "values").item(index), str(value))


def _pod_term(term: Node, at: Place) -> Iterator[Cause]:
    for field in ("labelSelector", "namespaceSelector"):
        yield from selector(node(term, field), at / field)
    for name in values(term, "namespaces"):
        yield from label_name((at / "namespaces").shown_as(at / "namespace"), str(name))
    yield from _label_keys(term, at, ("matchLabelKeys", "mismatchLabelKeys"))
    yield from needed(term, at, "topologyKey")
    yield from qualified_name(at / "topologyKey", text(term, "topologyKey"))


def _weight(term: Node, at: Place) -> Iterator[Cause]:
    weight = number(term, "weight") or 0
    if not 1 <= weight <= 100:
        yield invalid(at / "weight", weight, "allowed: 1 to 100", "write a number from 1 to 100")


def selector(one: Node, at: Place) -> Iterator[Cause]:
    """A label selector."""
    yield from labels(at / "matchLabels", node(one, "matchLabels"))
    for item_at, item in items(one, "matchExpressions", at):
        yield from _expression(item, item_at, numeric=False)


def selects(one: Node, given: Node) -> bool:
    """Whether a label selector, a sound one, selects what has the labels ``given``."""
    return all(given.get(key) == value for key, value in node(one, "matchLabels").items()) and all(
        _applies(item, given) for item in values(one, "matchExpressions")
    )


def _applies(expression: Node, given: Node) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    if operator in ("Exists", "DoesNotExist"):
        return (key in given) is (operator == "Exists")
    return (given.get(key) in values(expression, "values")) is (operator == "In")


def _expression(one: Node, at: Place, *, numeric: bool) -> Iterator[Cause]:
    operator, given = text(one, "operator"), values(one, "values")
    if operator in ("In", "NotIn"):
        if not given:
            yield required(at / "values", f"{operator} needs values", "name the values that are meant, or write Exists")
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            yield forbidden(at / "values", f"{operator} takes no values", "remove values, or write In")
    elif numeric and operator in ("Gt", "Lt"):
        if len(given) != 1:
            yield required(at / "values", f"{operator} needs one value", "name one number")
    else:
        yield invalid(at / "operator", operator, "allowed: In, NotIn, Exists, DoesNotExist", "write one of these")
    yield from qualified_name(at / "key", text(one, "key"))
    for index, value in enumerate(given):
        if not is_label_value(str(value)):
            yield invalid(
                (at / "values").item(index),
                value,
                "allowed: letters, digits, -, _ and . (63 at most)",
                "write it as the label has it",
            )
