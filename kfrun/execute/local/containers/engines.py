"""Which engine answers, and of those that do not, why and what would help."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

from kfrun.errors import Unavailable
from kfrun.execute.local.containers import addresses, client
from kfrun.execute.local.containers.addresses import DOCKER, PODMAN
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.execute.local.containers.addresses import EngineAddress

_SECONDS = 1.0
"""How long one is waited for: a socket that nobody serves may take connections all the same."""


class FoundEngine(NamedTuple):
    """An engine that answers.

    Attributes:
        name: ``docker`` or ``podman``, as it says itself.
        version: its own, ``28.5.2``.
        api: the newest version of Docker's API that it speaks, ``1.51``.
    """

    address: EngineAddress
    name: str
    version: str
    api: str

    def __str__(self) -> str:
        return f"{self.name.capitalize()} {self.version} (API {self.api}) at {self.address.host}"


class Silence(NamedTuple):
    """An address at which nobody answers: why, and the command that may mend it, empty where none is known."""

    address: EngineAddress
    why: str
    mend: str = ""

    @property
    def is_there(self) -> bool:
        """Somebody has named it, or there is something that does not answer."""
        return self.address.is_named or self.why != _MISSING

    def __str__(self) -> str:
        return f"{self.address.source} ({self.address.host or 'unknown'}): {self.why}"


def find(engine: str, environ: Mapping[str, str], named: str = "") -> tuple[FoundEngine | None, list[Silence]]:
    """The first engine that answers, and what was tried before it; see `addresses.of`.

    Raises:
        Unavailable: the client that engines are asked with is not installed.
    """
    tried: list[Silence] = []
    for address in addresses.of(engine, environ, named):
        answer = ask(address)
        if isinstance(answer, FoundEngine):
            return answer, tried
        tried.append(answer)
    return None, tried


def require(engines: Sequence[str], environ: Mapping[str, str], named: str = "") -> FoundEngine:
    """The first engine of these names that answers.

    Raises:
        Unavailable: none does; everything that was tried is told, and what would help.
    """
    silent: list[Silence] = []
    for engine in engines:
        found, tried = find(engine, environ, named)
        if found is not None:
            return found
        silent += tried
    raise Unavailable(f"no engine answers ({' or '.join(engines)})\n{told(silent)}", remedy(silent))


def told(silent: Sequence[Silence]) -> str:
    """What was tried, a line each; sockets that are not there in one."""
    there = [str(one) for one in silent if one.is_there]
    missing = [one.address.host.removeprefix("unix://") for one in silent if not one.is_there]
    return "\n".join([*there, *([f"no socket at {', '.join(missing)}"] if missing else [])])


def remedy(silent: Sequence[Silence]) -> str:
    """What would help most: where something is there, before where nothing is."""
    ranked = sorted((one for one in silent if one.mend), key=lambda one: one.why == _MISSING)
    if ranked:
        return ranked[0].mend
    named = next((one.address.source for one in silent if one.address.is_named), "")
    if named:
        return f"look at {named}: nothing else is tried where it is given"
    return "install Docker or Podman, or leave --backend away: jobs run as processes"


def ask(address: EngineAddress) -> FoundEngine | Silence:
    """Ask who is there.

    Raises:
        Unavailable: the client that engines are asked with is not installed.
    """
    if not address.host:
        return Silence(address, "there is none of that name")
    problem = _of_socket(address)
    if problem is not None:
        return problem
    client.require()
    try:
        with client.connect(address, timeout=_SECONDS) as asked:
            return _found(address, asked.version(api_version=False))
    except client.errors() as error:
        return _silence(address, error)


def _found(address: EngineAddress, version: Any) -> FoundEngine | Silence:
    known = version if isinstance(version, dict) else {}
    release, api = known.get("Version"), known.get("ApiVersion")
    if not (isinstance(release, str) and isinstance(api, str)):
        return Silence(address, "what answers there is no engine")
    parts = [item for item in known.get("Components") or () if isinstance(item, dict)]
    is_podman = any("podman" in str(item.get("Name", "")).lower() for item in parts)
    return FoundEngine(address, PODMAN if is_podman else DOCKER, release, api)


_MISSING = "there is no socket"


def _of_socket(address: EngineAddress) -> Silence | None:
    """What is wrong with a socket that can be seen before anybody is asked."""
    if not address.host.startswith("unix://"):
        return None
    path = address.host.removeprefix("unix://")
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return Silence(address, "that is no socket")
        with socket.socket(socket.AF_UNIX) as tried:
            # The client leaves a socket open at which nobody listens.
            tried.settimeout(_SECONDS)
            tried.connect(path)
    except (FileNotFoundError, NotADirectoryError):
        # What is not installed needs no advice; what somebody has named, or has a folder, does.
        is_own = os.path.isdir(os.path.dirname(path)) and not path.startswith(("/run", "/var"))
        return Silence(address, _MISSING, address.starter if address.is_named or is_own else "")
    except OSError as error:
        return _silence(address, error)
    return None


def _silence(address: EngineAddress, error: Exception) -> Silence:
    causes = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    numbers = {item.errno for item in causes if isinstance(item, OSError)}
    if numbers & {errno.EACCES, errno.EPERM}:
        group = "sudo usermod -aG docker $USER, then log in again" if address.source == "Docker" else ""
        return Silence(address, "you have no permission on the socket", group)
    if errno.ECONNREFUSED in numbers:
        return Silence(address, "nobody listens: it is not running", address.starter)
    if any("timed out" in str(item).lower() for item in causes):
        return Silence(address, f"no answer within {_SECONDS:g} s", address.starter)
    first = str(error).strip().splitlines() or [error.__class__.__name__]
    return Silence(address, first[0][:200], address.starter)
