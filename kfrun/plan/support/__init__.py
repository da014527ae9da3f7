"""support: what each backend honours of a manifest, field by field, and why not the rest.

Feeds the plan, ``--strict``, ``validate --backend`` and the matrix in the documentation. A new backend is a module here
with a `Support` named SUPPORT, and its name below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kfrun.plan.support.table import Support

BACKENDS: Final = ("process", "memory")
"""Every backend that there is a table for."""

CODE: Final = "KF505"
"""The code of what a backend does not honour: there is much of it, and it keeps nothing from running."""


def of(backend: str) -> Support:
    """What a backend of `BACKENDS` supports.

    Raises:
        ValueError: it is none of them.
    """
    if backend not in BACKENDS:
        raise ValueError(f'there is no backend "{backend}"')
    found: Support = import_module(f"{__name__}.{backend}").SUPPORT
    return found


def last(path: str) -> str:
    """The name at the end of the path of a field, without the index of an item."""
    return path.rpartition(".")[2].partition("[")[0]
