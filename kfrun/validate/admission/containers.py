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
    duplicate,
    forbidden,
    invalid,
    items,
    label_name,
    node,
    number,
    one_of,
    port_name,
    port_number,
    required,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE: Final = "core/validation: validateContainerCommon"
_WARN: Final = Severity.WARNING
_NEVER_ENDS: Final = "Always"
_DEFAULT_GRACE: Final = 30


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
    main = list(items(pod, "containers", place))
    names = [text(container, "name") for _, container in main]
    for part in ("containers", "initContainers"):
        seen = set(names) if part == "initContainers" else set()
        ports: set[tuple[object, ...]] = set()
        for at, container in items(pod, part, place):
            yield from _one(container, at, around)
            name = text(container, "name")
            if name and name in seen:
                yield NAMES, duplicate(at / "name", name)
            seen.add(name)
            taken = list(_host_ports(container, at, around, ports, is_main=part == "containers"))
            yield from ((HOST_PORTS, cause) for cause in taken)
            yield from ((PROBES, cause) for cause in _while_running(container, at, around, part))


def _one(container: Node, at: Place, around: Surroundings) -> Iterator[Found]:
    for rule in RULES:
        for cause in rule.check(container, at, around):
            yield rule, cause


def _while_running(container: Node, at: Place, around: Surroundings, part: str) -> Iterator[Cause]:
    if part == "containers" or text(container, "restartPolicy") == _NEVER_ENDS:
        yield from probes.observed(container, at, around.grace)
    else:
        yield from probes.none(container, at)
        if container.get("resizePolicy"):
            yield invalid(at / "resizePolicy", container["resizePolicy"], "init containers have none", "remove it")


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
    signal = node(container, "lifecycle").get("stopSignal")
    if signal is not None and not text(node(around.pod, "os"), "name"):
        yield forbidden(
            at / "lifecycle" / "stopSignal", "it needs os.name of the pod", "set os: {name: linux} in the pod"
        )
    for rule_at, rule in items(container, "restartPolicyRules", at):
        # an empty text is left out of the JobSet, whose schema then misses the field
        if not text(rule, "action"):
            yield required(rule_at / "action")
        if "exitCodes" in rule and not text(node(rule, "exitCodes"), "operator"):
            yield required(rule_at / "exitCodes" / "operator")


def _ports(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:  # noqa: ARG001
    names: set[str] = set()
    for port_at, port in items(container, "ports", at):
        name, wanted = text(port, "name"), number(port, "containerPort") or 0
        if name in names and name:
            yield duplicate(port_at / "name", name)
        elif name:
            yield from port_name(port_at / "name", name)
        names.add(name)
        if wanted:
            yield from port_number(port_at / "containerPort", wanted)
        else:
            yield required(port_at / "containerPort")
        if host := number(port, "hostPort"):
            yield from port_number(port_at / "hostPort", host)
        yield from one_of(port_at / "protocol", text(port, "protocol"), ("SCTP", "TCP", "UDP"))


def _host_ports(
    container: Node, at: Place, around: Surroundings, taken: set[tuple[object, ...]], *, is_main: bool
) -> Iterator[Cause]:
    on_host = around.pod.get("hostNetwork") is True
    for port_at, port in items(container, "ports", at):
        own = number(port, "containerPort")
        host = number(port, "hostPort") or (own if on_host else None)
        if not host:
            continue
        if on_host and is_main and host != own:
            yield invalid(
                port_at / "hostPort",
                host,
                "hostNetwork needs it to equal containerPort",
                f"write {own}, or leave it out",
            )
        key = (text(port, "protocol") or "TCP", text(port, "hostIP"), host)
        if key in taken:
            yield duplicate(port_at / "hostPort", host)
        taken.add(key)


def _env(container: Node, at: Place, around: Surroundings) -> Iterator[Cause]:
    yield from podenv.env(container, at)
    yield from podenv.env_from(container, at)
    yield from podenv.files_in_volumes(container, at, around.volumes)


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
    "restartPolicy": ("Always", "Never", "OnFailure"),
}

NAMES: Final = Rule("KF370", _SOURCE, Severity.WARNING, _name)
HOST_PORTS: Final = Rule("KF372", "core/validation: checkHostPortConflicts, validateHostNetwork", _WARN, _host_ports)
PROBES: Final = Rule("KF376", "core/validation: validateHandler, validateProbe", _WARN, probes.observed)

RULES: Final = (
    NAMES,
    Rule("KF371", _SOURCE, None, _image),
    Rule("KF372", "core/validation: validateContainerPorts", _WARN, _ports),
    Rule("KF373", "core/validation: ValidateEnv, ValidateEnvFrom", _WARN, _env),
    Rule("KF374", "core/validation: ValidateVolumeMounts, ValidateVolumeDevices", _WARN, _mounts),
    Rule("KF375", "core/validation: ValidateContainerResourceRequirements", _WARN, _resources),
    Rule("KF377", "core/validation: ValidateSecurityContext", _WARN, _security),
    Rule("KF378", _SOURCE, _WARN, _choices),
)
"""What is checked of each container, init containers included."""
