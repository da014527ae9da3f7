"""The ``kfrun.dev/`` annotations of a TrainJob and its runtime. Called by resolver.

They carry what upstream has no field for, so that a manifest stays valid for kubectl. The TrainJob's annotation
replaces the runtime's; packages are merged by `kfrun.resolve.packages`.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from kfrun.load.excerpts import excerpt
from kfrun.model.source import Finding, Position, Stage
from kfrun.model.values import dataclass
from kfrun.model.workload import PackageSet
from kfrun.resolve import packages
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.source import Document

PREFIX: Final = "kfrun.dev/"
ENVIRONMENTS: Final = ("shared", "isolated")
BACKENDS: Final = ("process", "docker", "podman", "kubernetes")
KEYS: Final = ("packages", "pip-index-urls", "python", "source", "environment", "backend", "lint-ignore")


@dataclass(slots=True)
class Settings:
    """What the annotations of a job and its runtime say together."""

    packages: PackageSet = field(default_factory=PackageSet)
    source: str | None = None
    backend: str | None = None
    findings: list[Finding] = field(default_factory=list)


def read(job: Document, runtime: Document | None) -> Settings:
    """Read and merge the annotations; what is wrong with them is in ``findings``."""
    settings = Settings()
    documents = [job] if runtime is None else [job, runtime]
    for document in documents:
        settings.findings += _check(document)

    def chosen(key: str) -> str | None:
        given = (_annotations(document).get(PREFIX + key) for document in documents)
        return next((value.strip() for value in given if value is not None), None)

    settings.source = chosen("source")
    settings.backend = chosen("backend")
    settings.packages = PackageSet(
        requirements=_requirements(job, runtime, settings.findings),
        index_urls=tuple(line.text for line in packages.lines(chosen("pip-index-urls") or "")),
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


def _requirements(job: Document, runtime: Document | None, findings: list[Finding]) -> tuple[str, ...]:
    lists: list[list[packages.Requirement]] = []
    for document in (runtime, job):
        text = _annotations(document).get(PREFIX + "packages", "") if document is not None else ""
        good, bad = packages.parse(packages.lines(text))
        lists.append(good)
        if document is not None:
            findings += [_bad_requirement(document, item) for item in bad]
    return packages.combine(lists[0], lists[1])


def _bad_requirement(document: Document, bad: packages.BadRequirement) -> Finding:
    path = ("metadata", "annotations", PREFIX + "packages")
    start = document.positions.value(path)
    position = _line_position(document, start, bad.line.text)
    return Finding(
        code=bad.code,
        message=bad.message,
        stage=Stage.RULE,
        path=path,
        position=position,
        hint=bad.hint,
        object=document.key,
        excerpt=excerpt(document, position) if document.text else None,
    )


def _line_position(document: Document, start: Position, text: str) -> Position:
    """Where the line ``text`` of a scalar stands: in a block scalar below the place where the scalar starts."""
    if not document.text:
        return start
    for number, line in enumerate(document.text.splitlines()[start.line - 1 :], start.line):
        column = line.find(text)
        if column >= 0:
            return start._replace(line=number, column=column + 1)
    return start


def _check(document: Document) -> list[Finding]:
    findings = []
    for key, value in _annotations(document).items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        path = ("metadata", "annotations", key)
        if name not in KEYS:
            message = f'"{key}" is no annotation of kfrun'
            findings.append(finding("KF410", message, document, path, stage=Stage.RULE, hint=_suggestion(name)))
            continue
        problem = _CHECKS[name](value) if name in _CHECKS else None
        if problem is not None:
            refused = finding("KF413", problem, document, path, stage=Stage.RULE)
            # index URLs may hold passwords: their line is not shown
            findings.append(replace(refused, excerpt=None) if name == "pip-index-urls" else refused)
    return findings


def _suggestion(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, KEYS, n=1)
    known = ", ".join(PREFIX + key for key in KEYS)
    return f'did you mean "{PREFIX}{near[0]}"?' if near else f"known: {known}"


def _check_index_urls(value: str) -> str | None:
    """Says which line is wrong without repeating it: index URLs may hold passwords."""
    for line in packages.lines(value):
        if not re.match(r"(https?|file)://\S+$", line.text):
            return f"line {line.number + 1} is no URL: write one index URL a line (https://…)"
    return None


def _check_python(value: str) -> str | None:
    if re.fullmatch(r"3\.\d{1,2}(\.\d{1,2})?", value.strip()):
        return None
    return f'"{value}" is no Python version: write one such as "3.12"'


def _check_source(value: str) -> str | None:
    return None if value.strip() else "names no folder: leave it out to use the manifest's folder"


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        return None if value.strip() in allowed else f'"{value}" is not allowed: write {" or ".join(allowed)}'

    return check


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "pip-index-urls": _check_index_urls,
    "python": _check_python,
    "source": _check_source,
    "environment": _one_of(ENVIRONMENTS),
    "backend": _one_of(BACKENDS),
}
