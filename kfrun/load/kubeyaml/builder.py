"""Builds plain data from the events of one YAML document, with kubectl's meaning.

Positions are not recorded here: `positions` reads the document a second time when somebody asks, which
makes the common case, a valid document, faster. Recursion is bounded by `MAX_DEPTH`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.kubeyaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
    before,
    is_at_end,
    open_parser,
)
from kfrun.load.kubeyaml.problems import ChunkProblem
from kfrun.load.kubeyaml.scalars import MERGE, BadScalar, json_value, key_text, plain, resolve

if TYPE_CHECKING:
    from kfrun.load.kubeyaml.scalars import Scalar
    from kfrun.model.source import FieldPath

MAX_DEPTH: Final = 100
"""Nested mappings and lists in a document; the deepest CRD of Kubeflow has 52, Python's recursion 1,000."""

MAX_DUPLICATES: Final = 20
"""Duplicate keys reported for one document."""

MAX_ALIASED: Final = 400_000
"""Nodes that the aliases of one document may expand to; go-yaml's bound for all but huge documents."""

NOTHING: Final = object()
"""The document is empty: no node at all."""

_SPECIAL: Final = frozenset("+-.0123456789yYnNtTfFoO~")
"""First characters of plain scalars that may be more than strings."""

_OPEN: Final = object()
"""An anchor whose node has not ended yet."""

_NONE: Final[set[str]] = set()
"""What a mapping without merges inherits; never written to."""


class _MergeKey(str):
    """A merge key, told from a quoted ``"<<"`` by identity."""

    __slots__ = ()


_MERGE_KEY: Final = _MergeKey("<<")


def is_merge(event: Any) -> bool:
    """Whether the key of ``event`` merges mappings into the one that it stands in."""
    return bool(event.value == "<<" and (event.implicit[0] or event.tag == MERGE))


def scalar_of(event: Any) -> Scalar:
    """What a scalar event is, as go-yaml types it.

    Raises:
        BadScalar: the text does not fit its tag.
    """
    return resolve(event.tag, event.value, is_plain=event.implicit[0])


class Builder:
    """Reads one document; ``problems`` lists what is wrong but did not stop the reading."""

    def __init__(self, text: str, *, is_json: bool = False) -> None:
        self.problems: list[ChunkProblem] = []
        self._text = text
        self._is_json = is_json
        self._path: list[str | int] = []
        self._open: list[dict[str, Any] | list[Any]] = []
        self._anchors: dict[str, Any] = {}
        self._closed_nodes = 0
        self._aliased_nodes = 0

    def build(self) -> Any:
        """The document's data, or `NOTHING`.

        Raises:
            ChunkProblem: the document cannot be read further.
        """
        try:
            return self._document()
        except YAMLError as error:
            from kfrun.load.kubeyaml.diagnosis import from_yaml

            raise from_yaml(self._first(error), self._text) from None

    def _document(self) -> Any:
        source = open_parser(self._text, is_json=self._is_json)
        self._next = source.get_event
        self._next()  # the stream's start
        if type(self._next()) is StreamEndEvent:
            return NOTHING
        data = self._node(self._next(), NOTHING)
        self._next()  # the document's end
        self._expect_end()
        return data

    def _first(self, error: YAMLError) -> YAMLError:
        """What stopped the parser, unless something is wrong before; of that it did not tell when it looked ahead.

        Raises:
            ChunkProblem: the document could not be read to there.
        """
        text = before(error, self._text)
        if text is None:
            return error
        builder = Builder(text, is_json=self._is_json)
        try:
            builder._document()
        except YAMLError as earlier:
            # at the end it is wrong only because it was cut there
            return error if is_at_end(earlier, text) else earlier
        finally:
            self.problems = builder.problems
        return error

    def _expect_end(self) -> None:
        after = self._next()
        if type(after) is not StreamEndEvent:
            raise ChunkProblem(
                "KF111",
                "kubectl ignores what follows the end of a document",
                after.start_mark,
                hint="start a new document with a line ---",
            )

    def _node(self, event: Any, key: Any) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        return self._alias(event) if kind is AliasEvent else self._container(event, key)

    def _scalar(self, event: Any) -> Any:
        if event.anchor is not None:
            self._anchors[event.anchor] = event
        text = event.value
        is_plain, is_quoted = event.implicit
        if is_plain:
            if text and text[0] not in _SPECIAL:
                return text
            value = plain(text)
            if type(value) is not float:
                return value
        elif is_quoted:
            return text
        return self._scalar_value(event)

    def _scalar_value(self, event: Any) -> Scalar:
        try:
            return json_value(scalar_of(event))
        except BadScalar as bad:
            message, hint = bad.args
            raise self._problem("KF109", message, event, hint) from None

    def _container(self, event: Any, key: Any) -> Any:
        path = self._path
        if len(path) >= MAX_DEPTH:
            raise self._problem("KF106", f"nested more than {MAX_DEPTH} levels deep", event)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = _OPEN
        path.append(key)
        data = self._mapping() if type(event) is MappingStartEvent else self._sequence()
        path.pop()
        if anchor is not None:
            self._anchors[anchor] = data
        return data

    def _mapping(self) -> dict[str, Any]:
        # scalars do not pass through _node here and in _sequence: this is where loading spends its time
        next_event = self._next
        data: dict[str, Any] = {}
        inherited = _NONE  # keys that a merge brought: these may still be written
        self._open.append(data)
        while type(event := next_event()) is not MappingEndEvent:
            key = self._key(event)
            if key is _MERGE_KEY:
                inherited = self._merge(data, next_event(), inherited or set())
                continue
            if key in data:
                if key not in inherited:
                    self._duplicate(event, key)
                inherited.discard(key)
            event = next_event()
            data[key] = self._scalar(event) if type(event) is ScalarEvent else self._node(event, key)
        self._open.pop()
        self._closed_nodes += _nodes_of(data)
        return data

    def _sequence(self) -> list[Any]:
        next_event = self._next
        data: list[Any] = []
        self._open.append(data)
        while type(event := next_event()) is not SequenceEndEvent:
            data.append(self._scalar(event) if type(event) is ScalarEvent else self._node(event, len(data)))
        self._open.pop()
        self._closed_nodes += _nodes_of(data)
        return data

    def _key(self, event: Any) -> str:
        if type(event) is ScalarEvent:
            text: str = event.value
            if event.anchor is not None:
                self._anchors[event.anchor] = event
            if text == "<<" and is_merge(event):
                return _MERGE_KEY
            if event.implicit[0] and type(plain(text)) is str:
                return text
            entry = event
        elif type(event) is AliasEvent:
            entry = self._anchor(event)
        else:
            entry = None
        if type(entry) is not ScalarEvent:
            raise self._problem("KF109", "a key cannot be a mapping or a list", event, "quote the key")
        try:
            return key_text(scalar_of(entry))
        except BadScalar as bad:
            message, hint = bad.args
            raise self._problem("KF109", message, event, hint) from None

    def _anchor(self, event: Any) -> Any:
        name = event.anchor
        entry = self._anchors.get(name)
        if entry is None:
            hint = f'quote the value if it should start with "*": "*{name}"'
            raise self._problem("KF104", f"no anchor &{name} before this alias *{name}", event, hint)
        if entry is _OPEN:
            raise self._problem("KF104", f"the anchor &{name} holds itself", event)
        return entry

    def _alias(self, event: Any) -> Any:
        entry = self._anchor(event)
        if type(entry) is ScalarEvent:
            self._count_aliased(1, event)
            return self._scalar_value(entry)
        nodes, levels = _measure(entry)
        if len(self._path) + levels > MAX_DEPTH:
            raise self._problem("KF106", f"nested more than {MAX_DEPTH} levels deep by this alias", event)
        self._count_aliased(nodes, event)
        return _copy(entry)

    def _count_aliased(self, nodes: int, event: Any) -> None:
        """Refuse aliases that make more than 99 % of the document, as go-yaml does."""
        self._aliased_nodes += nodes
        if self._aliased_nodes <= 100:
            return
        written = self._closed_nodes + sum(_nodes_of(data) for data in self._open) + 2
        expanded = written + self._aliased_nodes
        too_many = expanded > 1000 and self._aliased_nodes > 0.99 * expanded
        if too_many or self._aliased_nodes > MAX_ALIASED:
            message = f"the aliases of this document expand to {self._aliased_nodes:,} nodes"
            raise self._problem("KF105", message, event, "write the repeated parts out, or repeat them less")

    def _merge(self, data: dict[str, Any], event: Any, inherited: set[str]) -> set[str]:
        """Copy what a merge brings over what stands before it; ``inherited`` learns the keys that nobody wrote yet."""
        merged = self._node(event, "<<")
        parts = merged[::-1] if type(merged) is list and type(event) is not AliasEvent else [merged]
        if any(type(part) is not dict for part in parts):
            raise self._problem("KF110", "<< needs a mapping, or a list of mappings", event, 'quote "<<"')
        for part in parts:
            inherited.update(key for key in part if key not in data)
            data.update(part)
        return inherited

    def _duplicate(self, event: Any, key: str) -> None:
        self.problems.append(
            ChunkProblem("KF102", f"the key {key} appears twice", event.start_mark, path=(*self._path[1:], key))
        )
        if len(self.problems) >= MAX_DUPLICATES:
            raise self._problem("KF113", "too many duplicate keys, the rest is not read", event)

    def _problem(self, code: str, message: str, event: Any, hint: str | None = None) -> ChunkProblem:
        path: FieldPath = tuple(self._path[1:])
        return ChunkProblem(code, message, event.start_mark, hint=hint, path=path)


def _nodes_of(data: dict[str, Any] | list[Any]) -> int:
    """The nodes directly in a container, keys among them, as go-yaml counts them."""
    return 2 * len(data) if type(data) is dict else len(data)


def _measure(data: Any) -> tuple[int, int]:
    """Nodes and levels of a tree, keys counted as nodes."""
    nodes, levels, rows = 0, 0, [data]
    while rows:
        nodes += len(rows)
        levels += 1
        below: list[Any] = []
        for item in rows:
            if type(item) is dict:
                nodes += len(item)
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        rows = below
    return nodes, levels - 1


def _copy(data: Any) -> Any:
    """A tree of its own: what an alias repeats may be changed in one place without the other."""
    if type(data) is dict:
        return {key: _copy(value) for key, value in data.items()}
    if type(data) is list:
        return [_copy(value) for value in data]
    return data
