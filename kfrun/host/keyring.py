"""Keys in the kernel's memory, in the keyring of the user: all of his processes find them, whatever their session.

Linux only. Where there is none, or a container forbids it, every call raises OSError, and so it does with
``KFRUN_PORTABLE=1``. A key goes with the last process of its user at the latest.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from kfrun import host

_NUMBERS = {
    "x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "ppc64le": (269, 271), "s390x": (278, 280),
}  # fmt: skip
"""Of the system calls add_key and keyctl, by machine."""
_SET_PERMISSIONS, _LINK, _SEARCH, _READ, _INVALIDATE = 5, 8, 10, 11, 21
_OF_PROCESS, _OF_USER = -2, -4
_KIND = b"user"
_PERMISSIONS = 0x3F0B0000
"""Everything for who reaches the key by a keyring; view, read and search for the user's other processes."""


def add(name: str, content: bytes) -> None:
    """Keep ``content`` under a name; what was kept under it is replaced.

    Raises:
        OSError: there is no keyring here, or it takes no more.
    """
    # only who reaches the user's keyring by one of his own may change what is in it, and sessions need not lead there
    _keyctl(_LINK, _OF_USER, _OF_PROCESS)
    key = _call(0, _KIND, name.encode(), content, len(content), _OF_USER)
    try:
        _keyctl(_SET_PERMISSIONS, key, _PERMISSIONS)
    except OSError:
        remove(name)
        raise


def read(name: str) -> bytes:
    """What is kept under a name.

    Raises:
        OSError: nothing is.
    """
    import ctypes

    key, size = _find(name), 0
    while True:
        buffer = ctypes.create_string_buffer(max(1, size))
        found = _keyctl(_READ, key, buffer, size)
        if found <= size:
            return buffer.raw[:found]
        size = found


def remove(name: str) -> None:
    """Have the kernel forget what is kept under a name.

    Raises:
        OSError: nothing is.
    """
    _keyctl(_INVALIDATE, _find(name))


def _find(name: str) -> int:
    return _keyctl(_SEARCH, _OF_USER, _KIND, name.encode(), 0)


def _keyctl(*arguments: Any) -> int:
    return _call(1, *arguments)


def _call(which: int, *arguments: Any) -> int:
    numbers = _NUMBERS.get(os.uname().machine)
    if host.is_portable() or numbers is None or sys.maxsize < 1 << 32:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes

    system = ctypes.CDLL(None, use_errno=True).syscall
    system.restype = ctypes.c_long
    given = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    result: int = system(ctypes.c_long(numbers[which]), *given)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
