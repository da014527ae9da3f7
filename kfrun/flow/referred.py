"""The runtimes that a call refers to beside its input: those of the sources that flags and settings name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from kfrun.flow import listener

if TYPE_CHECKING:
    from kfrun.model.packed import Packed
    from kfrun.model.source import Document
    from kfrun.resolve.runtimes.catalogue import Catalogue
    from kfrun.settings import Settings


def catalogue(given: Sequence[Document | Packed], stored: Sequence[Document], settings: Settings) -> Catalogue:
    """The runtimes at hand: of an input, of the sources of the settings, stored ones, shipped ones.

    Raises:
        NotFound, Unavailable, UsageProblem: see `kfrun.load.runtimesources.read`.
    """
    from kfrun.resolve.runtimes.catalogue import Catalogue
    from kfrun.resolve.runtimes.shipped import shipped

    return Catalogue(given, stored, shipped(), sources=_Later(settings))


def of(settings: Settings) -> Sequence[Document]:
    """The runtimes of the sources; read once for the same settings.

    Raises:
        NotFound, Unavailable, UsageProblem: see `kfrun.load.runtimesources.read`.
    """
    if not settings.runtime_sources:
        return ()
    if _Latest.settings is not settings:
        from kfrun.load import runtimesources

        fetching = runtimesources.Fetching(settings.cache_dir, os.environ, listener.tell, settings.refresh)
        found = runtimesources.read(settings.runtime_sources, fetching)
        _Latest.found, _Latest.settings = _told_of_older(found, settings.trainer_version), settings
    return _Latest.found


class _Latest:
    """What was read last: several stages of a call ask for it."""

    settings: Settings | None = None
    found: Sequence[Document] = ()


class _Later(Sequence["Document"]):
    """The runtimes of the sources, read when first looked at: many jobs bring their own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __len__(self) -> int:
        return len(of(self._settings))

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | Sequence[Document]:
        return of(self._settings)[index]


def _told_of_older(found: Sequence[Document], version: str) -> Sequence[Document]:
    """The runtimes; where resolve reads some of an earlier release as `kfrun convert` would, a line says so."""
    from kfrun.resolve.runtimes.catalogue import is_older
    from kfrun.validate.schema import schemas

    if version not in schemas.BEFORE_PATCHES:
        for source in dict.fromkeys(one.source for one in found if is_older(one)):
            listener.tell(
                f"warning: {source} has runtimes of an earlier release: they are read as kfrun convert writes them"
            )
    return found
