"""Words added to a job's command line: ``--arg`` and what stands behind ``--``.

A word that sets what the command line sets already takes its place: ``--lr 0.05`` that of ``--lr 0.1`` or ``--lr=0.1``,
``lr=0.05`` that of ``lr=0.1``. The others are appended. The controller puts ``spec.trainer.command`` and ``args`` each
in the place of the runtime's, so what is not the job's own is copied from the runtime before it is changed.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import UsageProblem
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.source import Position, with_given
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Document, FieldPath
    from kfrun.resolve.runtimes.catalogue import Catalogue

FLAG: Final = "--arg"

_IN_NAMES: Final = str.maketrans(dict.fromkeys(".@/-", "_"))
_SHELLS: Final = ("sh", "bash", "dash", "zsh", "ksh")
_SCRIPTS: Final = (".py", ".pyz", ".sh", ".bash", ".jl", ".r", ".js")


class _Setting(NamedTuple):
    """Words that belong together: an option and its values, an assignment, or a plain word, which has no name."""

    name: str
    words: tuple[str, ...]


def applied(documents: Sequence[Document], catalogue: Catalogue, words: Sequence[str], version: str) -> list[Document]:
    """The documents, with ``words`` in the command line of their only TrainJob.

    Raises:
        UsageProblem: there are several TrainJobs or none, or the command takes no arguments.
    """
    jobs = [document for document in documents if document.key.kind == TRAIN_JOB]
    if len(jobs) != 1:
        names = ", ".join(job.key.name for job in jobs) or "none"
        raise UsageProblem(
            f"arguments are for one TrainJob, and the input has {len(jobs)}: {names}",
            "name the manifest of one with -f",
        )
    return [_with_words(one, catalogue, words, version) if one is jobs[0] else one for one in documents]


def _with_words(job: Document, catalogue: Catalogue, words: Sequence[str], version: str) -> Document:
    from kfrun.resolve import resolver

    spec = job.data.get("spec")
    trainer = spec.get("trainer", {}) if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(trainer, dict):
        return job  # whoever checks it says what is wrong
    container = resolver.trainer_container(job, catalogue, version=version)
    own = {key: trainer[key] if key in trainer else container.get(key, []) for key in ("command", "args")}
    if not all(_is_words(value) for value in own.values()):
        return job
    command, args = _combined(own["command"] or [], own["args"] or [], words)
    changed = {key: value for key, value in (("command", command), ("args", args)) if value != (own[key] or [])}
    given: dict[FieldPath, Position] = {("spec", "trainer", key): Position(FLAG, 0, 0) for key in changed}
    data = {**job.data, "spec": {**spec, "trainer": {**trainer, **changed}}}
    return replace(job, data=data, positions=with_given(job.positions, given))


def _is_words(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(word, str) for word in value))


def _combined(command: list[str], args: list[str], words: Sequence[str]) -> tuple[list[str], list[str]]:
    _require_open(command)
    start = _start(command)
    added = _settings(words)
    head, tail = command[:start], command[start:]
    for name in dict.fromkeys(one.name for one in added if one.name):
        new = [one for one in added if one.name == name]
        args, in_args = _replaced(args, new)
        if in_args:
            tail, _ = _without(tail, new)
        else:
            tail, in_tail = _replaced(tail, new)
            if not in_tail:
                continue
        added = [one for one in added if one.name != name]
    return [*head, *tail], [*args, *(word for one in added for word in one.words)]


def _require_open(command: Sequence[str]) -> None:
    """A shell hands the words behind its text to nobody, unless the text asks for them."""
    program = command[0].rpartition("/")[2] if command else ""
    texts = [command[index + 1] for index, word in enumerate(command[:-1]) if _is_text_flag(word)]
    if program in _SHELLS and texts and "$@" not in texts[0] and "$*" not in texts[0] and "$1" not in texts[0]:
        raise UsageProblem(
            f"the command is a text for {program}, which gets no further arguments",
            f'write command: [python, train.py], or end the text with "$@" and add {program} as a word behind it',
        )


def _is_text_flag(word: str) -> bool:
    return word.startswith("-") and not word.startswith("--") and word.endswith("c")


def _start(command: Sequence[str]) -> int:
    """Where in a command the words of its script begin: what stands before is its launcher's."""
    for index, word in enumerate(command):
        if word in ("-m", "-c") and index:
            return index + 2
        if word.lower().endswith(_SCRIPTS) and not word.startswith("-"):
            return index + 1
    return len(command) if command and command[0].rpartition("/")[2].startswith(("python", "torchrun")) else 1


def _settings(words: Sequence[str]) -> list[_Setting]:
    found: list[_Setting] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        values = tuple(takewhile(_is_value, rest)) if _is_option(word) and "=" not in word else ()
        del rest[: len(values)]
        found.append(_Setting(_name(word), (word, *values)))
    return found


def _name(word: str) -> str:
    """What a word sets; empty for a plain one."""
    if _is_option(word):
        return word.partition("=")[0]
    # Hydra's and torchtune's way to set a value
    name, equals, _ = word.partition("=")
    name = name.lstrip("+~")
    return f"{name}=" if equals and name.translate(_IN_NAMES).isidentifier() else ""


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and word != "--" and not word[1:].lstrip(".")[:1].isdigit()


def _is_value(word: str) -> bool:
    return not _is_option(word) and word != "--"


def _replaced(words: list[str], new: Sequence[_Setting]) -> tuple[list[str], bool]:
    """``words`` with ``new``, all of one name, in the place of what is there of that name; whether there was any."""
    kept, place = _without(words, new)
    if place < 0:
        return words, False
    return [*kept[:place], *(word for one in new for word in one.words), *kept[place:]], True


def _without(words: list[str], new: Sequence[_Setting]) -> tuple[list[str], int]:
    """``words`` without what ``new`` sets, and where the first of it stood; -1 where there was none."""
    kept: list[str] = []
    place, index = -1, 0
    while index < len(words):
        if _name(words[index]) != new[0].name:
            kept.append(words[index])
            index += 1
            continue
        place = len(kept) if place < 0 else place
        index += 1 + _count(words, index, new[-1])
    return kept, place


def _count(words: Sequence[str], index: int, new: _Setting) -> int:
    """How many words behind the option at ``index`` are its values.

    One is; where it is to have several now, all up to the next option are; where it is to have none, it had none.
    """
    if "=" in words[index] or ("=" not in new.words[0] and len(new.words) == 1):
        return 0
    values = len(list(takewhile(_is_value, words[index + 1 :])))
    return values if len(new.words) > 2 else min(values, 1)
