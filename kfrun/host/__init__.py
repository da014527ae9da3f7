"""Everything that differs between operating systems, each with a portable fallback.

Linux answers from /proc and pidfds. Elsewhere, or with ``KFRUN_PORTABLE=1``, the same questions are put to ``ps``
and polled: slower, same answers. Nothing else in kfrun looks at /proc or asks which system this is.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "lustre", "ceph", "glusterfs", "9p", "sshfs", "fuse.sshfs",
     "fuse.glusterfs", "beegfs", "gpfs", "webdav", "afpfs"}
)  # fmt: skip
_MANY_FILES = 10240
_FILE_LIMIT: list[tuple[int, int]] = []
"""The limits before they were raised, the latest last."""

_CPU_QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
"""Quota and period of the second and of the first version of control groups."""


class ProcessIdentity(NamedTuple):
    """A process that cannot be mistaken for a later one: pids are reused, the triple is not."""

    pid: int
    start_time: str
    boot_id: str


def is_portable() -> bool:
    """Whether the portable fallback answers (always outside Linux)."""
    return os.environ.get("KFRUN_PORTABLE") == "1" or not sys.platform.startswith("linux")


def machine_id() -> str:
    """An identifier of this host, so that state on a shared folder is judged by its own host only."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = _text(path).strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isalnum():
            return text
    return "".join(c if c.isalnum() or c == "-" else "-" for c in os.uname().nodename) or "host"


def boot_id() -> str:
    """An identifier of the running system's boot: processes of another boot are gone."""
    if not is_portable():
        try:
            return _text("/proc/sys/kernel/random/boot_id").strip()
        except OSError:
            pass
    return _portable_boot_id()


def _portable_boot_id() -> str:
    for command in (["sysctl", "-n", "kern.bootsessionuuid"], ["ps", "-o", "lstart=", "-p", "1"]):
        text = _output(command)
        if text:
            return " ".join(text.split())
    return "unknown"


def start_time(pid: int, *, zombie: bool = False) -> str | None:
    """When process ``pid`` started, as the system writes it; None when there is no such process.

    One that has ended and that nobody has waited for is none either, unless ``zombie``.
    """
    if is_portable():
        return _portable_start_time(pid, zombie=zombie)
    fields = stat(pid)
    return None if fields is None or (is_zombie(fields) and not zombie) else fields[19].decode()


def stat(pid: int) -> list[bytes] | None:
    """The fields of ``/proc/PID/stat`` from the third one, the state, on; None when it is gone or hidden (hidepid)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The command name (2nd field) may hold blanks and brackets: fields count from its last bracket.
    return text[text.rindex(b")") + 2 :].split()


def is_zombie(fields: list[bytes]) -> bool:
    """Whether a process of that `stat` has ended; one whose first thread alone has ended looks alike, and runs on."""
    return fields[0] in (b"Z", b"X") and int(fields[17]) <= 1


def _portable_start_time(pid: int, *, zombie: bool) -> str | None:
    fields = (_output(["ps", "-o", "stat=,lstart=", "-p", str(pid)]) or "").split()
    return " ".join(fields[1:]) if fields and (zombie or not fields[0].startswith("Z")) else None


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a live process, or None when it is gone."""
    started = start_time(pid)
    return None if started is None else ProcessIdentity(pid, started, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs."""
    return identity.boot_id == boot_id() and start_time(identity.pid) == identity.start_time


def is_stopped(identity: ProcessIdentity) -> bool:
    """Whether exactly this process runs no further before somebody lets it: SIGSTOP, or a debugger."""
    if is_portable():
        state = (_output(["ps", "-o", "stat=", "-p", str(identity.pid)]) or "").encode()
    else:
        state = (stat(identity.pid) or [b""])[0]
    return state[:1] in (b"T", b"t") and is_alive(identity)


def set_process_name(name: str) -> None:
    """Show ``name`` (15 bytes of it) in ``ps -o comm`` and ``top`` for this process, where the system lets us."""
    if not is_portable():
        with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(name.encode()[:15])


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when ``pid`` ends; None where the system has none."""
    if is_portable() or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def marked_processes(*markers: str) -> list[int]:
    """Pids whose environment holds one of ``markers`` (``NAME=value``), whatever session or group they fled to.

    Only processes of this user can be seen. A process that cleared its environment is not found.
    """
    found = marked_by(markers)
    return list(dict.fromkeys(pid for marker in markers for pid in found[marker]))


def marked_by(markers: Iterable[str]) -> dict[str, list[int]]:
    """See `marked_processes`; which marker found which."""
    wanted = {os.fsencode(marker): marker for marker in markers}
    found: dict[str, list[int]] = {marker: [] for marker in wanted.values()}
    for pid, held in _environments():
        for marker in wanted.keys() & held:
            found[wanted[marker]].append(pid)
    return found


def can_find_marked_processes() -> bool:
    """Whether `marked_processes` can work here at all."""
    me = os.getpid()
    return any(pid == me for pid, _ in _environments())


def _environments() -> Iterator[tuple[int, Iterable[bytes]]]:
    if is_portable():
        for line in (_output(["ps", "axeww", "-o", "pid=,command="]) or "").splitlines():
            fields = line.split()
            if fields:
                yield int(fields[0]), [field.encode() for field in fields[1:]]
        return
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := environment(int(name))):
            yield int(name), found


def children(pid: int) -> list[int]:
    """Pids whose parent is ``pid``, whichever of its threads started them."""
    if is_portable() or not os.path.exists("/proc/thread-self/children"):
        rows = (line.split() for line in (_output(["ps", "axo", "pid=,ppid="]) or "").splitlines())
        return [int(row[0]) for row in rows if len(row) == 2 and row[1] == str(pid)]
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            # A thread may end meanwhile.
            with contextlib.suppress(OSError):
                found += map(int, _text(f"/proc/{pid}/task/{thread}/children").split())
    return found


def environment(pid: int) -> list[bytes]:
    """``NAME=value`` of a process as it was started; empty when it is gone, ended, or another user's."""
    if is_portable():
        return [field.encode() for field in (_output(["ps", "eww", "-o", "command=", "-p", str(pid)]) or "").split()]
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def command_line(pid: int) -> str:
    """What a process was called with, its words separated by blanks; empty when it is gone."""
    if is_portable():
        return _output(["ps", "-ww", "-o", "command=", "-p", str(pid)]) or ""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def usage(pids: Sequence[int]) -> tuple[float, int]:
    """Seconds of CPU time that these processes have taken, and bytes of memory in which they lie, all together."""
    rows = (_output(["ps", "-o", "time=,rss=", "-p", ",".join(map(str, pids))]) or "").split()
    return sum(map(_seconds, rows[::2])), 1024 * sum(map(int, rows[1::2]))


def _seconds(text: str) -> float:
    """``1-02:03:04`` as ps writes it, or ``3:04.56``."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86400 * int(days or 0)


def processors() -> int:
    """How many processors this process may use: those it is bound to, and no more than its control group pays for."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(bound, _paid_processors() or bound), 1)


def _paid_processors() -> int | None:
    """The CPU quota of the control group that is mounted here, as in a container, rounded up; None without one."""
    for files in _CPU_QUOTAS:
        try:
            quota, period = " ".join(_text(file) for file in files).split()
            return -(-int(quota) // int(period)) if int(quota) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None


def capacity() -> dict[str, int]:
    """What this machine has of CPUs and of bytes of memory, by the API's names of these resources."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": os.cpu_count() or 1, "memory": memory}


def accelerators() -> dict[str, int]:
    """What this machine has of accelerators, by the names of device plugins; see `kfrun.host.devices.counts`."""
    from kfrun.host import devices

    return devices.counts()


def make_private_folder(path: str | Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone (0700).

    Raises:
        OSError: it cannot be made.
    """
    missing = [os.fspath(path)]
    while not os.path.exists(missing[-1]):
        missing.append(os.path.dirname(missing[-1]) or ".")
    for folder in reversed(missing[:-1]):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, mode=0o700)


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may; `restore_file_limit` undoes it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says "unlimited" and then refuses it.
    wanted = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _FILE_LIMIT.append((soft, hard))


def restore_file_limit() -> None:
    """Give this process, and what it starts, the limit that it had before `allow_many_files`."""
    import resource

    while _FILE_LIMIT:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, _FILE_LIMIT.pop())


def file_system(path: str | Path) -> str:
    """The type of the file system that holds ``path`` (``ext4``, ``nfs4``), or an empty string."""
    if is_portable():
        return ""
    best, kind = "", ""
    try:
        mounts = _text("/proc/self/mounts", errors="surrogateescape")
    except OSError:
        return ""
    wanted = f"{os.path.realpath(path)}/"
    for line in mounts.splitlines():
        fields = line.split()
        point = fields[1].replace("\\040", " ").rstrip("/") + "/"
        if wanted.startswith(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def is_network_file_system(path: str | Path) -> bool:
    """Whether locks and write-ahead logs cannot be trusted at ``path``."""
    return file_system(path) in _NETWORK_FILE_SYSTEMS


def _text(path: str, *, errors: str = "strict") -> str:
    # not with pathlib: it takes 3 ms to import
    with open(path, encoding="ascii", errors=errors) as file:
        return file.read()


def _output(command: list[str]) -> str | None:
    import subprocess

    # Dates must read the same whoever asks: another time zone or language is no other process.
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=10, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
