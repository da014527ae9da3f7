"""The checker for updates: objects against what they were, in files, in git or in the store."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from kfrun.errors import UsageProblem
from kfrun.execute import choice
from kfrun.flow import documents
from kfrun.flow.checker import absence, stages
from kfrun.load.sources import is_no_object
from kfrun.model.kinds import identity, is_own
from kfrun.model.source import Severity, Stage, without_text
from kfrun.model.state import Observed
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.wishes import Values
    from kfrun.settings import Settings

_NOTHING_IN = "KF112"


class Comparison(NamedTuple):
    """What is to be compared with what.

    Attributes:
        names: the input, as of ``-f``.
        files: the older objects, named likewise.
        revision: or where git has them.
        stored: or those of this host's store.
        recursive: descend into the folders of a folder, of both.
        values: for the templates of both.
    """

    names: Sequence[str]
    files: Sequence[str]
    revision: str | None
    stored: bool
    recursive: bool
    values: Values


class CheckedUpdate(NamedTuple):
    """The documents of an input, what was found, and what those that existed already were."""

    documents: Sequence[Document]
    findings: Sequence[Finding]
    before: Mapping[ObjectKey, Document]


def check(comparison: Comparison, asked: Asked) -> CheckedUpdate:
    """Check every object of an input as a cluster would: those that existed before as updates, the others as new.

    What is wrong with older objects is no finding, only that they cannot be read.

    Raises:
        UsageProblem: several kinds of older objects, stdin twice, or an input that git knows nothing of.
        NotFound: a file or the revision does not exist.
        Unavailable: something could not be read.
    """
    _require_sense(comparison)
    settings = asked.settings
    # For the templates of both versions: what they are read from may be a pipe.
    values = cache(lambda: documents.read_values(comparison.values))
    only_own_kinds, recursive = asked.only_own_kinds, comparison.recursive
    found, refused = documents.gather(
        comparison.names, values, settings, recursive=recursive, only_objects=only_own_kinds
    )
    if refused and not found:
        return CheckedUpdate(found, refused, {})
    if only_own_kinds:
        documents.tell_passed_over(item.key for item in found if not is_own(item.key))
        found = tuple(item for item in found if is_own(item.key))
    known = _known(found, comparison, asked)
    older, unread = (_stored(known), ()) if comparison.stored else _older(comparison, values(), settings)
    if only_own_kinds:
        unread = [one for one in unread if not is_no_object(one)]
    before = _existing(found, older)
    checked = stages.check(found, known, asked._replace(updated=before))
    told = checked.findings if comparison.stored or asked.stored else absence.unasked(checked.findings)
    findings = [*refused, *absence.doubted(told, refused)]
    changes = _changes(found, before, findings, settings)
    return CheckedUpdate(found, (*findings, *changes, *unread), before)


def _known(found: Iterable[Document], comparison: Comparison, asked: Asked) -> Observed:
    """What this machine has stored, as far as it is asked for; older objects of its store have their runtimes there."""
    if not (comparison.stored or asked.stored):
        return Observed()
    return choice.observe(asked.settings, [document.key for document in found])


def _require_sense(asked: Comparison) -> None:
    """Refuse what makes no sense before anything is read: somebody would have to type it first."""
    if (bool(asked.files), asked.revision is not None, asked.stored).count(True) > 1:
        flags = "--previous, --previous-ref and --previous-stored"
        raise UsageProblem(f"{flags} exclude each other", "give the old objects, the revision, or neither")
    if "-" in asked.names and "-" in asked.files:
        raise UsageProblem("stdin (-) can be read once only", "put the old objects or the new ones into a file")
    if asked.revision is not None:
        from kfrun.load.git import revisions

        revisions.require_versions(asked.names, asked.revision)


def _older(
    asked: Comparison, values: Mapping[str, Any] | None, settings: Settings
) -> tuple[dict[ObjectKey, Document], Sequence[Finding]]:
    """The older objects, and what keeps some of them from being read. Of several of one name the last counts."""
    older: Sequence[Document]
    if asked.revision is not None:
        from kfrun.load.git import revisions

        older, findings = revisions.load(asked.names, asked.revision, recursive=asked.recursive, values=values)
        return _by_identity(older, settings), [_merely_told(one) for one in findings]
    from kfrun.load import sources

    older, unread = sources.gather(
        asked.files,
        recursive=asked.recursive,
        stdin=sys.stdin.buffer,
        values=values,
        exclusion=documents.exclusion(settings),
    )
    # That there was nothing before is an answer: what is there now is new.
    return _by_identity(older, settings), [finding for finding in unread if finding.code != _NOTHING_IN]


def _merely_told(finding: Finding) -> Finding:
    """A warning of what git has and nobody could ever apply: who mends a broken file is not refused for what it was.

    What git does not have (KF114) stays an error: nobody knows what it was.
    """
    if finding.code == "KF114":
        return finding
    return replace(finding, severity=Severity.WARNING, hint="objects of this file are checked as new ones")


def _stored(known: Observed) -> dict[ObjectKey, Document]:
    """Those of the store; they have no lines to point at."""
    objects = {**{key: job.data for key, job in known.jobs.items()}, **known.objects}
    return {_identity(key): without_text(data, "the stored one") for key, data in objects.items()}


def _by_identity(found: Iterable[Document], settings: Settings) -> dict[ObjectKey, Document]:
    placed = (documents.in_namespace(document, settings.namespace) for document in found)
    return {_identity(document.key): document for document in placed if document.key.name}


def _identity(key: ObjectKey) -> ObjectKey:
    """What identifies an object from version to version, also of its API."""
    return identity(key)._replace(api_version=key.group)


def _existing(documents: Iterable[Document], older: Mapping[ObjectKey, Document]) -> dict[ObjectKey, Document]:
    """The documents that existed before, by key, as they were."""
    found = ((document.key, older.get(_identity(document.key))) for document in documents)
    return {key: document for key, document in found if document is not None}


def _changes(
    documents: Iterable[Document],
    before: Mapping[ObjectKey, Document],
    findings: Iterable[Finding],
    settings: Settings,
) -> list[Finding]:
    """Why documents cannot replace what they were; what ``findings`` says to be malformed is left out."""
    if not before:
        return []
    from kfrun.plan import jobs

    malformed = {one.object for one in findings if one.stage is Stage.SCHEMA and one.severity is Severity.ERROR}
    return [
        finding
        for document in documents
        if document.key in before and document.key not in malformed
        for finding in jobs.immutable(_old(before[document.key]), document, version=settings.trainer_version)
    ]


def _old(document: Document) -> Document | dict[str, Any]:
    return document if document.text else document.data
