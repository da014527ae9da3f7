"""What probes and hooks do: a program in the container, a connection, a request.

The words of what went wrong are those of a kubelet. Timeouts are the caller's: `Expired` may be raised anywhere here.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from kfrun import masking
from kfrun.execute.local.kubelet import probes, tcp
from kfrun.execute.local.kubelet.errand import Expired, Reply
from kfrun.execute.local.pods.variables import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.execute.controller.facts import Attempt
    from kfrun.execute.local.runtime import ContainerRuntime
    from kfrun.model.runstate import PodState

    Node = dict[str, Any]
    Call = Callable[[], Reply]

_OUTPUT = 10 << 10
"""Bytes of what a program says that are kept."""

_COMMAND = 120


class Calls:
    """Makes the calls of a job's probes and hooks."""

    def __init__(self, runtime: ContainerRuntime) -> None:
        self._runtime = runtime

    def probe(self, pod: PodState, attempt: Attempt, spec: Node, probe: Node) -> Call:
        """The call of a probe of a container."""
        seconds = probe.get("timeoutSeconds") or probes.TIMEOUT
        if "exec" in probe:
            known = {entry["name"]: entry["value"] for entry in spec.get("env", ()) if "value" in entry}
            argv = [expand(word, known) for word in probe["exec"].get("command", ())]
            return lambda: self._execute(
                attempt, argv, f'command timed out: "{" ".join(argv)}" timed out after {seconds}s'
            )
        if "httpGet" in probe:
            return lambda: self._http(pod, spec, probe["httpGet"], is_probe=True)
        if "tcpSocket" in probe:
            return lambda: self._connect(pod, spec, probe["tcpSocket"])
        return lambda: self._grpc(pod, probe.get("grpc") or {}, seconds)

    def hook(self, pod: PodState, attempt: Attempt, spec: Node, handler: Node) -> Call:
        """The call of a lifecycle hook of a container."""
        if "exec" in handler:
            argv = handler["exec"].get("command", ())
            return lambda: self._execute(attempt, argv, "", told=True)
        if "httpGet" in handler:
            return lambda: self._http(pod, spec, handler["httpGet"], is_probe=False)
        if "sleep" in handler:
            return lambda: _sleep(handler["sleep"].get("seconds") or 0)
        # A kubelet knows no other one: tcpSocket is in the API for old manifests alone.
        return lambda: Reply(False, "invalid handler")

    def _execute(self, attempt: Attempt, argv: Sequence[str], expired: str, *, told: bool = False) -> Reply:
        reading, writing = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        kept = bytearray()
        reader = threading.Thread(target=_read, args=(reading, kept), daemon=True)
        reader.start()
        try:
            code = self._runtime.execute(attempt, argv, (null, writing, writing))
        except Expired:
            return Reply(False, expired)
        except OSError as error:
            return Reply(None, error.strerror or str(error))
        finally:
            os.close(writing)
        # Whoever lives on may hold its output open.
        reader.join(0.1)
        output = kept.decode(errors="replace") if code else ""
        return Reply(code == 0, f"command '{_shown(argv)}' exited with {code}: {output}" if told and code else output)

    def _place(self, pod: PodState, spec: Node, handler: Node) -> tuple[str, int]:
        port = _port(spec, handler["port"])
        return self._runtime.address(pod, port, handler.get("host") or "")

    def _connect(self, pod: PodState, spec: Node, handler: Node) -> Reply:
        place = self._place(pod, spec, handler)
        called = tcp.place(*place)
        try:
            socket.create_connection(place).close()
        except Expired:
            return Reply(False, f"dial tcp {called}: i/o timeout")
        except OSError as error:
            return Reply(False, f"dial tcp {called}: connect: {tcp.words(error)}")
        return Reply(True)

    def _http(self, pod: PodState, spec: Node, handler: Node, *, is_probe: bool) -> Reply:
        from kfrun.execute.local.kubelet import httpget

        host, port = self._place(pod, spec, handler)
        scheme = (handler.get("scheme") or "HTTP").lower()
        headers = [(item["name"], item.get("value", "")) for item in handler.get("httpHeaders", ())]
        return httpget.get(scheme, host, port, handler.get("path") or "/", headers, is_probe=is_probe)

    def _grpc(self, pod: PodState, handler: Node, seconds: float) -> Reply:
        from kfrun.execute.local.kubelet import grpchealth

        host, port = self._runtime.address(pod, int(handler["port"]), "")
        return grpchealth.check(host, port, handler.get("service") or "", seconds)


def _port(spec: Node, port: int | str) -> int:
    """The number of a port, which may be named."""
    if isinstance(port, int):
        return port
    for item in spec.get("ports", ()):
        if item.get("name") == port:
            return int(item["containerPort"])
    if port.isdigit():
        return int(port)
    raise ValueError(f"couldn't find port: {port}")


def _sleep(seconds: float) -> Reply:
    time.sleep(seconds)
    return Reply(True)


def _shown(argv: Sequence[str]) -> str:
    """A command on one line, so short that what it has said is to be seen, too."""
    text = " ".join(" ".join(masking.words(argv)).split())
    return text if len(text) <= _COMMAND else f"{text[:_COMMAND]}..."


def _read(descriptor: int, kept: bytearray) -> None:
    """Keep the beginning, and let the rest pass, so that nobody waits for us."""
    while data := os.read(descriptor, 1 << 16):
        kept += data[: _OUTPUT - len(kept)]
