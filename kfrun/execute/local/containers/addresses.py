"""Where an engine may answer, in the order in which it is looked for.

Somebody who names one means it: nothing else is tried then. Otherwise the engine that ``docker`` or ``podman`` itself
would take comes first, then the sockets that engines and the programs around them make. Nothing is asked here.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from kfrun.host import files
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DOCKER: Final = "docker"
PODMAN: Final = "podman"
ENGINES: Final = (DOCKER, PODMAN)

_LONGEST_FILE = 1 << 20


class EngineAddress(NamedTuple):
    """Where an engine may answer.

    Attributes:
        host: as in ``DOCKER_HOST``: ``unix:///run/docker.sock``, ``tcp://…``, ``ssh://…``; empty where what is named is
            not known.
        source: who says so, or whose socket it is.
        is_named: somebody has named it for this.
        tls: the folder of ``ca.pem``, ``cert.pem`` and ``key.pem``; empty without TLS.
        starter: the command that starts what makes the socket; empty where that differs too much.
    """

    host: str
    source: str
    is_named: bool = False
    tls: str = ""
    starter: str = ""


def of(engine: str, environ: Mapping[str, str], named: str = "") -> list[EngineAddress]:
    """Where an engine of that name may answer, the first one first; each place once.

    Args:
        engine: one of `ENGINES`.
        environ: the caller's variables.
        named: what a flag or a setting says.
    """
    if named:
        return [EngineAddress(_url(named), "--engine-host", is_named=True, tls=_tls(environ))]
    variable = {DOCKER: "DOCKER_HOST", PODMAN: "CONTAINER_HOST"}[engine]
    if environ.get(variable):
        tls = _tls(environ) if engine == DOCKER else ""
        return [EngineAddress(_url(environ[variable]), variable, is_named=True, tls=tls)]
    found: dict[str, EngineAddress] = {}
    for address in _OF[engine](environ):
        if address.is_named:
            return [address]
        found.setdefault(address.host, address)
    return list(found.values())


def _docker(environ: Mapping[str, str]) -> Iterator[EngineAddress]:
    home, runtime = _home(environ), _runtime(environ)
    yield from _context(environ)
    yield _socket("/var/run/docker.sock", "Docker", "sudo systemctl start docker")
    yield _socket(f"{runtime}/docker.sock", "rootless Docker", "systemctl --user start docker")
    for path in (f"{home}/.docker/run/docker.sock", f"{home}/.docker/desktop/docker.sock"):
        yield _socket(path, "Docker Desktop", "docker desktop start")
    colima = environ.get("COLIMA_HOME") or f"{home}/.colima"
    yield _socket(f"{colima}/default/docker.sock", "Colima", "colima start")
    yield _socket(f"{home}/.rd/docker.sock", "Rancher Desktop", "rdctl start")
    yield _socket(f"{home}/.orbstack/run/docker.sock", "OrbStack", "orb start")
    yield from _lima(environ, DOCKER)


def _podman(environ: Mapping[str, str]) -> Iterator[EngineAddress]:
    home, runtime = _home(environ), _runtime(environ)
    yield from _connection(environ)
    yield _socket(f"{runtime}/podman/podman.sock", "rootless Podman", "systemctl --user start podman.socket")
    yield _socket("/run/podman/podman.sock", "Podman", "sudo systemctl start podman.socket")
    data = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    temporary = environ.get("TMPDIR") or "/tmp"  # noqa: S108 (where Podman's machine makes its socket)
    for pattern in (f"{glob.escape(data)}/containers/podman/machine/", f"{glob.escape(temporary.rstrip('/'))}/podman/"):
        for path in sorted(glob.glob(f"{pattern}*.sock")) + sorted(glob.glob(f"{pattern}*/podman.sock")):
            if path.endswith(("-api.sock", "/podman.sock")):
                yield _socket(path, "Podman machine", "podman machine start")
    yield from _lima(environ, PODMAN)


_OF: Final[dict[str, Callable[[Mapping[str, str]], Iterator[EngineAddress]]]] = {DOCKER: _docker, PODMAN: _podman}


def _context(environ: Mapping[str, str]) -> Iterator[EngineAddress]:
    """The context that ``docker`` would take: that of a variable is named, the current one is only the first choice."""
    folder = environ.get("DOCKER_CONFIG") or f"{_home(environ)}/.docker"
    asked = environ.get("DOCKER_CONTEXT", "")
    name = asked or _text(_read(f"{folder}/config.json"), "currentContext")
    if not name or name == "default":
        return
    digest = hashlib.sha256(name.encode()).hexdigest()
    endpoint = _node(_read(f"{folder}/contexts/meta/{digest}/meta.json"), "Endpoints", DOCKER)
    host = _text(endpoint, "Host")
    tls = f"{folder}/contexts/tls/{digest}/{DOCKER}"
    if host or asked:
        tls = tls if os.path.isdir(tls) else ""
        yield EngineAddress(host, f"docker context {name}", is_named=bool(asked), tls=tls)


def _connection(environ: Mapping[str, str]) -> Iterator[EngineAddress]:
    """The default connection of ``podman system connection``, where there is one."""
    config = environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config"
    known = _node(_read(f"{config}/containers/podman-connections.json"), "Connection")
    asked = environ.get("CONTAINER_CONNECTION", "")
    name = asked or _text(known, "Default")
    host = _text(_node(known, "Connections", name), "URI")
    if host or asked:
        source = f"podman connection {name}"
        yield EngineAddress(host, source, is_named=bool(asked), starter="podman machine start")


def _lima(environ: Mapping[str, str], engine: str) -> Iterator[EngineAddress]:
    lima = environ.get("LIMA_HOME") or f"{_home(environ)}/.lima"
    for path in sorted(glob.glob(f"{glob.escape(lima)}/*/sock/{engine}.sock")):
        instance = path.split("/")[-3]
        yield _socket(path, f"Lima {instance}", f"limactl start {instance}")


def _socket(path: str, source: str, starter: str) -> EngineAddress:
    return EngineAddress(f"unix://{path}", source, starter=starter)


def _url(text: str) -> str:
    """What is written without a scheme is a path, or a host with its port."""
    if "://" in text:
        return text
    return f"unix://{text}" if text.startswith("/") else f"tcp://{text}"


def _tls(environ: Mapping[str, str]) -> str:
    """As ``docker`` reads its variables: TLS counts where it is to be verified."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return ""
    return environ.get("DOCKER_CERT_PATH") or environ.get("DOCKER_CONFIG") or f"{_home(environ)}/.docker"


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or "/"


def _runtime(environ: Mapping[str, str]) -> str:
    return environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def _read(path: str) -> Any:
    """A file of others' programs; what cannot be read says nothing."""
    try:
        with open(path, encoding="utf-8", opener=files.opener) as file:
            return json.loads(file.read(_LONGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return None


def _node(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _text(data: Any, name: str) -> str:
    found = _node(data, name)
    return found if isinstance(found, str) else ""
