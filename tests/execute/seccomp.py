"""A program in a kernel that refuses some system calls: ``seccomp.py ERRNO NUMBER,NUMBER PROGRAM WORD...``.

The filter is the kernel's own (seccomp), so that whatever the program starts is refused as well, whoever asks and how.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse(error: int, numbers: list[int]) -> None:
    """From now on these system calls of this process, and of all that it starts, answer with an errno.

    Raises:
        OSError: the kernel takes no filter.
    """
    code = [(_LOAD_WORD, 0, 0, 0)]
    for number in numbers:
        code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | error)]
    code.append((_RETURN, 0, 0, _ALLOW))
    program = _Program(len(code), b"".join(struct.pack("=HBBI", *one) for one in code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    unused = ctypes.c_ulong(0)
    for words in ((_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), unused), (_SET_SECCOMP, ctypes.c_ulong(_FILTER), program)):
        given = [ctypes.byref(word) if isinstance(word, _Program) else word for word in words[1:]]
        if prctl(words[0], *given, *[unused] * (4 - len(given))):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    refuse(int(sys.argv[1]), [int(number) for number in sys.argv[2].split(",")])
    os.execvp(sys.argv[3], sys.argv[3:])
