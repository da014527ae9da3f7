"""Where the data files lie that kfrun ships: ``schemas`` and ``runtimes``.

An installed kfrun has them inside the package (``kfrun/_data``), a source checkout beside it.
"""

from __future__ import annotations

import os
from functools import cache

from kfrun import paths
from kfrun.errors import Unavailable


@cache
def _roots() -> tuple[str, str]:
    package = paths.parent(paths.parent(os.path.realpath(__file__)))
    return paths.join(package, "_data"), paths.parent(package)


def is_installed() -> bool:
    """Whether this is an installation, rather than a source checkout."""
    return os.path.isdir(_roots()[0])


def checkout() -> tuple[str, ...]:
    """The folders of a source checkout that decide what kfrun says: the package and its data."""
    packaged, root = _roots()
    return paths.parent(packaged), paths.join(root, "schemas"), paths.join(root, "runtimes")


def data_path(*parts: str) -> str:
    """The shipped file or folder ``parts``, e.g. ``data_path("schemas", "v2.3", "trainjob.json")``.

    The path need not exist.
    """
    return paths.join(_roots()[0 if is_installed() else 1], *parts)


def names(*parts: str) -> list[str]:
    """The names in the shipped folder ``parts``, in their order.

    Raises:
        Unavailable: this installation lacks the folder or cannot read it.
    """
    path = data_path(*parts)
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise _unavailable(path, parts, error) from error


def read_text(*parts: str) -> str:
    """The text of a shipped file.

    Raises:
        Unavailable: this installation lacks the file or cannot read it.
    """
    path = data_path(*parts)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise _unavailable(path, parts, error) from error


def _unavailable(path: str, parts: tuple[str, ...], error: OSError) -> Unavailable:
    return Unavailable(
        f"kfrun's own file {'/'.join(parts)} cannot be read: {error.strerror or error}",
        hint=f"it should be at {path}: install kfrun again",
    )
