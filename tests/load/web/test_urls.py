from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import InvalidInput, NotFound, Unavailable, UsageProblem
from kfrun.load import content
from kfrun.load.sources import load
from kfrun.load.web import connections, urls
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Server(ThreadingHTTPServer):
    """Answers on a free port of this machine; ``over`` ends answers that take long."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.over = threading.Event()
        self.agents: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.agents.append(self.headers["User-Agent"])
        name = self.path.removeprefix("/")
        if name.isdigit():
            self.send_error(int(name))
        elif name.startswith(("to=", "endless=")):
            self.send_response(302)
            self.send_header("Location", name.partition("=")[2])
            self.end_headers()
            if name.startswith("endless="):
                self.drip(b"x")
        elif name == "headers":
            self.send_response_only(200)
            self.flush_headers()
            self.drip(b"X: y\r\n")
        else:
            self.answer(name)

    def answer(self, name: str) -> None:
        body = {"page": b"<!DOCTYPE html><p>", "bad": b"a: [\n", "large": b"a" * 5000}.get(name, b"kind: Thing\n")
        self.send_response(200)
        if name in ("short", "slow"):
            self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if name == "slow":
            self.server.over.wait(60)
        if name == "drip":
            self.drip(b"# x\n")

    def drip(self, part: bytes) -> None:
        """Send a little again and again, until the other side has enough of it."""
        with contextlib.suppress(OSError):
            while not self.server.over.wait(0.05):
                self.wfile.write(part)
                self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # never asked for this machine's own URLs
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


def url(server: Server, name: str, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.server_address[1]}/{name}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_url_of_this_machine_is_read(server: Server, host: str) -> None:
    (document,) = load([url(server, "ok", host)])
    assert document.data == {"kind": "Thing"}
    assert document.source == url(server, "ok", host)
    assert document.folder is None
    assert server.agents[0].startswith("kfrun/")


def test_findings_name_the_url(server: Server) -> None:
    with pytest.raises(InvalidInput) as caught:
        load([url(server, "bad")])
    position = caught.value.findings[0].position
    assert position is not None
    assert position.file == url(server, "bad")


def test_a_redirect_on_this_machine_is_followed(server: Server) -> None:
    (document,) = load([url(server, "to=/ok")])
    assert document.data == {"kind": "Thing"}


@pytest.mark.parametrize(
    "target",
    [
        "http://example.com/x.yaml",
        "//example.com/x.yaml",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "https://user:secret@example.com/x.yaml",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/x",
    ],
)
def test_a_redirect_to_an_unsafe_place_is_refused(server: Server, target: str) -> None:
    with pytest.raises(Unavailable, match=r"redirects elsewhere|is not allowed"):
        load([url(server, f"to={target}")])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("404", NotFound, "no such file"),
        ("410", NotFound, "no such file"),
        ("403", Unavailable, "403 Forbidden"),
        ("500", Unavailable, "500 Internal Server Error"),
        ("short", Unavailable, "broke off"),
        ("to=/to=/to=", Unavailable, "could not be fetched"),
    ],
)
def test_what_the_server_refuses_is_told(server: Server, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load([url(server, name)])


INWARDS = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "10.1",
    "0x0a000001", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a00:1]",
    "[2002:a00:1::]", "[::10.0.0.1]", "[::]",
]  # fmt: skip
"""Hosts of URLs that lead into a network around this machine, however they are spelt."""


@pytest.mark.parametrize("host", INWARDS)
def test_a_redirect_into_a_private_network_is_refused_before_anything_is_sent(server: Server, host: str) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="redirects into a private network") as caught:
        load([url(server, f"to=https://{host}:9/x.yaml")])
    assert "name the address yourself" in str(caught.value.hint)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
def test_a_name_with_a_private_address_is_not_followed(address: str) -> None:
    reach = connections._Reach("https://example.com/x.yaml")
    with pytest.raises(Unavailable, match=f"to inner.example.com .{address}."):
        reach.require("inner.example.com", ["93.184.216.34", address])
    reach.require("inner.example.com", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
    # what the user named may be anywhere
    reach.require("example.com", [address])


def test_what_was_named_on_this_machine_may_lead_to_this_machine_only(server: Server) -> None:
    reach = connections._Reach("http://localhost/x.yaml")
    reach.require("127.0.0.1", ["127.0.0.1"], plainly=True)
    with pytest.raises(Unavailable, match="not this machine"):
        reach.require("localhost", ["10.0.0.1"], plainly=True)
    with pytest.raises(Unavailable, match="private network"):
        reach.require("inner.example.com", ["10.0.0.1"])


@pytest.mark.parametrize("proxy_knows", [True, False])
def test_a_redirect_through_a_proxy_is_looked_at_too(
    server: Server, monkeypatch: pytest.MonkeyPatch, proxy_knows: bool
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    host = "name.invalid" if proxy_knows else "10.0.0.1"
    with pytest.raises(Unavailable) as caught:
        load([url(server, f"to=https://{host}/x.yaml")])
    assert ("private network" in str(caught.value)) is not proxy_knows
    assert ("Unsupported method" in str(caught.value) or "501" in str(caught.value)) is proxy_knows


def test_a_proxy_may_be_in_a_private_network(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    with pytest.raises(Unavailable, match="501"):
        load(["https://name.invalid/x.yaml"])


def test_what_comes_with_a_redirect_is_not_read(server: Server) -> None:
    started = time.monotonic()
    (document,) = load([url(server, "endless=/ok")])
    assert document.data == {"kind": "Thing"}
    assert time.monotonic() - started < 10


def test_a_web_page_is_no_manifest(server: Server) -> None:
    with pytest.raises(InvalidInput) as caught:
        load([url(server, "page")])
    assert "web page" in caught.value.findings[0].message
    assert "raw file" in str(caught.value.findings[0].hint)


def test_a_large_answer_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput) as caught:
        load([url(server, "large")])
    assert caught.value.findings[0].code == "KF107"


@pytest.mark.parametrize("limit", ["SILENCE_SECONDS", "TOTAL_SECONDS"])
def test_a_slow_answer_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(urls, limit, 0.2)
    with pytest.raises(Unavailable, match="did not answer in time"):
        load([url(server, "slow")])


@pytest.mark.parametrize("name", ["headers", "to=/headers", "drip"])
def test_the_time_holds_for_all_of_a_request_however_slowly_it_comes(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(urls, "TOTAL_SECONDS", 0.5)
    before, started = threading.active_count(), time.monotonic()
    with pytest.raises(Unavailable, match="did not answer in time"):
        load([url(server, name)])
    assert time.monotonic() - started < 10
    eventually(lambda: threading.active_count() <= before + 1)  # the server's own thread may be there still


def test_the_time_holds_for_tls_and_for_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "TOTAL_SECONDS", 0.5)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https"):
            with pytest.raises(Unavailable, match="did not answer in time"):
                load([f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/x.yaml"])


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"could not be fetched: .*refused"):
        load(["http://127.0.0.1:1/x.yaml"])


def test_https_must_be_https(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(Unavailable, match="could not be fetched"):
        load([url(server, "ok").replace("http:", "https:")])


def make_certificate(folder: Path) -> tuple[str, str]:
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_https_is_read_when_its_certificate_is_trusted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    address = url(server, "ok").replace("http:", "https:")
    with pytest.raises(Unavailable, match=r"(?i)certificate"):
        load([address])
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    (document,) = load([address])
    assert document.data == {"kind": "Thing"}
    with Server() as plain:
        thread = threading.Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for target in (url(plain, "ok"), url(plain, "ok", "localhost"), "http://example.com/x"):
            with pytest.raises(Unavailable, match="redirects elsewhere"):
                load([address.replace("/ok", f"/to={target}")])
        assert plain.agents == []
        plain.shutdown()
        thread.join()
    (document,) = load([address.replace("/ok", f"/to={address}").replace("127.0.0.1", "localhost", 1)])
    assert document.data == {"kind": "Thing"}


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("http://example.com/x.yaml", "anybody on the way", "https"),
        ("http://10.0.0.1/x.yaml", "anybody on the way", "https"),
        ("http://localhost.example.com/x.yaml", "anybody on the way", "https"),
        ("ftp://example.com/x.yaml", "cannot be read", "https"),
        ("file:///etc/passwd", "cannot be read", "file"),
        ("https://", "cannot be read", "https"),
        ("https://user:secret@example.com/x.yaml", "user name or password", "-f -"),
        ("https://[::1/x.yaml", "not a URL", None),
        ("https://example.com:port/x.yaml", "not a URL", None),
    ],
)
def test_a_url_that_is_not_safe_is_not_fetched(name: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageProblem, match=message) as caught:
        load([name])
    assert "secret" not in str(caught.value)
    assert (hint or "") in str(caught.value.hint or "")
