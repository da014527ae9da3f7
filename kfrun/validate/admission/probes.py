"""Probes and lifecycle hooks of containers, as the API server takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    forbidden,
    invalid,
    items,
    node,
    not_negative,
    number,
    one_of,
    port_name,
    port_number,
    required,
    text,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_NUMBERS: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SLEEP: Final = "sleep for less, or raise terminationGracePeriodSeconds"
_HOOKS: Final = ("postStart", "preStop")


def observed(container: Node, place: Place, grace: int) -> Iterator[Cause]:
    """The probes and hooks of a container that runs beside others."""
    for name in _PROBES:
        if container.get(name) is not None:
            yield from _probe(node(container, name), place / name, name, grace)
    lifecycle, at = node(container, "lifecycle"), place / "lifecycle"
    for hook in _HOOKS:
        if lifecycle.get(hook) is not None:
            yield from _handler(node(lifecycle, hook), at / hook, grace)


def none(container: Node, place: Place) -> Iterator[Cause]:
    """An init container that ends has neither."""
    for name in ("lifecycle", *_PROBES):
        if container.get(name) is not None and not is_dropped(name, container[name]):
            yield forbidden(place / name, "only an init container with restartPolicy Always may have it")


def is_dropped(name: str, value: object) -> bool:
    """A ``stopSignal`` alone: a cluster with its own feature gates drops it before it looks at anything."""
    return name == "lifecycle" and isinstance(value, dict) and list(value) == ["stopSignal"]


def _probe(probe: Node, at: Place, kind: str, grace: int) -> Iterator[Cause]:
    yield from _handler(probe, at, grace)
    yield from not_negative(probe, at, *_NUMBERS)
    own_grace = number(probe, "terminationGracePeriodSeconds")
    if own_grace is not None and own_grace <= 0:
        yield invalid(
            at / "terminationGracePeriodSeconds", own_grace, "allowed: 1 or more", "write 1 or more, or leave it out"
        )
    if kind == "readinessProbe" and own_grace is not None:
        yield invalid(at / "terminationGracePeriodSeconds", own_grace, "a readinessProbe ends nothing", "remove it")
    threshold = number(probe, "successThreshold")
    if kind != "readinessProbe" and threshold not in (None, 0, 1):
        yield invalid(at / "successThreshold", threshold, f"a {kind} needs 1", "write 1, or leave it out")


def _handler(handler: Node, at: Place, grace: int) -> Iterator[Cause]:
    chosen = [name for name in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if handler.get(name) is not None]
    if not chosen:
        yield required(at, "it needs one of exec, httpGet, tcpSocket, grpc", "say what is to be asked, such as exec")
        return
    for name in chosen[1:]:
        yield forbidden(
            at / name, f"only one handler is allowed, and {chosen[0]} is set", f"keep {chosen[0]} or {name}"
        )
    yield from _action(chosen[0], node(handler, chosen[0]), at / chosen[0], grace)


def _action(name: str, action: Node, at: Place, grace: int) -> Iterator[Cause]:
    if name == "exec":
        if not values(action, "command"):
            yield required(at / "command")
    elif name == "sleep":
        seconds = number(action, "seconds") or 0
        if not 0 <= seconds <= grace:
            yield invalid(at, seconds, f"allowed: 0 to terminationGracePeriodSeconds ({grace})", _SLEEP)
    elif name == "grpc":
        yield from port_number(at / "port", number(action, "port") or 0)
    else:
        yield from _port(at / "port", action.get("port"))
    if name == "httpGet":
        yield from one_of(at / "scheme", text(action, "scheme"), ("HTTP", "HTTPS"))
        for _, header in items(action, "httpHeaders", at):
            if not re.fullmatch(r"[-A-Za-z0-9]+", text(header, "name")):
                yield invalid(
                    at / "httpHeaders",
                    text(header, "name"),
                    "allowed: letters, digits and -",
                    "write a name such as X-Token",
                )


def _port(at: Place, port: Any) -> Iterator[Cause]:
    if isinstance(port, str):
        yield from port_name(at, port)
    else:
        yield from port_number(at, port if isinstance(port, int) else 0)
