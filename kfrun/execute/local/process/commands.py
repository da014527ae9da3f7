"""Commands of a job that this machine could not start, found before anything is done: programs and scripts.

Only what is sure is told: what a shell reads, and what a package may bring that is not installed yet, is left alone.
What an earlier step may still make is a warning, as is what a suspended job lacks.
"""

from __future__ import annotations

import os
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, Final

from kfrun.execute.backend import working_folder
from kfrun.execute.local.supply import views
from kfrun.model.source import Severity, Stage
from kfrun.model.state import HELP
from kfrun.model.values import NamedTuple, replace
from kfrun.resolve.pods import expand

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


class _Call(NamedTuple):
    """A container's command as its process would get it.

    Attributes:
        place: of the container in the JobSet.
        path: PATH, of which nothing more can be said where the manifest sets it from elsewhere.
        has_packages: programs may come that are not there yet.
    """

    place: FieldPath
    argv: tuple[str, ...]
    folder: str
    path: str
    has_packages: bool


class _Around(NamedTuple):
    """What a container's command depends on beside the manifest: see `_Call`."""

    folder: str
    path: str
    has_packages: bool
    mounts: tuple[tuple[str, str], ...]


def check(resolution: Resolution, settings: ProcessSettings) -> Iterator[Finding]:
    """What of a job's commands cannot be started: errors where nothing could still make it."""
    from kfrun.execute.local.process import launch, mpi

    jobs = (resolution.jobset or {}).get("spec", {}).get("replicatedJobs", ())
    is_later = len(jobs) > 1 or bool(resolution.job.data["spec"].get("suspend"))
    path, may_bring = launch.base_environment(settings)["PATH"], resolution.packages.needs_environment
    surroundings = _Around(settings.folder, path, may_bring, settings.mounts)
    for call, is_first in _calls(resolution, surroundings):
        # In the place of sshd, kfrun starts its launch agent.
        found = None if settings.mpi_hosts and mpi.is_daemon(call.argv) else _fault(call)
        if found is not None:
            is_sure = is_first and not is_later and found[0] != "KF605"
            severity = Severity.ERROR if is_sure else Severity.WARNING
            yield _finding(resolution, call, _with_way(call, found, settings.folder), severity)


def _with_way(call: _Call, found: tuple[str, str], folder: str) -> tuple[str, str]:
    """What is wrong; and the way out where the source folder has what a path of an image names."""
    from kfrun.execute.local.process import shown

    code, words = found
    line = shown.proposal(_script(call.argv) or call.argv[0], folder) if code != "KF605" else ""
    if not line:
        return found
    message, _, advice = words.partition(HELP)
    way = f'the annotation kfrun.dev/mount: "{line}" shows {folder} there'
    return code, f"{message}{HELP}{advice and f'{advice}; '}{way}"


def scripts(resolution: Resolution) -> Iterator[Finding]:
    """Warnings of scripts of the source folder that are not there, or cannot be started, for who checks a manifest.

    Nothing is said of programs, which every machine has others of, and nothing where an image may hold the script.
    """
    if resolution.job.folder is None or expand.own_images(resolution):
        return
    surroundings = _Around(working_folder(resolution, ""), "", True, views.mounted(resolution, ""))
    for call, _ in _calls(resolution, surroundings):
        name = _script(call.argv) or call.argv[0]
        found = None if os.path.isabs(name) or (name == call.argv[0] and "/" not in name) else _fault(call)
        if found is not None:
            yield replace(_finding(resolution, call, found, Severity.ERROR), severity=Severity.WARNING)


def _calls(resolution: Resolution, around: _Around) -> Iterator[tuple[_Call, bool]]:
    """The commands that are known word by word, and whether nothing of their pod runs before them."""
    spec = (resolution.jobset or {}).get("spec", {})
    for number, group in enumerate(spec.get("replicatedJobs", ())):
        at: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod = group.get("template", {}).get("spec", {}).get("template", {}).get("spec", {})
        names = [
            (kind, index) for kind in ("initContainers", "containers") for index in range(len(pod.get(kind) or ()))
        ]
        inits = len(pod.get("initContainers") or ())
        for started, (kind, index) in enumerate(names):
            call = _call((*at, kind, index), pod[kind][index], around)
            if call is not None:
                yield call, started == 0 if kind == "initContainers" else inits == 0


def _call(place: FieldPath, container: dict[str, Any], around: _Around) -> _Call | None:
    """A container's command; None where its words, its folder or its PATH are only known when it runs."""
    command, own = container.get("command"), _own_path(container, around.path)
    view = views.View.of(container, around.mounts)
    folder = view.here(container.get("workingDir") or around.folder)
    if not command or own is None or folder is None or "$(" in folder or not os.path.isdir(folder):
        return None
    words = [view.here(word) for word in (*command, *(container.get("args") or ()))]
    # What lies in a volume is known when it runs.
    known = tuple(word for word in words if word is not None)
    return _Call(place, known, folder, own, around.has_packages) if len(known) == len(words) else None


def _own_path(container: dict[str, Any], path: str) -> str | None:
    """PATH of a container; None where that is only known when it runs."""
    for entry in container.get("env") or ():
        if entry["name"] == "PATH":
            value: str = entry.get("value", "")
            return None if "valueFrom" in entry or "$(" in value else value
    return path


def _fault(call: _Call) -> tuple[str, str] | None:
    """The code and words of what is wrong with a command; None when nothing is known to be."""
    name = call.argv[0]
    if "$(" in name:
        return None
    from kfrun.execute.local.process import launch

    executable = launch.find_executable(name, call.path, call.folder)
    is_own = "/" not in name and os.path.isfile(os.path.join(call.folder, name))
    may_come = "/" not in name and call.has_packages and not is_own and not any(map(str.isspace, name))
    if executable is None and not may_come:
        from kfrun.execute.local.process import causes

        return "KF603", causes.missing(call.argv, call.folder, call.path)
    script = _script(call.argv)
    if script is not None:
        return _of_script(call, script)
    return _of_first_line(call, executable) if executable is not None else None


def _of_first_line(call: _Call, executable: str) -> tuple[str, str] | None:
    """What keeps the system from starting a script that is executable."""
    if "/" not in call.argv[0] or not _is_text(executable):
        return None
    from kfrun.execute.local.process import binaries, causes

    if binaries.fault(executable) is not None:
        return "KF603", causes.refused(call.argv, call.folder, executable, OSError(8, "cannot be started"))
    words = binaries.first_line(executable)
    program = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
    if not program or os.path.basename(words[0]) != "env" or call.has_packages:
        return None
    from kfrun.execute.local.process import launch

    if launch.find_executable(program, call.path, call.folder) is not None:
        return None
    why = f"its first line asks for {program}, which no folder of PATH has"
    return "KF603", f'exec: "{call.argv[0]}": cannot be started{HELP}{why}'


def _is_text(path: str) -> bool:
    """Whether the file can be read and is no program of this system; an empty one cannot be started either."""
    try:
        with open(path, "rb") as file:
            return not file.read(4).startswith(b"\x7fELF")
    except OSError:
        return False


def _of_script(call: _Call, script: str) -> tuple[str, str] | None:
    place = os.path.normpath(os.path.join(call.folder, script))
    if "$(" in script:
        return None
    if not os.path.lexists(place):
        from kfrun.execute.local.process import causes

        return "KF604", causes.no_script(script, call.folder, call.path)
    if os.path.isdir(place) and not os.path.exists(f"{place}/__main__.py"):
        return "KF604", f"{script} is a folder without a __main__.py{HELP}name the script in it"
    if os.path.basename(call.argv[0]) in _SHELLS and _has_windows_ends(place):
        mend = "save it with the line ends of Unix (sed -i 's/\\r$//' FILE, or dos2unix)"
        return "KF605", f"the lines of {script} end with a carriage return (\\r), as on Windows (CRLF){HELP}{mend}"
    return None


def _has_windows_ends(path: str) -> bool:
    from kfrun.execute.local.process import binaries

    return binaries.has_windows_ends(path)


def _script(argv: Sequence[str]) -> str | None:
    """The file that an interpreter is told to run; None where none is, or nobody can tell."""
    argv = _unwrapped(argv)
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


def _unwrapped(argv: Sequence[str]) -> Sequence[str]:
    """The command that env or nohup is told to run."""
    name = os.path.basename(argv[0])
    inner = tuple(dropwhile(lambda word: "=" in word, argv[1:])) if name == "env" else argv[1:]
    return inner if name in ("env", "nohup") and inner and not inner[0].startswith("-") else argv


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


def _finding(resolution: Resolution, call: _Call, found: tuple[str, str], severity: Severity) -> Finding:
    from kfrun.resolve import findings

    code, words = found
    message, _, hint = words.partition(HELP)
    if severity is Severity.WARNING and code != "KF605":
        message += ", unless something makes it before"
    document, path = _where(resolution, call.place)
    return findings.finding(
        code, message, document, path, stage=Stage.BACKEND, hint=hint or "mend the command", severity=severity
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
    if runtime is None or runtime.is_referred:
        return resolution.job, ("spec", "runtimeRef")
    return runtime.document, ("spec", "template", *place, "command")
