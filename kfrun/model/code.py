"""The code that a job runs: digests of files of its source folder, and how they are kept with a run."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES: Final = (
    ".py", ".pyi", ".pyx", ".pxd", ".sh", ".bash", ".zsh", ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp",
    ".rs", ".go", ".jl", ".r", ".lua", ".pl", ".rb", ".js", ".mjs", ".ts", ".java", ".scala", ".kt", ".f90", ".sql",
)  # fmt: skip
"""Endings of files that people write, and jobs do not."""

_FORMAT: Final = 1


def is_source(name: str) -> bool:
    """Whether a file is written by people, as far as its name tells."""
    return name.lower().endswith(SOURCES)


class CodeFile(NamedTuple):
    """A file of the code.

    Attributes:
        digest: of its content.
        written: when it was written last, seconds since the epoch.
        changed: when anything of it changed last, so that a copy with an older time is as new as it is.
    """

    digest: str
    written: float = 0.0
    changed: float = 0.0


class SourceCode(NamedTuple):
    """The code of a source folder.

    Attributes:
        files: by name, relative to the folder, in slashes.
        read: when it was read, seconds since the epoch.
        is_partial: not every file was looked at: one that is missing says nothing.
        folder: of the manifest, from which its paths begin; empty where that was not written down.
        made: sources that came while an earlier run ran, and that nobody has written at another time: jobs write them.
    """

    files: Mapping[str, CodeFile] = MappingProxyType({})
    read: float = 0.0
    is_partial: bool = False
    made: frozenset[str] = frozenset()
    folder: str = ""

    def to_json(self) -> str:
        """What is kept with a run; `of_json` reads it back."""
        digests = {name: file.digest for name, file in self.files.items()}
        data: dict[str, Any] = {"format": _FORMAT, "read": round(self.read, 3), "files": digests}
        more = {"isPartial": self.is_partial, "made": sorted(self.made), "folder": self.folder}
        return json.dumps({**data, **{name: value for name, value in more.items() if value}}, separators=(",", ":"))

    @classmethod
    def of_json(cls, text: str) -> SourceCode | None:
        """The code that was kept with a run; None where none was, or where it cannot be read any more."""
        if not text:
            return None
        try:
            data: Any = json.loads(text)
            if data["format"] != _FORMAT:
                return None
            files = {str(name): CodeFile(str(digest)) for name, digest in data["files"].items()}
            made = frozenset(map(str, data.get("made", ())))
            return cls(files, float(data["read"]), bool(data.get("isPartial")), made, str(data.get("folder", "")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
