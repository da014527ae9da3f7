"""What a file that should be started really is: a script with a first line, or a program for some machine."""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

_HEAD = 4096
_ELF_HEADER = 64
_ENTRY_64, _ENTRY_32 = 56, 32
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MACHINES: Final = {3: "i386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_FOREIGN: Final = (
    (b"MZ", "Windows"),
    (b"\xcf\xfa\xed\xfe", "macOS"),
    (b"\xca\xfe\xba\xbe", "macOS"),
)
_SUFFIXES: Final = {
    ".py": "python",
    ".sh": "sh",
    ".bash": "bash",
    ".pl": "perl",
    ".rb": "ruby",
    ".r": "Rscript",
    ".jl": "julia",
    ".js": "node",
    ".lua": "lua",
}
_INTERPRETER: Final = 3
"""PT_INTERP: where a program names what loads it."""


class Fault(NamedTuple):
    """Why a file cannot be started as it is, and what would start it all the same."""

    reason: str
    interpreter: str = ""


def interpreter(path: str) -> str:
    """What starts the script at ``path``: what its first line names, else what its suffix says; empty for no script."""
    words = first_line(path)
    names = [os.path.basename(word) for word in words if not word.startswith("-") and "=" not in word]
    if names[:1] == ["env"]:
        names = names[1:]
    return names[0] if names else _SUFFIXES.get(os.path.splitext(path)[1].lower(), "")


def first_line(path: str) -> list[str]:
    """The words behind ``#!`` in the first line of the file at ``path``."""
    return _first_line(_head(path))


def has_windows_ends(path: str) -> bool:
    """Whether its first line ends as on Windows."""
    return _head(path).partition(b"\n")[0].endswith(b"\r")


def fault(path: str) -> Fault | None:
    """What is wrong with a file that the system would not start; None when it looks sound."""
    head = _head(path)
    if head.startswith(b"\x7fELF"):
        return _of_elf(head)
    if head.startswith(b"#!"):
        return _of_first_line(head, path)
    if head.startswith(_BYTE_ORDER_MARK + b"#!"):
        reason = "a byte order mark stands before #! in its first line: save it as UTF-8 without"
        return Fault(reason, interpreter(path))
    system = next((name for begin, name in _FOREIGN if head.startswith(begin)), None)
    if system or not head:
        return Fault(f"it is a program for {system}" if system else "the file is empty")
    if b"\0" in head:
        return Fault("it is neither a script nor a program of this system")
    return Fault(
        "it has no first line that names its interpreter, such as #!/bin/sh: add it", interpreter(path) or "sh"
    )


def _of_first_line(head: bytes, path: str) -> Fault | None:
    line, words = head.partition(b"\n")[0], _first_line(head)
    if not words:
        return Fault("#! in its first line names no interpreter", interpreter(path) or "sh")
    if line.endswith(b"\r"):
        mend = "save it with the line ends of Unix (sed -i 's/\\r$//' FILE, or dos2unix)"
        return Fault(f"its first line ends with a carriage return (\\r), as on Windows (CRLF): {mend}")
    if not os.path.exists(words[0]):
        better = f"#!/usr/bin/env {os.path.basename(words[0])}"
        return Fault(f"its first line asks for {words[0]}, which is not there: write {better}", interpreter(path))
    if not os.path.isfile(words[0]) or not os.access(words[0], os.X_OK):
        return Fault(f"its first line asks for {words[0]}, which is no program that can be started")
    return None


def _of_elf(head: bytes) -> Fault | None:
    if len(head) < _ELF_HEADER:
        return Fault("it is the begin of a program: the rest is missing")
    order = "<" if head[5:6] == b"\x01" else ">"
    machine, here = struct.unpack_from(f"{order}H", head, 18)[0], os.uname().machine
    name = _MACHINES.get(machine, f"another machine ({machine})")
    if name != here and (name, here) not in (("i386", "x86_64"), ("i386", "i686"), ("arm", "armv7l")):
        return Fault(f"it is a program for {name}, and this machine is {here}: take the one for {here}")
    loader = _loader(head, order)
    if loader and not os.path.exists(loader):
        return Fault(f"it was built for another system: what loads it, {loader}, is not there")
    return None


def _loader(head: bytes, order: str) -> str:
    """The dynamic loader that a program names; empty when it has none, or not where it mostly is."""
    is_64 = head[4:5] == b"\x02"
    start = struct.unpack_from(f"{order}{'Q' if is_64 else 'I'}", head, 32 if is_64 else 28)[0]
    size, count = struct.unpack_from(f"{order}HH", head, 54 if is_64 else 42)
    if size < (_ENTRY_64 if is_64 else _ENTRY_32):
        return ""
    for number in range(count):
        at = start + number * size
        if at + size > len(head):
            break
        if struct.unpack_from(f"{order}I", head, at)[0] == _INTERPRETER:
            place, _, _, length = struct.unpack_from(
                f"{order}QQQQ" if is_64 else f"{order}IIII", head, at + (8 if is_64 else 4)
            )
            return head[place : place + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""


def _first_line(head: bytes) -> list[str]:
    """The words behind ``#!``."""
    line = head.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")[0]
    return line[2:].decode("utf-8", "replace").split() if line.startswith(b"#!") else []


def _head(path: str) -> bytes:
    """The first bytes; none of what cannot be read or would not end."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""
