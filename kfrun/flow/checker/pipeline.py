"""Checks any number of manifests: on all cores, and without what was found sound before. Called by ``validate``.

What it finds is what `kfrun.flow.desired.check` finds of the same documents. Here documents are put away packed, and
unpacked one at a time: the memory that this takes is a few times that of the texts, however many documents there are.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from kfrun.execute import choice
from kfrun.flow.checker.remembered import SHIPPED, Known, digest, digest_of
from kfrun.flow.checker.structure import Part, Text, examine
from kfrun.load import content, sources
from kfrun.model.kinds import identity, is_own, runtime_key
from kfrun.model.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kfrun.flow.checker.remembered import Verdicts
    from kfrun.flow.checker.structure import Asked, Examined
    from kfrun.model.source import Document, Finding, ObjectKey


class Subject(NamedTuple):
    """An object that was checked."""

    key: ObjectKey
    source: str


class Outcome(NamedTuple):
    """The objects that were checked, and what was found; no objects where something could not be read."""

    documents: Sequence[Subject]
    findings: Sequence[Finding]


class _Object(NamedTuple):
    """An object of a text.

    Attributes:
        place: index of its text, and of itself in it.
        wanted: the runtime that a TrainJob refers to.
        examined: what was found now; None where the text was sound before.
        with_runtime: digest of the runtime that it was sound with before.
    """

    key: ObjectKey
    place: tuple[int, int]
    wanted: ObjectKey | None
    examined: Examined | None = None
    with_runtime: str | None = None


def check(names: Sequence[str], asked: Asked, *, recursive: bool, verdicts: Verdicts | None = None) -> Outcome:
    """Everything that a cluster would say of the objects that ``names`` stand for.

    Args:
        names: files, folders, globs, URLs, or ``-``.
        asked: how far to go, and how.
        recursive: descend into the folders of a folder.
        verdicts: of earlier checks; they learn what is sound now.

    Raises:
        NotFound: a name stands for nothing.
        Unavailable: a source could not be read or fetched.
        UsageProblem: stdin was named twice.
    """
    opened = sources.named(names, recursive=recursive, stdin=sys.stdin.buffer)
    checking = _Checking([_text(source) for source in opened], asked, verdicts)
    outcome = checking.outcome()
    if verdicts is not None:
        checking.teach(verdicts, outcome)
    return outcome


def _text(source: content.Source) -> Text:
    text, refusal = content.read(source)
    return Text(source.name, source.folder, text, refusal)


class _Checking:
    """The texts of one call of `check`, and what is known of each, from now or from earlier."""

    def __init__(self, texts: Sequence[Text], asked: Asked, verdicts: Verdicts | None) -> None:
        if verdicts is not None:
            verdicts.recall(sum(len(text.text) for text in texts))
        self._texts = texts
        self._asked = asked
        self._digests = ["" if verdicts is None or asked.is_template(text) else digest(text.text) for text in texts]
        self._remembered = [verdicts.objects(item) if verdicts and item else None for item in self._digests]
        self._parts: list[Part | None] = [None for _ in texts]
        self._listed: list[_Object] | None = None
        self._stored: Sequence[Document] | None = None

    def outcome(self) -> Outcome:
        """Examine what is new, then what depends on it, and put everything together."""
        self._examine(index for index, known in enumerate(self._remembered) if known is None)
        unread = self._unread()
        if unread:
            return Outcome((), unread)
        if _are_entangled(self._objects):
            # What is told of them needs their places, so memory is of no use.
            self._examine(range(len(self._texts)))
        while self._asked.until == "job" and self._examine(self._doubtful()):
            # Of what was looked at again, other jobs need their runtimes now.
            pass
        subjects = [Subject(item.key, self._texts[item.place[0]].name) for item in self._objects]
        return Outcome(subjects, self._findings(self._objects))

    def _examine(self, indexes: Iterable[int]) -> bool:
        """Look at these texts, unless that was done; whether there was anything to do."""
        chosen = [index for index in sorted(set(indexes)) if self._parts[index] is None]
        if chosen:
            for index, part in zip(chosen, examine([self._texts[i] for i in chosen], self._asked), strict=True):
                self._parts[index] = part
            self._listed = None
        return bool(chosen)

    def _unread(self) -> list[Finding]:
        """Why not everything can be checked: texts that cannot be read, or that go against the command line.

        What is wrong with other documents by themselves is told with it. The stages after that would miss what is in
        the texts that cannot be read.
        """
        parts = [part for part in self._parts if part is not None]
        if any(self._counts(finding) for part in parts for finding in part.refused):
            return [finding for part in parts for finding in self._told(part)]
        is_all = len(parts) == len(self._parts) and not self._asked.only_own_kinds
        if is_all and not any(part.documents for part in parts):
            return [sources.nothing_in(text.name) for text in self._texts]
        return [one.contradiction for part in parts for one in part.documents if one.contradiction]

    def _told(self, part: Part) -> Iterator[Finding]:
        yield from (finding for finding in part.refused if self._counts(finding))
        for one in part.documents:
            if self._is_asked_for(one.packed.key):
                yield from one.findings

    def _counts(self, refused: Finding) -> bool:
        return not (self._asked.only_own_kinds and sources.is_no_object(refused))

    @property
    def _objects(self) -> list[_Object]:
        """All objects in their order."""
        if self._listed is None:
            self._listed = list(self._list())
        return self._listed

    def _list(self) -> Iterator[_Object]:
        for index, part in enumerate(self._parts):
            if part is not None:
                for number, one in enumerate(part.documents):
                    if self._is_asked_for(one.packed.key):
                        yield _Object(one.packed.key, (index, number), one.wanted, one)
            else:
                for number, known in enumerate(self._remembered[index] or ()):
                    if self._is_asked_for(known.key):
                        yield _Object(known.key, (index, number), known.wanted, None, known.with_runtime)

    def _is_asked_for(self, key: ObjectKey) -> bool:
        return not self._asked.only_own_kinds or is_own(key)

    def _doubtful(self) -> Iterator[int]:
        """Texts of jobs that were not sound with the runtime that they refer to now, and of these runtimes."""
        runtimes = _runtimes(self._objects)
        for item in self._objects:
            if item.wanted is None:
                continue
            if item.examined is None:
                if item.with_runtime == self._runtime(item.wanted, runtimes):
                    continue
                yield item.place[0]
            if item.wanted in runtimes:
                yield runtimes[item.wanted][0]

    def _runtime(self, wanted: ObjectKey, runtimes: Mapping[ObjectKey, tuple[int, int]]) -> str:
        """The digest of a runtime that is referred to."""
        if wanted in runtimes:
            index, number = runtimes[wanted]
            part = self._parts[index]
            if self._digests[index] or part is None:
                return self._digests[index]
            # The text of a template does not say what it is rendered to.
            return digest_of(part.documents[number].packed.unpack())
        stored = next((item for item in self._stored_runtimes() if runtime_key(item.key) == wanted), None)
        return digest_of(stored) if stored is not None else SHIPPED

    def _stored_runtimes(self) -> Sequence[Document]:
        """The runtimes of this host's store, looked up when the first job needs one."""
        if self._stored is None:
            self._stored = choice.observe(self._asked.settings, ()).runtimes
        return self._stored

    def _findings(self, objects: Sequence[_Object]) -> list[Finding]:
        """What was found at every stage, in the cluster's order."""
        examined = [(item.key, item.examined) for item in objects if item.examined is not None]
        if not examined:
            return []
        found = [finding for _, one in examined for finding in one.findings]
        if self._asked.until != "schema":
            from kfrun.validate.documents import repeated

            found += repeated((key, one.packed) for key, one in examined)
        if self._asked.until == "job":
            from kfrun.flow.checker.admission import admitted

            runtimes = _runtimes(objects)
            needs_store = any(item.wanted is not None and item.wanted not in runtimes for item in objects)
            stored = self._stored_runtimes() if needs_store else ()
            found += admitted([_shelved(item) for item in objects], stored, found, self._asked.settings)
        return found

    def teach(self, verdicts: Verdicts, outcome: Outcome) -> None:
        """Have ``verdicts`` learn which texts nothing was found about, and their jobs."""
        if all(part is None for part in self._parts):
            return
        wrong = {finding.object for finding in outcome.findings}
        if not outcome.documents or None in wrong or _are_entangled(self._objects):
            return
        runtimes = _runtimes(self._objects)
        # What a job finds wrong in its runtime is said of the runtime, and again whenever the job is looked at.
        unsound = {runtime_key(key) for key in wrong if key is not None} - {None}
        by_text: dict[int, list[_Object]] = {}
        for item in self._objects:
            by_text.setdefault(item.place[0], []).append(item)
        for index, items in by_text.items():
            is_sound = wrong.isdisjoint(item.key for item in items) and unsound.isdisjoint(
                item.wanted for item in items
            )
            if self._digests[index] and is_sound:
                verdicts.learn(self._digests[index], [self._learnt(item, runtimes) for item in items])
        verdicts.save()

    def _learnt(self, item: _Object, runtimes: Mapping[ObjectKey, tuple[int, int]]) -> Known:
        if item.wanted is None or self._asked.until != "job":
            return Known(item.key, item.wanted)
        return Known(item.key, item.wanted, self._runtime(item.wanted, runtimes))


def _runtimes(objects: Iterable[_Object]) -> dict[ObjectKey, tuple[int, int]]:
    """Where the runtimes of the input are; of several of one name the last counts."""
    keys = ((runtime_key(item.key), item.place) for item in objects)
    return {key: place for key, place in keys if key is not None}


def _are_entangled(objects: Iterable[_Object]) -> bool:
    """Whether objects depend on each other beyond jobs on their runtime: two are one, or are there for all jobs."""
    seen: set[ObjectKey] = set()
    for item in objects:
        key = identity(item.key)
        if key in seen or key.kind == "PriorityClass":
            return True
        seen.add(key)
    return False


def _shelved(item: _Object) -> Packed:
    """The object for the catalogue; one that was sound before has no data, and nobody will ask for them."""
    return item.examined.packed if item.examined is not None else Packed(item.key, "", b"", None, "", 0, None)
