"""The examples that kfrun ships, copied to where somebody can run and change them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.flow import scripts
from kfrun.load import data

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST: Final = "job.yaml"

_FOLDER: Final = "examples"
_KEPT: Final = (".yaml", ".py", ".md", ".txt", ".toml", ".sh")
_TEST: Final = "expected.yaml"
_MODELINE: Final = "# yaml-language-server:"


def names() -> list[str]:
    """What there is to copy."""
    return [name for name in data.names(_FOLDER) if os.path.isfile(data.data_path(_FOLDER, name, MANIFEST))]


def about(name: str) -> str:
    """What an example shows: the first line of its manifest."""
    first = data.read_text(_FOLDER, name, MANIFEST).splitlines()[0]
    return first.removeprefix("#").partition(": kfrun ")[0].strip()


def copy(name: str, folder: str, *, force: bool) -> list[str]:
    """Copy an example into a folder, which is made; the paths that were written.

    Raises:
        NotFound: there is no such example.
        UsageProblem: a file is there already, and ``force`` does not say that it may go.
        Unavailable: it cannot be written.
    """
    if name not in names():
        import difflib

        near = difflib.get_close_matches(name, names(), n=1)
        raise NotFound(
            f'there is no example "{name}"', f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}"
        )
    files = dict(_files(name))
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageProblem(f"{folder} is no folder", f"kfrun init --example {name} FOLDER copies into another one")
    paths = {os.path.normpath(os.path.join(folder, base)): text for base, text in files.items()}
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the folder {folder} cannot be made: {(error.strerror or str(error)).lower()}") from error
    for path, text in paths.items() if not force else ():
        scripts.require_writable(path, text, "name another folder behind the example, or say --force")
    for path, text in paths.items():
        scripts.write(path, text)
    return list(paths)


def _files(name: str) -> Iterator[tuple[str, str]]:
    for base in data.names(_FOLDER, name):
        if base.endswith(_KEPT) and base != _TEST:
            text = data.read_text(_FOLDER, name, base)
            # its schema lies in a clone
            lines = (line for line in text.splitlines(keepends=True) if not line.startswith(_MODELINE))
            yield base, "".join(lines)
