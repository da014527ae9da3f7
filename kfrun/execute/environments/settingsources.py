"""Reads pip's and uv's own settings from the caller's variables and files.

The settings of the user and of the machine count; those of a project (``[tool.uv]`` found from the working
directory upward) do not, so that a manifest gets the same environment from wherever it is applied.
"""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """What both installers understand, in neither's words. None, () and False mean: not set.

    Attributes:
        certificate: a file of certificate authorities.
        client_certificate: a file with a certificate and its key.
        timeout: seconds, as written.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    prerelease: bool = False
    certificate: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    timeout: str | None = None

    def over(self, other: InstallSettings) -> InstallSettings:
        """These settings, and those of ``other`` where these say nothing."""
        return replace(other, **{item.name: value for item in fields(self) if (value := getattr(self, item.name))})

    def without(self, other: InstallSettings) -> InstallSettings:
        """These settings, less those that ``other`` sets as well."""
        silent = InstallSettings()
        double = [item.name for item in fields(self) if getattr(other, item.name)]
        return replace(self, **{name: getattr(silent, name) for name in double})


def anchored(path: str, environ: Mapping[str, str]) -> Path:
    """A local path of the caller as an absolute one: the builder runs in another folder."""
    if path == "~" or path.startswith("~/"):
        path = environ.get("HOME", "/") + path[1:]
    return Path(environ.get("PWD", "/"), path)


def _paths(text: str, environ: Mapping[str, str], separator: str | None = None) -> tuple[str, ...]:
    items = (item.strip() for item in text.split(separator))
    return tuple(item if "://" in item else str(anchored(item, environ)) for item in items if item)


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on", "y", "t")


def _pip_values(values: Mapping[str, str], environ: Mapping[str, str]) -> InstallSettings:
    """From pip's long option names, as in its files (``find-links``)."""
    return InstallSettings(
        index_url=values.get("index-url") or None,
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=_paths(values.get("find-links", ""), environ),
        constraints=_paths(values.get("constraint", ""), environ),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        no_index=_is_true(values.get("no-index", "")),
        prerelease=_is_true(values.get("pre", "")),
        certificate=values.get("cert") or None,
        client_certificate=values.get("client-cert") or None,
        proxy=values.get("proxy") or None,
        timeout=values.get("timeout") or values.get("default-timeout") or None,
    )


def pip_environ(environ: Mapping[str, str]) -> InstallSettings:
    """What ``PIP_*`` and pip's certificate variables say."""
    values = {name[4:].lower().replace("_", "-"): value for name, value in environ.items() if name[:4] == "PIP_"}
    settings = _pip_values(values, environ)
    certificate = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    return replace(settings, certificate=settings.certificate or certificate or None)


def pip_configuration(environ: Mapping[str, str]) -> InstallSettings:
    """What pip's configuration files say."""
    from configparser import Error, RawConfigParser

    values = dict[str, str]()
    for path in pip_files(environ):
        parser = RawConfigParser()
        try:
            parser.read_string(read_text(path))
        except Error:
            # pip itself names the fault when it runs; uv users must not suffer from it.
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                values |= {name.lower().replace("_", "-"): value for name, value in parser.items(section)}
    return _pip_values(values, environ)


def uv_environ(environ: Mapping[str, str]) -> InstallSettings:
    """What ``UV_*`` and uv's certificate variables say."""
    extra = f"{environ.get('UV_INDEX', '')} {environ.get('UV_EXTRA_INDEX_URL', '')}".split()
    return InstallSettings(
        index_url=environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or None,
        extra_index_urls=tuple(_unnamed(item) for item in extra),
        find_links=_paths(environ.get("UV_FIND_LINKS", ""), environ, ","),
        constraints=_paths(environ.get("UV_CONSTRAINT", ""), environ),
        trusted_hosts=tuple(environ.get("UV_INSECURE_HOST", "").split()),
        no_index=_is_true(environ.get("UV_OFFLINE", "")),
        prerelease=environ.get("UV_PRERELEASE") == "allow",
        certificate=environ.get("SSL_CERT_FILE") or None,
        client_certificate=environ.get("SSL_CLIENT_CERT") or None,
        timeout=environ.get("UV_HTTP_TIMEOUT") or None,
    )


def _unnamed(index: str) -> str:
    """An index URL without uv's ``name=`` before it."""
    name, equals, url = index.partition("=")
    return url if equals and ":" not in name else index


def uv_configuration(environ: Mapping[str, str]) -> InstallSettings:
    """What uv's configuration files say."""
    import tomllib

    values = dict[str, Any]()
    for path in uv_files(environ):
        try:
            data = tomllib.loads(read_text(path))
        except tomllib.TOMLDecodeError:
            # As for pip: uv names the fault itself.
            continue
        section = data.get("pip")
        values |= {**data, **(section if isinstance(section, dict) else {})}
    indexes = [item for item in _items(values, "index") if isinstance(item, dict) and not item.get("explicit")]
    extra = [str(item.get("url", "")) for item in indexes if not item.get("default")]
    default = next((str(item.get("url", "")) for item in indexes if item.get("default")), None)
    return InstallSettings(
        index_url=default or values.get("index-url"),
        extra_index_urls=tuple(filter(None, (*extra, *map(str, _items(values, "extra-index-url"))))),
        find_links=tuple(map(str, _items(values, "find-links"))),
        trusted_hosts=tuple(map(str, _items(values, "allow-insecure-host"))),
        no_index=bool(values.get("no-index") or values.get("offline")),
        prerelease=values.get("prerelease") == "allow",
    )


def _items(values: Mapping[str, Any], name: str) -> list[Any]:
    """A list of the file; uv itself names the fault when it is none."""
    found = values.get(name)
    return found if isinstance(found, list) else []


def read_text(path: Path) -> str:
    """The text of a file; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The configuration files of pip, the weakest first."""
    given = environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return
    for place in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(place, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    home = environ.get("HOME", "/")
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
        yield Path(home, "Library/Application Support/pip/pip.conf")
    yield Path(home, ".pip", "pip.conf")
    yield Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "pip", "pip.conf")
    if given:
        yield anchored(given, environ)


def uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The configuration files of uv: of the machine and the user, the weakest first."""
    if _is_true(environ.get("UV_NO_CONFIG", "")):
        return
    if environ.get("UV_CONFIG_FILE"):
        yield anchored(environ["UV_CONFIG_FILE"], environ)
        return
    for place in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(place, "uv", "uv.toml")
    yield Path("/etc/uv/uv.toml")
    yield Path(environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '/')}/.config", "uv", "uv.toml")
