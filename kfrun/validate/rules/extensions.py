"""kfrun's own annotations: which there are, and the values that each allows. The table in `cel` has them.

They carry what upstream has no field for; `kfrun.resolve.extensions` reads them, `kfrun.resolve.packages` the packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.lines import entries
from kfrun.model.values import replace
from kfrun.patterns import pattern
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfrun.model.source import FieldPath, Finding

PREFIX: Final = "kfrun.dev/"
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "packages": (),
    "requirements": (),
    "pip-index-urls": (),
    "python": (),
    "source": (),
    "mount": (),
    "environment": ("shared", "isolated"),
    "backend": ("process", "docker", "podman", "kubernetes"),
    "lint-ignore": (),
}
"""The annotations without the prefix; the values that each allows, none listed where these are not to be counted."""

_PYTHON = pattern(r"3\.\d{1,2}(\.\d{1,2})?")
_INDEX = pattern(r"(https?://|file://(localhost)?/)\S+")


def known(data: dict[str, Any]) -> Iterator[Problem]:
    """Annotations under ``kfrun.dev/`` that there are not."""
    for path, name, _ in _own(data):
        if name not in CHOICES:
            from kfrun.validate.schema import hints

            names = [PREFIX + one for one in CHOICES]
            message = f'unknown annotation "{path[-1]}"; allowed: {", ".join(names)}'
            yield Problem("KF309", path, message, hints.near_value(path[-1], names), "key")


def allowed(data: dict[str, Any]) -> Iterator[Problem]:
    """Values that an annotation does not allow. Blanks around them are none of its business."""
    for path, name, value in _own(data):
        choices = CHOICES.get(name, ())
        if choices and value.strip() not in choices:
            from kfrun.validate.schema import hints

            message = f'"{value}" is not allowed for {PREFIX}{name}; allowed: {", ".join(choices)}'
            yield Problem("KF310", path, message, hints.near_value(value, choices))
        elif name in _CHECKS and (wrong := _CHECKS[name](value)):
            yield Problem("KF310", path, *wrong)


def discreet(finding: Finding) -> Finding:
    """The finding without its line, where that may hold a password."""
    return replace(finding, excerpt=None) if finding.path[-1:] == (f"{PREFIX}pip-index-urls",) else finding


def _own(data: dict[str, Any]) -> Iterator[tuple[FieldPath, str, str]]:
    """Path, name without prefix, and value of the annotations that are texts; other values `structure` reports."""
    metadata = data.get("metadata")
    entries = metadata.get("annotations") if isinstance(metadata, dict) else None
    for key, value in entries.items() if isinstance(entries, dict) else ():
        if key.startswith(PREFIX) and isinstance(value, str):
            yield ("metadata", "annotations", key), key.removeprefix(PREFIX), value


def _index_urls(value: str) -> tuple[str, str] | None:
    """Says which line is wrong without repeating it: index URLs may hold passwords."""
    wrong = next((line for line in entries(value) if not _INDEX.fullmatch(line.text)), None)
    return (f"line {wrong.number + 1} is no URL", "write one index URL a line (https://...)") if wrong else None


def _python(value: str) -> tuple[str, str] | None:
    if _PYTHON.fullmatch(value.strip()):
        return None
    return f'"{value}" is no Python version', 'write one such as "3.12"'


def _source(value: str) -> tuple[str, str] | None:
    return None if value.strip() else ("it names no folder", "leave it out to use the manifest's folder")


def _mount(value: str) -> tuple[str, str] | None:
    """One folder a line, and the path at which containers see it, each path once."""
    seen = set[str]()
    for line in entries(value):
        folder, mark, path = map(str.strip, line.text.partition("="))
        if not (mark and path.startswith("/") and path.strip("/") and ".." not in path.split("/")):
            return f'"{line.text}" does not say which folder lies where', "write FOLDER=/PATH, as in .=/workspace"
        if folder.startswith(("/", "~")) or ".." in folder.split("/"):
            way = "name a folder below it, choose the source folder with kfrun.dev/source, or use a hostPath volume"
            return f'"{folder}" leads out of the source folder', way
        if path.rstrip("/") in seen:
            return f"two folders are to be seen at {path}", "give each a path of its own"
        seen.add(path.rstrip("/"))
    return None


_CHECKS: Final[dict[str, Callable[[str], tuple[str, str] | None]]] = {
    "pip-index-urls": _index_urls,
    "python": _python,
    "source": _source,
    "mount": _mount,
}
