"""Which engine answers: sockets of every kind, with somebody behind them and without."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import Unavailable
from kfrun.execute.local.containers import checks, engines
from kfrun.execute.local.containers.addresses import EngineAddress
from kfrun.execute.local.containers.engines import FoundEngine, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Kfrun
    from tests.engines.docker import Engine

DOCKER = {"Version": "28.5.2", "ApiVersion": "1.51", "Components": [{"Name": "Engine"}]}
PODMAN = {"Version": "5.4.2", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def engine(path: Path, answer: object) -> Iterator[EngineAddress]:
    """Something that answers at a socket as an engine does when it is asked who it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200 if self.path == "/version" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "a socket"

        def log_message(self, *_: object) -> None:
            pass

    path.parent.mkdir(parents=True, exist_ok=True)
    with Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield EngineAddress(f"unix://{path}", "a test", is_named=True, starter="start it")
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("answer", "name"), [(DOCKER, "docker"), (PODMAN, "podman")])
def test_an_engine_says_who_it_is(tmp_path: Path, answer: dict[str, str], name: str) -> None:
    with engine(tmp_path / "e.sock", answer) as address:
        found = engines.ask(address)
    assert isinstance(found, FoundEngine)
    assert found[1:] == (name, answer["Version"], answer["ApiVersion"])


def test_the_first_that_answers_is_taken_and_what_was_tried_before_is_told(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "run/docker.sock"))
    dead.close()
    with engine(tmp_path / ".rd/docker.sock", DOCKER), engine(tmp_path / ".orbstack/run/docker.sock", DOCKER):
        found, tried = engines.find("docker", environ)
    assert found is not None
    assert found.address.source == "Rancher Desktop"
    said = next(one for one in tried if one.address.source == "rootless Docker")
    assert (said.why, said.mend) == ("nobody listens: it is not running", "systemctl --user start docker")
    assert all(one.why == "there is no socket" for one in tried if one is not said)


def test_where_nobody_answers_all_that_was_tried_is_told_with_the_way_out(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "TMPDIR": str(tmp_path)}
    (tmp_path / ".colima/default").mkdir(parents=True)
    with pytest.raises(Unavailable) as caught:
        engines.require(("docker", "podman"), environ)
    assert caught.value.hint == "colima start"
    assert f"no socket at /var/run/docker.sock, {tmp_path}/run/docker.sock" in str(caught.value)
    assert f"{tmp_path}/run/podman/podman.sock" in str(caught.value)


def test_a_host_that_was_named_never_falls_through(tmp_path: Path) -> None:
    with engine(tmp_path / ".rd/docker.sock", DOCKER), pytest.raises(Unavailable) as caught:
        engines.require(("docker",), {"HOME": str(tmp_path)}, named=f"unix://{tmp_path}/none.sock")
    assert str(tmp_path / "none.sock") in str(caught.value)
    assert caught.value.hint == "look at --engine-host: nothing else is tried where it is given"


@pytest.mark.parametrize("answer", [[], None, {"message": "nginx"}, "text"])
def test_somebody_else_behind_the_socket_is_no_engine(tmp_path: Path, answer: object) -> None:
    with engine(tmp_path / "e.sock", answer) as address:
        assert isinstance(engines.ask(address), Silence)


def test_who_takes_connections_and_says_nothing_is_left_after_a_second(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "e.sock"))
        server.listen()
        found = engines.ask(EngineAddress(f"unix://{tmp_path}/e.sock", "it", starter="start it"))
    assert found[1:] == ("no answer within 1 s", "start it")


def as_nobody(call: Callable[[], str]) -> str:
    """What a call says where it is made by somebody who may do nothing; for root, another process."""
    if os.geteuid() != 0:
        return call()
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            os.write(writing, call().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as said:
        text = said.read()
    os.wait()
    return text


def test_a_socket_without_permission_comes_with_the_group() -> None:
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder, "e.sock"), DOCKER):
        os.chmod(folder, 0o755)
        Path(folder, "e.sock").chmod(0)
        address = EngineAddress(f"unix://{folder}/e.sock", "Docker")
        said = as_nobody(lambda: "|".join(engines.ask(address)[1:]))
    assert said == "you have no permission on the socket|sudo usermod -aG docker $USER, then log in again"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_no_socket_is_said_to_be_none(tmp_path: Path, what: str) -> None:
    path = tmp_path / "e.sock"
    path.mkdir() if what == "folder" else path.touch()
    assert engines.ask(EngineAddress(f"unix://{path}", "it"))[1] == "that is no socket"


def test_doctor_warns_of_what_is_there_and_does_not_answer(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/d.sock"}
    with engine(tmp_path / "podman/podman.sock", PODMAN):
        docker, podman = checks.of(environ)
    assert (docker.status, podman.status) == ("warn", "ok")
    assert "DOCKER_HOST" in docker.message
    assert podman.message == f"Podman 5.4.2 (API 1.41) at unix://{tmp_path}/podman/podman.sock (rootless Podman)"
    assert all(check.status == "ok" for check in checks.of({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/none"}))


def test_doctor_finds_a_real_engine(kfrun: Kfrun, docker_engine: Engine) -> None:
    found = kfrun.ok("doctor", DOCKER_HOST=docker_engine.address)
    version = docker_engine.docker("version", "--format", "{{.Server.Version}} (API {{.Server.APIVersion}})").strip()
    assert f"Docker {version} at {docker_engine.address} (DOCKER_HOST)" in " ".join(found.split())
