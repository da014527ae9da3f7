"""The ConfigMaps and Secrets that a job's containers are given: what is in them, and what is missing."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Find = Callable[[str, str], Mapping[str, Any] | None]

CONFIG_MAP, SECRET = "ConfigMap", "Secret"
_WORDS = {CONFIG_MAP: "configmap", SECRET: "secret"}


class MissingConfig(Exception):
    """Something that is not optional is not there; the message is the kubelet's."""


class Configs:
    """Looks ConfigMaps and Secrets up, each once: all containers that start at one moment see the same.

    Args:
        find: the data of an object of that kind and name, None if there is none.
        namespace: of all of them.
    """

    def __init__(self, find: Find, namespace: str) -> None:
        self._find = find
        self._namespace = namespace
        self._known: dict[tuple[str, str], dict[str, bytes] | None] = {}

    def entries(self, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
        """What is in an object by key, empty if it may be missing and is.

        Raises:
            MissingConfig: it is not there.
        """
        key = kind, name
        if key not in self._known:
            found = self._find(kind, name)
            self._known[key] = None if found is None else _entries(found)
        entries = self._known[key]
        if entries is None and not optional:
            raise MissingConfig(f'{_WORDS[kind]} "{name}" not found')
        return entries or {}

    def value(self, kind: str, name: str, key: str, *, optional: bool = False) -> bytes | None:
        """What is at a key; None if it may be missing and is.

        Raises:
            MissingConfig: the object or the key is not there.
        """
        found = self.entries(kind, name, optional=optional).get(key)
        if found is None and not optional:
            raise MissingConfig(f"couldn't find key {key} in {kind} {self._namespace}/{name}")
        return found


def none(kind: str, name: str) -> None:
    """Finds nothing: for where nothing is looked up."""
    del kind, name


def _entries(data: Mapping[str, Any]) -> dict[str, bytes]:
    plain, encoded = (
        (data.get("stringData"), data.get("data")) if _is_secret(data) else (data.get("data"), data.get("binaryData"))
    )
    found = {key: _decoded(text or "") for key, text in (encoded or {}).items()}
    return {**found, **{key: (text or "").encode() for key, text in (plain or {}).items()}}


def _is_secret(data: Mapping[str, Any]) -> bool:
    return data.get("kind") == SECRET


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode()
