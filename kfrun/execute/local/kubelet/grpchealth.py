"""The gRPC health check (grpc.health.v1.Health/Check), with as much of HTTP/2 as that takes.

Headers are sent without compression that has to be remembered, and read by nobody: what counts is the message. A
server without the service answers with headers alone.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from kfrun.execute.local.kubelet import tcp
from kfrun.execute.local.kubelet.errand import Expired, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _AWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_STREAM = 1
_LONGEST = 1 << 16
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_SERVING = "SERVING"
_NO_SUCH = "this server does not implement the grpc health protocol (grpc.health.v1.Health), or has no such service"


def check(host: str, port: int, service: str, seconds: float) -> Reply:
    """Whether a service says that it serves; ``seconds`` is what the caller gives it."""
    where = tcp.place(host, port)
    try:
        connection = socket.create_connection((host, port))
    except (OSError, Expired):
        # The library tries again until the time is over.
        problem = f'timeout: failed to connect service "{where}" within {seconds:g}s: context deadline exceeded'
        return Reply(False, problem)
    try:
        with connection:
            connection.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _request(where, service))
            status = _status(connection)
    except Expired:
        return Reply(False, f"timeout: health rpc did not complete within {seconds:g}s")
    except (OSError, ValueError) as error:
        return Reply(False, f"error: health rpc probe failed: {error}")
    if status is None:
        return Reply(False, f"error: {_NO_SUCH}")
    called = _STATUS.get(status, str(status))
    return Reply(called == _SERVING, f'service unhealthy (responded with "{called}")')


def _request(authority: str, service: str) -> bytes:
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/1.36"),
    )
    headers = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)
    data = struct.pack(">BL", 0, len(message)) + message
    return _frame(_HEADERS, _END_HEADERS, _STREAM, headers) + _frame(_DATA, _END_STREAM, _STREAM, data)


def _status(connection: socket.socket) -> int | None:
    """The status of the answer; None when it has no message."""
    message = b""
    for kind, flags, stream, payload in _frames(connection):
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RESET, _AWAY):
            raise ValueError("the server refused the request")
        elif stream == _STREAM:
            if kind == _DATA:
                message += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
            if len(message) > _LONGEST:
                raise ValueError("the answer is no health check's")
            if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
                break
    return _parsed(message)


def _parsed(message: bytes) -> int | None:
    if len(message) < 5:
        return None
    flag, size = struct.unpack(">BL", message[:5])
    body = message[5 : 5 + size]
    if flag or len(body) != size:
        raise ValueError("the answer is no health check's")
    # The first field is the status; zero is not written at all.
    return body[1] if len(body) >= 2 and body[0] == 8 else 0


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    while True:
        head = _exactly(connection, 9)
        size = int.from_bytes(head[:3], "big")
        if size > 1 << 20:
            raise ValueError("the server does not speak HTTP/2")
        yield head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ValueError("the server closed the connection")
        data += more
    return data


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """A text as HPACK writes it when nothing is compressed."""
    data = text.encode()
    return _varint7(len(data)) + data


def _varint7(number: int) -> bytes:
    return bytes((number,)) if number < 127 else b"\x7f" + _varint(number - 127)


def _varint(number: int) -> bytes:
    found = b""
    while number >= 128:
        found += bytes((number & 127 | 128,))
        number >>= 7
    return found + bytes((number,))
