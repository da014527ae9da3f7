"""What an environment is asked to be, its key and its place."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from kfrun import digests
from kfrun.errors import EnvironmentFailed
from kfrun.execute.environments.credentials import without_credentials
from kfrun.host import files
from kfrun.model.requirements import Lock
from kfrun.model.values import asdict, dataclass

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "kfrun.json"
"""Written last: its presence says that the environment is complete, its mtime when it was used last."""

_LAYOUT = 1
"""Part of every key: a kfrun that builds environments differently must raise it."""

_FACTS = (
    "import os,sys;print(sys.implementation.name,'.'.join(map(str,sys.version_info[:3]))+getattr(sys,'abiflags',''),"
    "getattr(sys.implementation,'_multiarch','') or sys.platform,os.uname().machine)"
)


@dataclass(frozen=True, slots=True)
class EnvironmentRequest:
    """One environment as a job needs it.

    Attributes:
        requirements: lines of a requirements file, most of them PEP 508; variables of the caller are in them yet.
        index_urls: the first is the index, the others extra ones; may hold credentials.
        python: the version asked for (``3.12``), or None for ``interpreter``.
        interpreter: absolute path of the interpreter used when ``python`` is None or the same version.
        interpreter_facts: implementation, version and platform of it, by `host_facts`.
        settings: fingerprint of the pip and uv settings that choose packages, by `fingerprint`.
        isolated_for: uid of the job that has it to itself; None when shared.
        installer: ``auto`` (uv where it is there), ``uv`` or ``pip``.
        contents: fingerprint of the files that requirements name, by `kfrun.execute.environments.localpackages`.
        constraints: as ``requirements``, which versions are allowed.
        options: lines of a requirements file that are no requirements.
        locks: what uv is to export: folder, digest, extras and group of each `kfrun.model.requirements.Lock`.
        folders: are put on the path.
        sources: where the requirements come from, for people.
    """

    requirements: tuple[str, ...]
    index_urls: tuple[str, ...]
    python: str | None
    interpreter: str
    interpreter_facts: str
    settings: str
    isolated_for: str | None
    installer: str = "auto"
    contents: str = ""
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    folders: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form, credentials included: write it to files of mode 0600 only."""
        return {**asdict(self), "locks": [tuple(lock) for lock in self.locks]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EnvironmentRequest:
        """Read what `to_json` wrote."""
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, (list, tuple))}
        locks = tuple(
            Lock(folder, found, tuple(extras), group) for folder, found, extras, group in data.get("locks", ())
        )
        return cls(**{**data, **lists, "locks": locks})

    @property
    def is_own_version(self) -> bool:
        """Whether ``interpreter`` itself is of the version asked for, so that nothing must be searched."""
        version = self.interpreter_facts.split("-")[1].rstrip("dt") if "-" in self.interpreter_facts else ""
        if self.python is None or self.python[0].isdigit():
            return self.python is None or version == self.python or version.startswith(f"{self.python}.")
        from kfrun.resolve.packages import allows

        return bool(allows(self.python, version))


def key(request: EnvironmentRequest) -> str:
    """The name of the environment: equal for requests that get the same packages in the same interpreter.

    Credentials do not count (tokens change daily), nor does the order of the requirements.
    """
    parts = (
        _LAYOUT,
        sorted(without_credentials(item) for item in request.requirements),
        [without_credentials(item) for item in request.index_urls],
        None if request.is_own_version else request.python,
        request.interpreter,
        request.interpreter_facts,
        request.settings,
        request.isolated_for,
        # auto means uv wherever kfrun was installed with its dependencies.
        "pip" if request.installer == "pip" else "uv",
        # Nothing where there are none, so that the environments of older versions keep their names.
        *filter(None, [request.contents]),
        *_of_files(request),
    )
    return digest(json.dumps(parts))


def _of_files(request: EnvironmentRequest) -> list[object]:
    """What comes from files, nothing where there is none."""
    lists = (request.constraints, request.options)
    found = [[without_credentials(item) for item in each] for each in lists]
    return [*found, request.locks, request.folders] if any((*found, request.locks, request.folders)) else []


def digest(text: str) -> str:
    """32 hexadecimal digits that stand for ``text``."""
    return digests.blake2(text.encode("utf-8", "surrogateescape"))


def folder(cache: Path) -> Path:
    """Where all environments lie."""
    return cache / "environments"


def location(request: EnvironmentRequest, cache: Path) -> Path:
    """Where the environment of ``request`` lies, built or not. ``cache`` is the cache folder of the settings."""
    return folder(cache) / key(request)


def is_ready(path: Path) -> bool:
    """Whether a complete environment lies at ``path`` and its interpreter still exists. Two stats."""
    return (path / MARKER).exists() and (path / "bin" / "python").exists()


def require_trusted(path: Path) -> None:
    """Refuse an environment, there or not, that another user could fill: jobs run what is in it. Root's are welcome.

    Raises:
        EnvironmentFailed: with the way out.
    """
    for place in (path.parent.parent, path.parent, path):
        found = files.objection(str(place), given=True, setting="KFRUN_CACHE_DIR")
        if found is not None:
            raise EnvironmentFailed(*found)


def require_installer(request: EnvironmentRequest) -> None:
    """Refuse what the installer that was chosen cannot do.

    Raises:
        EnvironmentFailed: with the way out.
    """
    if request.locks and request.installer == "pip":
        raise EnvironmentFailed(
            "uv.lock is for uv to read, and the installer is pip",
            "set installer to uv or auto, or write what it says for pip: uv export -o requirements.txt",
        )


def mark_used(path: Path) -> None:
    """Note that the environment is used now, for ``kfrun env prune``; a missing one is no error."""
    try:
        os.utime(path / MARKER)
    except OSError:
        # A cache of root's can still be used; it only looks older than it is.
        return


def default_interpreter() -> str:
    """The interpreter behind the one that runs kfrun: the base of its virtual environment, if it is in one."""
    return getattr(sys, "_base_executable", None) or sys.executable


def host_facts(interpreter: str) -> str:
    """Implementation, version and platform of an interpreter: ``cpython-3.11.7-x86_64-linux-gnu``.

    Free for the running one; any other is asked by one subprocess (8 ms).

    Raises:
        EnvironmentFailed: it cannot be run.
    """
    if interpreter not in (sys.executable, default_interpreter()):
        return _facts(*ask(interpreter, _FACTS).split())
    version = ".".join(str(part) for part in sys.version_info[:3]) + getattr(sys, "abiflags", "")
    platform = getattr(sys.implementation, "_multiarch", "") or sys.platform
    return _facts(sys.implementation.name, version, platform, os.uname().machine)


def _facts(implementation: str, version: str, platform: str, machine: str) -> str:
    # Linux names the machine in its multiarch triplet, macOS does not.
    return "-".join((implementation, version, platform if machine in platform else f"{machine}-{platform}"))


def ask(interpreter: str, code: str) -> str:
    """What a line of Python prints in ``interpreter``.

    Raises:
        EnvironmentFailed: it cannot be run.
    """
    import subprocess

    command = [interpreter, "-I", "-S", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "stderr", None) or str(error)
        lines = str(reason).strip().splitlines()
        raise EnvironmentFailed(
            f"the Python interpreter {interpreter} cannot be run: {lines[-1] if lines else error}",
            "name one that works with --python",
        ) from None
    return done.stdout.strip()
