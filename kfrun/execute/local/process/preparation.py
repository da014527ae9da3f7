"""From a planned job and the caller's surroundings to what the process backend needs. Called by cli and client."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.process import launch
from kfrun.model.source import Finding, Stage
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.execute.environments import EnvironmentRequest
    from kfrun.model.resolution import PackageSet, Resolution
    from kfrun.model.source import Document, FieldPath, Position
    from kfrun.model.workload import Workload

CODES = {"KF601": "a folder that the job runs in does not exist"}


@dataclass(frozen=True, slots=True)
class JobLaunch:
    """What the process backend needs of one job beside its plan.

    Attributes:
        environment: an `EnvironmentRequest`, None when none is needed. Its ``isolated_for`` is filled in here.
    """

    workload: Workload
    settings: launch.Settings
    environment: Any = None


def working_folder(document: Document, source: str | None, current: str) -> str:
    """The working directory of a job: ``kfrun.dev/source`` (relative to the manifest), else the manifest's folder."""
    base = document.folder or current
    return os.path.normpath(os.path.join(base, source)) if source else base  # noqa: PTH118


def prepare(
    resolution: Resolution,
    workload: Workload,
    *,
    environ: Mapping[str, str],
    current: str,
    python: str | None = None,
    installer: str = "auto",
    clean_env: bool = False,
) -> JobLaunch:
    """What a job's processes are given.

    ``environ`` is the caller's environment, ``current`` the caller's working directory (for manifests from stdin),
    ``python`` the absolute path of the interpreter asked for with ``--python``.

    Raises:
        EnvironmentFailed: that interpreter cannot be run.
    """
    folder = working_folder(resolution.job, resolution.source, current)
    own_venv = sys.prefix if sys.prefix != sys.base_prefix else ""
    settings = launch.Settings(
        caller=dict(environ),
        folder=folder,
        path=(os.path.dirname(python),) if python else (),  # noqa: PTH120
        last=os.path.dirname(sys.executable),  # noqa: PTH120
        own_venv=own_venv,
        clean_env=clean_env,
        umask=_umask(),
    )
    packages = resolution.packages
    environment = _request(packages, environ, python, installer) if packages.needs_environment else None
    return JobLaunch(workload, settings, environment)


def _umask() -> int:
    """The caller's; there is no way to ask for it but to set it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _request(
    packages: PackageSet, environ: Mapping[str, str], python: str | None, installer: str
) -> EnvironmentRequest:
    from kfrun.execute import environments

    interpreter = python or environments.default_interpreter()
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
    )


def check(resolution: Resolution, folder: str) -> list[Finding]:
    """Folders that the job needs and the host lacks: kfrun makes none outside its own."""
    found = []
    if not os.path.isdir(folder):  # noqa: PTH112
        path: FieldPath = ("metadata", "annotations", "kfrun.dev/source")
        message = f'the job\'s source folder "{folder}" does not exist'
        position = resolution.job.positions.value(path) if resolution.source else None
        found.append(_finding(resolution, message, path if resolution.source else (), position))
    for path, working_dir in _working_dirs(resolution):
        if os.path.isabs(working_dir) and not os.path.isdir(working_dir):  # noqa: PTH112, PTH117
            message = f'the working directory "{working_dir}" does not exist on this machine'
            found.append(_finding(resolution, message, path, _position(resolution, path)))
    return found


def _working_dirs(resolution: Resolution) -> Iterator[tuple[FieldPath, str]]:
    """Every workingDir of the JobSet, with its path."""
    spec = (resolution.jobset or {}).get("spec", {})
    for number, group in enumerate(spec.get("replicatedJobs", ())):
        base: FieldPath = ("spec", "replicatedJobs", number, "template", "spec", "template", "spec")
        pod = group.get("template", {}).get("spec", {}).get("template", {}).get("spec", {})
        for kind in ("initContainers", "containers"):
            for index, container in enumerate(pod.get(kind) or ()):
                if container.get("workingDir"):
                    yield (*base, kind, index, "workingDir"), container["workingDir"]


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
