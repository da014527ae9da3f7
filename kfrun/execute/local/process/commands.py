"""Commands of a job that this machine could not start, found before anything is done: programs and scripts.

What a shell reads, and what a package may bring that is not installed yet, is left alone. An error is what the job's
own folder lacks, since nothing could bring it any more; everything else may still be made before, and is a warning.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from kfrun.execute.local.process import launch
from kfrun.model.source import Severity, Stage
from kfrun.model.state import HELP
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kfrun.execute.local.process.launch import ProcessSettings
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, FieldPath, Finding

CODES = {
    "KF603": "a command whose program cannot be started here",
    "KF604": "a script that is not there",
    "KF605": "a shell's script with the line ends of Windows",
}

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_OTHERS = frozenset({"perl", "ruby", "Rscript", "node", "julia", "lua"})
_LAUNCHERS = frozenset({"torchrun", "deepspeed", "accelerate"})


class _Obstacle(NamedTuple):
    """What is wrong with a command, in words; whether nothing but a change of the job or its folder mends it."""

    code: str
    words: str
    is_sure: bool = False


class _Call(NamedTuple):
    """A container's command as its process would get it.

    Attributes:
        place: of the container in the JobSet.
        path: PATH, of which nothing more can be said where the manifest sets it from elsewhere.
        has_packages: programs may come that are not there yet.
        source: the job's ``kfrun.dev/source``; None where the container has a working directory of its own.
    """

    place: FieldPath
    argv: tuple[str, ...]
    folder: str
    path: str
    has_packages: bool
    source: str | None


def check(resolution: Resolution, settings: ProcessSettings) -> Iterator[Finding]:
    """What of a job's commands cannot be started: errors where nothing could still make it."""
    jobs = (resolution.jobset or {}).get("spec", {}).get("replicatedJobs", ())
    is_later = len(jobs) > 1 or bool(resolution.job.data["spec"].get("suspend"))
    for call, is_first in _calls(resolution, settings):
        found = _fault(call)
        if found is not None:
            is_sure = is_first and not is_later and found.is_sure
            yield _finding(resolution, call, found, Severity.ERROR if is_sure else Severity.WARNING)


def _calls(resolution: Resolution, settings: ProcessSettings) -> Iterator[tuple[_Call, bool]]:
    """The commands that are known word by word, and whether nothing of their pod runs before them."""
    path = launch.base_environment(settings)["PATH"]
    for place, container, is_first in _containers(resolution):
        argv = (*(container.get("command") or ()), *(container.get("args") or ()))
        folder, own = container.get("workingDir") or settings.folder, _own_path(container, path)
        if container.get("command") and own is not None and "$(" not in folder and os.path.isdir(folder):
            source = None if container.get("workingDir") else resolution.source or ""
            yield _Call(place, argv, folder, own, resolution.packages.needs_environment, source), is_first


def _containers(resolution: Resolution) -> Iterator[tuple[FieldPath, dict[str, Any], bool]]:
    """Every container of the JobSet, where it stands there, and whether it is among the first of its pod."""
    for number, group in enumerate((resolution.jobset or {}).get("spec", {}).get("replicatedJobs", ())):
        base: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod = group.get("template", {}).get("spec", {}).get("template", {}).get("spec", {})
        inits = pod.get("initContainers") or ()
        for index, container in enumerate(inits):
            yield (*base, "initContainers", index), container, index == 0
        for index, container in enumerate(pod.get("containers") or ()):
            yield (*base, "containers", index), container, not inits


def _own_path(container: dict[str, Any], path: str) -> str | None:
    """PATH of a container; None where that is only known when it runs."""
    for entry in container.get("env") or ():
        if entry["name"] == "PATH":
            value: str = entry.get("value", "")
            return None if "valueFrom" in entry or "$(" in value else value
    return path


def _fault(call: _Call) -> _Obstacle | None:
    """What is wrong with a command; None when nothing is known to be."""
    name = call.argv[0]
    if "$(" in name:
        return None
    executable = launch.find_executable(name, call.path, call.folder)
    if executable is None:
        return _of_program(call)
    script = _script(call.argv)
    if script is not None:
        return _of_script(call, script)
    return _of_first_line(call, executable)


def _of_program(call: _Call) -> _Obstacle | None:
    """A program that is not there."""
    name = call.argv[0]
    has_blanks = any(map(str.isspace, name))
    is_own = "/" not in name and os.path.isfile(os.path.join(call.folder, name))
    # Of one text in place of a list KF725 tells; who waits for packages meanwhile would wait in vain.
    if has_blanks and not call.has_packages:
        return None
    if "/" not in name and call.has_packages and not has_blanks and not is_own:
        return None
    from kfrun.execute.local.process import causes

    is_sure = has_blanks or is_own or ("/" in name and not os.path.isabs(name))
    return _Obstacle("KF603", causes.missing(call.argv, call.folder, call.path), is_sure)


def _of_first_line(call: _Call, executable: str) -> _Obstacle | None:
    """What keeps the system from starting a script that is executable."""
    if "/" not in call.argv[0] or not _is_text(executable):
        return None
    from kfrun.execute.local.process import binaries, causes

    is_own = not os.path.isabs(call.argv[0])
    if binaries.fault(executable) is not None:
        error = OSError(8, "cannot be started")
        return _Obstacle("KF603", causes.refused(call.argv, call.folder, executable, error), is_own)
    words = binaries.first_line(executable)
    program = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
    if not program or os.path.basename(words[0]) != "env" or call.has_packages:
        return None
    if launch.find_executable(program, call.path, call.folder) is not None:
        return None
    why = f"its first line asks for {program}, which no folder of PATH has"
    return _Obstacle("KF603", f'exec: "{call.argv[0]}": cannot be started{HELP}{why}')


def _is_text(path: str) -> bool:
    """Whether the file can be read and is no program of this system; an empty one cannot be started either."""
    try:
        with open(path, "rb") as file:
            return not file.read(4).startswith(b"\x7fELF")
    except OSError:
        return False


def _of_script(call: _Call, script: str) -> _Obstacle | None:
    place = os.path.normpath(os.path.join(call.folder, script))
    if "$(" in script:
        return None
    from kfrun.execute.local.process import binaries, causes

    if not os.path.lexists(place):
        return _Obstacle("KF604", causes.no_script(script, call.folder, call.source), not os.path.isabs(script))
    if os.path.basename(call.argv[0]) in _SHELLS and binaries.has_windows_ends(place):
        mend = "save it with the line ends of Unix (sed -i 's/\\r$//' FILE, or dos2unix)"
        return _Obstacle(
            "KF605", f"the lines of {script} end with a carriage return (\\r), as on Windows (CRLF){HELP}{mend}"
        )
    return None


def _script(argv: Sequence[str]) -> str | None:
    """The file that an interpreter is told to run; None where none is, or nobody can tell."""
    name, rest = os.path.basename(argv[0]), argv[1:]
    is_python = name.rstrip("0123456789.") == "python"
    if is_python and rest[:2] == ("-m", "torch.distributed.run"):
        return _launched(rest[2:])
    if name in _LAUNCHERS:
        return _launched(rest[1:] if rest[:1] == ("launch",) else rest)
    if not is_python and name not in _SHELLS | _OTHERS:
        return None
    words = iter(rest)
    for word in words:
        if not word.startswith(("-", "+")):
            return word
        step = _OPTIONS["python" if is_python else "sh" if name in _SHELLS else ""](word)
        if step is None:
            return None
        for _ in range(step):
            next(words, None)
    return None


def _of_python(word: str) -> int | None:
    """How many words an option takes; None where no file is run, or nobody can tell."""
    if word[:2] in ("-X", "-W"):
        return 1 if len(word) == 2 else 0
    return 0 if set(word[1:]) <= set("bBdEiIOPqsSuvx") and len(word) > 1 else None


def _of_shell(word: str) -> int | None:
    if set(word[1:]) <= set("abefhklmptuvxBCEHPTo") and len(word) > 1:
        return word.count("o")
    return 0 if word in ("--login", "--norc", "--noprofile", "--posix") else None


_OPTIONS: Final[dict[str, Callable[[str], int | None]]] = {
    "python": _of_python, "sh": _of_shell, "": lambda _: None,
}  # fmt: skip


def _launched(words: Sequence[str]) -> str | None:
    """The script behind the options of a launcher, where these are clearly its own."""
    for number, word in enumerate(words):
        if word in ("-m", "--module", "--no-python", "--no_python"):
            return None
        if word.endswith(".py"):
            before = words[number - 1] if number else ""
            is_value = before.startswith("-") and "=" not in before and before not in ("--standalone", "--multi_gpu")
            return None if is_value else word
    return None


def _finding(resolution: Resolution, call: _Call, found: _Obstacle, severity: Severity) -> Finding:
    from kfrun.resolve import findings

    message, _, hint = found.words.partition(HELP)
    document, path = _where(resolution, call.place)
    return findings.finding(
        found.code, message, document, path, stage=Stage.BACKEND, hint=hint or "mend the command", severity=severity
    )


def _where(resolution: Resolution, place: FieldPath) -> tuple[Document, FieldPath]:
    """The field of the input that the command was written in, or that chose who says it."""
    for field in ("command", "args"):
        path: FieldPath = (*place, field)
        lengths = range(len(path), len(place) - 1, -1)
        origin = next(
            (resolution.origins[path[:length]] for length in lengths if path[:length] in resolution.origins), None
        )
        if origin is not None and origin.layer == "job":
            return resolution.job, ("spec", "trainer", field)
        if origin is not None and origin.layer == "patch":
            return resolution.job, ("spec", "runtimePatches")
    runtime = resolution.runtime
    if runtime is None or runtime.found_in in ("shipped", "store"):
        return resolution.job, ("spec", "runtimeRef")
    return runtime.document, ("spec", "template", *place, "command")
