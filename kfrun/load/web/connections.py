"""The connections that `urls` fetches through: to what was named, and from there only outwards.

A redirect is the server's word, not the user's. It never leads from https to another scheme, nor to this machine or a
network around it, by whatever name or spelling, unless it stays at the host that was named or with this machine.
"""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, ProxyHandler, build_opener

from kfrun.errors import Unavailable, UsageProblem
from kfrun.load.web.hosts import is_loopback, is_public, is_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.request import OpenerDirector, Request

    Check = Callable[[str], str]


def opener(url: str, check: Check, opened: Callable[[HTTPConnection], None]) -> OpenerDirector:
    """What opens ``url``.

    Args:
        url: what the user named.
        check: raises `UsageProblem` for what kfrun does not fetch at all.
        opened: is told every connection before it is made.
    """
    reach = _Reach(url)
    return build_opener(_Redirects(check), _Proxies(reach), _Plainly(reach, opened), _Securely(reach, opened))


class _Reach:
    """Which addresses may be asked for the sake of one URL."""

    def __init__(self, url: str) -> None:
        self._named = urlsplit(url).hostname or ""

    def is_named(self, host: str) -> bool:
        """Whether the user named this host."""
        return host.lower() == self._named

    def require(self, host: str, addresses: Iterable[str], *, plainly: bool = False) -> None:
        """Refuse a host at one of these addresses, if it is not to be asked.

        Raises:
            Unavailable: it is not.
        """
        for address in addresses:
            if plainly and not is_loopback(address):
                raise Unavailable(f"{host} is {address}, not this machine: http is for this machine alone")
            is_own = is_this_machine(self._named) and is_loopback(address)
            if not (self.is_named(host) or is_own or is_public(address)):
                shown = host if host == address else f"{host} ({address})"
                raise Unavailable(
                    f"{self._named} redirects into a private network, to {shown}",
                    "name the address yourself with -f, if it is meant",
                )


def _addresses(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Plain(HTTPConnection):
    """A connection that is made only where it may lead; ``reach`` is None for one to a proxy."""

    reach: _Reach | None = None
    plainly = True

    def connect(self) -> None:
        """Connect, and look where it went: a name may have another address the second time it is asked for."""
        if self.reach is not None:
            self.reach.require(self.host, _addresses(self.host, self.port), plainly=self.plainly)
        super().connect()
        if self.reach is not None:
            self.reach.require(self.host, [self.sock.getpeername()[0]], plainly=self.plainly)


class _Secure(HTTPSConnection, _Plain):
    """The same for https: TLS begins after `_Plain` has connected."""

    plainly = False


class _Plainly(HTTPHandler):
    def __init__(self, reach: _Reach, opened: Callable[[HTTPConnection], None]) -> None:
        super().__init__()
        self._make = _Maker(_Plain, reach, opened)

    def http_open(self, req: Request) -> Any:
        """Open a URL of this machine."""
        return self.do_open(self._make.of(req), req)


class _Securely(HTTPSHandler):
    def __init__(self, reach: _Reach, opened: Callable[[HTTPConnection], None]) -> None:
        super().__init__()
        self._make = _Maker(_Secure, reach, opened)

    def https_open(self, req: Request) -> Any:
        """Open any other URL."""
        return self.do_open(self._make.of(req), req)


class _Maker:
    """Makes the connections of one scheme."""

    def __init__(self, kind: type[_Plain], reach: _Reach, opened: Callable[[HTTPConnection], None]) -> None:
        self._kind = kind
        self._reach = reach
        self._opened = opened

    def of(self, request: Request) -> Any:
        """What `urllib.request` calls to get a connection."""

        def make(host: str, **settings: Any) -> HTTPConnection:
            connection = self._kind(host, **settings)
            connection.reach = None if getattr(request, "is_proxied", False) else self._reach
            self._opened(connection)
            return connection

        return make


class _Proxies(ProxyHandler):
    """The proxies of the environment. What they resolve they answer for; what is known here is looked at here."""

    def __init__(self, reach: _Reach) -> None:
        super().__init__()
        self._reach = reach

    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:  # noqa: A002 - its name in the standard library
        """Send a request through a proxy, unless it is for this machine."""
        host, before = urlsplit(req.full_url).hostname or "", req.host
        if is_this_machine(host):
            return None
        answer = super().proxy_open(req, proxy, type)
        if req.host != before:
            req.is_proxied = True  # type: ignore[attr-defined]
            if not self._reach.is_named(host):
                self._reach.require(host, self._known(host))
        return answer

    @staticmethod
    def _known(host: str) -> list[str]:
        try:
            return _addresses(host, 443)
        except OSError:  # names are the proxy's business here
            return []


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to where kfrun would go itself, and never from https to something else."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request for where the server sends us.

        Raises:
            Unavailable: nobody goes there.
        """
        fp.close()  # whatever the answer holds besides, and however much
        try:
            self._check(newurl)
        except UsageProblem as error:
            raise Unavailable(f"{req.full_url} redirects elsewhere: {error.message}") from None
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise Unavailable(f"{req.full_url} redirects elsewhere: {newurl} is not https")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.unredirected_hdrs.get("Authorization")
        if following is not None and secret and _origin(newurl) == _origin(req.full_url):  # a repository was renamed
            following.add_unredirected_header("Authorization", secret)
        return following


def _origin(url: str) -> tuple[str, str, int | None]:
    """What a secret is for; it is no other origin's business."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
