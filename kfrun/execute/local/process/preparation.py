"""From a planned job and the caller's surroundings to what the processes of this machine are given."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from kfrun.errors import UsageProblem
from kfrun.execute.backend import working_folder
from kfrun.execute.local.process.launch import ProcessSettings, find_executable
from kfrun.execute.local.runtime import Launch
from kfrun.execute.local.supply import views
from kfrun.model.source import Finding, Severity, Stage
from kfrun.model.values import replace
from kfrun.settings import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kfrun.execute.environments import EnvironmentRequest
    from kfrun.execute.local.runtime import Way
    from kfrun.model.resolution import PackageSet, Resolution
    from kfrun.model.source import FieldPath, Position
    from kfrun.model.wishes import Caller, Wishes

CODES = {
    "KF601": "a folder that the job runs in does not exist",
    "KF602": "a package is to be installed from a folder that holds none",
    "KF606": "a framework whose programs run on another operating system",
}


FRAMEWORK = "trainer.kubeflow.org/framework"


def check(wishes: Wishes, caller: Caller) -> None:
    """See `Preparation.check`: the interpreter.

    Raises:
        UsageProblem: it is not there.
    """
    _interpreter(wishes.python, caller)


def preflight(resolution: Resolution, wishes: Wishes, caller: Caller) -> list[Finding]:
    """See `Preparation.preflight`: folders, of which kfrun makes none outside its own, programs and scripts."""
    from kfrun.execute.local.process import commands

    found, folder = [], working_folder(resolution, caller.folder)
    if not os.path.isdir(folder):
        path: FieldPath = ("metadata", "annotations", "kfrun.dev/source")
        message = f'the job\'s source folder "{folder}" does not exist'
        position = resolution.job.positions.value(path) if resolution.source else None
        found.append(_finding(resolution, message, path if resolution.source else (), position))
    elif resolution.mounts:
        from kfrun.execute.local.process import shown

        found += shown.faults(resolution, caller.folder)
    for path, working_dir, container in _working_dirs(resolution):
        seen = views.View.of(container, views.mounted(resolution, caller.folder))
        here = seen.here(working_dir) if os.path.isabs(working_dir) else None
        if here is not None and not os.path.isdir(here):
            message = f'the working directory "{working_dir}" does not exist on this machine'
            found.append(_finding(resolution, message, path, _position(resolution, path)))
    of_commands = [] if found else list(commands.check(resolution, _settings(resolution, wishes, caller)))
    if not wishes.transient:
        # Who records a job, and does not run it now, gets what a cluster does: it takes such a job and lets it fail.
        of_commands = [replace(one, severity=Severity.WARNING) for one in of_commands]
    from kfrun.resolve.runtimes import placement

    found += (*_foreign(resolution), *_missing_packages(resolution))
    return placement.inside([*found, *of_commands], resolution)


def scripts(resolution: Resolution) -> Iterator[Finding]:
    """See `Preparation.scripts`."""
    from kfrun.execute.local.process import commands

    return commands.scripts(resolution)


def _foreign(resolution: Resolution) -> Iterator[Finding]:
    """A framework that is installed on macOS alone, elsewhere."""
    runtime = resolution.runtime
    labels = runtime.document.data["metadata"].get("labels") if runtime is not None else None
    if runtime is None or sys.platform == "darwin" or (labels or {}).get(FRAMEWORK) != "mlx":
        return
    from kfrun.resolve.findings import finding

    message = f"jobs of the framework mlx run as local processes on macOS only, and this is {sys.platform}"
    hint = "`kfrun validate` and `kfrun render` do work; run it on a Mac or on a cluster"
    path: FieldPath = ("metadata", "labels", FRAMEWORK)
    yield finding("KF606", message, runtime.document, path, stage=Stage.BACKEND, hint=hint)


def _missing_packages(resolution: Resolution) -> Iterator[Finding]:
    """Packages that are named by a path where there is none."""
    if not any("file:" in item for item in resolution.packages.requirements):
        return
    from kfrun.execute.environments import localpackages
    from kfrun.resolve import extensions

    documents = [resolution.job, *([resolution.runtime.document] if resolution.runtime else ())]
    for package in localpackages.among(resolution.packages.requirements):
        if package.fault:
            made = partial(
                Finding,
                "KF602",
                f"{package.name or 'the package'} cannot be installed: {package.fault}",
                Stage.BACKEND,
                hint="mend the path: it begins at the folder of the manifest",
            )
            found = (extensions.package_finding(document, package.requirement, made) for document in documents)
            yield next(filter(None, found), made(object=resolution.trainjob))


def launch(resolution: Resolution, way: Way) -> Callable[[str], Launch]:
    """See `Preparation.launch`: the caller's surroundings, and a Python environment.

    Raises:
        UsageProblem: the interpreter asked for is not there.
        EnvironmentFailed: it cannot be run.
    """
    wishes, caller, _ = way
    settings = _settings(resolution, wishes, caller, log_max_size=size(way.settings.logs_max_size))
    python = _interpreter(wishes.python, caller)
    if not resolution.packages.needs_environment:
        return lambda _: Launch(settings.to_json())
    from pathlib import Path

    from kfrun.execute import environments

    request = _request(resolution.packages, caller.environ, python, way.settings.installer)
    environments.require_installer(request)
    environments.require_trusted(environments.location(request, Path(way.settings.cache_dir)))
    return partial(_with_environment, settings, request, way.settings.cache_dir)


def _settings(resolution: Resolution, wishes: Wishes, caller: Caller, *, log_max_size: int = 0) -> ProcessSettings:
    """The caller's surroundings."""
    from kfrun.execute.local.process import mpi

    python = _interpreter(wishes.python, caller)
    return ProcessSettings(
        caller=dict(caller.environ),
        folder=working_folder(resolution, caller.folder),
        path=(os.path.dirname(python),) if python else (),
        last=os.path.dirname(sys.executable),
        own_venv=sys.prefix if sys.prefix != sys.base_prefix else "",
        clean_env=wishes.clean_env,
        umask=_umask(),
        log_max_size=log_max_size,
        mounts=views.mounted(resolution, caller.folder),
        mpi_hosts=mpi.hostfile(resolution),
    )


def _with_environment(settings: ProcessSettings, request: EnvironmentRequest, cache: str, uid: str) -> Launch:
    from pathlib import Path

    from kfrun.execute import environments

    if request.isolated_for is not None:
        request = replace(request, isolated_for=uid)
    path = str(environments.location(request, Path(cache)))
    is_own = request.isolated_for is not None
    programs, guards = f"{path}/bin", f"{path}/guards"
    settings = replace(
        settings,
        path=(*((programs, guards) if is_own else (guards, programs)), *settings.path),
        has_environment=True,
        own_environment=path if is_own else "",
    )
    return Launch(settings.to_json(), request.to_json(), path)


def _interpreter(python: str | None, caller: Caller) -> str | None:
    """The absolute path of the interpreter asked for."""
    if python is None:
        return None
    found = find_executable(python, caller.environ.get("PATH", os.defpath), caller.folder)
    if found is None:
        raise UsageProblem(f"--python {python}: there is no such interpreter", "give a path, or a name on PATH")
    return found


def _umask() -> int:
    """The caller's; there is no way to ask for it but to set it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _request(
    packages: PackageSet, environ: Mapping[str, str], python: str | None, installer: str
) -> EnvironmentRequest:
    from kfrun.execute import environments
    from kfrun.execute.environments import expansion, localpackages

    interpreter = python or environments.default_interpreter()
    lists = (*packages.requirements, *packages.constraints, *packages.options, *packages.index_urls)
    contents = (localpackages.fingerprint(packages.requirements), expansion.fingerprint(lists, environ))
    return environments.EnvironmentRequest(
        requirements=packages.requirements,
        index_urls=packages.index_urls,
        python=packages.python,
        interpreter=interpreter,
        interpreter_facts=environments.host_facts(interpreter),
        settings=environments.fingerprint(environ),
        # Filled in with the job's uid when it is created.
        isolated_for="" if packages.isolated else None,
        installer=installer,
        contents="".join(contents),
        constraints=packages.constraints,
        options=packages.options,
        locks=packages.locks,
        folders=packages.folders,
        sources=tuple(f"{name} ({count})" for name, count in packages.sources),
    )


def _working_dirs(resolution: Resolution) -> Iterator[tuple[FieldPath, str, dict[str, Any]]]:
    """Every workingDir of the JobSet, with its path and its container."""
    spec = (resolution.jobset or {}).get("spec", {})
    for number, group in enumerate(spec.get("replicatedJobs", ())):
        base: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod = group.get("template", {}).get("spec", {}).get("template", {}).get("spec", {})
        for kind in ("initContainers", "containers"):
            for index, container in enumerate(pod.get(kind) or ()):
                if container.get("workingDir"):
                    yield (*base, kind, index, "workingDir"), container["workingDir"], container


def _position(resolution: Resolution, path: FieldPath) -> Position | None:
    """Where the field was written: the nearest ancestor whose origin is known."""
    for length in range(len(path), 0, -1):
        origin = resolution.origins.get(path[:length])
        if origin is not None and origin.position is not None:
            return origin.position
    return None


def _finding(resolution: Resolution, message: str, path: FieldPath, position: Position | None) -> Finding:
    return Finding(
        "KF601",
        message,
        Stage.BACKEND,
        path=path,
        position=position,
        hint="make it, or name one that exists; kfrun makes no folders outside its own",
        object=resolution.trainjob,
    )
