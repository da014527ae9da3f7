"""The ``kfrun.dev/`` annotations of a TrainJob and its runtime.

They carry what upstream has no field for, so that a manifest stays valid for kubectl. The TrainJob's annotation
replaces the runtime's; packages are merged by `kfrun.resolve.packages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.load.excerpts import excerpt
from kfrun.model.resolution import PackageSet
from kfrun.model.source import Finding, Position, Stage
from kfrun.model.values import dataclass, field
from kfrun.validate.rules.extensions import PREFIX, lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import Document
    from kfrun.resolve import packages
    from kfrun.validate.rules.extensions import Line


@dataclass(slots=True)
class Extensions:
    """What the annotations of a job and its runtime say together."""

    packages: PackageSet = field(default_factory=PackageSet)
    source: str | None = None
    backend: str | None = None
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
    settings.packages = PackageSet(
        requirements=_requirements(job, runtime, settings.findings),
        index_urls=_index_urls(chosen("pip-index-urls")),
        python=chosen("python"),
        isolated=chosen("environment") == "isolated",
    )
    return settings


def _annotations(document: Document) -> dict[str, str]:
    metadata = document.data.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return {}
    return {key: value for key, value in annotations.items() if isinstance(value, str)}


def _index_urls(text: str | None) -> tuple[str, ...]:
    return tuple(line.text for line in lines(text)) if text else ()


def _requirements(job: Document, runtime: Document | None, findings: list[Finding]) -> tuple[str, ...]:
    name = PREFIX + "packages"
    if not any(name in _annotations(document) for document in (runtime, job) if document is not None):
        return ()
    from kfrun.resolve import packages

    lists: list[list[packages.Requirement]] = []
    for document in (runtime, job):
        text = _annotations(document).get(name, "") if document is not None else ""
        good, bad = packages.parse(lines(text), document.folder if document is not None else None)
        lists.append(good)
        if document is not None:
            findings += [_bad_requirement(document, item) for item in bad]
    return packages.combine(lists[0], lists[1])


def package_finding(document: Document, name: str, found: Callable[..., Finding]) -> Finding | None:
    """A finding about the package of that name, where the document asks for it."""
    from kfrun.resolve import packages

    for line in lines(_annotations(document).get(PREFIX + "packages", "")):
        if packages.normalised(packages.name_of(line.text)) == packages.normalised(name):
            return found(object=document.key, **_place(document, line))
    return None


def _bad_requirement(document: Document, bad: packages.BadRequirement) -> Finding:
    place = _place(document, bad.line)
    return Finding(code=bad.code, message=bad.message, stage=Stage.RULE, hint=bad.hint, object=document.key, **place)


def _place(document: Document, line: Line) -> dict[str, Any]:
    """Where a finding about a line of the packages stands."""
    path = ("metadata", "annotations", PREFIX + "packages")
    position = _line_position(document, document.positions.value(path), line.text)
    return {"path": path, "position": position, "excerpt": excerpt(document, position) if document.text else None}


def _line_position(document: Document, start: Position, text: str) -> Position:
    """Where the line ``text`` of a scalar stands: in a block scalar below the place where the scalar starts."""
    if not document.text:
        return start
    for number, line in enumerate(document.text.splitlines()[start.line - 1 :], start.line):
        column = line.find(text)
        if column >= 0:
            return start._replace(line=number, column=column + 1)
    return start
