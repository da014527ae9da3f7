"""The nursery: a process that has loaded what a supervisor needs and forks one for every job it is told of.

``apply`` and ``run`` start it before they read their manifests. Loading takes as long as their own work, and
happens meanwhile on another core; and fifty jobs cost one loading and fifty forks. It is told folders on its standard
input, each ended by a NUL byte, and leaves at its end.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal

from kfrun import host
from kfrun.execute.local import runtimes, takeover
from kfrun.host import files, orphans
from kfrun.observe.store import Store

_CHUNK = 65536


def main() -> None:
    """Fork a supervisor for every folder that comes."""
    os.umask(0o077)
    # Whoever stays for days must not keep the caller's folder, or the disk that it lies on.
    os.chdir("/")
    # One descriptor for each node of a job, and 256 or 1024 are a common limit.
    host.allow_many_files()
    # Supervisors belong to nobody: whoever ends is gone at once.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # SQLite is imported with the first store: here once for all, not by each supervisor on its way to a job's start.
    Store.empty().close()
    runtimes.load()
    orphans.load()
    # So that its codec is loaded, too.
    host.boot_id()
    # What is loaded now stays: collecting it again and again would only copy shared pages.
    gc.freeze()
    pending = b""
    while chunk := os.read(0, _CHUNK):
        *folders, pending = (pending + chunk).split(b"\0")
        for folder in folders:
            _raise_supervisor(os.fsdecode(folder))


def _raise_supervisor(folder: str) -> None:
    try:
        if os.fork():
            return
    except OSError:
        # No process to spare: the job is recorded, the next kfrun command tries again.
        return
    try:
        _supervise(folder)
    finally:
        os._exit(0)


def _supervise(folder: str) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        log = files.open_regular(f"{folder}/supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(log)
        os.close(null)
    host.set_process_name(f"kfrun:{os.path.basename(os.path.dirname(folder))}")
    try:
        takeover.main(folder)
    except BaseException:
        import traceback

        traceback.print_exc()
        raise
