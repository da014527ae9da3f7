"""An HTTP GET as probes and hooks make it: no proxies, certificates are not verified, redirects on the same host only.

Small on purpose: it runs in a process of its own each time, where http.client would be half of what that takes.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from kfrun.execute.local.kubelet import tcp
from kfrun.execute.local.kubelet.errand import Expired, Reply
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Headers = Sequence[tuple[str, str]]

_BODY = 10 << 10
_HEAD = 1 << 20
_LAST_CHUNK = b"0\r\n\r\n"
_REDIRECTS = 10
_AGENT = "kube-probe/1.36"
_OK, _REDIRECT, _ERROR = 200, 300, 400
_SAFE = "%/:=&?~#+!$,;'@()*[]"
_MOVED = (301, 302, 303, 307, 308)


class _Response(NamedTuple):
    status: int
    location: str
    body: str


class _Failed(Exception):
    """There is no response, and why."""


def get(scheme: str, host: str, port: int, path: str, headers: Headers, *, is_probe: bool) -> Reply:
    """Ask, and follow redirects; a hook is content with any response."""
    target = quote(path if path.startswith("/") else f"/{path}", safe=_SAFE)
    url = urljoin(f"{scheme}://{tcp.place(host, port)}/", target)
    asked = url
    for _ in range(_REDIRECTS):
        try:
            response = _ask(url, headers)
            moved = _moved(url, response) if is_probe else ""
        except Expired:
            problem = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Reply(False, f'Get "{asked}": {problem}')
        except (OSError, _Failed, ValueError) as error:
            return Reply(False, f'Get "{asked}": {error}')
        if not is_probe:
            return Reply(True)
        if not moved:
            return _judge(response)
        url = moved
        if urlsplit(url).hostname != host:
            return Reply(True, f"Probe terminated redirects, Response body: {response.body}", is_warning=True)
    return Reply(False, f'Get "{asked}": stopped after {_REDIRECTS} redirects')


def _moved(url: str, response: _Response) -> str:
    """Where a response leads; empty where it leads nowhere."""
    if response.status not in _MOVED or not response.location:
        return ""
    try:
        found = urljoin(url, response.location)
        urlsplit(found)
    except ValueError as error:
        raise _Failed(f'failed to parse Location header "{response.location}": {error}') from error
    return found


def _judge(response: _Response) -> Reply:
    if _OK <= response.status < _ERROR:
        return Reply(True)
    return Reply(False, f"HTTP probe failed with statuscode: {response.status}")


def _ask(url: str, headers: Headers) -> _Response:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise _Failed(f'unsupported protocol scheme "{parts.scheme}"')
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    connection = _connect(parts.scheme, host, port)
    with connection:
        connection.sendall(
            _request(parts.netloc, f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}", headers)
        )
        return _response(connection)


def _connect(scheme: str, host: str, port: int) -> socket.socket:
    try:
        connection = socket.create_connection((host, port))
    except OSError as error:
        raise _Failed(f"dial tcp {tcp.place(host, port)}: connect: {tcp.words(error)}") from error
    if scheme == "http":
        return connection
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)


def _request(netloc: str, target: str, headers: Headers) -> bytes:
    own = {"host": netloc, "user-agent": _AGENT, "accept": "*/*"}
    given = {name.lower() for name, _ in headers}
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items() if name not in given)]
    # An empty one takes away what would be sent.
    lines += [f"{name}: {value}" for name, value in headers if value or name.lower() not in own]
    text = "\r\n".join([*lines, "connection: close", "", ""])
    if "\n" in text.replace("\r\n", "") or "\r" in text.replace("\r\n", ""):
        raise _Failed("invalid header field value")
    return text.encode()


def _response(connection: socket.socket) -> _Response:
    data = b""
    while b"\r\n\r\n" not in data and b"\n\n" not in data:
        more = connection.recv(1 << 14)
        if not more or len(data) > _HEAD:
            raise _Failed("EOF" if not data else "malformed HTTP response")
        data += more
    head, _, body = data.replace(b"\r\n", b"\n", data.count(b"\r\n", 0, data.find(b"\r\n\r\n") + 4)).partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/") or not code.isdigit():
        raise _Failed(f'malformed HTTP response "{first}"')
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if int(code) in _MOVED:
        length = fields.get("content-length", "")
        wanted = min(_BODY, int(length)) if length.isdecimal() else _BODY
        # One that comes in chunks has an end of its own.
        is_chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        while len(body) < wanted and not (is_chunked and body.endswith(_LAST_CHUNK)):
            more = connection.recv(1 << 14)
            if not more:
                break
            body += more
    return _Response(int(code), fields.get("location", ""), body[:_BODY].decode(errors="replace"))
