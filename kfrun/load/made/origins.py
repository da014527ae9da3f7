"""What was made, at the places that it comes from.

What is found stands in the file that a document comes from, where the program says which one that is: helm in a comment
``# Source: ``, kustomize in an annotation, with ``buildMetadata: [originAnnotations]``. It stands where that file has
the same value at the same path; else in the line that says the same, or sets the same key, if only one does; else in
the first. Without a file it stands in what was named.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from kfrun import paths
from kfrun.load.excerpts import excerpt
from kfrun.load.made.programs import HELM, KUSTOMIZE, taken_apart
from kfrun.model.source import Position
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath, Finding

_BREAK: Final = re.compile(r"^---[ \t]*\r?\n", re.MULTILINE)
_OF_HELM: Final = re.compile(r"^# Source: [^/\n]+/(\S[^\n]*)$", re.MULTILINE)
_OF_KUSTOMIZE: Final = re.compile(r"config\.kubernetes\.io/origin: \|-?\n((?:[ ]{4,}\S[^\n]*\n)+)")
_PATH: Final = re.compile(r"^[ ]*path: (\S[^\n]*)$", re.MULTILINE)
_REMOTE: Final = re.compile(r"^[ ]*repo: ", re.MULTILINE)


class _Origin(NamedTuple):
    """The file that a document comes from, with its lines by what they say; no lines where it is not known."""

    file: str
    text: str
    lines: tuple[str, ...]

    def position(self, written: str) -> Position:
        """Where the file says ``written``, a line."""
        for said in (str.rstrip, _plain, _indented_key, _key):
            wanted = said(written)
            same = [number for number, line in enumerate(self.lines, 1) if wanted and said(line) == wanted]
            if len(same) == 1:
                line = self.lines[same[0] - 1]
                return Position(self.file, same[0], len(line) - len(line.lstrip(" -")) + 1)
        return Position(self.file, 1, 1)


class _PlacedInOrigin:
    """The positions of a document that was made, in the file that it comes from."""

    __slots__ = ("_lines", "_made", "_origin", "_source")
    is_rendered = True

    def __init__(self, made: Document, lines: list[str], origin: _Origin, source: Document | None) -> None:
        self._made, self._lines, self._origin, self._source = made, lines, origin, source

    def value(self, path: FieldPath) -> Position:
        """Where the value at ``path`` comes from."""
        if self._source is not None and _are_same(self._made.data, self._source.data, path):
            return self._source.positions.value(path)
        return _origin_of(self._made.positions.value(path), self._lines, self._origin)

    def key(self, path: FieldPath) -> Position:
        """Where the key of ``path`` comes from."""
        if self._source is not None and _are_same(self._made.data, self._source.data, path):
            return self._source.positions.key(path)
        return _origin_of(self._made.positions.key(path), self._lines, self._origin)


def parse(text: str, name: str) -> tuple[list[Document], list[Finding]]:
    """The documents of what was made, and what is wrong with it, at the places where they come from."""
    from kfrun.load import kubeyaml

    documents: list[Document] = []
    findings: list[Finding] = []
    for part in _BREAK.split(text):
        origin = _origin(part, name)
        folder = paths.absolute(os.path.dirname(origin.file) or ".", os.getcwd())
        found, wrong = kubeyaml.parse(part, origin.file, folder=folder)
        lines = part.splitlines()
        sources = kubeyaml.parse(origin.text, origin.file)[0] if found and origin.lines else []
        for one in found:
            placed = _PlacedInOrigin(one, lines, origin, _source(one, sources))
            documents.append(replace(one, positions=placed, text=origin.text, index=len(documents)))
        findings += [_found_in(origin, lines, one) for one in wrong if one.code != "KF112"]
    return documents, findings


def _origin(part: str, name: str) -> _Origin:
    """Where a document comes from; what was named where the program does not say."""
    scheme, place = taken_apart(name)
    said = _OF_HELM.search(part) if scheme == HELM else None
    inside = said[1].strip() if said else ""
    if scheme == KUSTOMIZE and (found := _OF_KUSTOMIZE.search(part)) and not _REMOTE.search(found[1]):
        path = _PATH.search(found[1])
        inside = path[1].strip() if path else ""
    usual = "Chart.yaml" if scheme == HELM else "kustomization.yaml"
    file = os.path.normpath(os.path.join(place, inside or usual))
    # what a chart says of itself leads nowhere else
    is_inside = scheme == KUSTOMIZE or file.startswith(os.path.join(os.path.normpath(place), ""))
    if not (is_inside and os.path.isfile(file)):
        return _Origin(os.path.normpath(place), "", ())
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            text = opened.read()
    except OSError:
        text = ""
    return _Origin(file, text, tuple(text.splitlines()) if inside else ())


def _origin_of(position: Position, lines: list[str], origin: _Origin) -> Position:
    written = lines[position.line - 1] if 0 < position.line <= len(lines) else ""
    return origin.position(written)


def _source(made: Document, sources: list[Document]) -> Document | None:
    """The document of a file that became this one; programs change names at their ends. None where that is not sure."""
    found = [one for one in sources if one.key.kind == made.key.kind and one.key.name in made.key.name]
    named = [one for one in found if one.key.name == made.key.name]
    return next((kept[0] for kept in (named, found) if len(kept) == 1), None)


def _are_same(made: Any, source: Any, path: FieldPath) -> bool:
    """Whether both have the same value at ``path``."""
    for step in path:
        try:
            made, source = made[step], source[step]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(made == source)


def _found_in(origin: _Origin, lines: list[str], one: Finding) -> Finding:
    if one.position is None:
        return one
    position = _origin_of(one.position, lines, origin)
    return replace(one, position=position, excerpt=excerpt(origin.text, position) if origin.text else None)


def _plain(line: str) -> str:
    return line.strip().removeprefix("- ").strip()


def _indented_key(line: str) -> str:
    key, colon, _ = line.partition(":")
    return key if colon else ""


def _key(line: str) -> str:
    key, colon, _ = _plain(line).partition(":")
    return key if colon else ""
