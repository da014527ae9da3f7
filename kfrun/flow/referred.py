"""The runtimes that a call refers to beside its input: those of the sources that flags and settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.flow import listener

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    return Catalogue(given, stored, shipped(), sources=of(settings))


def of(settings: Settings) -> Sequence[Document]:
    """The runtimes of the sources, as today's release spells them; read once for the same settings.

    Raises:
        NotFound, Unavailable, UsageProblem: see `kfrun.load.runtimesources.read`.
    """
    if not settings.runtime_sources:
        return ()
    if _Latest.settings is not settings:
        from kfrun.load import runtimesources

        fetching = runtimesources.Fetching(settings.cache_dir, os.environ, listener.tell, settings.refresh)
        _Latest.found, _Latest.settings = _modern(runtimesources.read(settings.runtime_sources, fetching)), settings
    return _Latest.found


class _Latest:
    """What was read last: several stages of a call ask for it."""

    settings: Settings | None = None
    found: Sequence[Document] = ()


def _modern(found: Sequence[Document]) -> list[Document]:
    """What an earlier release wrote read as `kfrun convert` would write it; one line says of which sources."""
    from kfrun.model.values import replace
    from kfrun.resolve.conversion import notes, trainer

    converted, sources = [], dict[str, None]()
    for document in found:
        data = trainer.runtime(document, notes.Notes(document))
        if data != document.data:
            sources[document.source] = None
            document = replace(document, data=data)  # noqa: PLW2901
        converted.append(document)
    for source in sources:
        listener.tell(
            f"warning: {source} has runtimes of an earlier release: they are read as kfrun convert writes them"
        )
    return converted
