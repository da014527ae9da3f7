"""Every field and what each backend makes of it, for the documentation and `kfrun explain`; and a job's share, folded.

A new backend is one more column: what it honours stands in its own table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple
from kfrun.plan.support import BACKENDS, of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.plan.support.table import Support

TOPIC: Final = "not-enforced"
"""What `kfrun explain` tells all of it about."""

CODE: Final = "KF505"
"""The code of what a backend does not honour: there is much of it, and it keeps nothing from running."""

_MOST_NAMES: Final = 3


class Row(NamedTuple):
    """A field of a type, and what becomes of it, by backend: ``yes``, ``no effect`` or ``no: WHY``."""

    type: str
    field: str
    meanings: dict[str, str]


def rows() -> Iterator[Row]:
    """The matrix, in the order of the types and their fields."""
    from kfrun.validate.schema import structs

    tables = [of(name) for name in BACKENDS]
    for type_name in tables[0].honoured:
        for name in structs.fields(type_name):
            yield Row(type_name, name, {item.backend: _meaning(item, type_name, name) for item in tables})


def reasons(backend: str) -> dict[str, dict[str, list[str]]]:
    """Why a backend leaves fields out, and which: reason, then type, then its fields."""
    found: dict[str, dict[str, list[str]]] = {}
    for type_name, table in of(backend).not_honoured.items():
        for name, why in table.items():
            found.setdefault(why, {}).setdefault(type_name, []).append(name)
    return found


def folded(fields: Sequence[str], backend: str) -> str:
    """One line for all the ``fields`` of a job that ``backend`` does not honour, paths as in a JobSet."""
    names = list(dict.fromkeys(map(last, fields)))
    shown = ", ".join([*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])])
    count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
    return f"not enforced by {backend}: {count} ({shown}); kfrun explain {TOPIC}"


def last(path: str) -> str:
    """The name at the end of a path, without the index of an item."""
    return path.rpartition(".")[2].partition("[")[0]


def _meaning(support: Support, type_name: str, name: str) -> str:
    if name in support.honoured[type_name]:
        return "yes"
    if name in support.without_effect[type_name]:
        return "no effect"
    refusal = f"no: {support.not_honoured[type_name][name]}"
    return f"yes as root, else {refusal}" if name in support.of_root.get(type_name, ()) else refusal
