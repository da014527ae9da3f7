"""Sources behind https URLs.

Plain http is refused but for this machine itself, redirects included; size and time are bounded. Proxies and
certificates are those of the environment (``HTTPS_PROXY``, ``SSL_CERT_FILE``).
"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.version import __version__

if TYPE_CHECKING:
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector

SILENCE_SECONDS: Final = 15.0
"""Longest wait for the next bytes of an answer."""

TOTAL_SECONDS: Final = 60.0
"""Longest time for a whole answer."""


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
        if _is_this_machine(host):
            return url
        raise UsageProblem(f"{url} is not fetched: anybody on the way could change it", hint="use https://")
    raise UsageProblem(f"{url} cannot be read", hint="use an https:// URL or a file")


def fetch(url: str, max_bytes: int) -> bytes:
    """The content of a checked URL, ``max_bytes`` and one more at most.

    Raises:
        NotFound: the server has no such file.
        Unavailable: it could not be fetched.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    request = Request(url, headers={"User-Agent": f"kfrun/{__version__}", "Accept": "*/*"})  # noqa: S310
    deadline = time.monotonic() + TOTAL_SECONDS
    try:
        with _opener(url).open(request, timeout=SILENCE_SECONDS) as answer:
            return _body(answer, max_bytes, deadline)
    except HTTPError as error:
        _refused(url, error)
    except TimeoutError:
        raise Unavailable(f"{url} did not answer in time") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(f"{url} could not be fetched: {reason}") from error


def _body(answer: Any, max_bytes: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    left = max_bytes + 1
    while left and (part := answer.read1(left)):
        parts.append(part)
        left -= len(part)
        if time.monotonic() > deadline:
            raise TimeoutError
    if left and answer.length:
        raise OSError("the answer broke off")
    return b"".join(parts)


def _refused(url: str, error: HTTPError) -> NoReturn:
    with error:
        if error.code in (404, 410):
            raise NotFound(f"{url}: the server has no such file ({error.code})") from None
        hint = "fetch it yourself and pipe it to -f -" if error.code in (401, 403) else None
        raise Unavailable(f"{url} could not be fetched: {error.code} {error.reason}", hint=hint) from None


def _opener(url: str) -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class SafeRedirects(HTTPRedirectHandler):
        """Follows redirects to where kfrun would go itself."""

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            try:
                checked(newurl)
            except UsageProblem as error:
                fp.close()
                raise Unavailable(f"{req.full_url} redirects elsewhere: {error.message}") from None
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    is_local = _is_this_machine(urlsplit(url).hostname or "")
    return build_opener(SafeRedirects, ProxyHandler({} if is_local else None))


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
