"""Where the nodes of a document stand. `parse` makes them; every later stage asks through `Positions`.

The document is read a second time on the first question: most documents are valid and nobody asks.
The tree holds line and column only; data and positions stay apart, so nobody can spoil one through the other.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from kfrun.load.kubeyaml import search
from kfrun.load.kubeyaml.builder import MAX_DEPTH, is_merge, scalar_of
from kfrun.load.kubeyaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
    before,
    open_parser,
)
from kfrun.load.kubeyaml.scalars import BadScalar, key_text, plain

if TYPE_CHECKING:
    from kfrun.load.kubeyaml.chunks import Chunk
    from kfrun.model.source import FieldPath, Position, Positions


class Node:
    """A place, the place of the key before it, and the nodes below it by key or index."""

    __slots__ = ("below", "key", "value")
    below: dict[str | int, Node]

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value
        self.below = _NONE_BELOW


_NONE_BELOW: dict[str | int, Node] = {}
"""What is below a scalar; never written to."""


MOST_SEARCHES: Final = 2
"""Places that are searched for one by one. Of most faulty documents no more are asked for."""

_NOTHING_SEARCHED: Final[dict[FieldPath, tuple[Node, bool]]] = {}
"""Never written to."""


class SourcePositions:
    """The positions of one chunk of a source: the first ones searched for, then all read, when somebody asks."""

    __slots__ = ("_chunk", "_file", "_root", "_searched")

    def __init__(self, chunk: Chunk, file: str) -> None:
        self._chunk = chunk
        self._file = file
        self._root: Node | None = None
        self._searched: dict[FieldPath, tuple[Node, bool]] = _NOTHING_SEARCHED

    def value(self, path: FieldPath) -> Position:
        """The position of the value at ``path``, or of its nearest ancestor."""
        return self._position(self._find(path)[0].value)

    def key(self, path: FieldPath) -> Position:
        """The position of the key that introduces ``path``; its nearest ancestor's without such a node."""
        node, found = self._find(path)
        return self._position(node.key if found else node.value)

    @property
    def prefix(self) -> FieldPath:
        """The path from the chunk to the document: it is the whole."""
        return ()

    def _find(self, path: FieldPath) -> tuple[Node, bool]:
        if self._root is None:
            if path in self._searched:
                return self._searched[path]
            text, is_json = self._chunk.content, self._chunk.is_json
            if len(self._searched) < MOST_SEARCHES and (found := search.search(text, path, is_json=is_json)):
                self._searched = {**self._searched, path: (Node(*found[:2]), found.is_there)}
                return self._searched[path]
            self._root = _Reader(text, is_json=is_json).read()
        node = self._root
        for part in path:
            below = node.below.get(part)
            if below is None:
                return node, False
            node = below
        return node, True

    def _position(self, mark: Any) -> Position:
        return self._chunk.position(self._file, mark)


class ItemPositions:
    """The positions of one item of a List: those of the whole, seen from the item."""

    __slots__ = ("_whole", "prefix")

    def __init__(self, whole: Positions, prefix: FieldPath) -> None:
        self._whole = whole
        self.prefix = prefix

    def value(self, path: FieldPath) -> Position:
        """The position of the value at ``path`` in the item."""
        return self._whole.value(self.prefix + path)

    def key(self, path: FieldPath) -> Position:
        """The position of the key of ``path`` in the item."""
        return self._whole.key(self.prefix + path)


class _Start:
    """The place of the first character."""

    line = 0
    column = 0


class _Reader:
    """Reads one document that the builder has read before, so its aliases are known to be bounded.

    What stopped the builder ends the reading, too: what stands before it has its positions.
    """

    def __init__(self, text: str, *, is_json: bool = False) -> None:
        self._text = text
        self._is_json = is_json

    def read(self) -> Node:
        root = Node(_Start, _Start)
        try:
            self._read(root, self._text)
        except YAMLError as error:
            text = before(error, self._text)
            if text is not None:
                with suppress(YAMLError):
                    self._read(root, text)
        return root

    def _read(self, root: Node, text: str) -> None:
        self._anchors: dict[str, tuple[Any, Node]] = {}
        self._next = open_parser(text, is_json=self._is_json).get_event
        self._next()
        if type(self._next()) is not StreamEndEvent:
            event = self._next()
            root.key = root.value = event.start_mark
            self._fill(root, event, 0)

    def _fill(self, node: Node, event: Any, depth: int) -> None:
        kind = type(event)
        if depth > MAX_DEPTH:  # the builder stopped here
            raise YAMLError
        if kind is AliasEvent:
            anchored = self._anchors.get(event.anchor)
            if anchored is not None:
                node.below = anchored[1].below
            return
        if event.anchor is not None:
            self._anchors[event.anchor] = (event, node)
        if kind is ScalarEvent:
            return
        node.below = {}
        if kind is MappingStartEvent:
            self._mapping(node, depth + 1)
        else:
            self._sequence(node, depth + 1)

    def _mapping(self, node: Node, depth: int) -> None:
        written: dict[str, Node] = {}
        while type(event := self._next()) is not MappingEndEvent:
            value = self._next() if type(event) in (ScalarEvent, AliasEvent) else None
            if value is None:  # a mapping or a list as key: the builder stopped here
                raise YAMLError
            below = Node(event.start_mark, value.start_mark)
            if type(value) is not ScalarEvent or value.anchor is not None:
                self._fill(below, value, depth)
            if type(event) is ScalarEvent and is_merge(event):
                self._merge(node, below)
            else:
                key = self._key(event)
                # of two merges and keys the later counts; a duplicate key is refused, its finding names the first
                node.below[key] = written.setdefault(key, below)

    def _sequence(self, node: Node, depth: int) -> None:
        while type(event := self._next()) is not SequenceEndEvent:
            item = Node(event.start_mark, event.start_mark)
            node.below[len(node.below)] = item
            self._fill(item, event, depth)

    def _merge(self, node: Node, merged: Node) -> None:
        is_list = 0 in merged.below
        for part in reversed(merged.below.values()) if is_list else [merged]:
            node.below.update(part.below)

    def _key(self, event: Any) -> str:
        if type(event) is ScalarEvent and event.anchor is None and event.implicit[0]:
            text: str = event.value
            if type(plain(text)) is str:  # nearly every key
                return text
        if type(event) is AliasEvent:
            event = self._anchors[event.anchor][0] if event.anchor in self._anchors else None
            if type(event) is not ScalarEvent:  # the builder stopped here
                raise YAMLError
        elif event.anchor is not None:
            self._anchors[event.anchor] = (event, Node(event.start_mark, event.start_mark))
        try:
            return key_text(scalar_of(event))
        except BadScalar:
            raise YAMLError from None
