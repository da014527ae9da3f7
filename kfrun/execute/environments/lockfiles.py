"""``uv.lock`` made into requirements by uv itself, when an environment is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kfrun.execute.environments.installers import Installer
    from kfrun.model.requirements import Lock

_QUIET = ("--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate", "--format=requirements-txt")


def exported(lock: Lock, path: Path, installer: Installer, run: Callable[[tuple[str, ...], str], None]) -> list[str]:
    """The requirements of a lock for the environment at ``path``.

    Raises:
        EnvironmentFailed: it cannot be read, or it is another one than was planned.
    """
    from kfrun.load.requirements import closure, pipfiles, uvlocks

    if uvlocks.digest_of(lock.folder) != lock.digest:
        raise EnvironmentFailed(
            f"uv.lock or pyproject.toml in {lock.folder} was changed after the job was applied", "apply the job again"
        )
    if installer.name != "uv":
        raise EnvironmentFailed("uv.lock is for uv to read, and uv is not there", "install it: pip install uv")
    file = path / "exported.txt"
    wanted = (
        (f"--only-group={lock.group}",) if lock.group else ("--no-dev", *(f"--extra={item}" for item in lock.extras))
    )
    command = (installer.create[0], "export", *_QUIET, *wanted, f"--python={path / 'bin' / 'python'}")
    run((*command, f"--project={lock.folder}", f"--output-file={file}"), "read uv.lock")
    reading = closure.Closure(lock.folder, "uv.lock")
    text = file.read_text(encoding="utf-8")
    pipfiles.read(reading, closure.File(f"{lock.folder}/uv.lock", "uv.lock", text, "uv.lock"))
    file.unlink()
    if reading.faults:
        raise EnvironmentFailed(f"uv.lock: {reading.faults[0].message}", reading.faults[0].hint)
    return [item.line for item in reading.listed]
