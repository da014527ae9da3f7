"""The ``kfrun.dev/`` annotations of a TrainJob and its runtime.

They carry what upstream has no field for, so that a manifest stays valid for kubectl. The TrainJob's annotation
replaces the runtime's; packages are merged by `kfrun.resolve.packages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.load.excerpts import excerpt
from kfrun.load.lines import entries, lines_from
from kfrun.model.resolution import PackageSet
from kfrun.model.source import Finding, Position, Related, Stage
from kfrun.model.values import dataclass, field
from kfrun.validate.rules.extensions import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.model.source import Document
    from kfrun.resolve.packages import lists


_LISTS = frozenset({PREFIX + "packages", PREFIX + "requirements"})


@dataclass(slots=True)
class Extensions:
    """What the annotations of a job and its runtime say together."""

    packages: PackageSet = field(default_factory=PackageSet)
    source: str | None = None
    backend: str | None = None
    mounts: tuple[tuple[str, str], ...] = ()
    findings: list[Finding] = field(default_factory=list)


def read(job: Document, runtime: Document | None) -> Extensions:
    """Read and merge the annotations; what is wrong with the packages is in ``findings``, the rest validate says."""
    settings = Extensions()
    documents = [job] if runtime is None else [job, runtime]

    def chosen(key: str) -> str | None:
        given = (_annotations(document).get(PREFIX + key) for document in documents)
        return next((value.strip() for value in given if value is not None), None)

    settings.source = chosen("source")
    settings.backend = chosen("backend")
    settings.mounts = _mounts(chosen("mount"))
    settings.packages = PackageSet(
        index_urls=_index_urls(chosen("pip-index-urls")),
        python=chosen("python"),
        isolated=chosen("environment") == "isolated",
    )
    if any(not _LISTS.isdisjoint(_annotations(document)) for document in documents):
        from kfrun.resolve.packages import lists

        of_runtime = None if runtime is None else _written(runtime)
        settings.packages, mistakes = lists.asked_for(of_runtime, _written(job), settings.packages)
        settings.findings += map(_mistaken, mistakes)
    return settings


def _annotations(document: Document) -> dict[str, str]:
    """Those that are texts."""
    metadata = document.data.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _index_urls(text: str | None) -> tuple[str, ...]:
    return tuple(line.text for line in entries(text)) if text else ()


def _mounts(text: str | None) -> tuple[tuple[str, str], ...]:
    return tuple(_mount(line.text) for line in entries(text or "") if "=" in line.text)


def _mount(line: str) -> tuple[str, str]:
    folder, _, path = line.partition("=")
    return folder.strip() or ".", path.strip().rstrip("/")


def place_of_mount(documents: Sequence[Document], mount: tuple[str, str]) -> dict[str, Any]:
    """Where a line of ``kfrun.dev/mount`` stands, as fields of a finding; the first document that has any counts."""
    document = next(one for one in documents if PREFIX + "mount" in _annotations(one))
    lines = (line.text for line in entries(_annotations(document)[PREFIX + "mount"]))
    return {"object": document.key, **_place(document, "mount", next(line for line in lines if _mount(line) == mount))}


def package_finding(document: Document, requirement: str, found: Callable[..., Finding]) -> Finding | None:
    """A finding about a requirement, where the document asks for it."""
    from kfrun.resolve.packages import lists

    line = lists.line_of(_written(document), requirement)
    return None if line is None else found(object=document.key, **_place(document, "packages", line))


def _written(document: Document) -> lists.Written:
    from kfrun.resolve.packages.lists import Written

    found = _annotations(document)
    return Written(document, found.get(PREFIX + "packages", ""), found.get(PREFIX + "requirements", ""))


def _mistaken(one: lists.Mistake) -> Finding:
    place = _place(one.document, one.annotation, one.line)
    if one.place is not None:
        related = Related(f"{PREFIX}{one.annotation} names it", place["position"])
        place |= {"position": one.place, "excerpt": one.excerpt, "related": (related,)}
    return Finding(one.code, one.message, Stage.RULE, hint=one.hint, object=one.document.key, **place)


def _place(document: Document, name: str, line: str) -> dict[str, Any]:
    """Where a finding about a line of an annotation stands."""
    path = ("metadata", "annotations", PREFIX + name)
    position = document.positions.value(path)
    position = _line_position(document, position, line) if line else position
    return {"path": path, "position": position, "excerpt": excerpt(document, position) if document.text else None}


def _line_position(document: Document, start: Position, text: str) -> Position:
    """Where the line ``text`` of a scalar stands: in a block scalar below the place where the scalar starts."""
    if not document.text or not start.line:
        return start
    for number, line in lines_from(document, start.line):
        column = line.find(text)
        if column >= 0:
            return start._replace(line=number, column=column + 1)
    return start
