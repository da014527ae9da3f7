"""A mount namespace of a process: what lies at a path is its own matter, and nothing on the machine is touched.

Linux only; without privileges by a user namespace, in which everybody stays who they are. Elsewhere, or with
``KFRUN_PORTABLE=1``, `are_possible` is False.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _MOVE, _RECURSIVE, _UNBINDABLE, _SLAVE = 1, 32, 4096, 8192, 16384, 1 << 17, 1 << 19
_DETACH = 2
_OPEN_TREE, _MOVE_MOUNT, _HERE = 428, 429, -100
"""Calls of Linux 5.2 that the C library may not know, of the same numbers everywhere."""
_CLONE, _EMPTY_PATH, _ALL_BELOW, _FROM_EMPTY_PATH = 1, 0x1000, 0x8000, 4
_KEPT_FLAGS = {os.ST_NOSUID: 2, os.ST_NODEV: 4, os.ST_NOEXEC: 8, os.ST_NOATIME: 1024, os.ST_RELATIME: 1 << 21} if hasattr(os, "ST_NOATIME") else {}  # fmt: skip  # noqa: E501
"""What a mount has of these it must keep when it becomes read-only: nobody else may take it away."""
_USE_ERRNO = 0x8
_CALLS: dict[str, Callable[..., int]] = {}
_POSSIBLE: list[bool] = []


class Bind(NamedTuple):
    """What lies where.

    Attributes:
        source: a file or folder of the machine.
        target: the absolute path at which it appears.
        base: the folder that the source must not lead out of, whatever others make of its links meanwhile; both without
            links. Empty where it may.
    """

    source: str
    target: str
    read_only: bool = False
    base: str = ""


def are_possible() -> bool:
    """Whether this user may make one; asked of the kernel once."""
    if not _POSSIBLE:
        _POSSIBLE.append(not host.is_portable() and _is_allowed())
    return _POSSIBLE[0]


def _is_allowed() -> bool:
    try:
        _load()
        pid = os.fork()
    except (ImportError, OSError, AttributeError, TypeError):
        return False
    if not pid:
        code = 1
        try:
            _unshare()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def enter(binds: Sequence[Bind], stage: str, own: Sequence[str]) -> None:
    """Leave the machine's view of files for one with ``binds``.

    Where a target's place is not there, it is made: below the folders ``own``, on the disk, as mkdir does; elsewhere
    in a copy of the folder that shows all of its entries and forgets what is new in it.

    Args:
        binds: those that lie within others behind these.
        stage: an empty folder of this process's own.
        own: folders in which this process may leave folders.

    Raises:
        OSError: one cannot be made; the file name is its target, or its source where that is not there.
    """
    _unshare()
    targets = [bind.target for bind in binds]
    # Before any folder is copied or bound to, which may hide the sources, and the stage.
    sources = [_open(bind) for bind in binds]
    for bind in binds:
        if not any(_is_within(bind.target, other) for other in targets if other != bind.target):
            with _at(bind.target):
                _make_place(bind.target, os.path.isdir(bind.source), stage, own)
    for number, (bind, source) in enumerate(zip(binds, sources, strict=True)):
        with _at(bind.target):
            _make_place(bind.target, stat.S_ISDIR(os.fstat(source).st_mode), stage, [*own, *targets[:number]])
            _bind(source, bind)
        os.close(source)


def join(pid: int, start: str) -> None:
    """Leave the machine's view of files for that of a process.

    Raises:
        OSError: it has ended: there is none any more.
    """
    found = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
    if host.start_time(pid) != start:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    for name, namespace in zip(("user", "mnt"), found, strict=True):
        if not os.path.sameopenfile(namespace, own := os.open(f"/proc/self/ns/{name}", os.O_RDONLY)):
            _call("setns", namespace, 0)
        os.close(own)
        os.close(namespace)


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Have errors name the path that it is about."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from error


def _open(bind: Bind) -> int:
    """The source, as it is now: a mount of its own, of which it does not matter what becomes of the folders above it.

    Kernels before 5.2 know none; there it is the source itself.
    """
    found = _walk(bind)
    try:
        return _call("syscall", _OPEN_TREE, found, b"", _CLONE | _EMPTY_PATH | _ALL_BELOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise OSError(error.errno, error.strerror, bind.source) from error
        return os.dup(found)
    finally:
        os.close(found)


def _walk(bind: Bind) -> int:
    with _at(bind.source):
        found = os.open(bind.base or bind.source, os.O_PATH | os.O_CLOEXEC)
        below = os.path.relpath(bind.source, bind.base) if bind.base else "."
        for part in below.split("/") if below != "." else ():
            above, found = found, os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found)
            os.close(above)
            if stat.S_ISLNK(os.fstat(found).st_mode):
                # It was none when the path was resolved.
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return found


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    if user or not _has_unshared(_NEW_MOUNTS):
        if user:
            _call("unshare", _NEW_MOUNTS | _NEW_USER)
        if user or not _has_unshared_with_all():
            _write_maps("self", {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"})
    _mount("none", "/", _SLAVE | _RECURSIVE)


def _has_unshared_with_all() -> bool:
    """Have a root that may mount nothing become one that may, among all users that there are; False: among nobody yet.

    Somebody outside has to say so for it, who may change users.
    """
    maps = {name: _same_ids(name) for name in ("uid_map", "gid_map")}
    me, (reading, writing) = os.getpid(), os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.close(writing)
            if os.read(reading, 1):
                _write_maps(str(me), maps)
                code = 0
        finally:
            os._exit(code)
    os.close(reading)
    try:
        _call("unshare", _NEW_MOUNTS | _NEW_USER)
        os.write(writing, b"1")
    finally:
        os.close(writing)
        is_mapped = os.waitpid(pid, 0)[1] == 0
    return is_mapped


def _same_ids(name: str) -> str:
    """All ids that there are for this process, as themselves."""
    with open(f"/proc/self/{name}", encoding="ascii") as file:
        extents = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in extents)


def _write_maps(of: str, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        with open(f"/proc/{of}/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _has_unshared(what: int) -> bool:
    try:
        return _call("unshare", what) == 0
    except PermissionError:
        return False


def _make_place(target: str, is_folder: bool, stage: str, own: Sequence[str]) -> None:
    """See to it that there is something at the target to put the source on."""
    if os.path.lexists(target):
        return
    above = _nearest(target)
    if not any(_is_within(above, folder) for folder in own) and not _is_copy(above):
        _copy(above, stage)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if is_folder:
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _nearest(path: str) -> str:
    """The deepest folder above a path that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return os.path.realpath(path)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


_COPIES: list[str] = []


def _is_copy(folder: str) -> bool:
    return any(_is_within(folder, copy) and os.stat(folder).st_dev == os.stat(copy).st_dev for copy in _COPIES)


def _copy(folder: str, stage: str) -> None:
    """Put an empty folder in the place of one, with every entry of it bound into it."""
    found = os.stat(folder)
    _mount("tmpfs", stage, 0, "tmpfs", f"mode={stat.S_IMODE(found.st_mode):o}")
    with suppress(OSError):
        # Of one's own folders, or as root.
        os.chown(stage, found.st_uid, found.st_gid)
    # What is bound below must not hold itself once more.
    _mount("none", stage, _UNBINDABLE)
    with os.scandir(folder) as entries:
        for entry in entries:
            # What is removed meanwhile is not shown.
            with suppress(FileNotFoundError):
                _show(entry, f"{stage}/{entry.name}")
    if folder == "/":
        os.chdir(stage)
        _call("pivot_root", b".", b".")
        _call("umount2", b".", _DETACH)
        os.chdir("/")
    else:
        _mount(stage, folder, _MOVE)
    _COPIES.append(folder)


def _show(entry: os.DirEntry[str], target: str) -> None:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(entry.path), target)
        return
    if stat.S_ISDIR(mode):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    _mount(entry.path, target, _BIND | _RECURSIVE)


def _bind(source: int, bind: Bind) -> None:
    try:
        _call("syscall", _MOVE_MOUNT, source, b"", _HERE, os.fsencode(bind.target), _FROM_EMPTY_PATH)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            raise
        _mount(f"/proc/self/fd/{source}", bind.target, _BIND | _RECURSIVE)
    if bind.read_only:
        has = os.statvfs(bind.target).f_flag
        kept = sum(flag for name, flag in _KEPT_FLAGS.items() if has & name)
        _mount("none", bind.target, _REMOUNT | _BIND | _READ_ONLY | kept)


def _mount(source: str, target: str, flags: int, kind: str = "none", data: str = "") -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode())


def _call(name: str, *arguments: Any) -> int:
    import _ctypes

    _load()
    result = _CALLS[name](*arguments)
    if result < 0:
        number = _ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _load() -> None:
    """Have the system's calls at hand, so that forks need not look them up; see `kfrun.host.orphans.load`."""
    if _CALLS:
        return
    import _ctypes

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _USE_ERRNO

    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # the program itself
    for name in ("syscall", "unshare", "setns", "mount", "umount2", "pivot_root"):
        _CALLS[name] = Function(_ctypes.dlsym(library, name))
