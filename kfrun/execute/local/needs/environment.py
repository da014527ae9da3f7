"""A job's Python environment, built in a child of the supervisor, so that the supervisor stays small and awake."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import kfrun
from kfrun import host
from kfrun.errors import EnvironmentFailed
from kfrun.execute.local.needs.need import Denied, Met, Unmet
from kfrun.execute.local.runtime import JOB_MARKER
from kfrun.host import files

if TYPE_CHECKING:
    from kfrun.execute.local.jobfiles import RunFiles
from kfrun.execute.local.needs.need import Answer

_MAIN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from kfrun.execute.environments import main; sys.exit(main(sys.argv[1:]))"
)
_GRACE_SECONDS = 2.0
_LAST_BYTES = 4096
_LAST_LINES = 10
_MOST_PROGRESS = 300
_TRIES = 3
_KILLED = 128
"""What a process that a signal ended is said to have exited with, and more."""


class EnvironmentNeed:
    """The environment of one job.

    Args:
        folder: the job's folder; the installer's output goes to ``environment.log`` in it.
        caller: the environment variables of whoever applied the job: settings of pip, uv and the proxies.
    """

    def __init__(self, folder: str, uid: str, job: RunFiles, caller: dict[str, str]) -> None:
        self._folder = folder
        self._uid = uid
        self._job = job
        self._caller = caller
        self._path = Path(job.environment_path)
        self._pid: int | None = None
        self._descriptor: int | None = None
        self._killed = 0

    @property
    def descriptor(self) -> int | None:
        """Readable when the child has ended; None where the system cannot tell."""
        return self._descriptor

    def advance(self) -> Answer:
        """See `Need.advance`."""
        if self._pid is None:
            answer = self._begin()
            if answer is not None:
                return answer
        code = self._poll()
        if code is None:
            return Unmet("EnvironmentBuilding", "Installing Python packages", self._progress())
        with contextlib.suppress(OSError):
            os.unlink(self._progress_file)
        if code < 0 or code > _KILLED:
            return self._after_kill(-code if code < 0 else code - _KILLED)
        if code != 0:
            return _denied(f"\n{self._last_lines()}")
        return Met("EnvironmentReady", "Python packages are installed")

    def _begin(self) -> Answer | None:
        """Start the child; an answer where none is needed, or none can be started."""
        try:
            if self._is_there():
                return Met()
            self._start()
        except EnvironmentFailed as error:
            return _denied(f" {error.message}; {error.hint}")
        except OSError as error:
            return _denied(f" {error.strerror or error}")
        return None

    def _after_kill(self, signal_number: int) -> Answer:
        """Somebody killed it, or the system for want of memory: that says nothing of the packages."""
        self._killed += 1
        what = f"the installation of Python packages was killed by signal {signal_number}"
        if self._killed < _TRIES:
            return Unmet("EnvironmentKilled", f"{what}: it is tried again")
        return _denied(f" {what} {_TRIES} times: was the memory exhausted?\n{self._last_lines()}")

    def stop(self) -> None:
        """End the child with everything that it started; it is given a moment to remove what it has half built."""
        if self._pid is None:
            return
        for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 60.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self._poll() is not None:
                    return
                time.sleep(0.01)

    def release(self) -> None:
        """Remove the environment if it is this job's own and not to be kept."""
        from kfrun.execute import environments

        if not self._job.keep_environment and self._is_isolated:
            environments.remove(self._path)

    def _is_there(self) -> bool:
        from kfrun.execute import environments

        environments.require_trusted(self._path)
        if not environments.is_ready(self._path):
            return False
        environments.mark_used(self._path)
        environments.guard(self._path, is_shared=not self._is_isolated)
        return True

    @property
    def _is_isolated(self) -> bool:
        return bool((self._job.environment or {}).get("isolated_for"))

    def _start(self) -> None:
        request = f"{self._folder}/environment.json"
        with open(request, "w", encoding="utf-8", opener=files.opener) as file:
            json.dump(self._job.environment, file)
        package_root = os.path.dirname(os.path.abspath(kfrun.__path__[0]))
        command = [sys.executable, "-I", "-c", _MAIN, package_root, request, self._job.cache, self._progress_file]
        env = {**self._caller, JOB_MARKER: self._uid}
        log = files.open_regular(f"{self._folder}/environment.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        self._pid = os.posix_spawn(sys.executable, command, env, file_actions=actions, setpgroup=0)
        self._descriptor = host.open_pidfd(self._pid)
        os.close(log)
        os.close(null)

    @property
    def _progress_file(self) -> str:
        return f"{self._folder}/environment.progress"

    def _progress(self) -> str:
        """How far the builder is, in its own words."""
        try:
            with open(self._progress_file, encoding="utf-8", errors="replace", opener=files.opener) as file:
                return file.read(_MOST_PROGRESS)
        except OSError:
            return ""

    def _poll(self) -> int | None:
        """The child's exit code once it has ended."""
        assert self._pid is not None
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            return None
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._pid = self._descriptor = None
        return os.waitstatus_to_exitcode(status)

    def _last_lines(self) -> str:
        """The end of the installer's output."""
        try:
            with open(f"{self._folder}/environment.log", "rb", opener=files.opener) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LAST_LINES:])


def _denied(why: str) -> Denied:
    return Denied("EnvironmentFailed", f"the Python environment could not be built:{why}")
