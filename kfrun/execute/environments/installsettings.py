"""Tells pip's and uv's own settings to whichever installer runs, and digests them for keys.

`fingerprint` is what goes into a key; `for_uv` and `for_pip` are what an installer is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kfrun.execute.environments import settingsources as sources
from kfrun.execute.environments.credentials import without_credentials
from kfrun.execute.environments.request import digest
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kfrun.execute.environments.settingsources import InstallSettings

_CHOOSING = (
    *(f"PIP_{name}" for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "PRE", "CONSTRAINT")),
    *("PIP_ONLY_BINARY", "PIP_NO_BINARY", "PIP_BUILD_CONSTRAINT"),
    *(f"UV_{name}" for name in ("INDEX_URL", "EXTRA_INDEX_URL", "DEFAULT_INDEX", "INDEX", "FIND_LINKS", "OFFLINE")),
    *(f"UV_{name}" for name in ("INDEX_STRATEGY", "PRERELEASE", "RESOLUTION", "EXCLUDE_NEWER", "TORCH_BACKEND")),
    *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_NO_BINARY", "UV_NO_BUILD", "UV_EXCLUDE"),
)
"""The variables that decide which packages are installed. Certificates, proxies, timeouts and caches do not."""


def fingerprint(environ: Mapping[str, str]) -> str:
    """What of pip's and uv's settings chooses packages, as a digest for `EnvironmentRequest.settings`.

    Reads at most a handful of small files. Credentials do not count. Empty when nothing is set.
    """
    parts = [f"{name}={environ[name]}" for name in _CHOOSING if environ.get(name)]
    for name in ("PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE"):
        parts += [sources.read_text(sources.anchored(path, environ)) for path in environ.get(name, "").split()]
    files = (*sources.pip_files(environ), *sources.uv_files(environ))
    text = "\0".join(part for part in (*parts, *map(sources.read_text, files)) if part)
    return digest(without_credentials(text)) if text else ""


def for_uv(environ: Mapping[str, str], index_urls: tuple[str, ...]) -> tuple[dict[str, str | None], list[str]]:
    """What uv must be told besides what it reads itself: variables to set (None: to unset), and options.

    ``index_urls`` are the manifest's and win. Credentials go into variables only: arguments can be seen in ``ps``.
    """
    own = sources.uv_environ(environ)
    pip = sources.pip_environ(environ).over(sources.pip_configuration(environ))
    told = pip.without(own).without(sources.uv_configuration(environ))
    result = dict[str, str | None]()
    if index_urls:
        told = _asked(index_urls, told)
        result = dict.fromkeys(("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"))
    if told.extra_index_urls:
        # pip takes the best version of all indexes; who writes pip-index-urls expects the same of uv.
        result["UV_INDEX_STRATEGY"] = environ.get("UV_INDEX_STRATEGY") or "unsafe-best-match"
    # The paths of the caller are relative to its folder, hence written anew even where uv reads them itself.
    links = own.find_links or tuple(_existing(told.find_links))
    result |= {
        **_given("UV_DEFAULT_INDEX", told.index_url),
        **_given("UV_INDEX", " ".join(told.extra_index_urls)),
        **_given("UV_FIND_LINKS", ",".join(links)),
        **_given("UV_CONSTRAINT", " ".join(own.constraints or told.constraints)),
        **_given("UV_INSECURE_HOST", " ".join(told.trusted_hosts)),
        **_given("UV_PRERELEASE", "allow" if told.prerelease else None),
        **_given("SSL_CERT_FILE", told.certificate),
        **_given("SSL_CLIENT_CERT", told.client_certificate),
        **_given("UV_HTTP_TIMEOUT", told.timeout),
        **({} if _has_proxy(environ) else _given("HTTP_PROXY", told.proxy) | _given("HTTPS_PROXY", told.proxy)),
    }
    return result, ["--no-index"] if pip.no_index else []


def for_pip(environ: Mapping[str, str], index_urls: tuple[str, ...]) -> dict[str, str | None]:
    """What pip must be told besides what it reads itself: variables to set (None: to unset)."""
    own = sources.pip_environ(environ)
    uv = sources.uv_environ(environ).over(sources.uv_configuration(environ))
    told = _asked(index_urls, uv.without(own).without(sources.pip_configuration(environ)))
    result = dict[str, str | None]()
    if index_urls:
        # A single URL asked for must silence the extra ones of pip.conf, hence empty rather than unset.
        result["PIP_EXTRA_INDEX_URL"] = ""
    return result | {
        **_given("PIP_INDEX_URL", told.index_url),
        **_given("PIP_EXTRA_INDEX_URL", " ".join(told.extra_index_urls)),
        **_given("PIP_FIND_LINKS", " ".join(own.find_links or told.find_links)),
        **_given("PIP_CONSTRAINT", " ".join(own.constraints or told.constraints)),
        **_given("PIP_TRUSTED_HOST", " ".join(told.trusted_hosts)),
        **_given("PIP_NO_INDEX", "1" if told.no_index else None),
        **_given("PIP_PRE", "1" if told.prerelease else None),
        **_given("PIP_CERT", told.certificate),
        **_given("PIP_CLIENT_CERT", told.client_certificate),
        **_given("PIP_DEFAULT_TIMEOUT", told.timeout),
    }


def _asked(index_urls: tuple[str, ...], settings: InstallSettings) -> InstallSettings:
    if not index_urls:
        return settings
    return replace(settings, index_url=index_urls[0], extra_index_urls=index_urls[1:])


def _given(name: str, value: str | None) -> dict[str, str | None]:
    return {name: value} if value else {}


def _existing(links: tuple[str, ...]) -> list[str]:
    # pip only warns of a folder that is missing, uv gives up.
    return [link for link in links if "://" in link or Path(link).exists()]


def _has_proxy(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
