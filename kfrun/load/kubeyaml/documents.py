"""From the text of a source to its Documents and findings. `parse` is the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.excerpts import excerpt
from kfrun.load.kubeyaml.builder import NOTHING, Builder
from kfrun.load.kubeyaml.chunks import Chunk, split
from kfrun.load.kubeyaml.positions import ItemPositions, SourcePositions
from kfrun.load.kubeyaml.problems import ChunkPlace, ChunkProblem
from kfrun.load.lines import line_at
from kfrun.model.source import Document, Finding, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath, Positions

MAX_CHARACTERS: Final = 256 * 1024 * 1024
"""Longest source that is read."""

_CONFLICT: Final = "\n<<<<<<< "

MAX_FINDINGS: Final = 100
"""Findings about one source, then the rest of it is not read."""


def read(text: str, source: str, folder: str | None) -> tuple[list[Document], list[Finding]]:
    """What `kfrun.load.kubeyaml.parse` promises."""
    reading = Reading(text, source, folder)
    documents: list[Document] = []
    findings: list[Finding] = []
    for chunk in reading.chunks():
        if len(findings) >= MAX_FINDINGS:
            findings.append(reading.stopped(chunk))
            break
        found, wrong = reading.read(chunk, first=len(documents))
        documents += found
        findings += wrong
    return documents, findings


class Reading:
    """One source, read chunk by chunk: by whom and in which order is the caller's business."""

    def __init__(self, text: str, source: str, folder: str | None) -> None:
        self.text = text.removeprefix("\ufeff")
        self._source = source
        self._folder = folder

    def chunks(self) -> Iterator[Chunk]:
        """The parts of the source that hold one document each, or none."""
        if len(self.text) > MAX_CHARACTERS:
            message = f"{len(self.text):,} characters are too many, {MAX_CHARACTERS:,} are allowed"
            yield Chunk(
                "",
                (0, 0),
                ChunkPlace(0, 0),
                problem=ChunkProblem("KF107", message, ChunkPlace(0, 0), hint="split the file"),
            )
        else:
            yield from split(self.text)

    def read(self, chunk: Chunk, *, first: int = 0) -> tuple[list[Document], list[Finding]]:
        """The documents of a chunk, numbered from ``first``, and what is wrong with it."""
        part = _Part(chunk, self.text, self._source, self._folder)
        if chunk.problem is not None:
            part.refuse(chunk.problem)
        elif not chunk.is_blank:
            part.read(first)
        return part.documents, part.findings

    def stopped(self, chunk: Chunk) -> Finding:
        """That nothing is read from ``chunk`` on, after `MAX_FINDINGS`."""
        part = _Part(chunk, self.text, self._source, self._folder)
        part.refuse(ChunkProblem("KF113", "too many problems, the rest is not read", ChunkPlace(0, 0)))
        return part.findings[0]

    def positions(self, chunk: Chunk, path: FieldPath) -> Positions:
        """The positions of a document of ``chunk``; ``path`` leads to it in the lists of the chunk."""
        whole = SourcePositions(chunk, self._source)
        return ItemPositions(whole, path) if path else whole


class _Part:
    """One chunk of a source being read."""

    def __init__(self, chunk: Chunk, text: str, source: str, folder: str | None) -> None:
        self.documents: list[Document] = []
        self.findings: list[Finding] = []
        self._chunk = chunk
        self._text = text
        self._source = source
        self._folder = folder

    def refuse(self, problem: ChunkProblem) -> None:
        position = self._chunk.position(self._source, problem.place)
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

    def read(self, first: int) -> None:
        content = self._chunk.content
        builder = Builder(content, is_json=self._chunk.is_json)
        data = NOTHING
        try:
            data = builder.build()
        except ChunkProblem as problem:
            builder.problems.append(problem)
        positions = SourcePositions(self._chunk, self._source)
        # inside of brackets the marks of a conflict are YAML, too
        if builder.problems or type(data) is str or _CONFLICT in content:
            self._refuse_all(builder.problems, content, positions)
        if self.findings or data is None or data is NOTHING:
            return
        for index, (item, item_positions) in enumerate(self._objects(data, positions), first):
            self.documents.append(Document(item, item_positions, self._source, self._text, index, self._folder))

    def _refuse_all(self, problems: list[ChunkProblem], content: str, positions: Positions) -> None:
        from kfrun.load.kubeyaml import foreign

        for found in foreign.explained(problems, content):
            self.refuse(_with_first_place(found, positions))

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
        hint = 'objects of a list go under "kind: List" and "items:"' if type(found) is list else None
        if type(found) is str:
            from kfrun.load import placeholders

            unfilled = placeholders.at(line_at(self._text, position.line), position.column)
            hint = unfilled.way_out if unfilled is not None else None
        self.findings.append(
            Finding(
                "KF108",
                f"{place} must be an object with apiVersion and kind, found {what}",
                Stage.YAML,
                path=path,
                position=position,
                hint=hint,
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


def _with_first_place(problem: ChunkProblem, positions: Positions) -> ChunkProblem:
    """Say of a duplicate key where it stood first."""
    if problem.code == "KF102":
        first = positions.key(problem.path)
        problem.message += f", first in line {first.line}"
        problem.hint = problem.hint or "remove one of the two"
    return problem
