"""The parts of a log that is kept at a size: the last one has the log's name, those before it where they begin, too.

``node.0.log`` is what was written last, ``node.0.log.00000000000000524288`` what came before it, from that byte on.
Offsets are those of all that was ever written, so that indexes and readers need not know what was dropped.
"""

from __future__ import annotations

import os

_DIGITS = 20


def name(path: str, start: int) -> str:
    """The name of the part that begins at ``start``, once others come after it."""
    return f"{path}.{start:0{_DIGITS}}"


def older(path: str) -> list[tuple[int, str]]:
    """The parts before the last one, in order: where each begins, and its file."""
    folder, _, last = path.rpartition("/")
    begin = f"{last}."
    found = [item for item in os.listdir(folder or ".") if item.startswith(begin) and _is_part(item[len(begin) :])]
    return sorted((int(item[-_DIGITS:]), f"{folder}/{item}") for item in found)


def _is_part(suffix: str) -> bool:
    return len(suffix) == _DIGITS and suffix.isdigit()


def start_of_last(path: str) -> int:
    """Where the last part begins.

    Raises:
        OSError: a part was dropped just now.
    """
    before = older(path)
    return before[-1][0] + os.stat(before[-1][1]).st_size if before else 0


def size(path: str) -> int:
    """How many bytes were ever written.

    Raises:
        OSError: there is no log, or it began a new part just now.
    """
    return start_of_last(path) + os.stat(path).st_size
