"""Texts that are no YAML because they are something else: templates, or both sides of a merge.

Looked at only after a text was refused: what comes of it is told once, as what it is, and at its own place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kfrun.load import placeholders
from kfrun.load.kubeyaml.problems import ChunkPlace, ChunkProblem
from kfrun.load.lines import line_at, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK: Final = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?=\s|$)", re.MULTILINE)
_ALONE: Final = re.compile(r"\s*\{[{%].*[}%]\}\s*")

_LONGEST: Final = 2_000
"""Characters of a line in which a template is looked for: none that people write is longer."""


def explained(problems: Iterable[ChunkProblem], text: str) -> list[ChunkProblem]:
    """The problems of a text; those that come of a conflict or a template are called so."""
    mark = conflict(text)
    return [mark] if mark is not None else [_of_template(problem, text) or problem for problem in problems]


def conflict(text: str) -> ChunkProblem | None:
    """The first mark of a merge conflict: these begin lines, and no manifest has such a line of its own."""
    found = _MARK.search(text)
    if found is None:
        return None
    line, column = place(text, found.start())
    where = ChunkPlace(line - 1, column - 1)
    return ChunkProblem("KF116", placeholders.CONFLICT, where, hint=placeholders.RESOLVE)


def _of_template(problem: ChunkProblem, text: str) -> ChunkProblem | None:
    """The problem as one of a template, when that stands where the reading stopped or what was read began."""
    for number, line in _around(problem, text):
        found = placeholders.of_line(line) if len(line) <= _LONGEST else None
        if found is not None:
            shown = found.text if len(found.text) <= 60 else found.text[:59] + "…"
            where = ChunkPlace(number, found.start)
            return ChunkProblem("KF117", f"{found.what}: {shown}", where, hint=found.hint, path=problem.path)
    return None


def _around(problem: ChunkProblem, text: str) -> Iterator[tuple[int, str]]:
    """The 0-based lines that a problem may come of, and their texts."""
    stopped = problem.place.line
    yield stopped, line_at(text, stopped + 1)
    above = next((number for number in range(stopped - 1, -1, -1) if line_at(text, number + 1).strip()), None)
    if above is not None and _ALONE.fullmatch(line_at(text, above + 1)):
        # a line of nothing but a template looks like a key, until the next line shows that it is none
        yield above, line_at(text, above + 1)
    if problem.since is not None:
        yield problem.since, line_at(text, problem.since + 1)
