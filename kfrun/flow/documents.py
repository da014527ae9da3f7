"""The documents of an input: loaded, and in the namespace that they mean."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kfrun.errors import InvalidInput, NotFound
from kfrun.flow import listener
from kfrun.load import excerpts, sources
from kfrun.load.folders import Exclusion
from kfrun.model.kinds import CLUSTER_SCOPED, is_own
from kfrun.model.source import Finding, Stage
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kfrun.load.given import Given
    from kfrun.model.source import Document, ObjectKey
    from kfrun.model.state import Observed
    from kfrun.model.wishes import Values, Wishes
    from kfrun.settings import Settings

_MOST = 3
"""Objects that are named."""

CODES = {"KF190": "-n names another namespace than the manifest"}


def read(
    wishes: Wishes,
    settings: Settings,
    *,
    note: Callable[[str, str], None] | None = None,
) -> tuple[Document, ...]:
    """Load the documents that the wishes name; stdin is this process's own.

    Args:
        wishes: what to read, and with which values.
        settings: say which namespace is meant where a document says none.
        note: is told the name and the text of every source, files of values too.

    Raises:
        InvalidInput: what cannot be read, or ``-n`` contradicts a manifest.
        NotFound: everything in it was to be passed over.
    """
    values, only = read_values(wishes.values, note), wishes.skip_other_kinds
    found = load(wishes.filenames, values, settings, recursive=wishes.recursive, note=note, only_objects=only)
    found = of_kinds(found, is_own) if only else found
    if wishes.create:
        from kfrun.flow.objects import creations

        return tuple(map(creations.named, found))
    return found


def of_kinds(found: Sequence[Document], is_asked_for: Callable[[ObjectKey], bool]) -> tuple[Document, ...]:
    """The documents of kinds that are asked for; the others are told.

    Raises:
        NotFound: there is none.
    """
    kept = tuple(item for item in found if is_asked_for(item.key))
    if not kept:
        raise NotFound("there is nothing in the input but what is to be passed over", "leave --skip-other-kinds out")
    tell_passed_over(item.key for item in found if not is_asked_for(item.key))
    return kept


def tell_passed_over(others: Iterable[ObjectKey]) -> None:
    """Tell which objects of other kinds are passed over, if any are."""
    names = [f"{key.kind} {key.name}".strip() or "one without a kind" for key in others]
    if names:
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        listener.tell(f"passed over objects of other kinds: {', '.join(names[:_MOST])}{more}")


def load(
    filenames: Sequence[str],
    values: Given | None,
    settings: Settings,
    *,
    recursive: bool,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
) -> tuple[Document, ...]:
    """As `read`, with values that were read before.

    Raises:
        InvalidInput: see `read`.
    """
    found, findings = gather(
        filenames, lambda: values, settings, recursive=recursive, note=note, only_objects=only_objects
    )
    if findings:
        raise InvalidInput(findings)
    return found


def gather(
    filenames: Sequence[str],
    values: Callable[[], Given | None],
    settings: Settings,
    *,
    recursive: bool,
    note: Callable[[str, str], None] | None = None,
    only_objects: bool = False,
) -> sources.Gathered:
    """What can be read, and why the rest cannot; no documents where some go against the command line.

    ``values`` reads what templates are rendered with.
    """
    try:
        given = values()
    except InvalidInput as refusal:
        return sources.Gathered((), refusal.findings)
    found, findings = sources.gather(
        filenames,
        recursive=recursive,
        stdin=sys.stdin.buffer,
        values=given,
        note=note,
        only_objects=only_objects,
        exclusion=exclusion(settings),
    )
    if given is not None and not findings:
        given.require_used()
    contradictions = [wrong for item in found if (wrong := contradiction(item, settings)) is not None]
    if contradictions:
        return sources.Gathered((), (*findings, *contradictions))
    return sources.Gathered(tuple(in_namespace(document, settings.namespace) for document in found), findings)


def exclusion(settings: Settings) -> Exclusion:
    """What is left out of folders; what is passed over besides is told."""
    return Exclusion(settings.exclude, listener.tell)


def with_arguments(
    found: Sequence[Document], observed: Observed, words: Sequence[str], settings: Settings
) -> Sequence[Document]:
    """The documents, with ``words`` in the command line of their only TrainJob. Pure.

    Raises:
        UsageProblem: see `kfrun.resolve.arguments.applied`.
    """
    if not words:
        return found
    from kfrun.flow import referred
    from kfrun.resolve import arguments

    catalogue = referred.catalogue(found, observed.runtimes, settings)
    return arguments.applied(found, catalogue, words, settings.trainer_version)


def read_values(values: Values, note: Callable[[str, str], None] | None = None) -> Given | None:
    """The values for templates; None when there are none, so that only files named as templates are rendered."""
    if not any(values):
        return None
    from kfrun.load import values as loading

    return loading.read(values.files, values.texts, values.strings, note=note)


def contradiction(document: Document, settings: Settings) -> Finding | None:
    """Where the manifest names another namespace than ``-n``."""
    namespace = settings.namespace
    if settings.origins["namespace"].layer != "flag" or document.key.namespace in ("", namespace):
        return None
    if not _is_namespaced(document):
        return None
    path = ("metadata", "namespace")
    position = document.positions.value(path)
    return Finding(
        "KF190",
        f'the manifest says namespace "{document.key.namespace}", the command line "{namespace}"',
        Stage.RULE,
        path=path,
        position=position,
        hint=f"leave -n away, or say -n {document.key.namespace}",
        object=document.key,
        excerpt=excerpts.excerpt(document, position),
    )


def in_namespace(document: Document, namespace: str) -> Document:
    """The document with the namespace that it has when it says none; cluster-scoped kinds have none."""
    if not _is_namespaced(document) or document.data["metadata"].get("namespace"):
        return document
    metadata = {**document.data["metadata"], "namespace": namespace}
    return replace(document, data={**document.data, "metadata": metadata})


def _is_namespaced(document: Document) -> bool:
    return document.key.kind not in CLUSTER_SCOPED and isinstance(document.data.get("metadata"), dict)
