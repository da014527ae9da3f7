"""Builds a job's Python environment in a child of the supervisor, so that the supervisor stays small and awake."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import kfrun
from kfrun import host
from kfrun.execute.local.process.launch import JOB_MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.execute.local.jobfiles import Job

_MAIN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from kfrun.execute.environments import main; sys.exit(main(sys.argv[1:]))"
)
_GRACE_SECONDS = 2.0
_LAST_BYTES = 4096
_LAST_LINES = 10


class Builder:
    """The building of one environment.

    Args:
        folder: the job's folder; the installer's output goes to ``environment.log`` in it.
    """

    def __init__(self, folder: str, uid: str, job: Job) -> None:
        self._folder = folder
        self._uid = uid
        self._job = job
        self._pid: int | None = None
        self._descriptor: int | None = None

    @property
    def is_needed(self) -> bool:
        """Whether the job has an environment that is not there yet."""
        if self._job.environment is None:
            return False
        from kfrun.execute import environments

        if environments.is_ready(self._path()):
            environments.mark_used(self._path())
            return False
        return True

    @property
    def is_running(self) -> bool:
        """Whether the child is at work."""
        return self._pid is not None

    @property
    def descriptor(self) -> int | None:
        """Readable when the child has ended; None where the system cannot tell."""
        return self._descriptor

    def start(self) -> None:
        """Start the child."""
        request = f"{self._folder}/environment.json"
        with open(request, "w", encoding="utf-8", opener=_private) as file:
            json.dump(self._job.environment, file)
        package_root = os.path.dirname(os.path.abspath(kfrun.__path__[0]))  # noqa: PTH100, PTH120
        command = [sys.executable, "-I", "-c", _MAIN, package_root, request, self._job.cache]
        # The caller's environment holds the settings of pip, uv and the proxies.
        env = {**self._job.settings.caller, JOB_MARKER: self._uid}
        log = os.open(f"{self._folder}/environment.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        self._pid = os.posix_spawn(sys.executable, command, env, file_actions=actions, setpgroup=0)
        self._descriptor = host.open_pidfd(self._pid)
        os.close(log)
        os.close(null)

    def poll(self) -> int | None:
        """The child's exit code once it has ended."""
        if self._pid is None:
            return None
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            return None
        self._forget()
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        """End the child with everything that it started; it is given a moment to remove what it has half built."""
        if self._pid is None:
            return
        for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 60.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self.poll() is not None:
                    return
                time.sleep(0.01)

    def last_lines(self) -> str:
        """The end of the installer's output."""
        try:
            with open(f"{self._folder}/environment.log", "rb") as file:  # noqa: PTH123
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LAST_LINES:])

    def remove_isolated(self) -> None:
        """Remove the environment if it is this job's own."""
        from pathlib import Path

        from kfrun.execute import environments

        if self._job.environment is not None and self._job.environment.get("isolated_for"):
            environments.remove(Path(self._job.environment_path))

    def _path(self) -> Path:
        from pathlib import Path

        return Path(self._job.environment_path)

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._pid = self._descriptor = None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_TRUNC, 0o600)
