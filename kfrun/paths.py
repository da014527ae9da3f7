"""Paths as texts. For what every command imports: `pathlib` takes 3 ms to load."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def absolute(path: str | Path, folder: str) -> str:
    """``path``, seen from the absolute ``folder``, the way `pathlib` writes it: links and ``..`` stay as they are."""
    parts = os.path.join(folder, path).split("/")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def join(folder: str, *names: str) -> str:
    """Names below a folder."""
    return os.path.join(folder, *names)


def parent(path: str) -> str:
    """The folder that holds ``path``; of the root, the root."""
    return os.path.dirname(path)
