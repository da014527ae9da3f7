"""kubeyaml: YAML exactly as kubectl reads it, with the place of every node."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfrun.model.source import Document, Finding


def parse(text: str, source: str, *, folder: str | None = None) -> tuple[list[Document], list[Finding]]:
    """The documents of a text and what is wrong with it; never raises for bad input.

    Documents are separated by lines ``---``; empty ones are skipped, the items of a ``List`` (or
    ``TrainJobList`` and its like) become documents of their own. JSON is read, too. A document with
    a finding is left out.

    Args:
        text: the whole source.
        source: its name for users: a path as given, a URL, or ``<stdin>``.
        folder: absolute path of the folder that holds the file.
    """
    from kfrun.load.kubeyaml.documents import read

    return read(text, source, folder)
