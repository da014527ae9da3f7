"""Where each field of the JobSet comes from. Filled by decode, strategic and builder; read by resolver.

The merge moves objects and reorders lists, so an origin is kept by the object itself (its identity), not by its
path: `OriginLog.place` says where an object stands in its document, `OriginLog.mark` where a single field of it comes
from when that is elsewhere. `Origins` turns both into paths of the finished JobSet, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kfrun.model.resolution import Origin
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from kfrun.model.source import Document, FieldPath, Position

    Layer = Literal["runtime", "job", "patch", "policy", "default"]


class Mark(NamedTuple):
    """A place in a document, and by which layer it gets into the JobSet."""

    layer: Layer
    document: Document
    path: FieldPath
    detail: str = ""

    def at(self, *parts: str | int) -> Mark:
        """The same layer, further down in the document."""
        return self.with_path((*self.path, *parts))

    def with_path(self, path: FieldPath) -> Mark:
        """The same layer, elsewhere in the document."""
        return Mark(self.layer, self.document, path, self.detail)

    def as_policy(self, name: str) -> Mark:
        """The same place, as the reason why the ML policy ``name`` set something."""
        return self._replace(layer="policy", detail=name)

    def origin(self) -> Origin:
        """The origin as users see it; a field that the document does not have is a default."""
        position = self.document.positions.value(self.path)
        if self.layer in {"runtime", "job"} and not (_has(self.document.data, self.path) and self._is_written()):
            return Origin("default", position)
        return Origin(self.layer, position, self.detail)

    def _is_written(self) -> bool:
        """Whether the field stands in the source; only a namespace is filled in before anybody looks."""
        if self.path != ("metadata", "namespace"):
            return True
        positions = self.document.positions
        return positions.value(self.path) != positions.value(self.path[:-1])


def _has(data: Any, path: FieldPath) -> bool:
    for part in path:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_list and not (isinstance(data, dict) and part in data):
            return False
        data = data[part]
    return True


class OriginLog:
    """The marks of all objects of one resolution."""

    def __init__(self) -> None:
        # the object itself is kept beside its mark: an id is only unique among living objects
        self._homes: dict[int, tuple[dict[str, Any], Mark, FieldPath]] = {}
        self._fields: dict[tuple[int, str], tuple[dict[str, Any], Mark]] = {}

    def place(self, node: dict[str, Any], mark: Mark) -> dict[str, Any]:
        """Say where ``node`` as a whole comes from; returns it."""
        self._homes[id(node)] = (node, mark, mark.path)
        return node

    def place_at(self, node: dict[str, Any], mark: Mark, path: FieldPath) -> dict[str, Any]:
        """As `place`, at ``path`` of the document of ``mark``: a mark of its own is only made when somebody asks."""
        self._homes[id(node)] = (node, mark, path)
        return node

    def mark(self, node: dict[str, Any], key: str, mark: Mark) -> None:
        """Say where the field ``key`` of ``node`` comes from, other than ``node`` itself."""
        self._fields[id(node), key] = (node, mark)

    def of(self, node: dict[str, Any], key: str) -> Mark | None:
        """Where the field ``key`` of ``node`` comes from, as far as it is known."""
        field = self._fields.get((id(node), key))
        if field is not None:
            return field[1]
        home = self._homes.get(id(node))
        return home[1].with_path((*home[2], key)) if home else None

    def find(self, root: dict[str, Any], path: FieldPath) -> Mark | None:
        """Where the field of ``root`` at ``path`` comes from; None for one that `collect` leaves out."""
        if not path or not _has(root, path):
            return None
        node: Any = root
        for part in path[:-1]:
            node = node[part]
        if isinstance(node, dict):
            return self.of(node, str(path[-1]))
        home = self._homes.get(id(node[path[-1]]))
        return home[1].with_path(home[2]) if home is not None else None

    def collect(self, root: dict[str, Any]) -> dict[FieldPath, Origin]:
        """The origins of the fields of ``root``, by path; fields of unmarked objects are left out."""
        return {path: mark.origin() for path, mark in self.marks(root)}

    def marks(self, root: dict[str, Any]) -> Iterator[tuple[FieldPath, Mark]]:
        """Where the fields of ``root`` come from."""
        return self._walk(root, ())

    def _walk(self, node: dict[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, Mark]]:
        for key, value in node.items():
            mark = self.of(node, key)
            below = (*path, key)
            if mark is not None:
                yield below, mark
            if isinstance(value, dict):
                yield from self._walk(value, below)
            elif isinstance(value, list):
                yield from self._items(value, below)

    def _items(self, items: list[Any], path: FieldPath) -> Iterator[tuple[FieldPath, Mark]]:
        for index, item in enumerate(items):
            if isinstance(item, dict):
                home = self._homes.get(id(item))
                if home is not None:
                    yield (*path, index), home[1].with_path(home[2])
                yield from self._walk(item, (*path, index))


class Origins(Mapping["FieldPath", Origin]):
    """The origins of the fields of a finished object, by path; only what is asked for is looked up.

    Most jobs are valid and nobody asks; of others somebody asks for a field or two. Finding out where every field
    stands takes as long as resolving the job.
    """

    def __init__(self, ledger: OriginLog, root: dict[str, Any]) -> None:
        self._ledger = ledger
        self._root = root
        self._found: dict[FieldPath, Origin] | None = None

    def __getitem__(self, path: FieldPath) -> Origin:
        if self._found is not None:
            return self._found[path]
        mark = self._ledger.find(self._root, path)
        if mark is None:
            raise KeyError(path)
        return mark.origin()

    def around(self, path: FieldPath, document: Document) -> Position | None:
        """The key in ``document`` of what set something in the object at ``path``; None where it set nothing there."""
        for at, mark in self._ledger.marks(self._root):
            depth = len(at) - len(path)
            is_inside = depth > 0 and at[: len(path)] == path and mark.document is document
            if (
                is_inside
                and len(mark.path) > depth
                and mark.path[-depth:] == at[-depth:]
                and _has(document.data, mark.path)
            ):
                return document.positions.key(mark.path[:-depth])
        return None

    def __iter__(self) -> Iterator[FieldPath]:
        return iter(self._collected())

    def __len__(self) -> int:
        return len(self._collected())

    def _collected(self) -> dict[FieldPath, Origin]:
        if self._found is None:
            self._found = self._ledger.collect(self._root)
        return self._found
