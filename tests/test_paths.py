from __future__ import annotations

from pathlib import Path

import pytest

from kfrun import paths


@pytest.mark.parametrize(
    "path", ["", ".", "a", "./a", "a/", "a//b/./c", "../a", "a/../b", "/", "//", "/a//b/", "/./a/..", "a b", "é"]
)
@pytest.mark.parametrize("folder", ["/", "/x", "/x/", "/x/y"])
def test_paths_are_written_as_pathlib_does(path: str, folder: str) -> None:
    wanted = Path(folder, path) if not path.startswith("//") else Path("/")
    assert paths.absolute(path, folder) == str(wanted)
    assert paths.absolute(Path(path), folder) == str(wanted)


def test_the_root_holds_itself() -> None:
    assert (paths.parent("/a/b"), paths.parent("/a"), paths.parent("/")) == ("/a", "/", "/")
