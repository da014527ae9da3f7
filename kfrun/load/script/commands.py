"""A command line taken to pieces: its launcher, the script or module that it runs, and the script's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LAUNCHERS: Final = frozenset({"torchrun", "accelerate", "deepspeed", "torchtune", "tune", "composer", "torchtitan"})
"""Programs that start a script in processes of PyTorch."""

_WRAPPERS: Final = frozenset({
    "conda", "env", "hatch", "horovodrun", "mamba", "micromamba", "mpiexec", "mpirun", "nice", "nohup", "nsys",
    "numactl", "pdm", "pipenv", "pixi", "poetry", "py-spy", "rye", "srun", "stdbuf", "taskset", "time", "timeout", "uv",
    "xvfb-run",
})  # fmt: skip
"""Programs that run another one, which stands behind them."""

_PYTHON_VALUES: Final = ("-W", "-X", "--check-hash-based-pycs")
SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_SUFFIXES: Final = (".py", ".pyz", ".sh", ".bash")


class Parts(NamedTuple):
    """A command line.

    Attributes:
        command: up to the script or the module.
        args: what comes behind it.
        script: its path as it is written; empty where the command names none.
        module: its name, behind ``-m``.
        code: the text of a Python or of a shell, behind ``-c``.
    """

    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    script: str = ""
    module: str = ""
    code: str = ""

    @property
    def program(self) -> str:
        """The first word's last part."""
        return self.command[0].rpartition("/")[2]


def parts(words: Sequence[str]) -> Parts:
    """The parts of a command line; what runs nothing of the folder is a program and its arguments."""
    program = words[0].rpartition("/")[2]
    if program.startswith("python"):
        return _python(tuple(words))
    if program in SHELLS:
        return _shell(tuple(words))
    if program in LAUNCHERS:
        return _launched(tuple(words))
    if program in _WRAPPERS:
        return _wrapped(tuple(words))
    if "/" in words[0] or words[0].endswith(_SUFFIXES):
        return _script(tuple(words), 0)
    return Parts(tuple(words[:1]), tuple(words[1:]))


def _shell(words: tuple[str, ...]) -> Parts:
    at = next((at for at, word in enumerate(words) if at and not word.startswith("-")), 0)
    if not at:
        return Parts(words)
    has_text = any(word.startswith("-") and not word.startswith("--") and "c" in word for word in words[1:at])
    return Parts(words[: at + 1], words[at + 1 :], code=words[at]) if has_text else _script(words, at)


def _wrapped(words: tuple[str, ...]) -> Parts:
    """Of a program that runs another: the parts of that one, from its first word that is known here."""
    for at, word in enumerate(words):
        name = word.rpartition("/")[2]
        if at and not word.startswith("-") and (name.startswith("python") or name in LAUNCHERS | SHELLS):
            inner = parts(words[at:])
            return inner._replace(command=(*words[:at], *inner.command))
        if at and word.endswith(_SUFFIXES) and not word.startswith("-"):
            return _script(words, at)
    return Parts(words[:1], words[1:])


def _python(words: tuple[str, ...]) -> Parts:
    at = 1
    while at < len(words) and words[at].startswith("-"):
        letters = words[at][1:] if not words[at].startswith("--") else ""
        if letters.endswith("m") or words[at] == "-m":
            return _module(words, at + 1)
        if letters.startswith("m"):
            return Parts(words[: at + 1], words[at + 1 :], module=letters[1:])
        if letters.endswith("c"):
            return Parts(words[: at + 2], words[at + 2 :], code="".join(words[at + 1 : at + 2]))
        at += 2 if words[at] in _PYTHON_VALUES else 1
    return _script(words, at) if at < len(words) else Parts(words)


def _launched(words: tuple[str, ...]) -> Parts:
    """Of a launcher, whose own options nobody here knows: the first word that names a script or follows ``-m``."""
    for at, word in enumerate(words):
        if word in ("-m", "--module") and at + 1 < len(words):
            return _module(words, at + 1)
        if at and word.endswith(_SUFFIXES) and not word.startswith("-"):
            return _script(words, at)
    return Parts(words)


def _module(words: tuple[str, ...], at: int) -> Parts:
    return Parts(words[: at + 1], words[at + 1 :], module=words[at] if at < len(words) else "")


def _script(words: tuple[str, ...], at: int) -> Parts:
    return Parts(words[: at + 1], words[at + 1 :], script=words[at])
