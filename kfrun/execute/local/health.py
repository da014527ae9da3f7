"""What could keep jobs from running on this machine, one check a function.

Nothing is changed, no program is started and no store is made by looking.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun import host
from kfrun.errors import EnvironmentFailed, KfrunError, StoreFailed
from kfrun.execute.answers import Check
from kfrun.execute.environments import installers, request
from kfrun.execute.local import runtimes
from kfrun.observe import location
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.settings import Settings

_MEGABYTE = 1 << 20
_GIGABYTE = 1 << 30


def examine(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """Every check, in the order in which they matter."""
    yield _python()
    yield _installer(settings, environ)
    yield _git()
    yield from _folders(settings)
    yield _state_file_system(settings)
    yield from _store(settings)
    yield _pidfd()
    yield _markers()
    yield _cgroups()
    yield from _limits()
    yield _gpus()
    yield from runtimes.checks(environ)


def _python() -> Check:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} at {sys.executable}"
    return Check("python", "ok", found)


def _installer(settings: Settings, environ: Mapping[str, str]) -> Check:
    uv = installers.find_uv(environ)
    if uv and settings.installer != "pip":
        return Check("installer", "ok", f"uv at {uv}")
    if settings.installer == "uv":
        return Check("installer", "fail", "uv was not found", "pip install uv, or set installer to auto")
    if find_spec("ensurepip") is None:
        return Check(
            "installer",
            "fail",
            "this Python cannot make environments with pip",
            "pip install uv, or apt install python3-venv",
        )
    if settings.installer == "pip":
        return Check("installer", "ok", "pip, as the settings ask")
    return Check("installer", "warn", "uv was not found: pip builds environments, much slower", "pip install uv")


def _git() -> Check:
    found = shutil.which("git")
    if found:
        return Check("git", "ok", found)
    return Check("git", "warn", "not found: packages from git+https:// cannot be installed", "install git")


def _folders(settings: Settings) -> Iterator[Check]:
    try:
        location.trusted_database(settings)
        yield _folder("state folder", location.state_folder(settings), enough=_GIGABYTE)
    except StoreFailed as error:
        yield Check("state folder", "fail", error.message, error.hint or "")
    cache = Path(settings.cache_dir)
    try:
        request.require_trusted(request.folder(cache) / "any")
        yield _folder("cache folder", cache, enough=5 * _GIGABYTE)
    except EnvironmentFailed as error:
        yield Check("cache folder", "fail", error.message, error.hint or "")


def _folder(name: str, path: Path, *, enough: int) -> Check:
    existing = next(part for part in (path, *path.parents) if part.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check(name, "fail", f"{path} cannot be written", "set KFRUN_HOME to a folder of your own")
    free = shutil.disk_usage(existing).free
    found = f"{path}, {free / _GIGABYTE:.1f} GiB free"
    if free < 50 * _MEGABYTE:
        return Check(name, "fail", found, "free some space, or set KFRUN_HOME to another disk")
    if free < enough:
        return Check(name, "warn", found, "environments and logs may not fit: kfrun env prune, or another KFRUN_HOME")
    return Check(name, "ok", found)


def _state_file_system(settings: Settings) -> Check:
    wanted = Path(settings.state_dir)
    existing = next(part for part in (wanted, *wanted.parents) if part.exists())
    kind = host.file_system(existing) or "unknown file system"
    if host.is_network_file_system(existing):
        return Check(
            "file system",
            "warn",
            f"{wanted} is on {kind}, where locks cannot be trusted: state lies in {location.state_folder(settings)}",
            "set KFRUN_HOME to a folder on a local disk",
        )
    return Check("file system", "ok", kind)


def _store(settings: Settings) -> Iterator[Check]:
    path = location.database(settings)
    if not path.exists() and not location.has_jobs(str(path)):
        yield Check("store", "ok", "none yet: the first apply or run makes it")
        return
    fix = f"put back a copy of it, or move {path.parent} away: what still runs of its jobs is stopped then"
    try:
        with Store.open(path, create=False) as store:
            damage = store.damage()
            yield Check("store", "fail", "; ".join(damage), fix) if damage else Check("store", "ok", str(path))
            if not damage:
                yield _supervisors(store)
    except KfrunError as error:
        yield Check("store", "fail", error.message, error.hint or fix)


def _supervisors(store: Store) -> Check:
    from kfrun.execute.local import supervisors

    runs = store.unended_runs()
    lost = [run.name for run in runs if not supervisors.is_supervised(run.folder)]
    if lost:
        names = ", ".join(sorted(lost)[:5]) + (" …" if len(lost) > 5 else "")
        return Check(
            "supervisors", "warn", f"{len(lost)} of {len(runs)} are dead: {names}", "kfrun get tj revives them"
        )
    return Check("supervisors", "ok", f"{len(runs)} at work" if runs else "none needed: nothing runs")


def _pidfd() -> Check:
    descriptor = host.open_pidfd(os.getpid())
    if descriptor is None:
        return Check(
            "pidfd", "warn", "not supported here: the end of processes is noticed by polling", "Linux 5.3 has it"
        )
    os.close(descriptor)
    return Check("pidfd", "ok", "supported")


def _markers() -> Check:
    if host.can_find_marked_processes():
        return Check("process search", "ok", "processes that leave their group are found by their environment")
    return Check(
        "process search",
        "warn",
        "environments of processes cannot be read: daemons that a job leaves behind may survive it",
        "mount /proc without hidepid",
    )


def _cgroups() -> Check:
    folder = None if host.is_portable() else _own_cgroup()
    if folder is not None and os.access(folder / "cgroup.procs", os.W_OK) and os.access(folder, os.W_OK):
        return Check("cgroups", "ok", f"version 2, delegated: {folder}")
    return Check(
        "cgroups",
        "warn",
        "no delegated cgroup (version 2): CPU and memory limits are not enforced",
        "log in through systemd, or start kfrun with: systemd-run --user --scope -p Delegate=yes",
    )


def _own_cgroup() -> Path | None:
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    return None if own is None else Path("/sys/fs/cgroup", own.lstrip("/"))


def _limits() -> Iterator[Check]:
    for name, limit, needed, option in (
        ("open files", resource.RLIMIT_NOFILE, 1024, "-n"),
        ("processes", resource.RLIMIT_NPROC, 1024, "-u"),
    ):
        soft = resource.getrlimit(limit)[0]
        shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        if soft != resource.RLIM_INFINITY and soft < needed:
            yield Check(
                name, "warn", f"limit {shown}: many nodes or data loaders need more", f"ulimit {option} {needed}"
            )
        else:
            yield Check(name, "ok", f"limit {shown}")


def _gpus() -> Check:
    smi = shutil.which("nvidia-smi")
    if smi:
        return Check("gpu", "ok", f"NVIDIA driver tools at {smi}")
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return Check("gpu", "warn", "there are NVIDIA devices but no nvidia-smi", "install the driver's tools")
    return Check("gpu", "ok", "none found: jobs train on CPUs")
