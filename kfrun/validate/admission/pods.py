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
    annotated,
    duplicate,
    every_container,
    forbidden,
    invalid,
    items,
    label_name,
    labels,
    node,
    number,
    one_of,
    qualified_name,
    relative_path,
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

_Names = dict[str, tuple[str, ...]]

_MIRROR: Final = "kubernetes.io/config.mirror"
_TOLERATIONS: Final = "scheduler.alpha.kubernetes.io/tolerations"
_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"

_LOCALHOST: Final = "localhost/"
_SECCOMP_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_APP_ARMOR_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}
_PROFILES: Final = "unconfined, runtime/default, localhost/<profile>"
_FIELD: Final = "remove the annotation; the field says it"
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
    if text(given, _TOLERATIONS):
        yield from _tolerations(text(given, _TOLERATIONS), at)
    if _DELETION_COST in given and not _is_int32(str(given[_DELETION_COST])):
        yield invalid(
            at.key(_DELETION_COST),
            given[_DELETION_COST],
            "allowed: a whole number of 32 bits without + and zeros before it",
            "write a number such as -10 or 100",
        )
    names = {text(one, "name") for _, one in every_container(spec, place / "spec")}
    for key, value in given.items():
        if key == _SECCOMP_OF_POD or key.startswith(_SECCOMP):
            yield from _seccomp(str(value), at / key)
        elif key.startswith(_APP_ARMOR):
            yield from _app_armor(key.removeprefix(_APP_ARMOR), str(value), at.key(key), names)
    yield from _contradictions(given, spec, place / "spec")


def _tolerations(written: str, at: Place) -> Iterator[Cause]:
    import json

    try:
        parsed = json.loads(written)
    except (ValueError, RecursionError):
        parsed = written
    if parsed is None:
        return
    if not isinstance(parsed, list) or not all(map(_is_toleration, parsed)):
        yield invalid(
            at.key(_TOLERATIONS).shown_as(at), written, "allowed: a list in JSON", "use the field tolerations"
        )
        return
    yield from scheduling.tolerations({_TOLERATIONS: parsed}, at, _TOLERATIONS)


def _is_toleration(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or isinstance(value.get("tolerationSeconds"), bool):
        return False
    texts = all(isinstance(value.get(field, ""), str | None) for field in ("key", "operator", "value", "effect"))
    return texts and isinstance(value.get("tolerationSeconds"), int | None)


def _is_int32(written: str) -> bool:
    if not re.fullmatch(r"0|-[0-9]+|[1-9][0-9]*", written):
        return False
    digits = written.lstrip("-").lstrip("0") or "0"
    return len(digits) <= _MOST_DIGITS and int(digits) < 2**31 + written.startswith("-")


def _seccomp(profile: str, at: Place) -> Iterator[Cause]:
    if profile.startswith(_LOCALHOST):
        yield from relative_path(at, profile.removeprefix(_LOCALHOST))
    elif not any(profile in names for names in _SECCOMP_NAMES.values()):
        yield invalid(at, profile, f"allowed: {_PROFILES}", "remove it; securityContext.seccompProfile says it")


def _app_armor(container: str, profile: str, at: Place, names: set[str]) -> Iterator[Cause]:
    if container not in names:
        yield invalid(at, container, "the pod has no such container", "name a container of the pod, or remove it")
    known = ("", *_APP_ARMOR_NAMES["Unconfined"], *_APP_ARMOR_NAMES["RuntimeDefault"])
    if profile not in known and not profile.startswith(_LOCALHOST):
        yield invalid(at, profile, f"allowed: {_PROFILES}", "remove it; securityContext.appArmorProfile says it")


def _contradictions(given: Node, spec: Node, place: Place) -> Iterator[Cause]:
    """What an annotation and a field say of the same thing, where they do not agree."""
    own = node(spec, "securityContext")
    if _SECCOMP_OF_POD in given:
        at = place / "securityContext" / "seccompProfile"
        yield from _unlike(str(given[_SECCOMP_OF_POD]), node(own, "seccompProfile"), at, _SECCOMP_NAMES)
    on_windows = text(node(spec, "os"), "name") == "windows"
    for container_at, container in every_container(spec, place):
        name, context = text(container, "name"), node(container, "securityContext")
        at = container_at / "securityContext"
        seccomp, app_armor = given.get(_SECCOMP + name), given.get(_APP_ARMOR + name)
        if seccomp is not None:
            yield from _unlike(str(seccomp), node(context, "seccompProfile"), at / "seccompProfile", _SECCOMP_NAMES)
        if app_armor is not None and not on_windows:
            profile = node(context, "appArmorProfile") or node(own, "appArmorProfile")
            yield from _unlike(str(app_armor), profile, at / "appArmorProfile", _APP_ARMOR_NAMES)


def _unlike(annotation: str, profile: Node, at: Place, names: _Names) -> Iterator[Cause]:
    kind = text(profile, "type")
    if kind in names:
        if annotation not in names[kind]:
            yield forbidden(at / "type", f'the annotation says "{annotation}"', _FIELD)
    elif kind == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            yield forbidden(at / "type", f'the annotation says "{annotation}"', _FIELD)
        elif annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
            yield forbidden(at / "localhostProfile", f'the annotation says "{annotation}"', _FIELD)


def _names(spec: Node, at: Place) -> Iterator[Cause]:
    for field in ("hostname", "subdomain"):
        if value := text(spec, field):
            yield from label_name(at / field, value)
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


_POD: Final = "core/validation: ValidatePodSpec"
METADATA: Final = Rule("KF380", "core/validation: ValidatePodTemplateSpec", _WARN, _metadata)
VOLUMES: Final = Rule("KF374", "core/validation: ValidateVolumes", _WARN, volumes.refused)

RULES: Final = (
    Rule("KF381", _POD, _WARN, _names),
    Rule("KF382", _POD, _WARN, _choices),
    Rule("KF375", "core/validation: validatePodResources", _WARN, resources.of_pod),
    Rule("KF382", "core/validation: validateOverhead", _WARN, resources.overhead),
    Rule("KF377", "core/validation: ValidatePodSecurityContext", _WARN, security.of_pod),
    Rule("KF377", "core/validation: validateOS, validateWindowsHostProcessPod", _WARN, security.of_system),
    Rule("KF383", "core/validation: ValidateTolerations", _WARN, scheduling.tolerations),
    Rule("KF383", "core/validation: validateAffinity", _WARN, scheduling.affinity),
    Rule("KF383", "core/validation: validateTopologySpreadConstraints", _WARN, scheduling.spread),
    Rule("KF384", "core/validation: validatePodDNSConfig", _WARN, _dns),
    Rule("KF384", "core/validation: ValidateHostAliases", _WARN, _aliases),
    Rule("KF385", "core/validation: validateReadinessGates, validateSchedulingGates", _WARN, _gates),
    Rule("KF385", "core/validation: validatePodResourceClaims", _WARN, _claims),
)
"""What is checked of a pod's spec, beside its containers and volumes."""
