"""Files that are not taken on trust: whose they are, who else may write them, and whether they are files at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from kfrun.model.values import NamedTuple

_ROOT = 0
_MAX_DESCRIPTOR = 1 << 20


class Objection(NamedTuple):
    """Why a file is not to be trusted, and the way out."""

    message: str
    hint: str


def objection(
    path: str, *, given: bool = False, is_folder: bool = True, setting: str = "KFRUN_HOME"
) -> Objection | None:
    """What speaks against what lies at ``path``; None when it may be trusted, or when nothing lies there.

    Who may write a folder decides what lies in it, and what lies in ours is run. So it is to be this user's, and
    nobody else may write to it; a symbolic link to it is to be this user's, too, or root's.

    Args:
        path: a folder, or a file.
        given: kfrun has not made it: it may be root's as well, and one that all may write to if it is sticky.
        is_folder: False for a file.
        setting: the variable that names another place.
    """
    found = _objection(path, given=given, is_folder=is_folder)
    return found and found._replace(hint=found.hint.replace("KFRUN_HOME", setting))


def _objection(path: str, *, given: bool, is_folder: bool) -> Objection | None:
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (os.geteuid(), _ROOT):
            return _foreign(path, f"is a symbolic link that user {_user(found.st_uid)} made")
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if given and error.errno in (errno.EACCES, errno.ENOTDIR):
            # No place of this user's: there is nothing, and nothing can be made.
            return None
        return Objection(f"{path} cannot be looked at: {error.strerror}", _elsewhere(path))
    if found.st_uid != os.geteuid() and not (given and found.st_uid == _ROOT):
        return _foreign(path, f"belongs to user {_user(found.st_uid)}")
    return _objection_to_mode(path, found, given=given, is_folder=is_folder)


def _objection_to_mode(path: str, found: os.stat_result, *, given: bool, is_folder: bool) -> Objection | None:
    mode = found.st_mode
    if stat.S_IFMT(mode) != (stat.S_IFDIR if is_folder else stat.S_IFREG):
        kind = "folder" if is_folder else "file"
        return Objection(f"{path} is no {kind} but {_KINDS.get(stat.S_IFMT(mode), 'something else')}", _away(path))
    if mode & _others(found, given=given) and not (given and mode & stat.S_ISVTX):
        return Objection(
            f"{path} may be written by other users (mode {stat.S_IMODE(mode):04o}): who does so decides what runs here",
            f"see that nothing strange is in it, then: chmod go-w {path}",
        )
    return None


def _others(found: os.stat_result, *, given: bool) -> int:
    """Whose permission to write counts: a group of the user's own, as many systems make one, holds nobody else."""
    is_private = given and found.st_gid == found.st_uid != _ROOT
    return stat.S_IWOTH if is_private else stat.S_IWOTH | stat.S_IWGRP


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _foreign(path: str, what: str) -> Objection:
    me = _user(os.geteuid())
    return Objection(
        f"{path} {what}, and this is user {me}: what another user may write is not used",
        f"run kfrun as that user, or set KFRUN_HOME to a folder of your own; if it is yours: chown -hR {me} {path}",
    )


def _elsewhere(path: str) -> str:
    return f"look at the permissions of {path}, or set KFRUN_HOME to a folder of your own"


def _away(path: str) -> str:
    return f"move {path} away, or set KFRUN_HOME to another folder"


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """A descriptor of the file at ``path``, made with mode 0600 where ``flags`` make one.

    What is no file is refused, and never waited for: a FIFO that nobody writes to would keep us for ever.

    Raises:
        OSError: there is none, or something else lies there.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFREG:
        os.set_blocking(descriptor, True)
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, f"it is no file but {_KINDS.get(kind, 'something else')}", os.fspath(path))


def close_all_but(*kept: int) -> None:
    """Close every descriptor but these and the standard streams: what a fork has of its parent's."""
    lowest = 3
    for descriptor in sorted(kept):
        os.closerange(lowest, descriptor)
        lowest = descriptor + 1
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(lowest, limit if limit > 0 else _MAX_DESCRIPTOR)


def opener(path: str, flags: int) -> int:
    """`open_regular` for `open`."""
    return open_regular(path, flags)


def read(path: str | os.PathLike[str]) -> bytes:
    """What is in the file at ``path``.

    Raises:
        OSError: there is none, or something else lies there.
    """
    with open(open_regular(path), "rb") as file:
        return file.read()


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, also what its owner may not write; what cannot be removed stays."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
    if os.geteuid() == _ROOT or not os.path.isdir(path) or os.path.islink(path):
        return
    _open_up(path)
    for parent, folders, _ in os.walk(path):
        for name in folders:
            _open_up(os.path.join(parent, name))
    shutil.rmtree(path, ignore_errors=True)


def _open_up(folder: str) -> None:
    """Let the owner into a folder; what a link leads to stays as it is."""
    if not os.path.islink(folder):
        with contextlib.suppress(OSError):
            os.chmod(folder, stat.S_IRWXU)
