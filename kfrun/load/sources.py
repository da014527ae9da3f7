"""What ``-f`` names: files, folders, globs, stdin and URLs.

First every input becomes a list of sources; then each source is read and parsed, and everything wrong with any of them
is reported at once, that it is not there or cannot be read among it.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from kfrun import paths, terminal
from kfrun.errors import InvalidInput, NotFound, Unavailable, UsageProblem
from kfrun.load import folders, kubeyaml
from kfrun.load.content import Source, is_descriptor, read, unreadable
from kfrun.load.folders import TEMPLATES, Exclusion
from kfrun.model.source import Finding, Position, Stage
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kfrun.load.given import Given
    from kfrun.model.source import Document

STDIN: Final = "-"
MADE: Final = ("kustomize://", "helm://")
"""How an input begins that another program makes, see `kfrun.load.made.programs`."""


def load(
    inputs: Sequence[str],
    *,
    recursive: bool = False,
    stdin: BinaryIO | None = None,
    values: Mapping[str, Any] | None = None,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
    exclusion: Exclusion | None = None,
) -> tuple[Document, ...]:
    """Read all documents of the inputs, in order; see `gather`.

    Raises:
        InvalidInput: with the findings of all sources.
        NotFound, Unavailable: the only source is not there, or cannot be read.
        UsageProblem: stdin given twice, a URL that is not https.
    """
    gathered = gather(
        inputs,
        recursive=recursive,
        stdin=stdin,
        values=values,
        note=note,
        only_objects=only_objects,
        exclusion=exclusion,
    )
    if gathered.findings:
        raise InvalidInput(gathered.findings)
    return gathered.documents


class Gathered(NamedTuple):
    """The documents of an input, and what is wrong with the rest of it."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]


def gather(
    inputs: Sequence[str],
    *,
    recursive: bool = False,
    stdin: BinaryIO | None = None,
    values: Mapping[str, Any] | None = None,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
    exclusion: Exclusion | None = None,
) -> Gathered:
    """Read what can be read of the inputs, in order.

    Args:
        inputs: files, folders (their ``*.yaml``, ``*.yml`` and ``*.json``), globs, https URLs, or ``-`` for stdin.
        recursive: descend into the folders of a folder.
        stdin: what ``-`` reads; the process's own by default.
        values: what templates are rendered with; given, every source is a template, else only ``*.yaml.j2`` are.
        note: is told the name and the text of every source, before it is rendered.
        only_objects: documents that are no objects, and sources without any, are passed over.
        exclusion: what is left out of folders.

    Raises:
        NotFound, Unavailable, UsageProblem: see `texts`.
    """
    documents: list[Document] = []
    findings: list[Finding] = []
    names = []
    for source, text, refusal in texts(inputs, recursive=recursive, stdin=stdin, exclusion=exclusion):
        names.append(source.name)
        if refusal is not None:
            findings.append(refusal)
            continue
        if note is not None:
            note(source.name, text)
        found, wrong = parsed(text, source, values)
        documents += found
        if note is not None:
            for path, digest in (file for one in found if one.requirements for file in one.requirements.files):
                note(path, digest)
        findings += [one for one in wrong if not (only_objects and is_no_object(one))]
    if not documents and not findings and not only_objects:
        findings = [nothing_in(name) for name in names]
    return Gathered(tuple(documents), tuple(findings))


def texts(
    inputs: Sequence[str], *, recursive: bool, stdin: BinaryIO | None, exclusion: Exclusion | None = None
) -> Iterator[tuple[Source, str, Finding | None]]:
    """Every source of the inputs with its text, or why it has none: what cannot be read hides nothing else.

    Raises:
        NotFound, Unavailable: the only source is not there, or cannot be read.
        UsageProblem: stdin given twice, a URL that is not https.
    """
    exclusion = exclusion or Exclusion()
    sources = named(inputs, recursive=recursive, stdin=stdin, exclusion=exclusion)
    for source in sources:
        try:
            text, refusal = read(source)
        except (NotFound, Unavailable) as error:
            if len(sources) == 1:
                raise
            text, refusal = "", unreadable(source, error)
        if not (source.is_found and folders.is_foreign(source.name, text, exclusion)):
            yield source, text, refusal
    exclusion.report()


def parsed(text: str, source: Source, values: Mapping[str, Any] | None) -> tuple[list[Document], list[Finding]]:
    """The documents of a source's text, rendered if it is a template, and what is wrong with it."""
    found, wrong = rendered(text, source.name, source.folder, values)
    return [with_requirements(document) for document in found], wrong


def rendered(
    text: str, name: str, folder: str | None, values: Mapping[str, Any] | None
) -> tuple[list[Document], list[Finding]]:
    """As `parsed`, without what other files say."""
    if name.startswith(MADE):
        from kfrun.load.made import origins

        return origins.parse(text, name)
    given: Given | None = None
    if values is not None:
        from kfrun.load.given import Given

        given = values if isinstance(values, Given) else None
    is_template = name.endswith(TEMPLATES) or (values is not None and (given is None or given.renders(text)))
    if is_template:
        from kfrun.load import template

        found, wrong = template.parse(text, name, values or {}, folder=folder)
    else:
        found, wrong = kubeyaml.parse(text, name, folder=folder)
    if (wrong or not all("kind" in one.data for one in found)) and (other := no_manifest(text, name, wrong)):
        return [], [other]
    return (found if given is None else given.applied(found, text, is_template=is_template)), wrong


def no_manifest(text: str, name: str, wrong: Sequence[Finding] = ()) -> Finding | None:
    """That a text is another file, if it is one: nothing that is wrong with it as YAML helps then."""
    from kfrun.load import filekinds

    kind = filekinds.of_text(name, text)
    if not kind or any(one.code in ("KF116", "KF117") for one in wrong):
        return None
    position = Position(name, 1, 1)
    hint = filekinds.way_out(kind, name)
    return Finding("KF126", f"this is {kind}, not a manifest", Stage.YAML, position=position, hint=hint)


def with_requirements(document: Document) -> Document:
    """The document, with what the files say that its annotations name."""
    metadata = document.data.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict) or not any(map(_names_files, annotations.items())):
        return document
    from kfrun.load import requirements

    return requirements.attached(document)


def _names_files(annotation: tuple[str, Any]) -> bool:
    """Whether files may be named; a list of plain packages names none."""
    name, text = annotation
    return name == "kfrun.dev/requirements" or (
        name == "kfrun.dev/packages" and isinstance(text, str) and ("/" in text or "-e" in text)
    )


def is_no_object(finding: Finding) -> bool:
    """Whether a finding says that a text is a list or a scalar, meant for somebody else, or no YAML at all."""
    return finding.code == "KF126" or (finding.code == "KF108" and not finding.path)


def nothing_in(name: str) -> Finding:
    """That a source has no object."""
    name = name.partition("://")[2] if name.startswith(MADE) else name
    return no_manifest("", name) or Finding("KF112", "no object in here", Stage.YAML, position=Position(name, 1, 1))


def named(
    inputs: Sequence[str], *, recursive: bool, stdin: BinaryIO | None, exclusion: Exclusion | None = None
) -> list[Source]:
    """What the inputs stand for, not opened yet; an input that names nothing is a source that says so.

    Raises:
        UsageProblem: stdin given twice, a URL that is not https.
    """
    if not inputs:
        raise UsageProblem("nothing to read", hint="name a file, a folder, a URL or - with -f")
    if list(inputs).count(STDIN) > 1:
        raise UsageProblem("stdin (-) can be read once only")
    sources: list[Source] = []
    for name in inputs:
        if name == STDIN:
            sources.append(_of_stdin(stdin))
        elif name.startswith(MADE):
            sources.append(Source(name, is_made=True))
        elif "://" in name:
            from kfrun.load.web.urls import checked

            sources.append(Source(checked(name), is_url=True))
        else:
            sources += _on_disk(name, exclusion or Exclusion(), recursive=recursive)
    return sources


def _of_stdin(stdin: BinaryIO | None) -> Source:
    if stdin is None and sys.stdin is None:  # started with stdin closed
        return Source("<stdin>", failure=Unavailable("stdin is closed, so - cannot be read"))
    return Source("<stdin>", stream=stdin or sys.stdin.buffer)


def _file(path: str) -> Source:
    if is_descriptor(path):
        return Source(path, folder=None)
    # not with pathlib: it takes 3 ms to import, and as long for a few hundred files
    current = "/" if path.startswith("/") else os.getcwd()
    return Source(path, folder=_absolute(path.rpartition("/")[0], current))


_absolute = lru_cache(maxsize=8)(paths.absolute)
"""A file's folder, seen from the current one; a thousand files are in one."""


def _on_disk(name: str, exclusion: Exclusion, *, recursive: bool) -> list[Source]:
    """The files that a path or a glob stands for."""
    try:
        found = _paths(name)
    except (NotFound, Unavailable) as error:
        return [Source(name, failure=error)]
    return [source for path in found for source in _expanded(path, exclusion, recursive=recursive)]


def _paths(name: str) -> list[str]:
    if _exists(name):
        return [name]
    if any(character in name for character in "*?["):
        import glob

        found = sorted(glob.glob(name, recursive=True))
        if not found:
            raise NotFound(f"no file matches {name}")
        return found
    raise NotFound(f"no such file or folder: {name or repr(name)}", hint=near_names(name))


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return True


def _expanded(path: str, exclusion: Exclusion, *, recursive: bool) -> list[Source]:
    """The path itself, or what is to be read of a folder."""
    if not os.path.isdir(path):
        return [_file(path)]
    try:
        found = list(folders.files(path, exclusion, recursive=recursive))
    except (NotFound, Unavailable) as error:
        return [Source(path, failure=error)]
    read = [Source(one, failure=why) if why else replace(_file(one), is_found=True) for one, why in found]
    return read or [Source(path, failure=_empty(path, recursive=recursive))]


def _empty(folder: str, *, recursive: bool) -> NotFound:
    hints = []
    if not recursive and any(entry.is_dir() for entry in folders.listed(folder)):
        hints.append("-R looks into the folders in it, too")
    if found := folders.scripts(folder):
        script = terminal.quoted(os.path.join(folder, found[0]) if folder != "." else found[0])
        hints.append(f"kfrun run {script} runs a script of it, kfrun init {script} writes a manifest")
    return NotFound(f"no .json, .yaml or .yml file in the folder {folder}", hint="; ".join(hints) or None)


def near_names(name: str) -> str | None:
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
