"""Older manifests in today's spelling: TrainJobs of v2.0 and v2.1, and the jobs of kubeflow.org/v1.

Nothing is lost silently: what has no counterpart is a warning with its position, and a kind that cannot be converted
an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model import kinds
from kfrun.model.source import Severity
from kfrun.model.values import NamedTuple
from kfrun.resolve.conversion import operator, trainer
from kfrun.resolve.conversion.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.model.source import Document, Finding

CODES: Final = {
    "KF430": "a field of an older manifest has no counterpart today, or another meaning",
    "KF431": "a job that cannot be converted into a TrainJob",
    "KF432": "what a manifest was converted into is refused all the same",
}


class Conversion(NamedTuple):
    """The converted objects, in the order of the input, the document that each comes from, and what did not map."""

    objects: tuple[dict[str, Any], ...]
    sources: tuple[Document, ...]
    notes: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether some object could not be converted at all."""
        return any(note.severity is Severity.ERROR for note in self.notes)


def convert(documents: Sequence[Document]) -> Conversion:
    """Convert every document; what needs no conversion is passed on as it is.

    Bad input never raises: what has an unexpected form stays as it is for `kfrun.flow.conversions` to refuse.
    """
    processes = trainer.processes_of_runtimes(documents)
    objects: list[dict[str, Any]] = []
    sources: list[Document] = []
    notes: list[Finding] = []
    for document in documents:
        taken = Notes(document)
        made = _one(document, taken, processes)
        objects += made
        sources += [document] * len(made)
        notes += sorted(taken.found, key=_place)
    return Conversion(tuple(objects), tuple(sources), tuple(notes))


def _place(note: Finding) -> tuple[int, int]:
    return (note.position.line, note.position.column) if note.position else (0, 0)


def _one(document: Document, notes: Notes, processes: Mapping[tuple[str, str, str], int]) -> list[dict[str, Any]]:
    kind, group = document.key.kind, document.key.group
    if group == operator.GROUP and kind in kinds.LEGACY_JOBS:
        return operator.convert(document, notes)
    if kind == kinds.TRAIN_JOB:
        return [trainer.job(document, notes, processes)]
    if kind in kinds.RUNTIMES:
        return [trainer.runtime(document, notes)]
    return [document.data]
