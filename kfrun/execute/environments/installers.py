"""The commands that make an environment and fill it: uv's, or those of venv and pip.

No shell is involved, and no user's text is an argument but the Python version and names of packages: requirements go
through a file of mode 0600 and index URLs through variables, since both may hold credentials and arguments can be seen
in ``ps``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun.errors import EnvironmentFailed
from kfrun.execute.environments import installsettings, localpackages
from kfrun.execute.environments.request import ask
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.execute.environments.request import EnvironmentRequest

_DROPPED = frozenset(
    {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "FORCE_COLOR", "CLICOLOR_FORCE"}
    | {"UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT", "UV_WORKING_DIR", "UV_BREAK_SYSTEM_PACKAGES", "UV_VENV_CLEAR"}
    | {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_REQUIREMENT"}
    | {"PIP_EDITABLE", "PIP_DRY_RUN", "PIP_BREAK_SYSTEM_PACKAGES", "PIP_REPORT", "PIP_LOG"}
)
"""Variables that would send packages somewhere else, or choose another interpreter than the one asked for."""


_BUNDLED = (
    "import glob,os,sysconfig as s;"
    "d=s.get_config_var('WHEEL_PKG_DIR') or os.path.join(s.get_path('stdlib'),'ensurepip','_bundled');"
    "print(max(glob.glob(os.path.join(glob.escape(d),'pip-*.whl')),default=''))"
)
"""Prints where an interpreter has the pip that it brings."""


@dataclass(frozen=True, slots=True)
class Installer:
    """What builds one environment.

    Attributes:
        name: ``uv`` or ``pip``.
        create: the command that makes the empty environment.
        install: the command that fills it; ``requirements.txt`` of the environment is its input.
        environ: the variables for both.
        lines: options for the file.
        remarks: what the installer does not do of what was asked for.
    """

    name: str
    create: tuple[str, ...]
    install: tuple[str, ...]
    environ: dict[str, str]
    lines: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def choose(request: EnvironmentRequest, path: Path, environ: Mapping[str, str]) -> Installer:
    """The installer of ``request``, for an environment at ``path`` and a caller with the variables ``environ``.

    Raises:
        EnvironmentFailed: it is not there, or the Python version asked for is not.
    """
    uv = None if request.installer == "pip" else find_uv(environ)
    if uv is not None:
        return _uv(uv, request, path, environ)
    if request.installer == "uv":
        raise EnvironmentFailed("uv is not there", "install it (pip install uv), or use --installer=pip")
    return _pip(request, path, environ)


def find_uv(environ: Mapping[str, str]) -> str | None:
    """The uv binary: of the package that kfrun depends on, else the one on PATH."""
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        pass
    import shutil

    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv", path=environ.get("PATH"))


def requirements_file(path: Path) -> Path:
    """Where the requirements are written for the installer; removed when it is done."""
    return path / "requirements.txt"


def _uv(uv: str, request: EnvironmentRequest, path: Path, environ: Mapping[str, str]) -> Installer:
    changes, options = installsettings.for_uv(environ, request.index_urls)
    python = request.interpreter if request.is_own_version else request.python
    compiling = ["--compile-bytecode"] if _needs_bytecode(environ) else []
    # uv takes a folder for unchanged as long as its pyproject.toml is.
    again = [
        f"--refresh-package={package.name}" if package.name else "--refresh"
        for package in localpackages.among(request.requirements)
        if not package.is_editable
    ]
    lines, own, remarks = _for_uv(request)
    if any(line.startswith("--extra-index-url") for line in lines):
        changes.setdefault("UV_INDEX_STRATEGY", environ.get("UV_INDEX_STRATEGY") or "unsafe-best-match")
    return Installer(
        name="uv",
        create=(uv, "venv", "--quiet", "--no-project", f"--python={python}", str(path)),
        install=(
            *(uv, "pip", "install", f"--python={path / 'bin' / 'python'}", *compiling, *options, *again, *own),
            *("-r", str(requirements_file(path))),
        ),
        environ=_environ(environ, {**changes, "UV_NO_PROGRESS": "1"}),
        lines=lines,
        remarks=remarks,
    )


_IN_FILES = ("--extra-index-url", "--find-links", "--no-index", "--no-binary", "--only-binary")
_AS_FLAGS = {
    "--pre": "--prerelease=allow",
    "--require-hashes": "--require-hashes",
    "--trusted-host": "--allow-insecure-host=",
}


def _for_uv(request: EnvironmentRequest) -> tuple[tuple[str, ...], list[str], tuple[str, ...]]:
    """Pip's options as uv takes them: lines of the file, arguments, and what is to be said of the rest.

    Raises:
        EnvironmentFailed: without one of them other packages would be installed.
    """
    if any(" --config-settings=" in item for item in request.requirements):
        raise EnvironmentFailed(
            "uv reads no --config-settings in a requirements file", "leave them out, or set installer to pip"
        )
    lines, flags, remarks = [], [], []
    for option in request.options:
        name, _, value = option.partition(" ")
        if name in _IN_FILES:
            lines.append(option)
        elif name in _AS_FLAGS:
            flags.append(f"{_AS_FLAGS[name]}{value}")
        else:
            remarks.append(f"kfrun: uv has no {name}: it is passed over")
    if any(" --hash=" in item for item in request.requirements) and not request.locks:
        flags.append("--require-hashes")
    return tuple(lines), list(dict.fromkeys(flags)), tuple(remarks)


def _pip(request: EnvironmentRequest, path: Path, environ: Mapping[str, str]) -> Installer:
    python = request.interpreter
    if not request.is_own_version:
        python = _find_python(str(request.python), environ)
    changes: dict[str, Any] = {**installsettings.for_pip(environ, request.index_urls), "PIP_USER": "0"}
    compiling = [] if _needs_bytecode(environ) else ["--no-compile"]
    return Installer(
        name="pip",
        create=(python, "-I", "-m", "venv", str(path)),
        install=(
            *(str(path / "bin" / "python"), "-I", "-m", "pip", "install", "--no-input", *compiling),
            *("--disable-pip-version-check", "--progress-bar=off", "-r", str(requirements_file(path))),
        ),
        environ=_environ(environ, changes),
        lines=request.options,
    )


def pip(installer: Installer, path: Path) -> Iterator[tuple[str, ...]]:
    """Commands that give the environment at ``path`` its own pip, in order: the next where one fails.

    Every Python brings one, in a file; where it was taken out, the index has one. None where it is there already.
    """
    if (path / "bin" / "pip").exists():
        return
    install = installer.install[: installer.install.index("-r")]
    # Most jobs use little of it, or nothing.
    install = tuple(word for word in install if word != "--compile-bytecode")
    bundled = ask(str(path / "bin" / "python"), _BUNDLED)
    if bundled:
        yield (*install, "--no-deps", bundled)
    yield (*install, "pip")


def _needs_bytecode(environ: Mapping[str, str]) -> bool:
    """Whether to compile everything now.

    That costs more than the first run saves (torch: 13 s against 4 s), and Python compiles what is imported by
    itself; unless it was told not to, when every run would pay anew.
    """
    return bool(environ.get("PYTHONDONTWRITEBYTECODE"))


def _environ(environ: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    result = {name: value for name, value in environ.items() if name not in _DROPPED} | {"NO_COLOR": "1"}
    for name, value in changes.items():
        result.pop(name, None)
        if value is not None:
            result[name] = value
    return result


def _find_python(version: str, environ: Mapping[str, str]) -> str:
    """An interpreter of ``version`` (``3.12``, ``3.12.1`` or ``>=3.12``) on PATH.

    Raises:
        EnvironmentFailed: there is none that runs.
    """
    import os
    import shutil

    from kfrun.resolve.packages import allows

    minor = re.match(r"\d+\.\d+", version)
    names = [minor.group()] if minor else [f"3.{number}" for number in range(30, 7, -1)]
    places = [(folder, name) for name in names for folder in environ.get("PATH", os.defpath).split(":") if folder]
    for folder, name in places:
        found = shutil.which(f"python{name}", path=folder)
        if found is None:
            continue
        try:
            actual = ask(found, "import sys;print('.'.join(map(str,sys.version_info[:3])))")
        except EnvironmentFailed:
            # Version managers put commands on PATH for versions that are not enabled.
            continue
        if actual == version or actual.startswith(f"{version}.") or (minor is None and allows(version, actual)):
            return found
    raise EnvironmentFailed(
        f"there is no Python {version} on PATH", "install it, or change kfrun.dev/python, or let uv find one"
    )
