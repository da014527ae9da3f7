"""What ``-f`` names, as it was at a revision of git.

Files by their names, folders with everything that they held then: objects are found again by kind and name, so a file
may have been renamed since. A submodule below a folder is read at the commit that the folder's revision has of it.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import Unavailable, UsageProblem
from kfrun.load import content, folders, sources
from kfrun.load.git import repository
from kfrun.load.git.repository import LeavesRepository, Repository, TreeEntry
from kfrun.model.source import Finding, Position, Stage
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kfrun.model.source import Document

CODES: Final = {
    "KF114": "an older version that git does not have: Git LFS, or a link that leaves the repository",
}

_FULL: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT: Final = 12
_MOST_ENTRIES: Final = 1_000_000
_LFS: Final = "version https://git-lfs.github.com/spec/"
_USE_PREVIOUS: Final = "give the old objects with --previous"


class _File(NamedTuple):
    """A file of a commit; without an entry, a link that leaves the repository."""

    repository: Repository
    path: str
    entry: TreeEntry | None


def load(
    inputs: Sequence[str], revision: str, *, recursive: bool = False, values: Mapping[str, Any] | None = None
) -> tuple[list[Document], list[Finding]]:
    """The documents of the inputs at ``revision``, and what is wrong with files that cannot be read.

    Documents and findings are named ``REVISION:path``, as git does: the path from the top of the repository. What did
    not exist yet gives nothing.

    Args:
        inputs: as for `sources.load`, each of which exists now.
        revision: whatever git reads as a commit, in the repository of each input.
        recursive: descend into the folders of a folder.
        values: what templates are rendered with, as for `sources.load`.

    Raises:
        UsageProblem: an input is no file of a repository, or the revision is none.
        NotFound: there is no such revision.
        Unavailable: git is missing, or failed.
    """
    require_versions(inputs, revision)
    repositories = _Repositories(revision)
    documents: list[Document] = []
    findings: list[Finding] = []
    try:
        for file in _files(inputs, repositories, recursive=recursive):
            found, wrong = _read(file, revision, values)
            documents += found
            findings += wrong
    finally:
        repositories.close()
    return documents, findings


def require_versions(inputs: Sequence[str], revision: str) -> None:
    """Refuse what can have no older version in git, before anything is read.

    Raises:
        UsageProblem: an input is no file, or the revision is none.
    """
    repository.check_revision(revision)
    for name in inputs:
        what = "stdin" if name == sources.STDIN else "a URL" if "://" in name else ""
        what = "what another program makes" if name.startswith(sources.MADE) else what
        if what or content.is_descriptor(name):
            message = f"git knows no older version of {what or name}: --previous-ref is for files in a repository"
            raise UsageProblem(message, _USE_PREVIOUS)


class _Repositories:
    """The repositories that the inputs lie in, opened once each; ``submodules`` are those of a folder that was read."""

    def __init__(self, revision: str) -> None:
        self.submodules: set[str] = set()
        self._revision = revision
        self._opened: dict[tuple[str, str], Repository] = {}
        self._tops: dict[str, str | None] = {}

    def close(self) -> None:
        """End every git."""
        for one in self._opened.values():
            one.close()

    def of(self, folder: str, name: str) -> tuple[Repository, str]:
        """The repository that an absolute ``folder`` lies in, and the folder's path in it."""
        top = self.top(folder)
        if top is None:
            raise UsageProblem(f"{name} lies in no git repository, so it has no older version", _USE_PREVIOUS)
        path = os.path.relpath(folder, top)
        return self.at(top, self._revision), "" if path == "." else path.replace(os.sep, "/")

    def top(self, folder: str) -> str | None:
        """The top of the work tree that ``folder`` lies in."""
        if folder not in self._tops:
            self._tops[folder] = repository.top_of(folder)
        return self._tops[folder]

    def at(self, top: str, revision: str) -> Repository:
        """The repository at ``top``, at a revision."""
        key = (top, revision)
        if key not in self._opened:
            self._opened[key] = Repository(top)
            self._opened[key].check_out(revision)
        return self._opened[key]


def _files(names: Sequence[str], repositories: _Repositories, *, recursive: bool) -> Iterator[_File]:
    for name in names:
        for target in _targets(name):
            is_folder = os.path.isdir(target)
            # A link is looked up by its own name: at the revision it may have led elsewhere.
            is_itself = is_folder and not os.path.islink(target.rstrip("/") or "/")
            folder, base = (target, "") if is_itself else os.path.split(target.rstrip("/"))
            found, path = repositories.of(os.path.realpath(folder or "."), target)
            path = "/".join(part for part in (path, base) if part)
            yield from _at(found, path, repositories, recursive=recursive, is_folder=is_folder)
            if is_folder and recursive:
                yield from _in_clones(os.path.realpath(target), repositories)


def _in_clones(folder: str, repositories: _Repositories) -> Iterator[_File]:
    """The files of the repositories that lie in a folder without being its submodules, at the same revision."""
    for path, names, _ in os.walk(folder):
        if path != folder and ".git" in names and path not in repositories.submodules:
            clone, below = repositories.of(path, path)
            yield from _at(clone, below, repositories, recursive=True, is_folder=True)
        names[:] = sorted(name for name in names if not name.startswith("."))


def _targets(name: str) -> list[str]:
    if os.path.lexists(name):
        return [name]
    import glob

    return sorted(glob.glob(name, recursive=True))


def _at(
    found: Repository, path: str, repositories: _Repositories, *, recursive: bool, is_folder: bool
) -> Iterator[_File]:
    """The file at ``path``, or the files in it."""
    try:
        entry = found.find(path)
    except LeavesRepository:
        yield _File(found, path, None)
        return
    if entry is not None and entry.is_folder and is_folder:
        yield from _in_folder(found, path, entry, repositories, recursive=recursive)
    elif entry is not None and not entry.is_folder and not entry.is_submodule:
        yield _File(found, path, entry)


def _in_folder(
    found: Repository, path: str, folder: TreeEntry, repositories: _Repositories, *, recursive: bool
) -> Iterator[_File]:
    """The files that `sources` would read in a folder, in its order."""
    opened = [_named(found, path, folder)]
    while opened:
        name, entry = next(opened[-1], ("", None))
        if entry is None:
            opened.pop()
        elif entry.is_folder or entry.is_submodule:
            if recursive and entry.is_folder:
                opened.append(_named(found, name, entry))
            elif recursive:
                yield from _in_submodule(found, name, entry, repositories)
        elif not name.endswith(folders.SUFFIXES):
            continue
        elif not entry.is_link:
            yield _File(found, name, entry)
        else:
            yield from _at(found, name, repositories, recursive=False, is_folder=False)


def _named(found: Repository, path: str, folder: TreeEntry) -> Iterator[tuple[str, TreeEntry | None]]:
    entries = found.folder(folder)
    found.looked_at += len(entries)
    if found.looked_at > _MOST_ENTRIES:
        # A tree may hold itself a hundred times over, in a few kilobytes.
        message = f"{found.top} holds more than {_MOST_ENTRIES:,} files at that revision"
        raise Unavailable(message, "name the folder of the manifests, instead of one above it")
    for name, entry in sorted(entries.items()):
        if not name.startswith("."):
            yield (f"{path}/{name}" if path else name), entry


def _in_submodule(found: Repository, path: str, entry: TreeEntry, repositories: _Repositories) -> Iterator[_File]:
    """The files of a submodule, at the commit that ``found`` has of it; none where it is not checked out."""
    folder = os.path.realpath(f"{found.top}/{path}")
    if not os.path.isdir(folder) or repositories.top(folder) != folder:
        return
    repositories.submodules.add(folder)
    inner = repositories.at(folder, entry.oid)
    for file in _in_folder(inner, "", inner.root, repositories, recursive=True):
        yield file._replace(path=f"{path}/{file.path}")


def _read(file: _File, revision: str, values: Mapping[str, Any] | None) -> tuple[list[Document], list[Finding]]:
    name = f"{_shown(revision)}:{file.path}"
    if file.entry is None:
        return [], [_unknown(name, "at that revision this is a link that leads out of the repository")]
    raw = file.repository.content(file.entry, name, content.MAX_BYTES + 1)
    source = content.Source(name, stream=io.BytesIO(raw))
    text, refusal = content.read(source)
    if refusal is not None:
        return [], [refusal]
    if text.startswith(_LFS):
        return [], [_unknown(name, "the file is kept by Git LFS, git itself has but a pointer to it")]
    return sources.parsed(text, source, values)


def _shown(revision: str) -> str:
    """The revision, a commit's full name as short as git shows it."""
    return revision[:_SHORT] if _FULL.fullmatch(revision) else revision


def _unknown(name: str, message: str) -> Finding:
    return Finding("KF114", message, Stage.YAML, position=Position(name, 1, 1), hint=_USE_PREVIOUS)
