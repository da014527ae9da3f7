"""From the text of a source to its Documents and findings. `parse` is the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.excerpts import excerpt
from kfrun.load.kubeyaml.builder import NOTHING, Builder
from kfrun.load.kubeyaml.chunks import Chunk, split
from kfrun.load.kubeyaml.positions import ItemPositions, SourcePositions
from kfrun.load.kubeyaml.problems import Place, Problem
from kfrun.model.source import Document, Finding, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath, Positions

MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Longest source that is read."""

MAX_FINDINGS: Final = 100
"""Findings about one source, then the rest of it is not read."""


def read(text: str, source: str, folder: str | None) -> tuple[list[Document], list[Finding]]:
    """What `kfrun.load.kubeyaml.parse` promises."""
    reading = _Reading(text.removeprefix("\ufeff"), source, folder)
    if len(text) > MAX_CHARACTERS:
        message = f"{len(text):,} characters are too many, {MAX_CHARACTERS:,} are allowed"
        reading.refuse(_start(), Problem("KF107", message, Place(0, 0), hint="split the file"))
    else:
        reading.read()
    return reading.documents, reading.findings


def _start() -> Chunk:
    return Chunk("", (0, 0), Place(0, 0))


class _Reading:
    """One source being read."""

    def __init__(self, text: str, source: str, folder: str | None) -> None:
        self.documents: list[Document] = []
        self.findings: list[Finding] = []
        self._text = text
        self._source = source
        self._folder = folder

    def read(self) -> None:
        for chunk in split(self._text):
            if len(self.findings) >= MAX_FINDINGS:
                self.refuse(chunk, Problem("KF113", "too many problems, the rest is not read", Place(0, 0)))
                return
            if chunk.problem is not None:
                self.refuse(chunk, chunk.problem)
            elif not chunk.is_blank:
                self._document(chunk)

    def refuse(self, chunk: Chunk, problem: Problem) -> None:
        position = chunk.position(self._source, problem.place)
        self.findings.append(
            Finding(
                problem.code,
                problem.message,
                Stage.YAML,
                path=problem.path,
                position=position,
                hint=problem.hint,
                excerpt=excerpt(self._text, position),
            )
        )

    def _document(self, chunk: Chunk) -> None:
        builder = Builder(chunk.content, is_json=chunk.is_json)
        data = NOTHING
        try:
            data = builder.build()
        except Problem as problem:
            builder.problems.append(problem)
        positions = SourcePositions(chunk, self._source)
        for found in builder.problems:
            self.refuse(chunk, _with_first_place(found, positions))
        if builder.problems or data is None or data is NOTHING:
            return
        for item, item_positions in self._objects(data, positions):
            self.documents.append(
                Document(item, item_positions, self._source, self._text, len(self.documents), self._folder)
            )

    def _objects(self, data: Any, positions: Positions) -> Iterator[tuple[dict[str, Any], Positions]]:
        """The object itself, or those in the list that it is."""
        waiting: list[tuple[Any, FieldPath]] = [(data, ())]
        while waiting:
            found, path = waiting.pop()
            if type(found) is not dict:
                self._refuse_value(found, path, positions)
            elif _is_list(found):
                items = _typed_items(found)
                waiting.extend((item, (*path, "items", index)) for index, item in reversed(items))
            else:
                yield found, ItemPositions(positions, path) if path else positions

    def _refuse_value(self, found: Any, path: FieldPath, positions: Positions) -> None:
        position = positions.value(path)
        what = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}.get(type(found), "a number")
        place = "an item of a List" if path else "a document"
        self.findings.append(
            Finding(
                "KF108",
                f"{place} must be an object with apiVersion and kind, found {what}",
                Stage.YAML,
                path=path,
                position=position,
                hint='objects of a list go under "kind: List" and "items:"' if type(found) is list else None,
                excerpt=excerpt(self._text, position),
            )
        )


def _is_list(data: dict[str, Any]) -> bool:
    kind = data.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(data.get("items"), list)


def _typed_items(data: dict[str, Any]) -> list[tuple[int, Any]]:
    """The items by index; those of a ``TrainJobList`` may leave kind and apiVersion to it, as for kubectl."""
    kind = data["kind"].removesuffix("List")
    items = list(enumerate(data["items"]))
    if not kind:
        return items
    defaults = {"apiVersion": data.get("apiVersion", ""), "kind": kind}
    return [
        (index, {**defaults, **item} if type(item) is dict and item.keys().isdisjoint(defaults) else item)
        for index, item in items
    ]


def _with_first_place(problem: Problem, positions: Positions) -> Problem:
    """Say of a duplicate key where it stood first."""
    if problem.code == "KF102":
        first = positions.key(problem.path)
        problem.message += f", first in line {first.line}"
        problem.hint = problem.hint or "remove one of the two"
    return problem
