"""What a job and its runtime ask for together: their lists of packages, and the files that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.load.lines import entries
from kfrun.model.requirements import Requirements
from kfrun.model.values import NamedTuple, replace
from kfrun.resolve import packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.resolution import PackageSet
    from kfrun.model.source import Document, Position
    from kfrun.resolve.packages import Requirement

_NONE = Requirements()
_MOST = 10
"""Lines that are told to be wrong: of what is no requirements file all are."""


class Written(NamedTuple):
    """A document, and its annotations ``packages`` and ``requirements``."""

    document: Document
    packages: str
    requirements: str


class Mistake(NamedTuple):
    """Something that is wrong: in a line of an annotation, or in a file that it names.

    Attributes:
        annotation: its name.
        line: of the annotation; empty for the whole of it.
        place: in a file.
    """

    document: Document
    code: str
    message: str
    hint: str | None
    annotation: str
    line: str = ""
    place: Position | None = None
    excerpt: str | None = None


class _Own(NamedTuple):
    """What one document asks for."""

    document: Document
    requirements: Sequence[Requirement]
    constraints: Sequence[Requirement]
    files: Requirements


def asked_for(runtime: Written | None, job: Written, said: PackageSet) -> tuple[PackageSet, list[Mistake]]:
    """Merge what both ask for; ``said`` is what the other annotations say."""
    mistakes: list[Mistake] = []
    owns = [_own(each, mistakes) for each in (runtime, job) if each is not None]
    merged = packages.combined(owns[0].requirements if runtime else (), owns[-1].requirements)
    index_urls, options = _options(said.index_urls, [option for own in owns for option in own.files.options])
    python = ",".join(own.files.python for own in owns if own.files.python)
    mistakes += _unhashed(owns, merged, options)
    mistakes += _unsuited(owns, said.python)
    found = replace(
        said,
        requirements=tuple(dict.fromkeys(item.text for item in merged)),
        index_urls=index_urls,
        python=said.python or python or None,
        constraints=tuple(dict.fromkeys(item.text for own in owns for item in own.constraints)),
        options=options,
        locks=tuple(dict.fromkeys(lock for own in owns for lock in own.files.locks)),
        folders=tuple(dict.fromkeys(folder for own in owns for folder in own.files.folders)),
        sources=tuple(count for own in owns for count in own.files.counts),
    )
    return found, mistakes


def line_of(written: Written, requirement: str) -> str | None:
    """The line of ``kfrun.dev/packages`` that asks for a requirement; None where none does."""
    good, _ = _listed(written)
    return next((item.line.text for item in good if item.text == requirement), None)


def _listed(written: Written) -> tuple[list[Requirement], list[packages.BadRequirement]]:
    document = written.document
    names = dict(document.requirements.names) if document.requirements else {}
    return packages.parse(entries(written.packages), document.folder, names)


def _own(written: Written, mistakes: list[Mistake]) -> _Own:
    document = written.document
    good, bad = _listed(written)
    mistakes += [Mistake(document, one.code, one.message, one.hint, "packages", one.line.text) for one in bad]
    if document.requirements is None:
        mistakes += _unread(written)
        return _Own(document, good, (), _NONE)
    files = document.requirements
    for fault in files.faults:
        where = ("requirements", fault.entry, fault.place, fault.excerpt)
        mistakes.append(Mistake(document, fault.code, fault.message, fault.hint, *where))
    from_files: list[Requirement] = []
    constraints: list[Requirement] = []
    wrong: list[Mistake] = []
    for listed in files.listed:
        read = packages.of_file(listed)
        if isinstance(read, packages.BadRequirement):
            where = ("requirements", "", listed.place, listed.excerpt)
            wrong.append(Mistake(document, read.code, read.message, read.hint, *where))
        else:
            (constraints if listed.is_constraint else from_files).append(read)
    if len(wrong) > _MOST:
        hint = f"{len(wrong) - _MOST} more lines are none either: is it a requirements file?"
        wrong[_MOST - 1 :] = [wrong[_MOST - 1]._replace(hint=hint)]
    mistakes += wrong
    return _Own(document, [*from_files, *good], constraints, files)


def _unread(written: Written) -> Iterator[Mistake]:
    """Of an object that was stored nobody knows where its files lie."""
    for entry in entries(written.requirements)[:1]:
        message = f'"{entry.text}" was not read: this was stored, and its folder is not known'
        hint = "give its file with -f, too, or name packages in kfrun.dev/packages"
        yield Mistake(written.document, "KF414", message, hint, "requirements", entry.text)


def _options(
    index_urls: tuple[str, ...], options: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The indexes, and the options that are left: as if the annotation were pip's command line, and these in files."""
    urls, extra, lines = list(index_urls), list[str](), list[str]()
    is_closed = False
    for name, value in options:
        if name == "--no-index":
            is_closed, urls, extra = True, [], []
        elif name == "--index-url":
            urls, extra = ([], []) if is_closed else ([value], [])
        elif name == "--extra-index-url":
            if not is_closed:
                (urls or extra).append(value)
        else:
            lines.append(f"{name} {value}".strip())
    lines += [f"--extra-index-url {value}" for value in extra]
    return tuple(urls), tuple(dict.fromkeys((*lines, *(["--no-index"] if is_closed else []))))


def _unhashed(owns: Sequence[_Own], merged: Sequence[Requirement], options: Sequence[str]) -> Iterator[Mistake]:
    """Requirements without a hash where others have one: pip then asks for all of them."""
    has_hashes = any(item.listed and item.listed.hashes for item in merged)
    if not has_hashes and "--require-hashes" not in options:
        return
    if any(item.listed and item.listed.hashes for own in owns for item in own.constraints):
        return  # they may hold what is missing
    for item in merged:
        if item.listed is not None and item.listed.hashes:
            continue
        own = next(own for own in owns if any(item is each for each in own.requirements))
        name = item.name or item.text
        message = f"{name} has no hash, and pip asks for that of all where one has it, or --require-hashes is given"
        hint = "give it --hash=sha256:... (pip-compile --generate-hashes writes them), or leave the others out"
        listed = item.listed
        where = ("requirements", "", listed.place, listed.excerpt) if listed else ("packages", item.line.text)
        yield Mistake(own.document, "KF416", message, hint, *where)


def _unsuited(owns: Sequence[_Own], python: str | None) -> Iterator[Mistake]:
    """Where a file asks for another Python than the annotation."""
    for own in owns:
        for wanted in filter(None, [own.files.python]):
            allowed = packages.allows(wanted, python or "3.0")
            if allowed is None:
                message, hint = f'requires-python: "{wanted}" is no set of versions', 'write ">=3.12"'
            elif python is not None and not allowed:
                message = f"Python {wanted} is asked for there, and {python} by kfrun.dev/python"
                hint = "change kfrun.dev/python, or leave it out"
            else:
                continue
            yield Mistake(own.document, "KF415", message, hint, "requirements")
