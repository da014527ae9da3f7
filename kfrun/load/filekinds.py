"""What a file is that is no manifest: told by its name and the begin of its content."""

from __future__ import annotations

import os
import stat
from typing import Final

from kfrun import terminal
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

CODES = {"KF126": "a script, a notebook or another file that is no manifest"}

PYTHON: Final = "a Python script"
SHELL: Final = "a shell script"
NOTEBOOK: Final = "a Jupyter notebook"
SCRIPT: Final = "a script"
PACKAGES: Final = "a list of packages"
PROGRAM: Final = "a program"
FOREIGN: Final = "another program's template"

_WAYS: Final = {
    FOREIGN: "a template of a TrainJob has apiVersion and kind; --exclude leaves files out of folders",
}
_HEAD: Final = 4096
_MANIFESTS: Final = (".yaml", ".yml", ".json", ".j2")
_SUFFIXES: Final = {
    ".py": PYTHON, ".pyw": PYTHON, ".pyz": PYTHON, ".sh": SHELL, ".bash": SHELL, ".zsh": SHELL, ".ksh": SHELL,
    ".ipynb": NOTEBOOK, ".r": SCRIPT, ".jl": SCRIPT, ".pl": SCRIPT, ".rb": SCRIPT, ".lua": SCRIPT, ".js": SCRIPT,
}  # fmt: skip
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_KEY: Final = pattern(r"(?m)^[A-Za-z][\w.-]*:(?:\s|$)")
_OBJECT: Final = pattern(r"""(?m)^\s*[{,]?\s*["']?(?:apiVersion|kind)["']?\s*:""")
_TEXTS: Final = (
    (pattern(r"(?m)^(?:import \w|from [\w.]+ import |(?:async )?def \w+\(|class \w+[:(]|@\w[\w.]*\()"), PYTHON),
    (pattern(r'\s*\{[^{}]*"(?:cells|nbformat)"\s*:'), NOTEBOOK),
    (pattern(r"(?m)^\[\[?[\w.\"-]+\]\]?\s*$"), "a file of settings (TOML)"),
    (pattern(r"(?m)^FROM \S+(?: AS \w+)?$"), "a Dockerfile"),
    (pattern(r"(?m)^(?:-r \S+|-e \S+|--[a-z][a-z-]*[ =]\S+|[A-Za-z][\w.-]*(?:\[[\w,]+\])?[=~<>!]=\S+)$"), PACKAGES),
)  # fmt: skip
"""What the text says, where neither the name nor a first line ``#!`` does."""


class Head(NamedTuple):
    """What a file begins with.

    Attributes:
        kind: what it is; empty where nothing tells.
        program: of its first line ``#!``, with its options.
    """

    kind: str = ""
    program: tuple[str, ...] = ()
    is_executable: bool = False


def way_out(kind: str, name: str) -> str:
    """What to type instead of naming such a file as a manifest."""
    if "://" in name:
        return f"save it here first: curl -LO {terminal.quoted(name)}"
    shown = terminal.quoted(name) if not name.startswith("<") else "train.py"
    if kind == SCRIPT:
        return f"kfrun run -- PROGRAM {shown} runs it by a program"
    if kind in (PYTHON, SHELL):
        return f"kfrun run {shown} runs it, kfrun init {shown} makes a manifest"
    if kind == NOTEBOOK:
        return f"jupyter nbconvert --to script {shown} writes a script of it, which kfrun run takes"
    if kind == PACKAGES:
        return f"a manifest names it: kfrun.dev/requirements: {shown}"
    return _WAYS.get(kind, "name the manifests: files of YAML or JSON with apiVersion and kind")


def of_text(name: str, text: str) -> str:
    """What a text is that cannot be read as a manifest; empty where nothing tells."""
    program = _program(text)
    suffix = os.path.splitext(name)[1].lower()
    by_name = _SUFFIXES.get(suffix, "")
    if by_name or program:
        return by_name or _of_program(program)
    if suffix in _MANIFESTS:
        return _of_template(name, text)
    head = text[:_HEAD]
    if _OBJECT.search(head):
        return ""
    found = next((kind for expression, kind in _TEXTS if expression.search(head)), "")
    # what has keys is YAML that somebody broke, unless it is a program
    return "" if found not in (PYTHON, NOTEBOOK) and _KEY.search(head) else found


def _of_template(name: str, text: str) -> str:
    """A template that would make no object."""
    from kfrun.load import folders

    return FOREIGN if name.endswith(folders.TEMPLATES) and not _OBJECT.search(text) else ""


def of_file(path: str) -> Head | None:
    """What a file is; None for a manifest, a folder, and what is none of kfrun's to open."""
    suffix = os.path.splitext(path)[1].lower()
    try:
        state = os.stat(path)
        if suffix in _MANIFESTS or not stat.S_ISREG(state.st_mode):
            return None
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return Head(_SUFFIXES[suffix]) if suffix in _SUFFIXES else None
    is_executable = bool(state.st_mode & 0o111)
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    program = _program(text)
    kind = _SUFFIXES.get(suffix) or _of_program(program)
    if not kind and not _OBJECT.search(text):
        kind = PROGRAM if is_executable else of_text(path, text)
    return Head(kind, program, is_executable) if kind else None


def _program(text: str) -> tuple[str, ...]:
    """The words of a first line ``#!``, without ``env``."""
    if not text.startswith("#!"):
        return ()
    words = text[2:].split("\n", 1)[0].split()
    if words and words[0].rpartition("/")[2] == "env":
        words = words[2:] if words[1:2] == ["-S"] else words[1:]
    return tuple(words)


def _of_program(program: tuple[str, ...]) -> str:
    name = program[0].rpartition("/")[2] if program else ""
    if name.startswith("python"):
        return PYTHON
    return SHELL if name in _SHELLS else SCRIPT if name else ""
