"""Pod templates of Jobs, as the API server takes them.

Every rule takes the pod's spec and its place; `check` gives what they find, in the order of the table. Upstream:
pkg/apis/core/validation, ValidatePodTemplateSpec.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kfrun.model.source import Severity
from kfrun.patterns import pattern
from kfrun.validate.admission import containers, resources, scheduling, security, volumes
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    about,
    annotated,
    duplicate,
    forbidden,
    invalid,
    items,
    label_name,
    labels,
    node,
    number,
    one_of,
    qualified_name,
    required,
    subdomain_name,
    text,
    too_long,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES: Final = {
    "KF370": "containers without a name, or with a name that is taken or not allowed",
    "KF371": "a container without an image",
    "KF372": "a port of a container that the API server refuses",
    "KF373": "an environment variable that the API server refuses",
    "KF374": "a volume or a mount that the API server refuses",
    "KF375": "requests, limits or claims that the API server refuses",
    "KF376": "a probe or a lifecycle hook that the API server refuses",
    "KF377": "a security context that the API server refuses",
    "KF378": "a value of a container that is none of the allowed ones",
    "KF380": "labels or annotations of a pod that the API server refuses",
    "KF381": "a name in a pod that the API server refuses",
    "KF382": "a value of a pod that the API server refuses",
    "KF383": "tolerations, affinity or topology that the API server refuses",
    "KF384": "DNS settings or host aliases that the API server refuses",
    "KF385": "gates or resource claims that the API server refuses",
}

_MOST_SECONDS: Final = 2**31 - 1
_LONGEST_HOSTNAME: Final = 64
_LONGEST_DOMAIN: Final = 253
_SEARCH = pattern(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_WARN: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR

_MIRROR: Final = "kubernetes.io/config.mirror"
_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_MOST_DIGITS: Final = 10

Found = tuple[Rule, Cause]


def check(template: Node, place: Place) -> Iterator[Found]:
    """Every cause of a pod template, with the rule that found it."""
    spec, at = node(template, "spec"), place / "spec"
    for cause in _metadata(template, place):
        yield METADATA, cause
    usable, refused = volumes.usable(spec, at)
    yield from ((VOLUMES, cause) for cause in refused)
    yield from containers.check(spec, at, usable)
    for rule in RULES:
        if rule.concerns(spec):
            for cause in rule.check(spec, at):
                yield rule, cause


def _metadata(template: Node, place: Place) -> Iterator[Cause]:
    """Upstream leaves ``metadata`` out of these fields."""
    for field, rule in (("labels", labels), ("annotations", annotated)):
        at = (place / "metadata" / field).shown_as(place / field)
        yield from rule(at, node(template, "metadata", field))
    yield from _old_annotations(template, place)


def _old_annotations(template: Node, place: Place) -> Iterator[Cause]:
    """Every annotation of a pod template that means something; ``place`` is the template's."""
    given = node(template, "metadata", "annotations")
    if not any("kubernetes.io/" in key for key in given):
        return
    at = (place / "metadata" / "annotations").shown_as(place / "annotations")
    spec = node(template, "spec")
    if _MIRROR in given and not text(spec, "nodeName"):
        yield invalid(at.key(_MIRROR), given[_MIRROR], "it needs nodeName: only a kubelet writes it", "remove it")
    yield from scheduling.annotated_tolerations(given, at)
    if _DELETION_COST in given and not _is_int32(str(given[_DELETION_COST])):
        yield invalid(
            at.key(_DELETION_COST),
            given[_DELETION_COST],
            "allowed: a whole number of 32 bits without + and zeros before it",
            "write a number such as -10 or 100",
        )
    yield from security.annotated_profiles(given, at, spec, place / "spec")


def _is_int32(written: str) -> bool:
    if not re.fullmatch(r"0|-[0-9]+|[1-9][0-9]*", written):
        return False
    digits = written.lstrip("-").lstrip("0") or "0"
    return len(digits) <= _MOST_DIGITS and int(digits) < 2**31 + written.startswith("-")


def _names(spec: Node, at: Place) -> Iterator[Cause]:
    for field in ("hostname", "subdomain"):
        if value := text(spec, field):
            yield from label_name(at / field, value)
    if not text(spec, "serviceAccountName") and (value := text(spec, "serviceAccount")):
        # the older spelling of the field
        yield from subdomain_name((at / "serviceAccount").shown_as(at / "serviceAccountName"), value)
    for field in ("serviceAccountName", "nodeName", "priorityClassName"):
        if value := text(spec, field):
            yield from subdomain_name(at / field, value)
    for field in ("runtimeClassName", "hostnameOverride"):
        if spec.get(field) is not None:
            yield from subdomain_name(at / field, text(spec, field))
    if spec.get("hostnameOverride") is not None:
        yield from _instead_of_hostname(spec, at / "hostnameOverride", text(spec, "hostnameOverride"))
    yield from labels(at / "nodeSelector", node(spec, "nodeSelector"))


def _instead_of_hostname(spec: Node, at: Place, value: str) -> Iterator[Cause]:
    if len(value) > _LONGEST_HOSTNAME:
        yield too_long(at, len(value), _LONGEST_HOSTNAME)
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(field) is True:
            yield forbidden(at, f"{field}: true excludes it", f"remove it, or {field}")


def _choices(spec: Node, at: Place) -> Iterator[Cause]:
    if spec.get("preemptionPolicy") == "":
        yield required(at / "preemptionPolicy", "it may be left out, but not empty", "leave it out")
    yield from one_of(at / "preemptionPolicy", text(spec, "preemptionPolicy"), ("Never", "PreemptLowerPriority"))
    seconds = number(spec, "activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= _MOST_SECONDS:
        yield invalid(
            at / "activeDeadlineSeconds",
            seconds,
            f"allowed: 1 to {_MOST_SECONDS}",
            "leave it out; a TrainJob has spec.activeDeadlineSeconds",
        )
    if spec.get("ephemeralContainers"):
        yield forbidden(
            at / "ephemeralContainers",
            "a template may have none",
            "remove them; kubectl debug adds one to a pod that runs",
        )


def _dns(spec: Node, at: Place) -> Iterator[Cause]:
    policy, config = text(spec, "dnsPolicy"), spec.get("dnsConfig")
    yield from one_of(at / "dnsPolicy", policy, ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"))
    servers, place = values(config, "nameservers"), at / "dnsConfig"
    if policy == "None" and config is None:
        yield required(place, "dnsPolicy None needs it", "name nameservers in dnsConfig, or leave dnsPolicy out")
    elif policy == "None" and not servers:
        yield required(place / "nameservers", "dnsPolicy None needs one", "name one, or leave dnsPolicy out")
    if len(servers) > 3:
        yield invalid(place / "nameservers", servers, "at most 3 are allowed", "keep three of them")
    for index, server in enumerate(servers):
        yield from _address((place / "nameservers").item(index), str(server))
    searches = values(config, "searches")
    if len(searches) > 32 or len(" ".join(map(str, searches))) > 2048:
        yield invalid(
            place / "searches",
            searches,
            "at most 32 with 2048 characters are allowed",
            "keep the domains that are needed",
        )
    for index, search in enumerate(searches):
        domain = str(search).removesuffix(".")
        if search != "." and (len(domain) > _LONGEST_DOMAIN or not _SEARCH.fullmatch(domain)):
            form = "allowed: lower-case letters, digits, -, _ and ., a letter or digit at both ends"
            yield invalid((place / "searches").item(index), search, form, "write a domain such as svc.cluster.local")
    for option_at, option in items(config, "options", place):
        if not text(option, "name"):
            yield required(option_at, hint="give it a name, such as ndots")


def _aliases(spec: Node, at: Place) -> Iterator[Cause]:
    for alias_at, alias in items(spec, "hostAliases", at):
        yield from _address(alias_at / "ip", text(alias, "ip"))
        for index, host in enumerate(values(alias, "hostnames")):
            yield from subdomain_name((alias_at / "hostnames").item(index), str(host))


def _address(at: Place, value: str) -> Iterator[Cause]:
    import ipaddress

    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        address = None
    if address is None or "%" in value or getattr(address, "ipv4_mapped", None) is not None:
        yield invalid(at, value, "allowed: an IP address", "write an address such as 10.0.0.10, not a name")


def _gates(spec: Node, at: Place) -> Iterator[Cause]:
    for gate_at, gate in items(spec, "readinessGates", at):
        yield from qualified_name(gate_at / "conditionType", text(gate, "conditionType"))
    seen: set[str] = set()
    for gate_at, gate in items(spec, "schedulingGates", at):
        name = text(gate, "name")
        yield from qualified_name(gate_at, name)
        if name in seen:
            yield duplicate(gate_at, name)
        seen.add(name)


def _claims(spec: Node, at: Place) -> Iterator[Cause]:
    seen: set[str] = set()
    for claim_at, claim in items(spec, "resourceClaims", at):
        name = text(claim, "name")
        if not name:
            yield required(claim_at / "name")
        elif name in seen:
            yield duplicate(claim_at / "name", name)
        else:
            yield from label_name(claim_at / "name", name)
        seen.add(name)
        sources = [one for one in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(one) is not None]
        if len(sources) != 1:
            yield invalid(
                claim_at,
                claim,
                "one of resourceClaimName and resourceClaimTemplateName must be set",
                "name a claim, or a template for one",
            )
        for source in sources:
            yield from subdomain_name(claim_at / source, text(claim, source))


_NAMES: Final = (
    "hostname subdomain hostnameOverride serviceAccount serviceAccountName nodeName priorityClassName "
    "runtimeClassName nodeSelector"
)
_POD: Final = "core/validation: ValidatePodSpec"
METADATA: Final = Rule("KF380", "core/validation: ValidatePodTemplateSpec", _WARN, _metadata)
VOLUMES: Final = Rule("KF374", "core/validation: ValidateVolumes", _ERROR, volumes.refused)

RULES: Final = (
    Rule("KF381", _POD, _WARN, _names, about(_NAMES)),
    Rule("KF382", _POD, _ERROR, _choices, about("preemptionPolicy activeDeadlineSeconds ephemeralContainers")),
    Rule("KF375", "core/validation: validatePodResources", _WARN, resources.of_pod, about("resources")),
    Rule("KF382", "core/validation: validateOverhead", _WARN, resources.overhead, about("overhead")),
    Rule(
        "KF377", "core/validation: ValidatePodSecurityContext", _ERROR, security.of_pod,
        about("securityContext hostPID hostUsers"),
    ),
    Rule("KF377", "core/validation: validateOS", _WARN, security.of_system, about("os")),
    Rule("KF377", "core/validation: validateWindowsHostProcessPod", _WARN, security.host_process),
    Rule("KF383", "core/validation: ValidateTolerations", _WARN, scheduling.tolerations, about("tolerations")),
    Rule("KF383", "core/validation: validateAffinity", _WARN, scheduling.affinity, about("affinity")),
    Rule(
        "KF383", "core/validation: validateTopologySpreadConstraints", _WARN, scheduling.spread,
        about("topologySpreadConstraints"),
    ),
    Rule("KF384", "core/validation: validatePodDNSConfig", _WARN, _dns, about("dnsPolicy dnsConfig")),
    Rule("KF384", "core/validation: ValidateHostAliases", _WARN, _aliases, about("hostAliases")),
    Rule(
        "KF385", "core/validation: validateReadinessGates, validateSchedulingGates", _WARN, _gates,
        about("readinessGates schedulingGates"),
    ),
    Rule("KF385", "core/validation: validatePodResourceClaims", _WARN, _claims, about("resourceClaims")),
)  # fmt: skip
"""What is checked of a pod's spec, beside its containers and volumes."""
