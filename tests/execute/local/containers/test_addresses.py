"""Where engines are looked for: a home with what Docker, Podman and the programs around them make in it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.containers import addresses

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.execute.local.containers.addresses import EngineAddress

CONTEXT = {"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///colima.sock"}}}
CONNECTIONS = {"Connection": {"Default": "box", "Connections": {"box": {"URI": "ssh://core@127.0.0.1:5/p.sock"}}}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a docker context that is the current one, a connection of Podman, and machines that have sockets."""
    digest = hashlib.sha256(b"colima").hexdigest()
    write(tmp_path / ".docker/config.json", {"currentContext": "colima", "auths": {}})
    write(tmp_path / f".docker/contexts/meta/{digest}/meta.json", CONTEXT)
    write(tmp_path / ".config/containers/podman-connections.json", CONNECTIONS)
    for path in (".lima/work/sock/docker.sock", ".lima/pods/sock/podman.sock"):
        write(tmp_path / path, None)
    write(tmp_path / "tmp/podman/podman-machine-default-api.sock", None)
    return tmp_path


def write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def found(home: Path, engine: str, named: str = "", **environ: str) -> list[EngineAddress]:
    base = {"HOME": str(home), "XDG_RUNTIME_DIR": "/run/user/7", "TMPDIR": f"{home}/tmp/"}
    return addresses.of(engine, {**base, **environ}, named)


def hosts(home: Path, engine: str, **environ: str) -> list[str]:
    return [one.host for one in found(home, engine, **environ)]


def test_docker_is_looked_for_where_docker_would_and_then_where_others_put_it(home: Path) -> None:
    assert hosts(home, "docker") == [
        "unix:///colima.sock",
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        f"unix://{home}/.docker/run/docker.sock",
        f"unix://{home}/.docker/desktop/docker.sock",
        f"unix://{home}/.colima/default/docker.sock",
        f"unix://{home}/.rd/docker.sock",
        f"unix://{home}/.orbstack/run/docker.sock",
        f"unix://{home}/.lima/work/sock/docker.sock",
    ]
    assert found(home, "docker")[0].source == "docker context colima"
    assert found(home, "docker")[-1].starter == "limactl start work"


def test_podman_is_looked_for_where_podman_would_and_then_where_others_put_it(home: Path) -> None:
    assert hosts(home, "podman") == [
        "ssh://core@127.0.0.1:5/p.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
        f"unix://{home}/tmp/podman/podman-machine-default-api.sock",
        f"unix://{home}/.lima/pods/sock/podman.sock",
    ]


@pytest.mark.parametrize(
    ("engine", "named", "environ", "host", "source"),
    [
        ("docker", "", {"DOCKER_HOST": "tcp://h:1"}, "tcp://h:1", "DOCKER_HOST"),
        ("docker", "", {"DOCKER_HOST": "tcp://h:1", "DOCKER_CONTEXT": "colima"}, "tcp://h:1", "DOCKER_HOST"),
        ("docker", "", {"DOCKER_CONTEXT": "colima"}, "unix:///colima.sock", "docker context colima"),
        ("docker", "", {"DOCKER_CONTEXT": "gone"}, "", "docker context gone"),
        ("podman", "", {"CONTAINER_HOST": "/p.sock"}, "unix:///p.sock", "CONTAINER_HOST"),
        ("podman", "", {"CONTAINER_CONNECTION": "gone"}, "", "podman connection gone"),
        ("podman", "h:2", {"CONTAINER_HOST": "tcp://h:1"}, "tcp://h:2", "--engine-host"),
    ],
)
def test_what_somebody_names_is_the_only_one(
    home: Path, engine: str, named: str, environ: dict[str, str], host: str, source: str
) -> None:
    (only,) = found(home, engine, named, **environ)
    assert (only.host, only.source, only.is_named) == (host, source, True)


def test_the_variable_of_one_engine_says_nothing_of_the_other(home: Path) -> None:
    assert len(found(home, "podman", DOCKER_HOST="tcp://h:1")) > 1
    assert len(found(home, "docker", CONTAINER_HOST="tcp://h:1")) > 1


def test_the_default_context_is_no_context_and_what_cannot_be_read_says_nothing(home: Path) -> None:
    assert hosts(home, "docker", DOCKER_CONTEXT="default")[0] == "unix:///var/run/docker.sock"
    for text in ("[]", "{", '{"currentContext": 7}', "[" * 100_000):
        (home / ".docker/config.json").write_text(text)
        assert hosts(home, "docker")[0] == "unix:///var/run/docker.sock"


def test_certificates_come_with_the_address(home: Path) -> None:
    (plain,) = found(home, "docker", DOCKER_HOST="tcp://h:1")
    (checked,) = found(home, "docker", DOCKER_HOST="tcp://h:1", DOCKER_TLS_VERIFY="1")
    (own,) = found(home, "docker", DOCKER_HOST="tcp://h:1", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="/certs")
    assert (plain.tls, checked.tls, own.tls) == ("", f"{home}/.docker", "/certs")
    tls = home / f".docker/contexts/tls/{hashlib.sha256(b'colima').hexdigest()}/docker"
    tls.mkdir(parents=True)
    assert found(home, "docker")[0].tls == str(tls)
