"""What can be wrong with YAML: the codes of load, and a problem at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

CODES: Final = {
    "KF101": "the text is not YAML",
    "KF102": "a key appears twice in one mapping",
    "KF103": "a character or byte that YAML does not allow",
    "KF104": "an alias without anchor, or an anchor inside itself",
    "KF105": "aliases that expand beyond all measure",
    "KF106": "nested too deeply",
    "KF107": "too large",
    "KF108": "not a Kubernetes object",
    "KF109": "a value or key that cannot become JSON",
    "KF110": "a merge key << that merges no mapping",
    "KF111": "text that kubectl refuses or ignores between documents",
    "KF112": "no object in the source",
    "KF113": "too many problems in one source",
    "KF115": "a source that is not there or cannot be read, among others that can",
    "KF116": "the marks of a merge conflict",
    "KF117": "a template that nobody rendered",
}
"""Code and meaning of every finding of load."""


class ChunkPlace(NamedTuple):
    """0-based line and column within one chunk."""

    line: int
    column: int


class ChunkProblem(Exception):
    """Something wrong at a place of a chunk; becomes a `Finding` once the source is known.

    ``since`` is the 0-based line in which began what was being read there.
    """

    since: int | None = None

    def __init__(self, code: str, message: str, where: Any, *, hint: str | None = None, path: FieldPath = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = ChunkPlace(where.line, where.column)
        self.hint = hint
        self.path = path
