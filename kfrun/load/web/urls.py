"""Sources behind https URLs.

Plain http is refused but for this machine itself, redirects included (`connections`); size and time are bounded.
Proxies and certificates are those of the environment (``HTTPS_PROXY``, ``SSL_CERT_FILE``).
"""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.load.web.hosts import is_this_machine
from kfrun.model.values import NamedTuple
from kfrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection
    from urllib.error import HTTPError

SILENCE_SECONDS: Final = 15.0
"""Longest wait for the next bytes of an answer."""

TOTAL_SECONDS: Final = 60.0
"""Longest time for a whole answer, from the first question for the host's address to the last byte."""


def checked(url: str) -> str:
    """The URL, when kfrun may fetch it.

    Raises:
        UsageProblem: it may not.
    """
    try:
        parts = urlsplit(url)
        has_password = parts.username is not None or parts.password is not None
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise UsageProblem(f"{url} is not a URL: {error}") from None
    if has_password:
        raise UsageProblem(
            "a URL with a user name or password is not fetched", hint="fetch it yourself and pipe it to -f -"
        )
    if parts.scheme == "https" and host:
        return url
    if parts.scheme == "http" and host:
        if is_this_machine(host):
            return url
        raise UsageProblem(f"{url} is not fetched: anybody on the way could change it", hint="use https://")
    raise UsageProblem(f"{url} cannot be read", hint="use an https:// URL or a file")


class SecretRefused(Unavailable):
    """The server answers, and not to this caller."""


class Fetched(NamedTuple):
    """What a server said: the content, or that it is as its ETag says."""

    content: bytes
    etag: str = ""
    is_unchanged: bool = False


def fetch(url: str, max_bytes: int) -> bytes:
    """The content of a checked URL, ``max_bytes`` and one more at most.

    Raises:
        NotFound: the server has no such file.
        Unavailable: it could not be fetched.
    """
    return ask(url, max_bytes).content


def ask(url: str, max_bytes: int, *, headers: Mapping[str, str] = MappingProxyType({}), secret: str = "") -> Fetched:
    """As `fetch`, with further headers; ``secret`` is that of Authorization, which no redirect gets.

    Raises:
        NotFound, Unavailable: see `fetch`.
    """
    from threading import Thread

    # What takes its time is not only the body: names, connections, TLS, every single header. No library has one
    # time-out for all of it, and some of it cannot be interrupted.
    fetching = _Fetching(url, max_bytes, headers, secret)
    thread = Thread(target=fetching.run, daemon=True)
    thread.start()
    thread.join(TOTAL_SECONDS)
    if thread.is_alive():
        fetching.give_up()
        thread.join(1)
        raise _too_slow(url)
    if fetching.failure is not None:
        raise fetching.failure
    return fetching.answer


class _Fetching:
    """One URL on its way: ``answer`` or ``failure``, unless it took too long."""

    def __init__(self, url: str, max_bytes: int, headers: Mapping[str, str], secret: str) -> None:
        self.answer = Fetched(b"")
        self._headers, self._secret = headers, secret
        self.failure: Exception | None = None
        self._url = url
        self._max_bytes = max_bytes
        self._is_over = False
        self._connections: list[HTTPConnection] = []

    def run(self) -> None:
        """Fetch it."""
        try:
            self.answer = self._asked()
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            self.failure = error

    def give_up(self) -> None:
        """Let whatever is still asked or heard fail."""
        from socket import SHUT_RDWR

        self._is_over = True
        for connection in self._connections:
            with contextlib.suppress(OSError, AttributeError):  # without a connection yet, or any more
                connection.sock.shutdown(SHUT_RDWR)

    def _asked(self) -> Fetched:
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        from kfrun.load.web import connections

        url = self._url
        headers = {"User-Agent": f"kfrun/{__version__}", "Accept": "*/*", **self._headers}
        request = Request(url, headers=headers)  # noqa: S310
        if self._secret:
            request.add_unredirected_header("Authorization", self._secret)
        opener = connections.opener(url, checked, self._connections.append)
        try:
            with opener.open(request, timeout=SILENCE_SECONDS) as answer:
                return Fetched(self._body(answer), answer.headers.get("ETag") or "")
        except HTTPError as error:
            if error.code == 304:
                error.close()
                return Fetched(b"", error.headers.get("ETag") or "", is_unchanged=True)
            _refused(url, error)
        except TimeoutError:
            raise _too_slow(url) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unavailable(f"{url} could not be fetched: {reason}") from error

    def _body(self, answer: Any) -> bytes:
        parts: list[bytes] = []
        left = self._max_bytes + 1
        while left and (part := answer.read1(left)):
            parts.append(part)
            left -= len(part)
            if self._is_over:
                raise TimeoutError
        if left and answer.length:
            raise OSError("the answer broke off")
        return b"".join(parts)


def _too_slow(url: str) -> Unavailable:
    return Unavailable(f"{url} did not answer in time")


def _refused(url: str, error: HTTPError) -> NoReturn:
    with contextlib.closing(error):
        if error.code in (404, 410):
            raise NotFound(f"{url}: the server has no such file ({error.code})") from None
        message = f"{url} could not be fetched: {error.code} {error.reason}"
        if error.code == 401 or (error.code == 403 and not _is_busy(error)):
            raise SecretRefused(message, hint="fetch it yourself and pipe it to -f -") from None
        raise Unavailable(message) from None


def _is_busy(error: HTTPError) -> bool:
    """Whether a 403 only says that somebody has asked too often."""
    return error.headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in error.headers
