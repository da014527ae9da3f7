"""What was fetched, kept for a day: asked for again by its ETag then, and used all the same where nobody answers.

Tokens go to the host that they are for and to no other, redirects included. They are never kept, and what is kept is
private, since what they open may be.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from kfrun import digests, paths
from kfrun.errors import NotFound, Unavailable
from kfrun.load.web import urls
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.load.runtimesources import Fetching

MAX_BYTES: Final = 16 * 1024 * 1024
FRESH_SECONDS: Final = 24 * 3600.0
_FORMAT: Final = 1
_GITHUB_HOSTS: Final = ("api.github.com", "raw.githubusercontent.com", "github.com")


class Copy(NamedTuple):
    """What a URL answered with, when, and its ETag."""

    content: bytes
    etag: str
    time: float


def quoted(text: str, safe: str = "/") -> str:
    """As a part of a URL."""
    return quote(text, safe=safe)


def fetched(url: str, fetching: Fetching, *, accept: str = "*/*", shown: str = "") -> bytes:
    """The content of a URL, fetched now or kept since; ``shown`` is what a user calls it.

    Raises:
        NotFound: the server has no such file.
        Unavailable: it could not be fetched, and nothing is kept of it.
        UsageProblem: kfrun does not fetch from there.
    """
    urls.checked(url)
    path = paths.join(fetching.cache_dir, "sources", f"{digests.blake2(f'{accept} {url}'.encode())}.json")
    copy = None if fetching.refresh else _read(path)
    now = time.time()
    if copy is not None and (fetching.any_age or 0 <= now - copy.time < FRESH_SECONDS):
        return copy.content
    known = copy if copy is not None else _read(path)
    headers = {"Accept": accept, **({"If-None-Match": known.etag} if known is not None and known.etag else {})}
    try:
        answer = urls.ask(url, MAX_BYTES, headers=headers, secret=_secret(url, fetching.environ))
    except Unavailable as error:
        if known is None or isinstance(error, urls.SecretRefused):
            raise Unavailable(
                f"{shown or url}: {error.message}", error.hint or _token_hint(url, fetching.environ)
            ) from None
        fetching.tell(f"warning: {error.message}; {shown or url} is used as it was {_ago(now - known.time)} ago")
        return known.content
    except NotFound as error:
        raise NotFound(f"{shown or url}: {error.message}", _token_hint(url, fetching.environ)) from None
    content = known.content if answer.is_unchanged and known is not None else answer.content
    if len(content) > MAX_BYTES:
        raise Unavailable(f"{shown or url}: more than {MAX_BYTES // 2**20} MiB are too much")
    _write(path, Copy(content, answer.etag or (known.etag if answer.is_unchanged and known else ""), now))
    return content


def _ago(seconds: float) -> str:
    hours = int(seconds // 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours > 1 else f"{int(seconds // 60)} minutes"


# Tokens


def _secret(url: str, environ: Any) -> str:
    """The header Authorization for a host; empty where there is none for it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = environ.get(f"KFRUN_TOKEN_{host.replace('.', '_').replace('-', '_')}")
    github = (
        environ.get("GITHUB_TOKEN") or environ.get("GH_TOKEN") if host in (*_GITHUB_HOSTS, _api_host(environ)) else None
    )
    token = own or github
    if token:
        return f"Bearer {token.strip()}"
    return _of_netrc(host, environ)


def _api_host(environ: Any) -> str | None:
    """Of GitHub's API, where a company has its own."""
    return urlsplit(environ.get("GITHUB_API_URL") or "").hostname


def _of_netrc(host: str, environ: Any) -> str:
    import base64
    import netrc

    path = environ.get("NETRC") or os.path.join(environ.get("HOME", ""), ".netrc")
    try:
        # not its entry "default", which is for any host
        found = netrc.netrc(path).hosts.get(host) if os.path.isfile(path) else None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return ""
    if not found or not found[2]:
        return ""
    return "Basic " + base64.b64encode(f"{found[0] or ''}:{found[2]}".encode()).decode("ascii")


def _token_hint(url: str, environ: Any) -> str:
    host = urlsplit(url).hostname or ""
    if host in (*_GITHUB_HOSTS, _api_host(environ)):
        return "of a private repository GITHUB_TOKEN has to hold a token"
    return f"a token for it may be in KFRUN_TOKEN_{host.replace('.', '_').replace('-', '_')} or in netrc"


# The folder


def _read(path: str) -> Copy | None:
    import base64

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or state.st_mode & 0o077:
                return None
            data: Any = json.loads(file.read(2 * MAX_BYTES))
        if data["format"] != _FORMAT:
            return None
        return Copy(base64.b64decode(data["content"], validate=True), str(data["etag"]), float(data["time"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(path: str, copy: Copy) -> None:
    """Keep it, if that is possible."""
    import base64

    from kfrun import host

    content = base64.b64encode(copy.content).decode("ascii")
    data = {"format": _FORMAT, "etag": copy.etag, "time": copy.time, "content": content}
    temporary = f"{path}.{os.getpid()}"
    try:
        host.make_private_folder(paths.parent(path))
        with open(temporary, "w", encoding="ascii", opener=_private) as file:
            file.write(json.dumps(data))
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)
