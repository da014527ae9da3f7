from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import InvalidInput, NotFound, Unavailable, UsageProblem
from kfrun.load import content, urls
from kfrun.load.sources import load

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
        elif name.startswith("to="):
            self.send_response(302)
            self.send_header("Location", name.removeprefix("to="))
            self.end_headers()
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


@pytest.mark.parametrize("target", ["http://example.com/x.yaml", "file:///etc/passwd", "ftp://example.com/x"])
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
    monkeypatch.setattr(urls, limit, 0.2 if limit == "SILENCE_SECONDS" else 0.0)
    with pytest.raises(Unavailable, match="did not answer in time"):
        load([url(server, "slow")])


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
