"""Containers and init containers of a pod, as the API server takes them.

The table holds what is checked of every container; `check` adds what concerns them together: names, host ports and
what only containers that keep running may have. Upstream: pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple
from kfrun.validate.admission import podenv, probes, resources, security, volumes
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    Rule,
    about,
    choice,
    duplicate,
    forbidden,
    invalid,
    items,
    label_name,
    node,
    not_found,
    number,
    one_of,
    port_name,
    port_number,
    required,
    text,
    too_many,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE: Final = "core/validation: validateContainerCommon"
_WARN: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR
_NEVER_ENDS: Final = "Always"
_DEFAULT_GRACE: Final = 30
_MOST_RULES: Final = 20
_MOST_CODES: Final = 255
_NEVER_EPHEMERAL: Final = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "lifecycle", "livenessProbe",
    "readinessProbe", "startupProbe",
)  # fmt: skip
_RESTARTS: Final = ("Always", "Never", "OnFailure")
_ACTIONS: Final = ("Restart", "RestartAllContainers")
_OPERATORS: Final = ("In", "NotIn")
_RESIZED: Final = ("cpu", "memory")
_ON_RESIZE: Final = ("NotRequired", "RestartContainer")
_IMAGE: Final = "set image here; for the container that trains, spec.trainer.image of the TrainJob does it too"


class Surroundings(NamedTuple):
    """What containers are checked against.

    Attributes:
        volumes: the usable volumes of the pod.
    """

    pod: Node
    volumes: dict[str, Node]

    @property
    def grace(self) -> int:
        """``terminationGracePeriodSeconds`` with its default."""
        seconds = number(self.pod, "terminationGracePeriodSeconds")
        return _DEFAULT_GRACE if seconds is None else seconds

    @property
    def claims(self) -> frozenset[str]:
        """The names of ``resourceClaims``."""
        return frozenset(text(claim, "name") for _, claim in items(self.pod, "resourceClaims", Place()))


Found = tuple[Rule, Cause]


def check(pod: Node, place: Place, usable: dict[str, Node]) -> Iterator[Found]:
    """Every cause of ``containers`` and ``initContainers``, with the rule that found it."""
    around = Surroundings(pod, usable)
    if not pod.get("containers"):
        yield (
            NAMES,
            required(
                place / "containers", "a pod needs a container", "add a container, named node where it is to train"
            ),
        )
    seen: set[str] = set()
    ports: set[tuple[object, ...]] = set()
    for at, container in items(pod, "containers", place):
        yield from _one(container, at, around)
        name = text(container, "name")
        if name in seen:
            yield NAMES, duplicate(at / "name", name)
        seen.add(name)
        if HOST_PORTS.concerns(container):
            yield from ((HOST_PORTS, cause) for cause in _host_ports(container, at, at, ports))
            if pod.get("hostNetwork") is True:
                yield from ((HOST_PORTS, cause) for cause in _on_host(container, at))
        if PROBES.concerns(container):
            yield from ((PROBES, cause) for cause in probes.observed(container, at, around.grace))
        if RESTARTS.concerns(container):
            yield from ((RESTARTS, cause) for cause in _restarts(container, at, is_init=False))
    yield from _init_containers(pod, place, around, seen)
    if pod.get("ephemeralContainers"):
        yield from _ephemeral_containers(pod, place, around, seen)


def _init_containers(pod: Node, place: Place, around: Surroundings, seen: set[str]) -> Iterator[Found]:
    """Init containers run one after the other; ``seen`` are the names of the others."""
    for at, container in items(pod, "initContainers", place):
        yield from _one(container, at, around)
        name = text(container, "name")
        if name in seen:
            yield NAMES, duplicate(at / "name", name)
        elif name:
            seen.add(name)
        if HOST_PORTS.concerns(container):
            # upstream names each as if it were the first
            first = (place / "initContainers").item(0)
            yield from ((HOST_PORTS, cause) for cause in _host_ports(container, at, first, set()))
        never_ends = text(container, "restartPolicy") == _NEVER_ENDS
        if PROBES.concerns(container):
            observed = probes.observed(container, at, around.grace) if never_ends else probes.none(container, at)
            yield from ((PROBES, cause) for cause in observed)
        if RESTARTS.concerns(container):
            yield from ((RESTARTS, cause) for cause in _restarts(container, at, is_init=True))
        if not never_ends and "resizePolicy" in container:
            yield from ((RESTARTS, cause) for cause in _resized_by_restart(container, at))


def _ephemeral_containers(pod: Node, place: Place, around: Surroundings, seen: set[str]) -> Iterator[Found]:
    """Containers that a pod template may not have anyway; what is wrong with them is said as well."""
    others = frozenset(seen)
    for at, container in items(pod, "ephemeralContainers", place):
        yield from _one(container, at, around)
        name, target = text(container, "name"), text(container, "targetContainerName")
        if name in seen:
            yield NAMES, duplicate(at / "name", name)
        seen.add(name)
        if target and target not in others:
            place_of = at / "targetContainerName"
            yield NAMES, not_found(place_of, target, "the pod has no such container", "name one of the containers")
        if text(container, "image").strip() != text(container, "image"):
            why = "it has spaces at its ends"
            yield NAMES, invalid(at / "image", container["image"], why, "write it without them")
        for field in _NEVER_EPHEMERAL:
            value = container.get(field)
            is_nothing = value is None or (field == "resources" and not value)
            if not is_nothing and not probes.is_dropped(field, value):
                yield NAMES, forbidden(at / field, "an ephemeral container has none")
        for mount_at, mount in items(container, "volumeMounts", at):
            for field in ("subPath", "subPathExpr"):
                if text(mount, field):
                    yield NAMES, forbidden(mount_at / field, "an ephemeral container has none")


def _one(container: Node, at: Place, around: Surroundings) -> Iterator[Found]:
    for rule in RULES:
        if rule.concerns(container):
            for cause in rule.check(container, at, around):
                yield rule, cause


def _name(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:  # noqa: ARG001
    name = text(container, "name")
    if name:
        yield from label_name(at / "name", name)
    else:
        yield required(at / "name")


def _image(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:  # noqa: ARG001
    if not text(container, "image"):
        yield required(at / "image", "a container on a cluster needs an image", _IMAGE)


def _choices(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    for field, allowed in _CHOICES.items():
        yield from one_of(at / field, text(container, field), allowed)
    yield from _resize(container, at, around.pod)


def _resize(container: Node, at: Place, pod: Node) -> Iterator[Cause]:
    """``resizePolicy``; upstream names the whole list for what is wrong in an item."""
    seen: set[str] = set()
    place = at / "resizePolicy"
    for item_at, policy in items(container, "resizePolicy", at):
        resource, restart = text(policy, "resourceName"), text(policy, "restartPolicy")
        if resource in seen:
            yield duplicate(item_at, resource)
        seen.add(resource)
        for field, value, allowed in (("resourceName", resource, _RESIZED), ("restartPolicy", restart, _ON_RESIZE)):
            shown = (item_at / field).shown_as(place)
            if not value:
                yield required(shown, f"{field} is missing", f"set {field}: {allowed[0]}")
            yield from one_of(shown, value, allowed)
        if text(pod, "restartPolicy") == "Never" and restart != _ON_RESIZE[0]:
            shown = (item_at / "restartPolicy").shown_as(place)
            yield invalid(shown, restart, "a pod with restartPolicy Never needs NotRequired", "write NotRequired")


def _resized_by_restart(container: Node, at: Place) -> Iterator[Cause]:
    for item_at, policy in items(container, "resizePolicy", at):
        if text(policy, "restartPolicy") == _ON_RESIZE[1]:
            yield invalid(
                item_at / "restartPolicy", _ON_RESIZE[1], "an init container that ends has none", "write NotRequired"
            )


def _restarts(container: Node, at: Place, *, is_init: bool) -> Iterator[Cause]:
    """``restartPolicy`` of a container, and the rules that go before it."""
    policy, rules = container.get("restartPolicy"), values(container, "restartPolicyRules")
    yield from choice(container, at, "restartPolicy", _RESTARTS)
    if policy is None and rules:
        yield required(at / "restartPolicy", "restartPolicyRules need it", "set restartPolicy: Never")
    if not rules or (policy is None and is_init):
        return
    if len(rules) > _MOST_RULES:
        yield too_many(at / "restartPolicyRules", len(rules), _MOST_RULES)
    for rule_at, rule in items(container, "restartPolicyRules", at):
        if text(rule, "action") not in _ACTIONS:
            yield unsupported(rule_at / "action", text(rule, "action"), _ACTIONS)
        codes, codes_at = node(rule, "exitCodes"), rule_at / "exitCodes"
        if rule.get("exitCodes") is None:
            yield required(codes_at, "a rule needs it", "say which exit codes are meant")
            continue
        if text(codes, "operator") not in _OPERATORS:
            yield unsupported(codes_at / "operator", text(codes, "operator"), _OPERATORS)
        if len(values(codes, "values")) > _MOST_CODES:
            yield too_many(codes_at / "values", len(values(codes, "values")), _MOST_CODES)


def _ports(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:  # noqa: ARG001
    names: set[str] = set()
    for port_at, port in items(container, "ports", at):
        name, wanted = text(port, "name"), number(port, "containerPort") or 0
        wrong = list(port_name(port_at / "name", name)) if name else []
        yield from wrong
        if name in names and not wrong:
            yield duplicate(port_at / "name", name)
        if name:
            names.add(name)
        if wanted:
            yield from port_number(port_at / "containerPort", wanted)
        else:
            yield required(port_at / "containerPort")
        if host := number(port, "hostPort"):
            yield from port_number(port_at / "hostPort", host)
        yield from one_of(port_at / "protocol", text(port, "protocol"), ("SCTP", "TCP", "UDP"))


def _host_ports(container: Node, at: Place, shown: Place, taken: set[tuple[object, ...]]) -> Iterator[Cause]:
    """Ports of the host, each once among ``taken``; ``shown`` is what upstream calls the container."""
    for index, port in enumerate(values(container, "ports")):
        host = number(port, "hostPort")
        if not host:
            continue
        key = (text(port, "protocol") or "TCP", text(port, "hostIP"), host)
        if key in taken:
            place = ((at / "ports").item(index) / "hostPort").shown_as((shown / "ports").item(index) / "hostPort")
            yield duplicate(place, host)
        taken.add(key)


def _on_host(container: Node, at: Place) -> Iterator[Cause]:
    for port_at, port in items(container, "ports", at):
        host, own = number(port, "hostPort"), number(port, "containerPort")
        if host and host != own:
            why = "hostNetwork needs it to equal containerPort"
            yield invalid(port_at / "hostPort", host, why, f"write {own}, or leave it out")


def _env(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    yield from podenv.env(container, at)
    yield from podenv.env_from(container, at)
    yield from podenv.files_in_volumes(container, at, around.pod)


def _mounts(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    yield from volumes.mounts(container, at, around.volumes)
    yield from volumes.devices(container, at, around.volumes)


def _resources(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    yield from resources.amounts(container, at)
    yield from resources.claims(container, at, around.claims)


def _security(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    return security.of_container(container, at, host_users=around.pod.get("hostUsers") is not False)


_CHOICES: Final = {
    "terminationMessagePolicy": ("FallbackToLogsOnError", "File"),
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
}

NAMES: Final = Rule("KF370", _SOURCE, _ERROR, _name)
HOST_PORTS: Final = Rule(
    "KF372", "core/validation: checkHostPortConflicts, validateHostNetwork", _WARN, _host_ports, about("ports")
)
RESTARTS: Final = Rule(
    "KF378", "core/validation: validateContainerRestartPolicy, validateResizePolicy", _ERROR, _restarts,
    about("restartPolicy restartPolicyRules"),
)  # fmt: skip
PROBES: Final = Rule(
    "KF376", "core/validation: validateHandler, validateProbe", _ERROR, probes.observed,
    about("lifecycle livenessProbe readinessProbe startupProbe"),
)  # fmt: skip

RULES: Final = (
    NAMES,
    Rule("KF371", _SOURCE, None, _image),
    Rule("KF372", "core/validation: validateContainerPorts", _WARN, _ports, about("ports")),
    Rule("KF373", "core/validation: ValidateEnv, ValidateEnvFrom", _ERROR, _env, about("env envFrom")),
    Rule(
        "KF374", "core/validation: ValidateVolumeMounts, ValidateVolumeDevices", _ERROR, _mounts,
        about("volumeMounts volumeDevices"),
    ),
    Rule("KF375", "core/validation: ValidateContainerResourceRequirements", _WARN, _resources, about("resources")),
    Rule("KF377", "core/validation: ValidateSecurityContext", _ERROR, _security, about("securityContext")),
    Rule("KF378", _SOURCE, _ERROR, _choices, about("terminationMessagePolicy imagePullPolicy resizePolicy")),
)  # fmt: skip
"""What is checked of each container, init containers included."""
