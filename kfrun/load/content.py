"""The text of one source: bytes of a file, a stream or a URL, bounded and decoded."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from kfrun.errors import NotFound, Unavailable
from kfrun.load.excerpts import excerpt
from kfrun.load.lines import place
from kfrun.model.source import Finding, Position, Stage
from kfrun.model.values import dataclass
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from kfrun.errors import KfrunError

MAX_BYTES: Final = 256 * 1024 * 1024
"""Largest source that is read."""

_CHUNK: Final = 1024 * 1024

_DESCRIPTOR: Final = pattern(r"/dev/(?:stdin|fd/[0-9]+)|/proc/(?:self|[0-9]+)/fd/[0-9]+")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML: Final = pattern(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read.

    Attributes:
        name: as the user gave it: a path, a URL, or ``<stdin>``.
        folder: absolute folder of a file; None for everything else.
        stream: where to read from; without one, ``name`` is opened.
        is_made: ``name`` says what another program makes of which folder.
        failure: why there is nothing to open.
        is_found: nobody named it: it is one of the files of a folder.
    """

    name: str
    folder: str | None = None
    stream: BinaryIO | None = None
    is_url: bool = False
    is_made: bool = False
    failure: KfrunError | None = None
    is_found: bool = False

    @property
    def shown(self) -> str:
        """Its name to people: of what a program makes, what it is made of."""
        return self.name.partition("://")[2] if self.is_made else self.name


def read(source: Source) -> tuple[str, Finding | None]:
    """The text of a source, or why it is refused.

    Raises:
        NotFound: it is gone.
        Unavailable: it cannot be read.
    """
    if source.failure is not None:
        raise source.failure
    found = raw(source)
    if len(found) > MAX_BYTES:
        message = f"more than {MAX_BYTES // 2**20} MiB are too much for one source"
        return "", _refused(source, "KF107", message, hint="split it")
    return _text(source, found)


def decoded(content: bytes, name: str) -> tuple[str, Finding | None]:
    """The text of what was read before, or why it is refused."""
    return _text(Source(name, is_url="://" in name), content)


def _text(source: Source, raw: bytes) -> tuple[str, Finding | None]:
    try:
        # not as "utf-8-sig", a codec that is a module of its own
        is_utf16 = raw.startswith(_UTF16_MARKS)
        text = raw.decode("utf-16") if is_utf16 else raw.removeprefix(_UTF8_MARK).decode()
    except UnicodeDecodeError as error:
        return "", _undecodable(source, error)
    if source.is_url and _HTML.match(text):
        message = "the URL answers with a web page, not with YAML"
        return "", _refused(source, "KF101", message, hint="use the address of the raw file")
    return text, None


def unreadable(source: Source, error: KfrunError) -> Finding:
    """That a source could not be read, for when others can."""
    return _refused(source, "KF115", error.message, hint=error.hint)


def is_descriptor(path: str) -> bool:
    """Whether the path names an open file of this process: ``/dev/stdin``, or what ``<(command)`` becomes."""
    return path.startswith(("/dev/", "/proc/")) and _DESCRIPTOR.fullmatch(path) is not None


def raw(source: Source) -> bytes:
    """The bytes of a source.

    Raises:
        NotFound: it is gone.
        Unavailable: it cannot be read.
    """
    if source.is_url:
        from kfrun.load.web.urls import fetch

        return fetch(source.name, MAX_BYTES)
    if source.is_made:
        from kfrun.load.made import programs

        return programs.output(source.name)
    try:
        if source.stream is not None:
            return source.stream.read(MAX_BYTES + 1)
        return _content(source.name)
    except FileNotFoundError as error:
        what = "a link to nothing" if os.path.islink(source.name) else "not there"
        raise NotFound(f"{source.name} is {what}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f"{source.name} cannot be read: {reason}") from error


def _content(path: str) -> bytes:
    """Not more than `MAX_BYTES` and one; a thousand small files are read in 10 ms this way."""
    state = os.stat(path)
    _refuse_special(path, state.st_mode)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        # Files of /proc are larger than they say, and so is one that somebody writes to.
        size, room = state.st_size or _CHUNK, MAX_BYTES + 1
        while room > 0 and (part := os.read(descriptor, min(size, room))):
            parts.append(part)
            room -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


def _refuse_special(path: str, mode: int) -> None:
    """Refuse what would block or never end: a FIFO without writer, a device."""
    if stat.S_ISREG(mode) or is_descriptor(path) or path == os.devnull:
        return
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    what = next((name for test, name in kinds if test(mode)), "a device")
    raise Unavailable(f"{path} is {what}, not a file", hint="read it through stdin: -f - < …")


def _undecodable(source: Source, error: UnicodeDecodeError) -> Finding:
    raw = error.object  # without the byte order mark
    before = raw[: error.start].decode(error.encoding, errors="replace")
    line, column = place(before, len(before))
    position = Position(source.shown, line, column)
    is_binary = b"\0" in raw[:8192]
    found = "this is a binary file" if is_binary else f"the byte 0x{raw[error.start]:02x} is not UTF-8"
    # what follows the line is not decoded: the source may be large
    after = raw[error.start : error.start + 4 * 200].decode(error.encoding, "replace")
    return Finding(
        "KF103",
        found,
        Stage.YAML,
        position=position,
        hint=None if is_binary else "save the file as UTF-8",
        excerpt=None if is_binary else excerpt(before + after, position),
    )


def _refused(source: Source, code: str, message: str, *, hint: str | None) -> Finding:
    return Finding(code, message, Stage.YAML, position=Position(source.shown, 1, 1), hint=hint)
