"""What is compared, each in an environment of its own below the cache: kfrun as a user installs it, and the peer.

All come with byte-code: compiling on import would cost either more than most of what is measured here.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PEER = "kubeflow==0.5.0"
ROOT = Path(__file__).parents[2]

_OWN_SETTINGS = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def cache() -> Path:
    """``KFRUN_BENCH_CACHE``, or a folder of the user's own."""
    given = os.environ.get("KFRUN_BENCH_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "kfrun-bench"


def environment() -> dict[str, str]:
    """The caller's environment without what distorts: settings of Python and kfrun, shims in front of Python."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KFRUN_", "PET_", "MASTER_", "UV_", "PIP_")) and name not in _OWN_SETTINGS
    }
    env["PATH"] = os.pathsep.join([str(Path(job_python()).parent), env.get("PATH", os.defpath)])
    return env


def job_python() -> str:
    """The interpreter of jobs that ask for no packages: one without any, if `make_job_python` has made it."""
    plain = cache() / "python" / "bin" / "python"
    return str(plain) if plain.exists() else interpreter()


@contextmanager
def alone() -> Iterator[None]:
    """Keep other benchmarks away: they would disturb this one, and change what is installed under it."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another benchmark is running with {cache()}") from None
        yield


def interpreter() -> str:
    """The interpreter behind the one that runs this, a plain executable."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def make_job_python() -> None:
    """Make what `job_python` is then."""
    _make(cache() / "python")


def install_kfrun(source: Path = ROOT, name: str = "kfrun") -> Path:
    """Build a wheel of a checkout, install it into the environment ``name``, and return the program.

    What it needs is of the newest release that it allows: what is compared differs in nothing but itself.
    """
    folder = cache() / name
    _make(folder)
    _pip_install(folder, "--upgrade", "--reinstall-package=kfrun", str(source))
    return folder / "bin" / "kfrun"


def checkout(revision: str) -> Path:
    """The folder of that name; where there is none, what git knows under it, copied to below the cache."""
    if Path(revision).is_dir():
        return Path(revision).resolve()
    done = subprocess.run(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{revision} is neither a checkout nor a revision")
    folder = cache() / "before-source"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def install_peer() -> Path:
    """Install the peer if it is not there, and return its interpreter."""
    folder = cache() / PEER.replace("==", "-")
    if not (folder / "complete").exists():
        _make(folder)
        _pip_install(folder, PEER)
        (folder / "complete").touch()
    return folder / "bin" / "python"


def _make(folder: Path) -> None:
    if not (folder / "bin" / "python").exists():
        _run([_uv(), "venv", "--quiet", "--clear", f"--python={interpreter()}", str(folder)])


def _pip_install(folder: Path, *arguments: str) -> None:
    target = f"--python={folder / 'bin' / 'python'}"
    _run([_uv(), "pip", "install", "--quiet", "--compile-bytecode", target, *arguments])


def _uv() -> str:
    import uv

    return uv.find_uv_bin()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, env={**os.environ, "UV_NO_PROGRESS": "1"}, stdin=subprocess.DEVNULL)
