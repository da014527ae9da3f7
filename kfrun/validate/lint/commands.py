"""Policies on commands: what can hardly be meant so, whatever the image holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.patterns import pattern
from kfrun.validate.lint.subject import Choice, Subject, containers, trainer_containers
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath

_COMMAND: Final = ("spec", "trainer", "command")
_ARGS: Final = ("spec", "trainer", "args")
_MOST_READ = 4000
"""Characters of a command that are looked at: scripts may stand in it."""

_LAUNCHERS = pattern(
    r"\b(?:torchrun|torch[._]distributed|torchelastic|torchx|accelerate|deepspeed|mpirun|mpiexec|horovodrun|srun|ray|tune"
    r"|fabric|lightning|composer|colossalai|axolotl|llamafactory|launch|launcher|spawn|PET_\w+|multiprocessing)\b"
)
"""Words of commands that start the processes of a node by themselves, or read what torchrun would read."""

_PYTHON = pattern(r"(?:^|[\s/;&|(])(?:python[\d.]*|uv\s+run)(?:\s|$)|\.py(?:\s|$)")
"""A command that starts a Python program as it is; what others start is not known."""


def is_doubtful(data: dict[str, Any], runtime: dict[str, Any] | None) -> bool:
    """Whether one of the policies may find something; most manifests give no reason to look further."""
    subject = Subject(data, runtime, Choice())
    return next(one_text(subject), None) is not None or (
        subject.is_job and next(no_launcher(subject), None) is not None
    )


def no_launcher(subject: Subject) -> Iterator[Problem]:
    """KF724: a Python program by itself where the torch policy counts on several processes."""
    if get(subject.runtime, "spec", "mlPolicy", "torch") is None or get(subject.data, "spec", "trainer") is None:
        return
    found = _trainer_command(subject)
    count, of_node = subject.nodes, _processes(subject)
    if found is None or (count < 2 and of_node < 2):
        return
    path, words = found
    text = " ".join(words)[:_MOST_READ]
    if _LAUNCHERS.search(text) or not _PYTHON.search(text):
        return
    what = f"{count} nodes" if count > 1 else f"{of_node} processes a node"
    message = f"{what} of the torch policy, and the command starts one process a node that knows of no other"
    at = _script(words)
    hint = f"write [torchrun, {at}] in place of the interpreter" if at else None
    yield Problem("KF724", path, message, hint)


def one_text(subject: Subject) -> Iterator[Problem]:
    """KF725: a command whose only program has a blank in its name."""
    places: list[tuple[FieldPath, Any]] = [(_COMMAND, get(subject.data, *_COMMAND))] if subject.is_job else []
    places += [((*path, "command"), container.get("command")) for path, container in containers(subject.data)]
    for path, command in places:
        name = command[0] if isinstance(command, list) and command else None
        if isinstance(name, str) and _is_line(name.split()):
            yield _one_text((*path, 0), name, [item for item in command[1:] if isinstance(item, str)])


def _is_line(words: list[str]) -> bool:
    """Whether they are a command line; the name of a file may have blanks, too."""
    if len(words) < 2 or "/" not in words[0]:
        return len(words) > 1
    return words[0].endswith((".py", ".sh")) or any(word.startswith("-") for word in words[1:])


def _one_text(path: FieldPath, name: str, others: list[str]) -> Problem:
    from kfrun.validate.advice import commandlines

    shown = commandlines.listed([*commandlines.split(name[:_MOST_READ]), *others])
    message = "the command is one text with blanks, and no shell splits it: no program has that name"
    return Problem("KF725", path, message, f"write {shown}")


def _trainer_command(subject: Subject) -> tuple[FieldPath, list[str]] | None:
    """What the training container runs, and where the job says so; None where the image knows."""
    own, args = get(subject.data, *_COMMAND), get(subject.data, *_ARGS)
    for container in trainer_containers(subject.runtime):
        command = own or container.get("command")
        rest = args or container.get("args") or []
        if isinstance(command, list) and command and isinstance(rest, list):
            path: FieldPath = _COMMAND if own else _ARGS if args else _COMMAND[:2]
            return path, [word for word in (*command, *rest) if isinstance(word, str)]
    return None


def _processes(subject: Subject) -> int:
    """Processes of a node, as far as a number says it: GPUs and CPUs are counted where the job runs."""
    for given in (
        get(subject.data, "spec", "trainer", "numProcPerNode"),
        get(subject.runtime, "spec", "mlPolicy", "torch", "numProcPerNode"),
    ):
        if isinstance(given, int) and not isinstance(given, bool):
            return given
    return 1


def _script(words: list[str]) -> str:
    """The script of ``[python, train.py, ...]``; empty for other commands."""
    if len(words) > 1 and words[0].rpartition("/")[2].startswith("python") and words[1].endswith(".py"):
        from kfrun.terminal import clean

        return f"{clean(words[1])}, ..." if len(words) > 2 else clean(words[1])
    return ""
