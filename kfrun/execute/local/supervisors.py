"""How the rest of kfrun deals with supervisors: start one, wake one, revive dead ones, remove what is left.

A supervisor holds a lock on ``supervisor.lock`` in its job's folder for as long as it lives, writes into it who it is,
and listens on the FIFO ``wake``. Requests travel through the store; the FIFO only says that there is something to read.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING

import kfrun
from kfrun import paths
from kfrun.host import files, lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.host import ProcessIdentity
    from kfrun.observe.store import Run, Store

_IDENTITY_BYTES = 256
_MOMENT, _PAUSE = 1.0, 0.02
_KEPT = ("DYLD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
         "TMPDIR", "TZ", "USER", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")  # fmt: skip
_MAIN = "import sys; sys.path.append(sys.argv.pop(1)); from kfrun.execute.local.nursery import main; main()"


class _Nursery:
    """This process's nursery, if it has one: the descriptor that it is told folders on, and its pid."""

    descriptor: int | None = None
    pid = 0


def prepare() -> None:
    """Start the nursery now, because a supervisor is going to be needed soon.

    Raises:
        OSError: no process could be started.
    """
    if _Nursery.descriptor is not None:
        return
    package_root = os.path.dirname(os.path.abspath(kfrun.__path__[0]))
    # Isolated and without site: it needs the standard library and kfrun, and starts in half the time.
    command = [sys.executable, "-I", "-S", "-c", _MAIN, package_root]
    reading, writing = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    try:
        _Nursery.pid = _spawn(command, actions)
        _Nursery.descriptor = writing
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
        os.close(null)


def _spawn(command: list[str], actions: list[tuple[int, int, int]]) -> int:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
    try:
        return os.posix_spawn(
            command[0], command, _environment(), file_actions=actions, setsid=True, setsigdef=signals, setsigmask=[]
        )
    except NotImplementedError:
        return os.posix_spawn(
            command[0], command, _environment(), file_actions=actions, setpgroup=0, setsigdef=signals, setsigmask=[]
        )


def dismiss() -> None:
    """Let the nursery go: no further supervisor is needed for now."""
    if _Nursery.descriptor is None:
        return
    os.close(_Nursery.descriptor)
    _Nursery.descriptor = None
    with contextlib.suppress(ChildProcessError):
        os.waitpid(_Nursery.pid, os.WNOHANG)


def start(folder: str) -> None:
    """Start a detached supervisor for the job in ``folder``; one that finds another at work leaves at once.

    Raises:
        OSError: no process could be started.
    """
    prepare()
    try:
        _tell(folder)
    except BrokenPipeError:
        # It was killed.
        dismiss()
        prepare()
        _tell(folder)


def _tell(folder: str) -> None:
    assert _Nursery.descriptor is not None
    message = os.fsencode(folder) + b"\0"
    while message:
        message = message[os.write(_Nursery.descriptor, message) :]


def _environment() -> dict[str, str]:
    """The caller's own variables belong to the job, not to its supervisor; markers of an outer job least of all."""
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    settings = {name: value for name, value in os.environ.items() if name.startswith("KFRUN_")}
    settings = {n: v for n, v in settings.items() if n not in ("KFRUN_JOB_UID", "KFRUN_ATTEMPT")}
    # A job that starts jobs does not end their supervisors with it.
    return {**env, **settings, "KFRUN_HELPER": "1"}


def wake(folder: str) -> None:
    """Tell the supervisor of a job that there is something to read; start one when none lives."""
    try:
        descriptor = os.open(f"{folder}/wake", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        # Nobody listens, or something else lies there: a supervisor that lives looks by itself in a while.
        if os.path.isdir(folder):
            start(folder)
        return
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            start(folder)
            return
        os.write(descriptor, b"!")
    except BlockingIOError:
        # Full of calls that it has not heard yet: one more would tell it nothing new.
        return
    except BrokenPipeError:
        # It died between the two calls.
        start(folder)
    finally:
        os.close(descriptor)


def is_supervised(folder: str) -> bool:
    """Whether a living supervisor looks after the job in ``folder``."""
    return lock.is_held(f"{folder}/supervisor.lock")


def say_who(descriptor: int) -> None:
    """Write into a supervisor's lock that it is held by this process."""
    from kfrun import host

    text = json.dumps(host.identify(os.getpid())).encode()
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, text.ljust(_IDENTITY_BYTES), 0)


def get_past(runs: Sequence[Run]) -> None:
    """End supervisors that were stopped, which would hear only when they go on, and may keep the store locked.

    Others take their place: what runs is taken over.
    """
    for run in runs:
        if not run.ended and _is_stopped(run.folder):
            with contextlib.suppress(OSError):
                _replace(run.folder)


def _is_stopped(folder: str) -> bool:
    from kfrun import host

    holder = _holder(folder)
    return holder is not None and host.is_stopped(holder)


def _holder(folder: str) -> ProcessIdentity | None:
    from kfrun import host

    try:
        return host.ProcessIdentity(*json.loads(files.read(f"{folder}/supervisor.lock")))
    except (OSError, ValueError, TypeError):
        return None


def _replace(folder: str) -> None:
    """Start a supervisor in the place of one that does not hear; what that started is taken over."""
    holder = _holder(folder)
    if holder is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(holder.pid, signal.SIGKILL)
    start(folder)


def revive(store: Store) -> list[Run]:
    """Start a supervisor for every job of this host that should have one and has none; returns all of these jobs."""
    runs = store.unended_runs()
    lost = [run for run in runs if not os.path.isdir(run.folder)]
    for run in runs:
        if run in lost or not is_supervised(run.folder):
            # Whoever wants to look must not fail because no process can be started just now: the next one tries again.
            with contextlib.suppress(OSError):
                start(run.folder)
        elif run.request:
            get_past([run])
    # Those are ended and forgotten: most at once, and nobody who looks waits for a program that takes its time.
    deadline = time.monotonic() + _MOMENT
    while any(store.run(run.uid) for run in lost) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return runs


def free_space(store: Store, run: Run) -> None:
    """Remove the files of a job that is going to be deleted, of one that still runs its logs' content.

    The disk may be full of them.
    """
    from pathlib import Path

    if run.ended:
        remove_folder(run.folder)
    for folder in (run.folder, *_former_folders(store, run)):
        for path in (*Path(folder, "pods").glob("*/*.log*"), Path(folder, "environment.log")):
            with contextlib.suppress(OSError):
                os.truncate(path, 0)


def reserve_stamp(folder: str) -> int:
    """A number that differs whenever a job's reserve was written; 0 while it never was. Cheap."""
    try:
        descriptor = files.open_regular(f"{folder}/reserve")
    except OSError:
        return 0
    try:
        found = os.fstat(descriptor)
        is_used = b"{" in (os.pread(descriptor, 1, 0), os.pread(descriptor, 1, found.st_size // 2))
        return found.st_mtime_ns if is_used else 0
    finally:
        os.close(descriptor)


def remove(store: Store, run: Run) -> None:
    """Remove an ended run with everything of it: rows, logs, and the runs that came before."""
    # The rows go last: killed in between, the next command finds a run without a folder and goes on here.
    for folder in (run.folder, *_former_folders(store, run)):
        remove_folder(folder)
    with store.writing():
        store.forget_history(run.namespace, run.name)
        store.forget(run.uid)
    from kfrun.execute.local.supply import claims, secretkeep

    # Once more: it may have been given Secrets for as long as it was in the store.
    secretkeep.forget(run.folder)
    claims.release(store, run.namespace)


def _former_folders(store: Store, run: Run) -> list[str]:
    """Of the runs that came before this one."""
    found = {former.folder for former in store.former_runs(run.namespace, run.name)}
    return sorted({*found, run.previous} - {""})


def sweep(store: Store, namespace: str, name: str = "*") -> None:
    """Remove folders of jobs that were never recorded, because their ``apply`` was killed at the wrong moment."""
    from pathlib import Path

    from kfrun.execute.local import jobfiles

    folders = [str(path) for path in Path(paths.parent(store.path), "jobs", namespace).glob(f"{name}/*")]
    if not folders:
        return
    with store.reading():
        known = {folder for run in store.runs(namespace) for folder in (run.folder, run.previous)}
        known.update(former.folder for former in store.former_runs(namespace))
    for folder in folders:
        if folder in known:
            continue
        with jobfiles.exclusive(folder):
            # It may have been recorded since the runs were read.
            if jobfiles.is_being_created(folder) or store.run(os.path.basename(folder)) is not None:
                continue
            _set_aside(folder)
        remove_folder(folder)


def remove_folder(folder: str) -> None:
    """Remove a job's folder and the folders above it that are empty then."""
    from kfrun.execute.local import jobfiles
    from kfrun.host import files

    with jobfiles.exclusive(folder):
        _set_aside(folder)
    files.remove_tree(_aside(folder))
    with jobfiles.exclusive(folder):
        for parent in (os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))):
            with contextlib.suppress(OSError):
                os.rmdir(parent)


def _set_aside(folder: str) -> None:
    """Take the folder away at one stroke: nobody may find it half removed, or put a file into it again."""
    from kfrun.execute.local.supply import secretkeep

    secretkeep.forget(folder)
    with contextlib.suppress(OSError):
        os.rename(folder, _aside(folder))


def _aside(folder: str) -> str:
    return f"{folder}.gone"
