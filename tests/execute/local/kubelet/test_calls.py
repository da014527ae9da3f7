"""What probes and hooks do, against real servers and programs, in the words of a kubelet."""

from __future__ import annotations

import contextlib
import http.server
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import host
from kfrun.execute.controller.facts import Attempt, Probed
from kfrun.execute.local.kubelet import errand, grpchealth
from kfrun.execute.local.kubelet.calls import Calls
from kfrun.execute.local.kubelet.errand import Reply
from kfrun.execute.local.kubelet.probes import Prober
from kfrun.model.runstate import ContainerState, PodState
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ATTEMPT = Attempt("tj-node-0-0-abcde", "node", 0)
POD = PodState(ATTEMPT.pod, "tj-node-0", "uid", 0, 0, 0.0, [ContainerState("node")])


to_us = pytest.mark.skipif(host.is_portable(), reason="orphans go elsewhere; they are found when their container ends")


class Local:
    """A runtime of containers that are this machine."""

    def execute(self, attempt: Attempt, argv: Sequence[str], streams: tuple[int, int, int]) -> int:
        del attempt
        stdin, stdout, stderr = streams
        return subprocess.run(argv, stdin=stdin, stdout=stdout, stderr=stderr, check=False).returncode

    def address(self, pod: PodState, port: int, host: str = "") -> tuple[str, int]:
        del pod
        return host or "127.0.0.1", port


def probe(probe: dict[str, Any], spec: dict[str, Any] | None = None) -> Reply:
    """What a probe answers, in a process of its own as ever."""
    call = Calls(Local()).probe(POD, ATTEMPT, spec or {"name": "node"}, probe)  # type: ignore[arg-type]
    return answered(errand.begin(call, float(probe.get("timeoutSeconds", 5))))


def hook(handler: dict[str, Any]) -> Reply:
    call = Calls(Local()).hook(POD, ATTEMPT, {"name": "node"}, handler)  # type: ignore[arg-type]
    begun = errand.begin(call, None)
    answer = answered(begun)
    begun.end()
    return answer


def answered(begun: errand.Errand) -> Reply:
    answers: list[Reply] = []

    def has_answered() -> bool:
        found = begun.answer()
        answers.extend(() if found is None else (found,))
        return bool(answers)

    eventually(has_answered)
    begun.end()
    return answers[0]


class Site(http.server.BaseHTTPRequestHandler):
    """What is asked for is what is answered."""

    def do_GET(self) -> None:
        code = int(self.path.strip("/").split("?")[0].split("-")[0])
        self.send_response(code)
        if 300 <= code < 400:
            self.send_header("Location", self.headers["X-Location"] or "/200")
        if code == 203:
            assert (self.headers["Host"], self.headers["X-A"]) == ("other", "b")
            assert (self.headers["User-Agent"], self.headers["Accept"]) == ("kube-probe/1.36", None)
            assert self.path == "/203-%20x?a=b"
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose server never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


def http_get(port: int | str, path: str = "/200", **fields: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port, **fields}}


def test_http_succeeds_from_200_to_399(port: int) -> None:
    for path in ("/200", "/204", "/399", "203-%20x?a=b".replace("%20", " ")):
        headers = [{"name": "Host", "value": "other"}, {"name": "X-A", "value": "b"}, {"name": "accept", "value": ""}]
        assert probe(http_get(port, path, httpHeaders=headers)) == (True, "", False), path
    for code in (400, 404, 500, 599):
        assert probe(http_get(port, f"/{code}")) == (False, f"HTTP probe failed with statuscode: {code}", False)


def test_redirects_are_followed_on_the_same_host_only(port: int) -> None:
    def to(url: str) -> Reply:
        return probe(http_get(port, "/302", httpHeaders=[{"name": "X-Location", "value": url}]))

    assert to("/200") == (True, "", False)
    assert to(f"http://127.0.0.1:{port}/404") == (False, "HTTP probe failed with statuscode: 404", False)
    assert to("http://example.com/200") == (True, "Probe terminated redirects, Response body: body", True)
    asked = f'Get "http://127.0.0.1:{port}/302": '
    assert to("/302") == (False, f"{asked}stopped after 10 redirects", False)
    assert to("ftp://127.0.0.1/") == (False, f'{asked}unsupported protocol scheme "ftp"', False)


def test_ports_may_be_named(port: int) -> None:
    spec = {"name": "node", "ports": [{"containerPort": 1}, {"name": "web", "containerPort": port}]}
    assert probe(http_get("web"), spec).passed
    assert probe({"tcpSocket": {"port": "web"}}, spec).passed
    assert probe(http_get("other"), spec) == (None, "couldn't find port: other", False)
    assert probe(http_get(str(port)), spec).passed


def test_what_does_not_answer_fails_with_its_timeout(silent: int) -> None:
    began = time.monotonic()
    where = f"127.0.0.1:{silent}"
    waited = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert probe({**http_get(silent), "timeoutSeconds": 1}) == (False, f'Get "http://{where}/200": {waited}', False)
    late = probe({"grpc": {"port": silent}, "timeoutSeconds": 1})
    assert late == (False, "timeout: health rpc did not complete within 1s", False)
    ran = probe({"exec": {"command": ["sleep", "60"]}, "timeoutSeconds": 1})
    assert ran == (False, 'command timed out: "sleep 60" timed out after 1s', False)
    assert time.monotonic() - began < 15


def test_where_nobody_listens() -> None:
    port = free_port()
    where = f"127.0.0.1:{port}"
    refused = f"dial tcp {where}: connect: connection refused"
    assert probe({"tcpSocket": {"port": port}}) == (False, refused, False)
    assert probe(http_get(port)) == (False, f'Get "http://{where}/200": {refused}', False)
    assert probe(http_get(port, scheme="HTTPS")).message.startswith(f'Get "https://{where}/200": {refused}')
    failed = f'timeout: failed to connect service "{where}" within 1s: context deadline exceeded'
    assert probe({"grpc": {"port": port}, "timeoutSeconds": 1}) == (False, failed, False)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(b"", "EOF"), (b"hello\r\n\r\n", 'malformed HTTP response "hello"'), (b"HTTP/1.1 200", "malformed HTTP response")],
)
def test_what_answers_something_else_is_no_http(answer: bytes, problem: str) -> None:
    with _answering(lambda connection: connection.sendall(answer)) as port:
        assert probe(http_get(port)) == (False, f'Get "http://127.0.0.1:{port}/200": {problem}', False)


def test_servers_that_never_end_cost_a_timeout_and_no_memory() -> None:
    def endless(head: bytes, body: bytes) -> Callable[[socket.socket], object]:
        def answer(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                connection.sendall(head)
                while True:
                    connection.sendall(body)

        return answer

    with _answering(endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 1000)) as port:
        assert probe(http_get(port)).message.endswith("malformed HTTP response")
    with _answering(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000)) as port:
        assert probe(http_get(port)).passed
    with _answering(endless(b"HTTP/1.1 301 Moved\r\nLocation: http://example.com/\r\n\r\n", b"x" * 100_000)) as port:
        assert probe(http_get(port)).message.startswith("Probe terminated redirects, Response body: xxx")
    with _answering(endless(SETTINGS + HEADERS, _frame(0, 0, 1, b"x" * 100_000))) as port:
        assert probe({"grpc": {"port": port}}).message.endswith("the answer is no health check's")
    with _answering(endless(SETTINGS, PING)) as port:
        found = probe({"grpc": {"port": port}, "timeoutSeconds": 1})
        assert found.message == "timeout: health rpc did not complete within 1s"


def test_redirects_with_what_is_no_address_and_with_bodies_that_are_kept_open() -> None:
    def moved(location: bytes, rest: bytes) -> Reply:
        def answer(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + location + rest)
            time.sleep(2)

        with _answering(answer) as port:
            return probe({**http_get(port), "timeoutSeconds": 1})

    assert (
        'failed to parse Location header "http://[::1": '
        in moved(b"http://[::1", b"\r\nContent-Length: 0\r\n\r\n").message
    )
    chunks = b"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    assert moved(b"http://example.com/", chunks).message.startswith("Probe terminated redirects, Response body: 4")
    assert moved(b"http://example.com/", b"\r\nContent-Length: none\r\n\r\n").message.endswith("awaiting headers)")


def test_what_notices_no_signal_ends_with_its_timeout_and_with_its_listener() -> None:
    def held_up() -> Reply:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM, signal.SIGTERM))
        time.sleep(60)
        return Reply(True)

    began = time.monotonic()
    assert answered(errand.begin(held_up, 1.0)) == (False, "context deadline exceeded", False)
    assert time.monotonic() - began < 4
    begun = errand.begin(held_up, None)
    pid = begun._pid
    os.close(begun._reading)  # as when a supervisor was killed
    eventually(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)


def test_where_the_system_has_nothing_to_spare_nobody_knows() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, limit[1]))
        begun = errand.begin(lambda: Reply(True), 1.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert begun.due is not None
    assert begun.answer() == (None, "[Errno 24] Too many open files", False)
    assert (begun.answer(), begun.descriptors()) == (None, [])


def test_a_program_passes_with_code_0_and_its_words_are_told(tmp_path: Path) -> None:
    env = [{"name": "WHAT", "value": "told"}, {"name": "LATER", "valueFrom": {}}]
    command = ["sh", "-c", "echo $(WHAT) '$(LATER)' | sed 's/ .*/ later/'; echo aside >&2; exit 3"]
    assert probe({"exec": {"command": command}}, {"name": "node", "env": env}) == (False, "told later\naside\n", False)
    assert probe({"exec": {"command": ["true"]}}) == (True, "", False)
    assert probe({"exec": {"command": ["sh", "-c", "printf '\\377'; exit 1"]}}).message == "\ufffd"
    assert len(probe({"exec": {"command": ["sh", "-c", "yes | head -c 1000000; exit 1"]}}).message) == 1024
    escapes = probe({"exec": {"command": ["sh", "-c", "yes '\033' | head -c 100000; exit 1"]}})
    assert (escapes.passed, escapes.message[:2]) == (False, "\033\n")
    assert probe({"exec": {"command": [str(tmp_path / "not-there")]}}).passed is None


@to_us
def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    fled = f"setsid sleep 61 & echo $! > {tmp_path}/fled; sleep 62 & echo $! > {tmp_path}/stayed; "
    for end in ("exit 0", "sleep 63"):
        found = probe({"exec": {"command": ["sh", "-c", fled + end]}, "timeoutSeconds": 1})
        assert found.passed is (end == "exit 0")
        assert [host.start_time(int((tmp_path / name).read_text())) for name in ("fled", "stayed")] == [None, None]


@to_us
def test_what_a_hook_starts_lives_on_until_somebody_ends_it(tmp_path: Path) -> None:
    command = ["sh", "-c", f"sleep 64 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"]
    begun = errand.begin(Calls(Local()).hook(POD, ATTEMPT, {}, {"exec": {"command": command}}), None)  # type: ignore[arg-type]
    eventually(lambda: begun.answer() == (True, "", False))
    pid = int((tmp_path / "pid").read_text())
    assert host.start_time(pid) is not None
    begun.end()
    assert host.start_time(pid) is None


def test_hooks_ask_sleep_and_run(port: int) -> None:
    assert hook(http_get(port, "/500")).passed, "any response will do"
    assert not hook(http_get(free_port())).passed
    assert hook({"sleep": {"seconds": 0}}).passed
    assert not hook({"exec": {"command": ["false"]}}).passed
    assert not hook({"tcpSocket": {"port": port}}).passed, "a kubelet knows no such hook"


# gRPC


class _Answering:
    def __init__(self, answer: Callable[[socket.socket], object]) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._answer = answer

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._server.getsockname()[1]
        return port

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            self._answer(connection)
            connection.shutdown(socket.SHUT_WR)
            # What was sent must be read, or the rest of the answer is lost.
            while connection.recv(1 << 16):
                pass

    def __exit__(self, *_: object) -> None:
        self._server.close()


def _answering(answer: Callable[[socket.socket], object]) -> _Answering:
    return _Answering(answer)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


SETTINGS, PING = _frame(4, 0, 0, b""), _frame(6, 0, 0, b"12345678")
HEADERS, TRAILERS = _frame(1, 4, 1, b"\x88"), _frame(1, 5, 1, b"\x88")


def _message(body: bytes) -> bytes:
    return _frame(0, 0, 1, struct.pack(">BL", 0, len(body)) + body)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SETTINGS + PING + HEADERS + _message(b"\x08\x01") + TRAILERS, (True, "")),
        (SETTINGS + HEADERS + _message(b"\x08\x02") + TRAILERS, (False, "NOT_SERVING")),
        (SETTINGS + HEADERS + _message(b"") + TRAILERS, (False, "UNKNOWN")),
        (SETTINGS + TRAILERS, (False, "does not implement the grpc health protocol")),
        (SETTINGS + _frame(7, 0, 0, b"12345678"), (False, "the server refused the request")),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, (False, "does not speak HTTP/2")),
        (b"", (False, "the server closed the connection")),
    ],
)
def test_a_grpc_service_says_whether_it_serves(answer: bytes, expected: tuple[bool, str]) -> None:
    with _answering(lambda connection: connection.sendall(answer)) as port:
        found = probe({"grpc": {"port": port, "service": "s" * 200}})
    assert found.passed is expected[0]
    assert expected[1] in found.message or found.passed


def test_a_grpc_request_is_what_a_real_server_has_answered() -> None:
    """Tried against grpcio 1.7x by hand: its health service answered to these bytes."""
    sent = grpchealth._request("127.0.0.1:5", "x")
    assert sent[3:9] == bytes((1, 4, 0, 0, 0, 1)), "headers, whole, of the first stream"
    assert b"\x00\x05:path\x1c/grpc.health.v1.Health/Check" in sent
    assert sent.endswith(b"\x00\x00\x08\x00\x01\x00\x00\x00\x01" + b"\x00\x00\x00\x00\x03" + b"\x0a\x01x")


# Prober


def decided(name: str, answers: list[bool], *, ready: bool = False, **spec: int) -> list[bool | None]:
    """What is told of each answer."""
    container = ContainerState("node", status="running", up=True, ready=ready)
    facts: list[bool | None] = []
    made = Prober(ATTEMPT, name, {"periodSeconds": 1, **spec}, lambda: Reply(True), since=0.0, is_first=True)
    for number, passed in enumerate(answers):
        made._call = lambda passed=passed: Reply(passed, "no")
        made.mind(container, 100.0 + number)
        if made._errand is None:
            facts.append(None)
            continue
        found: list[Any] = []

        def has_answered(found: list[Any] = found) -> bool:
            found += made.collect()
            return made._errand is None

        eventually(has_answered)
        assert all(isinstance(fact, Probed) for fact in found)
        facts.append(found[0].passed if found else None)
        if name == "readiness" and facts[-1] is not None:
            container.ready = bool(facts[-1])
    return facts


def test_thresholds_count_answers_in_a_row() -> None:
    told = decided("liveness", [False, False, True, False, False, False, False])
    assert told == [None, None, None, None, None, False, None], "then it asks no more"
    assert decided("readiness", [True, True, True, False], successThreshold=3, failureThreshold=1) == [
        None, None, True, False,
    ]  # fmt: skip
    assert decided("startup", [False, True], failureThreshold=2) == [None, True]
    assert decided("readiness", [True, False, False, False], ready=True) == [None, None, None, False]


def test_the_first_answer_comes_after_the_initial_delay() -> None:
    container = ContainerState("node", status="running")
    made = Prober(ATTEMPT, "liveness", {"initialDelaySeconds": 7}, lambda: Reply(True), since=3.0, is_first=True)
    made.mind(container, 9.9)
    assert (made.descriptors(), made.due()) == ([], 10.0)
    made.mind(container, 10.0)
    assert made.descriptors()
    made.close()
    assert (made.descriptors(), made.due()) == ([], 20.0)


def test_no_process_and_no_descriptor_is_left() -> None:
    before, children = len(os.listdir("/proc/self/fd")), host.children(os.getpid())
    for _ in range(3):
        probe({"exec": {"command": ["true"]}})
        hook({"exec": {"command": ["true"]}})
    assert len(os.listdir("/proc/self/fd")) == before
    assert host.is_portable() or host.children(os.getpid()) == children
