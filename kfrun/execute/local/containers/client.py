"""The client that engines are asked with: the package docker, for both; the only module that imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import Unavailable

if TYPE_CHECKING:
    from kfrun.execute.local.containers.addresses import EngineAddress

EXTRA = "pip install 'kfrun[docker]'"
"""What brings it."""

_OLDEST = "1.41"
"""Of the versions of Docker's API that kfrun speaks: Docker 20.10 and Podman 4."""


def require() -> None:
    """Load it.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        import docker  # noqa: F401
    except ImportError:
        raise Unavailable("engines are asked with the package docker, which is not installed", EXTRA) from None


def connect(address: EngineAddress, *, timeout: float) -> Any:
    """A client of the engine at an address, which has not been asked anything.

    Raises:
        Exception: one of `errors`; the address or its certificates cannot be used.
    """
    import docker
    import docker.tls

    tls = None
    if address.tls:
        pair = (f"{address.tls}/cert.pem", f"{address.tls}/key.pem")
        tls = docker.tls.TLSConfig(client_cert=pair, ca_cert=f"{address.tls}/ca.pem", verify=True)
    # A version is given, or the client asks for the newest one at once.
    return docker.APIClient(base_url=address.host, tls=tls, timeout=timeout, version=_OLDEST)


def errors() -> tuple[type[Exception], ...]:
    """What the client raises where an engine does not answer or refuses."""
    import docker.errors

    return (docker.errors.DockerException, OSError, ValueError)
