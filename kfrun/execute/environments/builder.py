"""Builds one environment, alone, however many ask for it. A child process of a supervisor.

The lock of a key is a file beside its environment. The installer inherits it: after ``kill -9`` of the builder the
next one waits until the orphaned installer is gone, and never works in a folder that somebody else still fills.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kfrun.errors import EnvironmentFailed, InstallerKilled
from kfrun.execute.environments import expansion, guards, inventory, locks, progress
from kfrun.execute.environments.credentials import Scrubber
from kfrun.execute.environments.request import (
    EnvironmentRequest,
    folder,
    is_ready,
    location,
    mark_used,
    require_trusted,
)
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType
    from typing import Protocol

    from kfrun.execute.environments.installers import Installer

    class Log(Protocol):
        """Where it is written what the installer says."""

        def write(self, data: bytes, /) -> int:
            """Write a line."""

        def flush(self) -> None:
            """Let it be read now."""


_KILLED = 137
_LEAST = 2
_TAIL = 10
"""Lines of the installer that an error quotes."""

_NO_SPACE = "free some space, or set KFRUN_CACHE_DIR to a folder on another disk"
_HINTS = (
    ("No space left on device", _NO_SPACE),
    ("No solution found", "check kfrun.dev/packages: no set of versions satisfies all of it"),
    ("No matching distribution", "check names and versions in kfrun.dev/packages, and the index"),
    ("ResolutionImpossible", "check kfrun.dev/packages: no set of versions satisfies all of it"),
    ("Failed to fetch", "check the network, proxies, certificates and kfrun.dev/pip-index-urls"),
    ("Could not fetch URL", "check the network, proxies, certificates and kfrun.dev/pip-index-urls"),
    ("ash mismatch for", "the index has another file than the one whose hash is written: write the hashes anew"),
    ("DO NOT MATCH THE HASHES", "the index has another file than the one whose hash is written: write the hashes anew"),
    ("ensurepip", "Debian has venv in a package of its own: apt-get install python3-venv; or install uv"),
)
"""What the installer says, and the way out: a program tells in words alone. Without one of them there is no hint."""

_OPTIONS = pattern(r" --(?:hash=[a-z0-9]+:[0-9a-fA-F]+|config-settings=[\w.-]+=[^\s-]\S*)")
"""Those of a requirement that files may have."""

_NOISE = ("Using Python ", "Looking in links: ", "Looking in indexes: ")
"""Lines that an error need not quote."""


def build(request: EnvironmentRequest, cache: Path, log: Log, environ: Mapping[str, str] | None = None) -> Path:
    """Build the environment of ``request`` below ``cache``, or find it built; returns its folder.

    Waits while another process builds the same one. What the installer says goes to ``log``, without credentials.

    Args:
        request: the environment.
        cache: the cache folder of the settings; made when missing.
        log: unbuffered or not; flushed after every line.
        environ: the variables of whoever applied the job; this process's own when None.

    Raises:
        EnvironmentFailed: with the last lines of the installer in its message.
    """
    environ = os.environ if environ is None else environ
    path = location(request, cache)
    require_trusted(path)
    if not is_ready(path):
        _refuse_options(request)
        try:
            folder(cache).mkdir(mode=0o700, parents=True, exist_ok=True)
            with locks.held(path, lambda: _say(log, "another kfrun builds this environment: waiting")) as lock:
                if not is_ready(path):
                    _build_alone(request, path, environ, (log, lock))
        except OSError as error:
            raise EnvironmentFailed(
                f"the Python environment cannot be written to {path}: {error.strerror or error}",
                _NO_SPACE
                if error.errno == errno.ENOSPC
                else "make the folder writable, or set KFRUN_CACHE_DIR to another",
            ) from None
    guards.guard(path, is_shared=request.isolated_for is None)
    mark_used(path)
    return path


def main(argv: list[str]) -> int:
    """Build what ``argv`` asks for: a request as JSON in a file, the cache folder, and a file for one line of progress.

    What the installer says goes to stdout.

    Returns 0, or 3 when the environment could not be built; its reason is the last line printed. On SIGTERM the
    half-built environment is removed and 143 returned; 137 says that the installer was killed.
    """
    import json
    import signal

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        # One is enough: a second signal must not interrupt the removal.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.getpgrp() == os.getpid():
            # What the installer started to build a package would outlive it.
            os.killpg(0, signal.SIGTERM)
        sys.exit(143)

    signal.signal(signal.SIGTERM, stop)
    log = sys.stdout.buffer
    try:
        request = EnvironmentRequest.from_json(json.loads(Path(argv[0]).read_text(encoding="utf-8")))
        place = location(request, Path(argv[1]))
        build(request, Path(argv[1]), progress.Progress(log, argv[2], place) if len(argv) > _LEAST else log)
    except EnvironmentFailed as error:
        # The installer's lines stand above already.
        _say(log, f"{error.message.splitlines()[0]}{f' ({error.hint})' if error.hint else ''}")
        return _KILLED if isinstance(error, InstallerKilled) else error.exit_code
    return 0


def _build_alone(
    request: EnvironmentRequest, path: Path, environ: Mapping[str, str], channels: tuple[Log, int]
) -> None:
    """Build with the lock held: removes what a killed builder left, and what this one leaves if it fails."""
    from kfrun.execute.environments import installers

    asked, request = request, expansion.of_request(request, environ)
    if path.exists():
        inventory.remove_tree(path)
    path.mkdir(mode=0o700)
    try:
        installer = installers.choose(request, path, environ)
        run = _Run(installer, _scrubber(asked, request, installer.environ), *channels)
        run.origin = " and ".join(("kfrun.dev/packages", *(item.rpartition(" ")[0] for item in request.sources)))
        for remark in installer.remarks:
            _say(channels[0], remark)
        try:
            run(installer.create, f"make an environment of Python {request.python or request.interpreter}")
        except EnvironmentFailed as error:
            if not request.is_own_version:
                is_version = (request.python or "")[:1].isdigit()
                where = "kfrun.dev/python" if is_version else "requires-python, which asks for it"
                error.hint = f"install Python {request.python}, or change {where}"
            raise
        if request.isolated_for is not None:
            _give_pip(path, run)
        if request.requirements or request.locks:
            _install(request, path, run)
        _put_on_path(request, path)
        guards.put(path, is_shared=request.isolated_for is None)
        inventory.write_marker(path, request, installer.name)
    except BaseException:
        inventory.remove_tree(path)
        raise


def _give_pip(path: Path, run: _Run) -> None:
    """What a job installs by itself into an environment of its own it installs with that environment's pip."""
    from kfrun.execute.environments import installers

    for command in installers.pip(run.installer, path):
        with contextlib.suppress(EnvironmentFailed):
            run(command, "install pip")
            return


def _install(request: EnvironmentRequest, path: Path, run: _Run) -> None:
    from kfrun.execute.environments import installers, lockfiles

    locked = [line for lock in request.locks for line in lockfiles.exported(lock, path, run.installer, run)]
    file, constraints = installers.requirements_file(path), path / "constraints.txt"
    lines = [*run.installer.lines, *request.requirements, *locked]
    if request.constraints:
        _write(constraints, request.constraints)
        lines.append(f"-c {constraints.name}")
    _write(file, lines)
    run(run.installer.install, "install the packages")
    file.unlink()
    constraints.unlink(missing_ok=True)


def _write(file: Path, lines: Iterable[str]) -> None:
    file.touch(mode=0o600)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _put_on_path(request: EnvironmentRequest, path: Path) -> None:
    if request.folders:
        for site in path.glob("lib/*/site-packages"):
            _write(site / "_kfrun_folders.pth", request.folders)


class _Run:
    """Runs the commands of an installer, copies what they say to the log and remembers the last lines."""

    def __init__(self, installer: Installer, scrub: Scrubber, log: Log, lock: int) -> None:
        self.installer = installer
        self._scrub = scrub
        self._log = log
        self._lock = lock
        self.origin = "kfrun.dev/packages"
        self._tail = deque[str](maxlen=_TAIL)

    def __call__(self, command: tuple[str, ...], purpose: str) -> None:
        import subprocess

        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.installer.environ,
            # Settings of a project must not leak in from wherever kfrun happens to stand.
            cwd="/",
            pass_fds=(self._lock,),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._copy(line)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()
        if code:
            raise self._failure(code, purpose)

    def _copy(self, line: bytes) -> None:
        text = self._scrub(line.decode("utf-8", "replace").rstrip())
        if text and not text.startswith(_NOISE):
            self._tail.append(text)
        _say(self._log, text)

    def _failure(self, code: int, purpose: str) -> EnvironmentFailed:
        end = f"exit code {code}" if code > 0 else f"signal {-code}"
        lines = "".join(f"\n  {line}" for line in self._tail)
        hint = _hint(lines, self.origin) or ("was the memory exhausted?" if code == -9 else None)
        kind = EnvironmentFailed if code > 0 else InstallerKilled
        return kind(f"{self.installer.name} could not {purpose}: {end}{lines}", hint)


def _hint(text: str, origin: str) -> str | None:
    return next((hint.replace("kfrun.dev/packages", origin) for sign, hint in _HINTS if sign in text), None)


def _say(log: Log, text: str) -> None:
    log.write(f"{text}\n".encode())
    log.flush()


def _scrubber(asked: EnvironmentRequest, request: EnvironmentRequest, environ: Mapping[str, str]) -> Scrubber:
    """Hides the secrets of a request, which was ``asked`` with variables in it yet."""
    settings = (value for name, value in environ.items() if name.startswith(("PIP_", "UV_")) or "PROXY" in name.upper())
    texts = (*request.index_urls, *request.requirements, *request.options, *request.constraints)
    written = (*asked.index_urls, *asked.requirements, *asked.options, *asked.constraints)
    return Scrubber((*texts, *settings), expansion.secrets(written, environ))


def _refuse_options(request: EnvironmentRequest) -> None:
    """The requirements file of an installer understands options; a manifest's packages must not be any."""
    for item in request.requirements:
        text = _OPTIONS.sub("", item.strip()).removeprefix("-e file:")
        if not text or text.startswith(("-", "#")) or text.endswith("\\") or " --" in text or not text.isprintable():
            raise EnvironmentFailed(
                f"not a requirement: {item!r}", "kfrun.dev/packages takes names with versions, one a line"
            )
    for url in request.index_urls:
        if not url.isprintable() or " " in url:
            raise EnvironmentFailed("an index URL holds a blank or a control character", "see kfrun.dev/pip-index-urls")
