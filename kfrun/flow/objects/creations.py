"""Objects that must be new, or there, as kubectl's ``create`` and ``replace`` have it; ``generateName``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.errors import NotFound, Refused
from kfrun.model.source import with_given
from kfrun.model.values import replace

if TYPE_CHECKING:
    from kfrun.flow.plans import Ready
    from kfrun.model.source import Document, ObjectKey

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""The API server's: no vowels, so that no words come of it, and nothing that looks alike."""
_RANDOM, _LONGEST_BASE = 5, 58
_NAME, _BASE = ("metadata", "name"), ("metadata", "generateName")


def named(document: Document) -> Document:
    """The document with a name made of its ``generateName``, where it has no name."""
    metadata = document.data.get("metadata")
    base = metadata.get("generateName") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or metadata.get("name") or not isinstance(base, str) or not base:
        return document
    number = int.from_bytes(os.urandom(8), "big")
    letters = (_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(_RANDOM))
    data = {**document.data, "metadata": {**metadata, "name": base[:_LONGEST_BASE] + "".join(letters)}}
    positions = with_given(document.positions, {_NAME: document.positions.value(_BASE)})
    return replace(document, data=data, positions=positions)


def require_new(ready: Ready) -> None:
    """Refuse a plan for objects of which one is there.

    Raises:
        Refused: one is.
    """
    if found := [key for key in _keys(ready) if _is_there(ready, key)]:
        raise Refused(
            "; ".join(f'AlreadyExists: {_resource(key)} "{key.name}" already exists' for key in found),
            "kfrun apply -f changes what is there, kfrun replace -f creates it anew; metadata.generateName "
            "instead of a name makes one for each kfrun create -f",
        )


def require_there(ready: Ready) -> None:
    """Refuse a plan for objects of which one is not there.

    Raises:
        NotFound: one is not.
    """
    if found := [key for key in _keys(ready) if not _is_there(ready, key)]:
        raise NotFound(
            "; ".join(f'{_resource(key)} "{key.name}" not found' for key in found),
            "kfrun create -f creates what is new, kfrun replace --force -f whatever there is",
        )


def _keys(ready: Ready) -> list[ObjectKey]:
    return [*(document.key for document in ready.desired.objects), *ready.keys]


def _is_there(ready: Ready, key: ObjectKey) -> bool:
    return key in ready.observed.jobs or key in ready.observed.objects


def _resource(key: ObjectKey) -> str:
    """Kubectl's word for all of a kind: ``trainjobs.trainer.kubeflow.org``."""
    kind, dot, group = key.resource.partition("/")[0].partition(".")
    return f"{kind}s{dot}{group}"
