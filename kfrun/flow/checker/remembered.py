"""The checker with memory: what was found sound before is not looked at again, and what is found is the same.

Texts are known by their digest. A text that was sound is looked at anew only if one of its jobs has another runtime now
than it was sound with, or if another text needs it.
"""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Final

from kfrun.flow import documents, referred
from kfrun.flow.checker import pipeline, structure
from kfrun.flow.checker.pipeline import CheckedInput
from kfrun.flow.checker.structure import Examined, Part
from kfrun.flow.checker.verdicts import SHIPPED, Remembered, Verdicts, digest, digest_of
from kfrun.model.kinds import identity, runtime_key
from kfrun.model.packed import Packed
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kfrun.flow.checker.stages import Asked
    from kfrun.flow.checker.structure import Text
    from kfrun.model.source import ObjectKey


_OF_FILES: Final = ("kfrun.dev/requirements", "kfrun.dev/source", "workingDir")
_OF_SCRIPTS: Final = (".py", ".sh", ".bash", "./")
_OF_SCRIPT: Final = pattern(r"\.(?:py|sh|bash)\b|\./")
"""Where a word may name a script."""
_IN_WORDS: Final = frozenset("_-./" + string.ascii_letters + string.digits)


class _Placed(NamedTuple):
    """An object, the number of its text, and the digest of the runtime that it was sound with, if it was so before."""

    key: ObjectKey
    one: Examined
    text: int
    with_runtime: str | None


def check(texts: Sequence[Text], asked: Asked, verdicts: Verdicts) -> CheckedInput:
    """As `kfrun.flow.checker.pipeline.check`, by the verdicts of earlier checks; they learn what is sound now."""
    verdicts.recall(sum(len(text.text) for text in texts))
    memory = _Memory(texts, asked, verdicts)
    refused = pipeline.refusals(texts, memory.parts, asked)
    if refused:
        return CheckedInput((), refused)
    memory.look_at_what_is_doubtful()
    pipeline.tell(memory.parts, asked, memory.store)
    if not memory.looked_at:
        return CheckedInput([item.one.packed for item in memory.objects], ())
    checked = pipeline.together(memory.parts, asked, memory.store)
    memory.teach(verdicts, checked)
    return checked


def check_new(names: Sequence[str], asked: Asked, *, recursive: bool, cache: bool) -> CheckedInput:
    """Check objects as new ones.

    Args:
        names: files, folders, globs, URLs, or ``-``.
        asked: how.
        recursive: descend into the folders of a folder.
        cache: believe what was found sound before.
    """
    texts = pipeline.opened(names, recursive=recursive, exclusion=documents.exclusion(asked.settings))
    return check(texts, asked, Verdicts.open(asked)) if cache else pipeline.check(texts, asked)


class _Memory:
    """The texts of one check, and what is known of each, from now or from earlier.

    Attributes:
        parts: what became of every text; of one that was sound before, only the names of its objects.
        objects: all objects in their order.
        looked_at: numbers of the texts that are known from now.
        store: what there is already.
    """

    def __init__(self, texts: Sequence[Text], asked: Asked, verdicts: Verdicts) -> None:
        self._texts = texts
        self._asked = asked
        self._digests = ["" if _says_too_little(text, asked) else digest(_known_by(text, asked)) for text in texts]
        self._known = [verdicts.objects(item) if item else None for item in self._digests]
        self.parts = [_named(text, known or ()) for text, known in zip(texts, self._known, strict=True)]
        self.store = pipeline.store(asked)
        self.looked_at: set[int] = set()
        self._look_at(index for index, known in enumerate(self._known) if known is None)
        self.objects = list(self._placed())

    def _look_at(self, indexes: Iterable[int]) -> bool:
        """Look at these texts, unless that was done; whether there was anything to do."""
        chosen = sorted(set(indexes) - self.looked_at)
        if chosen:
            found = structure.examine([self._texts[index] for index in chosen], self._asked)
            for index, part in zip(chosen, found, strict=True):
                self.parts[index] = part
            self.looked_at.update(chosen)
            self.objects = list(self._placed())
        return bool(chosen)

    def _placed(self) -> Iterator[_Placed]:
        for index, part in enumerate(self.parts):
            known = () if index in self.looked_at else self._known[index] or ()
            for number, one in enumerate(part.documents):
                if pipeline.is_asked_for(one, self._asked):
                    yield _Placed(one.packed.key, one, index, known[number].with_runtime if known else None)

    def look_at_what_is_doubtful(self) -> None:
        """Look at what was sound before as well, where that says nothing of now."""
        if _are_entangled(self.objects):
            # What is told of them needs their places, so memory is of no use.
            self._look_at(range(len(self._texts)))
        while self._asked.until == "job" and self._look_at(self._doubtful()):
            # Of what was looked at again, other jobs need their runtimes now.
            pass

    def _doubtful(self) -> Iterator[int]:
        """Texts of jobs that were not sound with the runtime that they refer to now, and of these runtimes."""
        runtimes = self._runtimes()
        for item in self.objects:
            wanted = item.one.wanted
            if wanted is None:
                continue
            if item.text not in self.looked_at:
                if item.with_runtime == self._digest(wanted, runtimes):
                    continue
                yield item.text
            if wanted in runtimes:
                yield runtimes[wanted].text

    def _runtimes(self) -> dict[ObjectKey, _Placed]:
        """The runtimes of the input; of several of one name the last counts."""
        found = ((runtime_key(item.key), item) for item in self.objects)
        return {key: item for key, item in found if key is not None}

    def _digest(self, wanted: ObjectKey, runtimes: Mapping[ObjectKey, _Placed]) -> str:
        """The digest of a runtime that is referred to."""
        if wanted in runtimes:
            runtime = runtimes[wanted]
            # The text of a template does not say what it is rendered to.
            return self._digests[runtime.text] or digest_of(runtime.one.packed.unpack())
        others = (*referred.of(self._asked.settings), *self.store().runtimes)
        stored = next((item for item in others if runtime_key(item.key) == wanted), None)
        return digest_of(stored) if stored is not None else SHIPPED

    def teach(self, verdicts: Verdicts, checked: CheckedInput) -> None:
        """Have ``verdicts`` learn which texts nothing was found about, and their jobs."""
        wrong = {finding.object for finding in checked.findings}
        if not checked.documents or None in wrong or _are_entangled(self.objects):
            return
        runtimes = self._runtimes()
        # What a job finds wrong in its runtime is said of the runtime, and again whenever the job is looked at.
        unsound = {runtime_key(key) for key in wrong if key is not None} - {None}
        by_text: dict[int, list[_Placed]] = {}
        for item in self.objects:
            by_text.setdefault(item.text, []).append(item)
        for index, items in by_text.items():
            is_sound = wrong.isdisjoint(item.key for item in items) and unsound.isdisjoint(
                item.one.wanted for item in items
            )
            if self._digests[index] and is_sound:
                learnt = [self._learnt(item, runtimes) for item in items]
                verdicts.learn(self._digests[index], [*learnt, *self._passed_over(index)])
        verdicts.save()

    def _passed_over(self, text: int) -> Iterator[Remembered]:
        """Objects of a text that nothing was asked about: next time, too, it is told that they are there."""
        for one in self.parts[text].documents:
            if not pipeline.is_asked_for(one, self._asked):
                yield Remembered(one.packed.key, None)

    def _learnt(self, item: _Placed, runtimes: Mapping[ObjectKey, _Placed]) -> Remembered:
        wanted = item.one.wanted
        if wanted is None or self._asked.until != "job":
            return Remembered(item.key, wanted)
        return Remembered(item.key, wanted, self._digest(wanted, runtimes))


def _says_too_little(text: Text, asked: Asked) -> bool:
    """Whether what is found depends on more than the text: on values, or on files that it names."""
    return structure.is_template(text, asked) or any(name in text.text for name in _OF_FILES)


def _known_by(text: Text, asked: Asked) -> str:
    """The text, with the state of the folders where scripts that it may name are looked for."""
    if not asked.with_scripts or text.folder is None or not any(ending in text.text for ending in _OF_SCRIPTS):
        return text.text
    names = {_word(text.text, match.start()) for match in _OF_SCRIPT.finditer(text.text)}
    places = sorted((*names, ".", *(f"{above}/{name}" for name in names for above in ("..", "../.."))))
    return text.text + "".join(f"\0{place}\0{_state(f'{text.folder}/{place}')}" for place in places)


def _word(text: str, at: int) -> str:
    start = end = at
    while start and text[start - 1] in _IN_WORDS:
        start -= 1
    while end < len(text) and text[end] in _IN_WORDS:
        end += 1
    return text[start:end]


def _state(path: str) -> str:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{found.st_mtime_ns} {found.st_mode} {found.st_size}"


def _named(text: Text, known: Iterable[Remembered]) -> Part:
    """The objects of a text that was sound before: they have no data, and nobody will ask for them."""
    return Part([Examined(Packed(one.key, text.name, b"", None, "", 0, None), one.wanted) for one in known])


def _are_entangled(objects: Iterable[_Placed]) -> bool:
    """Whether objects depend on each other beyond jobs on their runtime: two are one, or are there for all jobs."""
    seen: set[ObjectKey] = set()
    for item in objects:
        key = identity(item.key)
        if key in seen or key.kind == "PriorityClass":
            return True
        seen.add(key)
    return False
