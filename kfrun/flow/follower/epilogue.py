"""Why a job failed, as far as its last words tell: the last lines of the node that failed first, and what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple
from kfrun.observe import logs, modules
from kfrun.observe.logs import LogOptions
from kfrun.patterns import pattern
from kfrun.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kfrun.execute.backend import Backend
    from kfrun.model.state import ObservedJob, StoredObject
    from kfrun.observe.logtexts import LogFile, LogSource
    from kfrun.observe.modules import MissedModule
    from kfrun.observe.outcome import Outcome

_MOST_BYTES: Final = 1 << 16
_MOST_LINES: Final = 10
_LONGEST_LINE: Final = 500
_STYLES: Final = pattern(r"\x1b\[[0-9;:]*m")
_OF_LAUNCHER: Final = pattern(r"torch/distributed/elastic/|torch\.distributed\.elastic\.")
"""What torchrun adds behind the words of the program that failed."""
_KILLED: Final = pattern(r"(?:exitcode\s*: -9\b|Signal 9 \(SIGKILL\) received)")
_GPU_FULL: Final = pattern(r"OutOfMemoryError: |CUDA out of memory|CUDA error: out of memory")

_SOURCE: Final = "kfrun.dev/source"
_REQUIREMENTS: Final = "kfrun.dev/requirements"
_ANNOTATION: Final = "kfrun.dev/packages"
_OF_SCRIPTS: Final = "requirements.txt, and run the script again"


class Epilogue(NamedTuple):
    """What is told of a failed job beside its end; safe for a terminal.

    Attributes:
        node: whose lines these are.
        lines: the last ones of the node that failed first.
        advice: what to do about it; empty where nobody knows.
    """

    node: str = ""
    lines: tuple[str, ...] = ()
    advice: str = ""

    @property
    def told(self) -> list[str]:
        """The last lines, under a heading."""
        return [f"last lines of {self.node}:", *(f"  | {line}" for line in self.lines)] if self.lines else []


def of(backend: Backend, job: StoredObject, outcome: Outcome, *, of_script: bool = False) -> Epilogue:
    """The epilogue of a job that ended; an empty one where it was no node that failed.

    ``of_script``: its manifest was made of a script, so that nobody can write into it.
    """
    if outcome.succeeded or not outcome.node:
        return Epilogue()
    text = _text(backend.logs(job).run(), outcome.node)
    lines = [line for line in map(_shown, text.split("\n")) if line]
    of_launcher = next((number for number, line in enumerate(lines) if _OF_LAUNCHER.search(line)), 0)
    told = (lines[:of_launcher] or lines)[-_MOST_LINES:]
    return Epilogue(outcome.node, tuple(told), clean(_advice(backend, job, "\n".join(lines), of_script=of_script)))


def _text(source: LogSource, node: str) -> str:
    """The end of what the node wrote: its main container, or the others where that has said nothing."""
    files = logs.select(source.files(), LogOptions(nodes=(node,)))
    for file in sorted(files, key=lambda file: file.label != node):
        text = _end(source, file)
        if text.strip():
            return text
    return ""


def _end(source: LogSource, file: LogFile) -> str:
    try:
        text = source.open(file)
    except OSError:
        return ""
    try:
        size = text.state()[0]
        start = max(text.start(), size - _MOST_BYTES)
        found = text.read(size - start, start).decode("utf-8", "replace")
        # What begins within a line is no line.
        return found.partition("\n")[2] if start and "\n" in found else found
    finally:
        text.close()


def _shown(line: str) -> str:
    """A line without styles; of a progress bar the last update."""
    updates = [part for part in _STYLES.sub("", line[-_MOST_BYTES:]).split("\r") if part.strip()]
    text = clean(updates[-1].rstrip().expandtabs()) if updates else ""
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."


# What to do


def _advice(backend: Backend, job: StoredObject, text: str, *, of_script: bool) -> str:
    missed = modules.missed(text)
    if missed is not None:
        where = _OF_SCRIPTS if of_script else _ANNOTATION
        return _of_module(missed, backend.observe([job.key]).jobs.get(job.key), where)
    if _GPU_FULL.search(text):
        return "the memory of the GPU was not enough: a smaller batch, or gradient checkpointing, takes less"
    if _KILLED.search(text):
        return "a process of torchrun was killed (SIGKILL): out of memory?"
    return ""


def _of_module(missed: MissedModule, job: ObservedJob | None, where: str) -> str:
    name = missed.name
    if missed.is_library:
        return f"{name} is a library of the system that is not installed: a package of the system brings it"
    own = _own(missed.within.partition(".")[0] or name, job)
    if own:
        return own if not missed.within else f"{missed.within} of this folder has no {name.rpartition('.')[2]}"
    if _is_of_python(missed.within or name):
        what = f"{missed.within} of this Python has no {name}" if missed.within else f"this Python lacks {name}"
        return f"{what}: choose another with kfrun.dev/python, or --python"
    package, where = modules.package(missed.within or name), _file(job) or where
    if missed.within:
        return f"the {package} that is installed has no {name}: pin another version of it in {where}"
    subject = "it" if package == name else package
    return f"{name} is not in this environment: add {subject} to {where}"


def _is_of_python(name: str) -> bool:
    import sys

    return name.partition(".")[0] in sys.stdlib_module_names and modules.package(name) == name


def _file(job: ObservedJob | None) -> str:
    """The requirements file that names the job's packages, if it has one."""
    files: list[str] = _annotations(job).get(_REQUIREMENTS, "").split()
    return files[0] if len(files) == 1 else ""


def _annotations(job: ObservedJob | None) -> Mapping[str, Any]:
    if job is None:
        return {}
    given = ((data or {}).get("metadata", {}).get("annotations") or {} for data in (job.runtime, job.data))
    return {name: value for annotations in given for name, value in annotations.items()}


def _own(name: str, job: ObservedJob | None) -> str:
    """What to do for a module that lies in the job's own folder; empty where none does."""
    folder = job.code.folder if job is not None and job.code is not None else ""
    if not folder:
        return ""
    base = os.path.normpath(os.path.join(folder, _annotations(job).get(_SOURCE, "")))
    top = name.partition(".")[0]
    for place in ("", "src", ".."):
        found = next((item for item in (f"{top}.py", top) if _is_module(os.path.join(base, place, item))), "")
        if found:
            return f"{name} is {os.path.join(place, found)} of this folder: {_mend(base, place)}"
    return ""


def _mend(base: str, place: str) -> str:
    project = next((name for name in ("pyproject.toml", "setup.py") if os.path.isfile(os.path.join(base, name))), "")
    if place == "src" and project:
        return "add -e . to kfrun.dev/packages"
    path = os.path.normpath(os.path.join(base, place))
    return f"set PYTHONPATH to {path} in spec.trainer.env, Python looks only beside the script"


def _is_module(path: str) -> bool:
    """Whether it is a file, or a folder with something that Python reads."""
    if os.path.isfile(path):
        return True
    try:
        return any(name.endswith(".py") for name in os.listdir(path))
    except OSError:
        return False
