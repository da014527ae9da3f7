"""What ``-f`` names: files, folders, globs, stdin and URLs.

First every input becomes a list of sources, so that a misspelt name is told before anything is read; then
each source is read and parsed, and everything wrong with any of them is reported at once.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from kfrun import paths
from kfrun.errors import InvalidInput, NotFound, Unavailable, UsageProblem
from kfrun.load import kubeyaml
from kfrun.load.content import Source, is_descriptor, read
from kfrun.model.source import Finding, Position, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kfrun.model.source import Document

SUFFIXES: Final = (".json", ".yaml", ".yml", ".yaml.j2", ".yml.j2")
"""Files of a folder that are read; a file given by its name may have any suffix."""

TEMPLATES: Final = (".yaml.j2", ".yml.j2")
"""Sources that are always rendered."""

STDIN: Final = "-"


def load(
    inputs: Sequence[str],
    *,
    recursive: bool = False,
    stdin: BinaryIO | None = None,
    values: Mapping[str, Any] | None = None,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
) -> tuple[Document, ...]:
    """Read all documents of the inputs, in order.

    Args:
        inputs: files, folders (their ``*.yaml``, ``*.yml`` and ``*.json``), globs, https URLs, or ``-`` for stdin.
        recursive: descend into the folders of a folder.
        stdin: what ``-`` reads; the process's own by default.
        values: what templates are rendered with; given, every source is a template, else only ``*.yaml.j2`` are.
        note: is told the name and the text of every source, before it is rendered.
        only_objects: documents that are no objects, and sources without any, are passed over.

    Raises:
        InvalidInput: with the findings of all sources.
        NotFound: an input names nothing.
        UsageProblem: stdin given twice, a URL that is not https.
        Unavailable: a source could not be read or fetched.
    """
    sources = named(inputs, recursive=recursive, stdin=stdin)
    documents: list[Document] = []
    findings: list[Finding] = []
    for source in sources:
        text, refusal = read(source)
        if refusal is not None:
            findings.append(refusal)
            continue
        if note is not None:
            note(source.name, text)
        found, wrong = parsed(text, source, values)
        documents += found
        findings += [one for one in wrong if not (only_objects and is_no_object(one))]
    if not documents and not findings and not only_objects:
        findings = [nothing_in(source.name) for source in sources]
    if findings:
        raise InvalidInput(findings)
    return tuple(documents)


def parsed(text: str, source: Source, values: Mapping[str, Any] | None) -> tuple[list[Document], list[Finding]]:
    """The documents of a source's text, rendered if it is a template, and what is wrong with it."""
    if values is None and not source.name.endswith(TEMPLATES):
        return kubeyaml.parse(text, source.name, folder=source.folder)
    from kfrun.load import template

    return template.parse(text, source.name, values or {}, folder=source.folder)


def is_no_object(finding: Finding) -> bool:
    """Whether a finding says that a document is a list or a scalar: YAML that is meant for somebody else."""
    return finding.code == "KF108" and not finding.path


def nothing_in(name: str) -> Finding:
    """That a source has no object."""
    return Finding("KF112", "no object in here", Stage.YAML, position=Position(name, 1, 1))


def named(inputs: Sequence[str], *, recursive: bool, stdin: BinaryIO | None) -> list[Source]:
    """What the inputs stand for, not opened yet.

    Raises:
        NotFound: an input names nothing.
        UsageProblem: stdin given twice, a URL that is not https.
    """
    if not inputs:
        raise UsageProblem("nothing to read", hint="name a file, a folder, a URL or - with -f")
    if list(inputs).count(STDIN) > 1:
        raise UsageProblem("stdin (-) can be read once only")
    sources: list[Source] = []
    for name in inputs:
        if name == STDIN:
            sources.append(Source("<stdin>", stream=stdin or _own_stdin()))
        elif "://" in name:
            from kfrun.load.urls import checked

            sources.append(Source(checked(name), is_url=True))
        else:
            sources += [_file(path) for path in _paths(name, recursive=recursive)]
    return sources


def _own_stdin() -> BinaryIO:
    if sys.stdin is None:  # started with stdin closed
        raise Unavailable("stdin is closed, so - cannot be read")
    return sys.stdin.buffer


def _file(path: str) -> Source:
    if is_descriptor(path):
        return Source(path, folder=None)
    # not with pathlib: it takes 3 ms to import, and as long for a few hundred files
    current = "/" if path.startswith("/") else os.getcwd()
    return Source(path, folder=_absolute(path.rpartition("/")[0], current))


_absolute = lru_cache(maxsize=8)(paths.absolute)
"""A file's folder, seen from the current one; a thousand files are in one."""


def _paths(name: str, *, recursive: bool) -> list[str]:
    if _exists(name):
        return _expanded(name, recursive=recursive)
    if any(character in name for character in "*?["):
        import glob

        paths = [
            path for match in sorted(glob.glob(name, recursive=True)) for path in _expanded(match, recursive=recursive)
        ]
        if not paths:
            raise NotFound(f"no file matches {name}")
        return paths
    raise NotFound(f"no such file or folder: {name or repr(name)}", hint=_near_names(name))


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return True


def _expanded(path: str, *, recursive: bool) -> list[str]:
    """The path itself, or what is to be read of a folder."""
    if not os.path.isdir(path):
        return [path]
    found = list(_in_folder(path, recursive=recursive))
    if not found:
        has_folders = not recursive and any(entry.is_dir() for entry in _entries(path))
        raise NotFound(
            f"no .json, .yaml or .yml file in the folder {path}",
            hint="-R looks into the folders in it, too" if has_folders else None,
        )
    return found


def _in_folder(folder: str, *, recursive: bool) -> Iterator[str]:
    """Paths of a folder's files by name; a link to a folder is not followed, so there are no loops."""
    opened = [iter(_entries(folder))]
    while opened:
        entry = next(opened[-1], None)
        if entry is None:
            opened.pop()
        elif entry.is_dir(follow_symlinks=False):
            if recursive:
                opened.append(iter(_entries(entry.path)))
        elif entry.name.endswith(SUFFIXES) and _is_file(entry):
            yield entry.path


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is to be read; a broken link is, so that somebody hears of it."""
    try:
        return entry.is_file() or (entry.is_symlink() and not entry.is_dir())
    except OSError:  # a link to itself
        return True


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f"the folder {folder} cannot be read: {reason}") from error
    return sorted(visible, key=lambda entry: entry.name)


def _near_names(name: str) -> str | None:
    """Names beside the missing one that look like it."""
    import difflib

    folder, _, base = name.rpartition("/")
    try:
        present = os.listdir((folder or "/") if "/" in name else ".")
    except (OSError, ValueError):
        return f"there is no folder {folder}" if folder else None
    near = difflib.get_close_matches(base, sorted(present), n=3, cutoff=0.6)
    if not near:
        return None
    prefix = f"{folder}/" if "/" in name else ""
    return "did you mean " + " or ".join(prefix + item for item in near) + "?"
