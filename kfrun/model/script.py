"""A script that is run without a manifest: what a caller says of it, and what was read of it and of its folder."""

from __future__ import annotations

from kfrun.model.values import NamedTuple

NO_REQUIREMENTS = "none"
"""In the place of a file with requirements: nothing is installed for it."""


class ScriptCall(NamedTuple):
    """What a command line says instead of naming a manifest. What is None was not given.

    Attributes:
        words: the script and its arguments; of a command, all of it.
        is_module: the first word is the name of a module, as behind ``python -m``.
        is_command: the words are a command as it is to be run, from its program on.
        processes: of each node.
        requirements: files in the place of those beside the script, or `NO_REQUIREMENTS`.
        save: the file that the manifest is to be written to.
    """

    words: tuple[str, ...] = ()
    is_module: bool = False
    is_command: bool = False
    name: str | None = None
    nodes: int | None = None
    processes: int | None = None
    gpus: int | None = None
    runtime: str | None = None
    requirements: tuple[str, ...] = ()
    save: str | None = None


class Parameter(NamedTuple):
    """An option or an argument that a script takes, as far as its text says.

    Attributes:
        words: how its default is written on a command line, or what stands for a value that there must be.
        about: its type, default and choices, and its help.
    """

    words: tuple[str, ...]
    about: str
    is_required: bool = False


class ScriptSummary(NamedTuple):
    """What was read of a script and its folder.

    Attributes:
        shown: the script as people read it.
        folder: absolute, where it is to run.
        path: absolute, of the script; empty where there is none.
        title: what a job of it is called.
        command: its program with what comes before the script's arguments.
        distributed: what in it says that it is for PyTorch's launcher; empty for nothing.
        requirements: files that name its packages, absolute.
        interface: the library that reads its arguments; empty where that is not known.
        parameters: what it takes.
    """

    shown: str
    folder: str
    path: str
    title: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    distributed: str = ""
    requirements: tuple[str, ...] = ()
    interface: str = ""
    parameters: tuple[Parameter, ...] = ()
