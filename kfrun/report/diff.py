"""Differences of objects in the manner of a unified diff, one hunk a field.

The hunks are named by their fields, entries of lists by what Kubernetes merges them by, and not by lines: the order in
which somebody wrote the keys is no difference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.report import yamljson
from kfrun.report.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.change import FieldChange

_RED, _GREEN, _CYAN, _BOLD, _RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m", "\x1b[0m"
_PAINTS = {"---": _BOLD, "+++": _BOLD, "@@ ": _CYAN}
_CONTEXT = 3
_MOST_LINES = 4000
"""Of two texts that are compared line by line: the time grows with the square of them."""


class ObjectDiff(NamedTuple):
    """How one object differs from the stored one.

    Attributes:
        name: as kubectl writes it, with its namespace.
        source: where the desired one was read.
        changes: what differs; a value is JSON, or words that cannot be read as it.
        is_new: nothing of that name is stored.
    """

    name: str
    source: str
    changes: tuple[FieldChange, ...]
    is_new: bool = False


def to_text(diffs: Sequence[ObjectDiff], *, color: bool = False) -> str:
    """The differences, a line break at the end; empty when there are none."""
    return "".join(f"{_painted(line) if color else line}\n" for diff in diffs for line in _lines(diff))


def _lines(diff: ObjectDiff) -> Iterator[str]:
    if not diff.changes:
        return
    yield "--- /dev/null" if diff.is_new else f"--- {clean(diff.name)} (stored)"
    yield f"+++ {clean(diff.name)} ({clean(diff.source)})"
    for change in diff.changes:
        yield f"@@ {clean(change.path)} @@"
        yield from (clean(line) for line in _hunk(change))


def _hunk(change: FieldChange) -> Iterator[str]:
    old, new = change.old, change.new
    if old is not None and old == new:
        # Only what is masked can look the same.
        yield from (f"-{old} (before)", f"+{new} (after)")
        return
    before, after = _written(old), _written(new)
    if len(before) < 2 or len(after) < 2 or len(before) + len(after) > _MOST_LINES:
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
        return
    from difflib import unified_diff

    for line in list(unified_diff(before, after, lineterm="", n=_CONTEXT))[2:]:
        # Lines of a text start at its own first line, not at that of a file: the numbers would tell nothing.
        if not line.startswith("@@"):
            yield line


def _written(value: str | None) -> list[str]:
    """A value as lines of YAML; a text of several lines as it is."""
    if value is None:
        return []
    try:
        data: Any = json.loads(value)
    except ValueError:
        return value.split("\n")
    if isinstance(data, str) and "\n" in data:
        return data.split("\n")
    if isinstance(data, dict | list) and data:
        return yamljson.to_yaml([data]).splitlines()  # type: ignore[list-item]
    return [value]


def _painted(line: str) -> str:
    paint = _PAINTS.get(line[:3]) or {"-": _RED, "+": _GREEN}.get(line[:1])
    return f"{paint}{line}{_RESET}" if paint else line
