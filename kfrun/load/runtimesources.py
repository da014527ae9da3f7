"""Runtimes that lie elsewhere: in files, folders, behind URLs, in repositories of GitHub. Referred to, not judged.

What was fetched is kept for a day, and asked for again by its ETag then; where nobody answers, what was kept is used,
and that is said. ``#sha256=`` pins a source to what it held when somebody looked.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.load import content, folders, kubeyaml
from kfrun.load.content import Source
from kfrun.model.kinds import RUNTIMES
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kfrun.model.source import Document

_PIN: Final = "#sha256="
_DIGITS: Final = 64
_GITHUB: Final = "github://"
_ACCEPT_RAW: Final = "application/vnd.github.raw+json"
_MOST_FILES: Final = 200


class Fetching(NamedTuple):
    """How what is not on this machine is read.

    Attributes:
        cache_dir: where it is kept.
        environ: holds tokens, and the address of GitHub's API.
        tell: gets a line about what could not be asked for.
        refresh: ask again, however young what is kept is.
        any_age: what is kept will do, however old it is.
    """

    cache_dir: str
    environ: Mapping[str, str]
    tell: Callable[[str], object]
    refresh: bool = False
    any_age: bool = False


class _SourceFile(NamedTuple):
    """A file of a source: its name in it, and its content."""

    name: str
    content: bytes


def read(sources: Sequence[str], fetching: Fetching) -> list[Document]:
    """The runtimes of the sources, in their order, each by the name of its source.

    Raises:
        NotFound, Unavailable: a source is not there, cannot be read, or does not hold what it is pinned to.
        UsageProblem: no source is named so.
    """
    return [document for source in sources for document in _runtimes(source, fetching)]


def _runtimes(source: str, fetching: Fetching) -> Iterator[Document]:
    name, pin = _split(source)
    parts = sorted(_parts(name, fetching._replace(any_age=bool(pin))))
    if pin and digest(parts) != pin:
        parts = sorted(_parts(name, fetching._replace(refresh=True)))
    _require_pinned(name, parts, pin)
    for part in parts:
        shown = name if len(parts) == 1 else f"{name}: {part.name}"
        text, refusal = content.decoded(part.content, shown)
        found, wrong = ([], [refusal]) if refusal else kubeyaml.parse(text, shown)
        if wrong and wrong[0] is not None:
            message = f"{wrong[0].position or shown}: {wrong[0].message}"
            if len(parts) == 1:
                raise Unavailable(message, "runtimes cannot be taken from it")
            fetching.tell(f"warning: {message}; runtimes are taken from the other files")
        yield from (replace(document, source=name) for document in found if document.key.kind in RUNTIMES)


def _split(source: str) -> tuple[str, str]:
    name, mark, pin = source.partition(_PIN)
    pin = pin.lower()
    if mark and (len(pin) != _DIGITS or set(pin) - set("0123456789abcdef")):
        raise UsageProblem(f"{source}: #sha256= takes {_DIGITS} hexadecimal digits", "sha256sum FILE prints them")
    return name, pin


def _require_pinned(name: str, parts: Sequence[_SourceFile], pin: str) -> None:
    if pin and (found := digest(parts)) != pin:
        raise Unavailable(
            f"{name} is not what it is pinned to: its sha256 is {found}, and {pin} was asked for",
            "look at what has changed, and pin it anew",
        )


def digest(parts: Sequence[_SourceFile]) -> str:
    """Of one file that of its content; of several, of the lines that ``sha256sum`` prints of them, by name."""
    sums = [hashlib.sha256(part.content).hexdigest() for part in parts]
    if len(parts) == 1:
        return sums[0]
    lines = "".join(f"{found}  {part.name}\n" for found, part in zip(sums, parts, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _parts(name: str, fetching: Fetching) -> Iterator[_SourceFile]:
    if name.startswith(_GITHUB):
        return _of_github(name, fetching)
    if name == "-":
        raise UsageProblem("runtimes are not read from stdin by --runtimes", "give them with -f -, or name a file")
    if name.startswith(("https://", "http://")):
        if "#" in name:
            raise UsageProblem(f"{name}: nothing but #sha256= may stand behind a URL", "a query begins with ?")
        from kfrun.load.web import kept

        return iter([_SourceFile(name.rpartition("/")[2], kept.fetched(name, fetching))])
    if name.startswith("file://"):
        parts = urlsplit(name)
        if parts.netloc not in ("", "localhost"):
            raise UsageProblem(f"{name} names a file of another machine", "write file:///PATH")
        return _of_disk(unquote(parts.path))
    if "://" in name:
        raise UsageProblem(
            f"{name} is no source of runtimes",
            "a file, a folder, file://, https:// or github://OWNER/REPO[/PATH][@REF]",
        )
    return _of_disk(name)


def _of_disk(path: str) -> Iterator[_SourceFile]:
    if not os.path.isdir(path):
        yield _SourceFile(os.path.basename(path), content.raw(Source(path)))
        return
    found = folders.files(path, folders.Exclusion(), recursive=True)
    names = [name for name, failure in found if failure is None and not name.endswith(folders.TEMPLATES)]
    if not names:
        raise NotFound(f"no .json, .yaml or .yml file in the folder {path}, where runtimes are to be")
    yield from (_SourceFile(os.path.relpath(name, path), content.raw(Source(name))) for name in names)


# GitHub


def _of_github(name: str, fetching: Fetching) -> Iterator[_SourceFile]:
    """A file, or all of a folder, of a repository, by GitHub's API for contents."""
    from kfrun.load.web import kept

    rest, _, ref = name[len(_GITHUB) :].partition("@")
    owner, _, rest = rest.partition("/")
    repository, _, path = rest.partition("/")
    if not owner or not repository or any(part in (".", "..") for part in (owner, repository, *path.split("/"))):
        raise UsageProblem(f"{name} names no repository", "write github://OWNER/REPO[/PATH][@REF]")
    base = fetching.environ.get("GITHUB_API_URL") or "https://api.github.com"
    place = f"{base.rstrip('/')}/repos/{kept.quoted(owner)}/{kept.quoted(repository)}/contents"
    query = f"?ref={kept.quoted(ref, safe='')}" if ref else ""
    path = path.strip("/")
    if path.endswith(folders.SUFFIXES):
        url = f"{place}/{kept.quoted(path)}{query}"
        yield _SourceFile(path.rpartition("/")[2], kept.fetched(url, fetching, accept=_ACCEPT_RAW, shown=name))
        return
    for entry in _listed(f"{place}/{kept.quoted(path)}{query}", name, fetching):
        url = f"{place}/{kept.quoted(entry)}{query}"
        yield _SourceFile(entry, kept.fetched(url, fetching, accept=_ACCEPT_RAW, shown=f"{name}: {entry}"))


def _listed(url: str, name: str, fetching: Fetching) -> list[str]:
    """The manifests of a folder."""
    import json

    from kfrun.load.web import kept

    text = kept.fetched(url, fetching, accept="application/vnd.github+json", shown=name)
    try:
        entries: Any = json.loads(text)
        found = [str(one["path"]) for one in entries if one["type"] == "file"]
    except (ValueError, TypeError, KeyError):
        raise Unavailable(f"{name}: GitHub's answer is no list of files") from None
    wanted = sorted(one for one in found if one.endswith(folders.SUFFIXES) and not one.endswith(folders.TEMPLATES))
    if not wanted:
        raise NotFound(f"{name}: no .json, .yaml or .yml file in it", "a folder below it is named by its path")
    if len(wanted) > _MOST_FILES:
        raise Unavailable(f"{name}: {len(wanted)} files are more than the {_MOST_FILES} that are read")
    return wanted
