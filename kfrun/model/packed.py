"""A document put away until somebody needs it again: its data in a compact form. Made by whoever has very many.

A document's data take some twenty times the room of its text in memory, and twice its room packed.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING

from kfrun.model.source import Document
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.model.requirements import Requirements
    from kfrun.model.source import ObjectKey, Positions


class Packed(NamedTuple):
    """A `Document`, less what its chunk and source know; ``data`` is for this process and those forked from it.

    Attributes:
        key: the object's.
        data: the document's, marshalled.
    """

    key: ObjectKey
    source: str
    data: bytes
    positions: Positions | None
    text: str
    number: int
    folder: str | None
    requirements: Requirements | None = None

    def unpack(self) -> Document:
        """The document, anew each time: nobody shares its data."""
        assert self.positions is not None
        data = marshal.loads(self.data)  # noqa: S302 (written by `pack`, never stored)
        where = (self.source, self.text, self.number, self.folder)
        return Document(data, self.positions, *where, self.requirements)


def pack(document: Document, *, with_data: bool = True) -> Packed:
    """Put a document away; without its data, only its name is known later."""
    data = marshal.dumps(document.data) if with_data else b""
    where = (document.positions, document.text, document.index, document.folder)
    return Packed(document.key, document.source, data, *where, document.requirements)


def unpacked(item: Document | Packed) -> Document:
    """The document, whether it was put away or not."""
    return item.unpack() if isinstance(item, Packed) else item
