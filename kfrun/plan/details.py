"""What a reader of a plan wants to know of a job before it starts: runtime, nodes, command."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from kfrun import masking
from kfrun.model.requirements import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.resolution import PackageSet, Resolution

_WIDTH = 100
"""Characters of a summary; the whole of it is in ``kfrun render``."""

_MOST_NAMES = 8
_TRAINER_LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"


def of_job(resolution: Resolution) -> tuple[str, ...]:
    """The lines about a job that will be started (or would be, if it were not suspended)."""
    return tuple(f"{title}: {text}" for title, text in _lines(resolution) if text)


def of_environment(packages: PackageSet) -> str:
    """The packages and the Python version of an environment, in one line."""
    python = f"Python {packages.python}" if packages.python else "the caller's Python"
    files = ", ".join(f"{name} ({count})" for name, count in packages.sources)
    listed = _listed([masking.text(shown(item)) for item in packages.requirements])
    names = f"{files}{': ' if files and listed else ''}{listed}"
    kept = ", removed when the job ends" if packages.isolated else ""
    without = " without packages" if packages.isolated else ""
    return f"{python} with {names}{kept}" if names else f"{python}{without}{kept}"


def _lines(resolution: Resolution) -> Iterator[tuple[str, str]]:
    replicated_jobs = _maps(_get(resolution.jobset, "spec", "replicatedJobs"))
    if resolution.runtime is not None:
        yield "runtime", f"{resolution.runtime.key.resource} ({_place(resolution.runtime.found_in)})"
    yield "nodes", _nodes(replicated_jobs)
    yield "jobs", _listed([_job_name(resolution.trainjob.name, job) for job in replicated_jobs])
    for name, container in _commands(replicated_jobs):
        yield f"command of {name}", _command(container)
    if resolution.packages.needs_environment:
        yield "environment", of_environment(resolution.packages)
    yield "working directory", _working_directory(resolution)


def _place(found_in: str) -> str:
    return {"shipped": "shipped with kfrun", "store": "applied before"}.get(found_in, f"from {found_in}")


def _nodes(replicated_jobs: list[dict[str, Any]]) -> str:
    """``2, each with 4 processes``: of the replicatedJob that trains."""
    for job in replicated_jobs:
        if _get(job, "template", "metadata", "labels", _TRAINER_LABEL) == "trainer":
            count = str(_pods(job))
            processes = _processes(job)
            return f"{count}, each with {_count(processes, 'process')}" if processes else count
    return ""


def _processes(job: dict[str, Any]) -> str:
    for container in _containers(job, "containers"):
        for variable in _maps(container.get("env")):
            if variable.get("name") == "PET_NPROC_PER_NODE":
                return str(variable.get("value", ""))
    return ""


def _count(number: str, noun: str) -> str:
    if number == "1":
        return f"1 {noun}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {plural}" if number.isdigit() else f"as many {plural} as the machine suggests ({number})"


def _job_name(trainjob: str, job: dict[str, Any]) -> str:
    replicas, pods = job.get("replicas", 1), _pods(job)
    last = f"..{replicas - 1}" if isinstance(replicas, int) and replicas > 1 else ""
    return f"{trainjob}-{job.get('name', '')}-0{last} ({_count(str(pods), 'pod')}{' each' if last else ''})"


def _pods(job: dict[str, Any]) -> int:
    spec = _get(job, "template", "spec")
    spec = spec if isinstance(spec, dict) else {}
    pods = spec.get("completions", spec.get("parallelism", 1))
    return pods if isinstance(pods, int) else 1


def _commands(replicated_jobs: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for job in replicated_jobs:
        containers = _containers(job, "initContainers") + _containers(job, "containers")
        for container in containers:
            name = str(container.get("name", ""))
            yield (name if name == job.get("name") else f"{job.get('name')}/{name}"), container


def _command(container: dict[str, Any]) -> str:
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not words:
        return ""
    shown = [_quoted(word) for word in masking.words([str(word) for word in words])]
    return _cut(" ".join(" ".join(shown).split()))


def _quoted(word: str) -> str:
    """Quoted for the eye: where it has blanks, not where a shell would need it."""
    return f"'{word.strip()}'" if not word or any(character.isspace() for character in word) else word


def _working_directory(resolution: Resolution) -> str:
    source = resolution.source or ""
    if posixpath.isabs(source):
        return source
    if resolution.job.folder is None:
        return posixpath.join("the current folder", source).rstrip("/")
    return posixpath.normpath(posixpath.join(resolution.job.folder, source))


def _containers(job: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return _maps(_get(job, "template", "spec", "template", "spec", kind))


def _maps(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _get(data: object, *path: str) -> Any:
    for key in path:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join([*names[:_MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
