"""From opened texts to packed documents and what is wrong with each by itself, on all cores.

Only what is found travels between processes: texts and positions stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.flow import documents
from kfrun.flow.checker import stages, workers
from kfrun.load import folders, sources
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.packed import Packed, pack
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.load.kubeyaml.chunks import Chunk
    from kfrun.load.kubeyaml.documents import Reading
    from kfrun.model.source import Document, FieldPath, Finding, ObjectKey

WORTH: Final = 100_000
"""Characters of text that a process of its own is worth; it takes 5 ms to start and to hear."""


class Text(NamedTuple):
    """A source that has been opened."""

    name: str
    folder: str | None
    text: str
    refusal: Finding | None = None
    """Why it could not be read."""


class Examined(NamedTuple):
    """A document, what is wrong with it, and where it goes against the command line."""

    packed: Packed
    wanted: ObjectKey | None
    findings: Sequence[Finding] = ()
    contradiction: Finding | None = None


class Part(NamedTuple):
    """What became of a text: its documents, and why it could not be read."""

    documents: Sequence[Examined] = ()
    refused: Sequence[Finding] = ()


class _Found(NamedTuple):
    """A document of a chunk, without what the chunk's owner knows: it may come from another process."""

    examined: Examined
    path: FieldPath


class _Task(NamedTuple):
    reading: Reading
    chunk: Chunk


def is_template(text: Text, asked: Asked) -> bool:
    """Whether the text is to be rendered first."""
    return asked.values is not None or text.name.endswith(folders.TEMPLATES) or text.name.startswith(sources.MADE)


def examine(texts: Sequence[Text], asked: Asked) -> list[Part]:
    """What became of every text, in their order."""
    from kfrun.load.kubeyaml.documents import Reading

    readings = [
        Reading(text.text, text.name, text.folder) if text.refusal is None and not is_template(text, asked) else None
        for text in texts
    ]
    tasks = [_Task(reading, chunk) for reading in readings if reading is not None for chunk in reading.chunks()]
    found = workers.every(lambda task: _examined(task, asked), tasks, [len(task.chunk) for task in tasks], least=WORTH)
    answers = iter(zip(tasks, found, strict=True))
    waiting = next(answers, None)
    parts = []
    for text, reading in zip(texts, readings, strict=True):
        own = []
        while reading is not None and waiting is not None and waiting[0].reading is reading:
            own.append((waiting[0].chunk, waiting[1]))
            waiting = next(answers, None)
        parts.append(_rendered(text, asked) if reading is None else _joined(reading, text, own))
    return parts


def _examined(task: _Task, asked: Asked) -> tuple[list[_Found], list[Finding]]:
    documents, refused = task.reading.read(task.chunk)
    return [_Found(_stripped(_checked(item, asked)), _prefix(item)) for item in documents], refused


def _checked(document: Document, asked: Asked) -> Examined:
    contradiction = documents.contradiction(document, asked.settings)
    document = sources.with_requirements(documents.in_namespace(document, asked.settings.namespace))
    found = stages.alone(document, asked)
    # after the schema nobody looks at a document any more
    packed = pack(document, with_data=asked.until != "schema")
    return Examined(packed, _wanted(document) if asked.until == "job" else None, found, contradiction)


def _wanted(document: Document) -> ObjectKey | None:
    """The runtime of a TrainJob; None for other objects, and where it names nothing that could be one."""
    from kfrun.resolve.runtimes.catalogue import wanted_runtime

    return wanted_runtime(document) if document.key.kind == TRAIN_JOB else None


def _stripped(one: Examined) -> Examined:
    return one._replace(packed=one.packed._replace(positions=None, text="", folder=None))


def _prefix(document: Document) -> FieldPath:
    prefix: FieldPath = getattr(document.positions, "prefix", ())
    return prefix


def _joined(reading: Reading, text: Text, chunks: Iterable[tuple[Chunk, tuple[list[_Found], list[Finding]]]]) -> Part:
    """The chunks of one text put together, as `kfrun.load.kubeyaml.parse` would."""
    from kfrun.load.kubeyaml.documents import MAX_FINDINGS

    documents: list[Examined] = []
    refused: list[Finding] = []
    for chunk, (found, wrong) in chunks:
        if len(refused) >= MAX_FINDINGS:
            refused.append(reading.stopped(chunk))
            break
        documents += _restored(reading, text, chunk, found, len(documents))
        refused += wrong
    if refused or not all(one.packed.key.kind for one in documents):
        other = sources.no_manifest(text.text, text.name, refused)
        return Part(documents, refused) if other is None else Part((), [other])
    return Part(documents, refused)


def _restored(reading: Reading, text: Text, chunk: Chunk, found: Iterable[_Found], first: int) -> Iterator[Examined]:
    for index, (one, path) in enumerate(found, first):
        packed = one.packed._replace(
            positions=reading.positions(chunk, path), text=reading.text, number=index, folder=text.folder
        )
        yield one._replace(packed=packed)


def _rendered(text: Text, asked: Asked) -> Part:
    if text.refusal is not None:
        return Part((), [text.refusal])
    documents, refused = sources.rendered(text.text, text.name, text.folder, asked.values)
    return Part([_checked(document, asked) for document in documents], refused)
