"""The stages after structure and rules, of very many objects: webhooks, and what becomes of the JobSets and Jobs.

Called by `checking`. One object a time is unpacked, on all cores; what is kept of each is what was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kfrun.flow import desired
from kfrun.flow.checker import workers
from kfrun.model.kinds import RUNTIMES, TRAIN_JOB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.packed import Packed
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.settings import Settings

_WORTH: Final = 60_000
"""Bytes of packed data that a process of its own is worth."""

_LIGHTER: Final = 8
"""How much less is asked about a runtime than about a job's JobSet."""

_OWN_WORK: Final = 3_000
"""What a job's runtime adds to its size."""


class _Answer(NamedTuple):
    """What is said of an object, and the runtime that a job was resolved with."""

    findings: list[Finding]
    runtime: ObjectKey | None = None


def admitted(
    documents: Sequence[Packed], stored: Sequence[Document], found: Sequence[Finding], settings: Settings
) -> list[Finding]:
    """What a cluster says of the runtimes, and then of the jobs, that are sound so far.

    Args:
        documents: those without data are only there to be named.
        stored: runtimes of the store.
        found: by the stages before.
        settings: of this command.
    """
    from kfrun.resolve import shipped
    from kfrun.resolve.catalogue import Catalogue

    broken = desired.broken(found)
    catalogue = Catalogue(documents, stored, shipped.shipped())
    priorities = [document.key.name for document in documents if document.key.kind == "PriorityClass"]

    def answer(packed: Packed) -> _Answer:
        from kfrun.resolve import resolver
        from kfrun.validate.admission import check as admission

        document = packed.unpack()
        if packed.key.kind != TRAIN_JOB:
            return _Answer(admission.check_runtime(document, version=settings.trainer_version))
        resolution = resolver.resolve(document, catalogue, version=settings.trainer_version)
        later = desired.admitted(resolution, "cluster", settings, priorities)
        runtime = resolution.runtime.document.key if resolution.runtime else None
        return _Answer([*resolution.findings, *later], runtime)

    usable = [item for item in documents if item.data and item.key not in broken]
    runtimes = [item for item in usable if item.key.kind in RUNTIMES]
    jobs = [item for item in usable if item.key.kind == TRAIN_JOB]
    tasks = [*runtimes, *jobs]
    weights = [*(len(item.data) // _LIGHTER for item in runtimes), *(len(item.data) + _OWN_WORK for item in jobs)]
    answers = workers.every(answer, tasks, weights, least=_WORTH)
    said = [finding for one in answers[: len(runtimes)] for finding in one.findings]
    # What follows from a runtime that was found to be wrong would only repeat it.
    broken |= desired.broken(said)
    later = (one for one in answers[len(runtimes) :] if one.runtime is None or one.runtime not in broken)
    return [*said, *(finding for one in later for finding in one.findings)]
