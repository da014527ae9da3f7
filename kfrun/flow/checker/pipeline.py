"""Checks any number of manifests, on all cores: the stages of `kfrun.flow.checker.stages` for texts.

Documents are put away packed, and unpacked one at a time: the memory that this takes is a few times that of the texts,
however many documents there are.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from kfrun.execute import choice
from kfrun.flow import documents, listener
from kfrun.flow.checker import absence, stages, structure, workers
from kfrun.flow.checker.structure import Text
from kfrun.load import sources
from kfrun.model.kinds import TRAIN_JOB, is_own, runtime_key
from kfrun.model.packed import Packed
from kfrun.model.state import Observed
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kfrun.flow.checker.stages import Answer, Asked, Object
    from kfrun.flow.checker.structure import Examined, Part
    from kfrun.load.folders import Exclusion
    from kfrun.model.source import Finding

_WORTH: Final = 60_000
"""Bytes of packed data that a process of its own is worth."""

_LIGHTER: Final = 8
"""How much less is asked about a runtime than about a job's JobSet."""

_OWN_WORK: Final = 3_000
"""What a job's runtime adds to its size."""


class CheckedInput(NamedTuple):
    """The objects that were checked, and what was found, also of what could not be read."""

    documents: Sequence[Packed]
    findings: Sequence[Finding]


def opened(names: Sequence[str], *, recursive: bool, exclusion: Exclusion | None = None) -> list[Text]:
    """The texts that ``names`` stand for.

    Args:
        names: files, folders, globs, URLs, or ``-``.
        recursive: descend into the folders of a folder.
        exclusion: what is left out of folders.

    Raises:
        NotFound, Unavailable: the only source is not there, or could not be read or fetched.
        UsageProblem: stdin was named twice.
    """
    found = sources.texts(names, recursive=recursive, stdin=sys.stdin.buffer, exclusion=exclusion)
    return [Text(source.name, source.folder, text, refusal) for source, text, refusal in found]


def check(texts: Sequence[Text], asked: Asked) -> CheckedInput:
    """Everything that a cluster would say of the objects in these texts."""
    parts = structure.examine(texts, asked)
    refused = refusals(texts, parts, asked)
    if refused:
        return CheckedInput((), refused)
    stored = store(asked)
    tell(parts, asked, stored)
    return together(parts, asked, stored)


def tell(parts: Sequence[Part], asked: Asked, stored: Callable[[], Observed]) -> None:
    """Tell what is passed over, and which runtimes of this machine's store count."""
    objects = [one for part in parts for one in part.documents]
    if asked.only_own_kinds:
        documents.tell_passed_over(one.packed.key for one in objects if not is_asked_for(one, asked))
    if not asked.stored or asked.until != "job":
        return
    given = {runtime_key(one.packed.key) for one in objects}
    wanted = {one.wanted for one in objects if one.wanted is not None} - given
    found = [item.key for item in stored().runtimes if runtime_key(item.key) in wanted] if wanted else ()
    if found:
        from kfrun.flow import referred

        nearer = {runtime_key(item.key) for item in referred.of(asked.settings)}
        for key in found:
            if runtime_key(key) not in nearer:
                listener.tell(f"{key.resource} is the one stored on this machine (--stored)")


def store(asked: Asked) -> Callable[[], Observed]:
    """What there is already, looked up when somebody needs it first; nothing unless it is asked for."""
    return cache(lambda: choice.observe(asked.settings, ()) if asked.stored else Observed())


def refusals(texts: Sequence[Text], parts: Sequence[Part], asked: Asked) -> list[Finding]:
    """Why nothing is checked: there is no object, or some go against the command line."""
    contradictions = [one.contradiction for part in parts for one in part.documents if one.contradiction]
    if any(part.documents for part in parts) and not contradictions:
        return []
    unread = _unread(parts, asked)
    if unread or contradictions or asked.only_own_kinds:
        return [*unread, *contradictions]
    return [sources.nothing_in(text.name) for text in texts]


def _unread(parts: Sequence[Part], asked: Asked) -> list[Finding]:
    """Why texts, or parts of them, gave no object."""
    return [finding for part in parts for finding in part.refused if _counts(finding, asked)]


def _told(part: Part, asked: Asked) -> Iterator[Finding]:
    yield from _unread((part,), asked)
    for one in part.documents:
        if is_asked_for(one, asked):
            yield from one.findings


def _counts(refused: Finding, asked: Asked) -> bool:
    return not (asked.only_own_kinds and sources.is_no_object(refused))


def is_asked_for(one: Examined, asked: Asked) -> bool:
    """Whether the object is not to be passed over."""
    return not asked.only_own_kinds or is_own(one.packed.key)


def together(parts: Sequence[Part], asked: Asked, observed: Callable[[], Observed]) -> CheckedInput:
    """The stages after the first one, for all that could be read. Nothing is asked about objects without data."""
    objects = [one for part in parts for one in part.documents if is_asked_for(one, asked)]
    found = [finding for part in parts for finding in _told(part, asked)]
    given = {runtime_key(one.packed.key) for one in objects}
    needs_store = any(one.wanted is not None and one.wanted not in given for one in objects)
    packed = [one.packed for one in objects]
    stored = observed() if needs_store else Observed()
    findings = stages.together(packed, found, stored, asked, _shared).findings
    if not asked.stored:
        findings = absence.unasked(findings)
    return CheckedInput(packed, absence.doubted(findings, _unread(parts, asked)))


def _shared(answer: Callable[[Object], Answer], objects: Sequence[Object]) -> list[Answer]:
    return workers.every(answer, objects, [_weight(item) for item in objects], least=_WORTH)


def _weight(item: Object) -> int:
    assert isinstance(item, Packed)
    return len(item.data) + _OWN_WORK if item.key.kind == TRAIN_JOB else len(item.data) // _LIGHTER
