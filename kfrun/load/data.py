"""Where the data files lie that kfrun ships: ``schemas`` and ``runtimes``. Called by validate, resolve and cli.

An installed kfrun has them inside the package (``kfrun/_data``), a source checkout beside it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kfrun.errors import Unavailable


@cache
def _roots() -> tuple[Path, Path]:
    package = Path(__file__).resolve().parent.parent
    return package / "_data", package.parent


def is_installed() -> bool:
    """Whether this is an installation, rather than a source checkout."""
    return _roots()[0].is_dir()


def checkout() -> tuple[str, ...]:
    """The folders of a source checkout that decide what kfrun says: the package and its data."""
    packaged, root = _roots()
    return str(packaged.parent), str(root / "schemas"), str(root / "runtimes")


def data_path(*parts: str) -> Path:
    """The shipped file or folder ``parts``, e.g. ``data_path("schemas", "v2.3", "trainjob.json")``.

    The path need not exist; ask `Path.is_file` when that matters.
    """
    packaged, checkout = _roots()
    root = packaged if packaged.is_dir() else checkout
    return root.joinpath(*parts)


def read_text(*parts: str) -> str:
    """The text of a shipped file.

    Raises:
        Unavailable: this installation lacks the file or cannot read it.
    """
    path = data_path(*parts)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            f"kfrun's own file {'/'.join(parts)} cannot be read: {error.strerror or error}",
            hint=f"it should be at {path}: install kfrun again",
        ) from error
