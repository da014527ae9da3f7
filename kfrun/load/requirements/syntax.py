"""A requirements file as pip reads it: its encoding, logical lines, comments and options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kfrun.load.lines import LineCounter
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_COMMENT: Final = pattern(r"(?<!\S)#.*")
VARIABLE: Final = pattern(r"\$\{([A-Z0-9_]+)\}")
"""What pip, and uv, replace by a variable of the caller's, if it is set."""

_SHORT: Final = {
    "-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links",
    "-C": "--config-settings", "--pypi-url": "--index-url", "--config-setting": "--config-settings",
}  # fmt: skip
_VALUED: Final = (
    "--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links", "--no-binary",
    "--only-binary", "--trusted-host", "--use-feature",
)  # fmt: skip
_FLAGS: Final = ("--no-index", "--pre", "--prefer-binary", "--require-hashes")
_OF_REQUIREMENT: Final = ("--hash", "--config-settings")


class Logical(NamedTuple):
    """A line, put together where backslashes continue it: the 1-based place where it begins, and its text."""

    number: int
    column: int
    text: str


class Parsed(NamedTuple):
    """What stands in a line: a requirement, and options with their full names; or what is wrong."""

    requirement: str = ""
    options: tuple[tuple[str, str], ...] = ()
    wrong: str = ""
    hint: str = ""


def decoded(raw: bytes) -> str:
    """The text of a file.

    Raises:
        UnicodeDecodeError: it is in another encoding than it says, or says none and is not UTF-8.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.removeprefix(mark).decode() if encoding == "utf-8" else raw.decode(encoding)
    for line in raw.split(b"\n", 2)[:2]:
        found = _CODING.match(line)
        if found is not None:
            try:
                return raw.decode(found[1].decode())
            except LookupError:
                break
    return raw.decode()


def logical_lines(text: str) -> Iterator[Logical]:
    """The lines that say something, comments left out."""
    parts: list[str] = []
    first = column = 0
    counter, offset = LineCounter(text), 0
    # pip's lines end at more characters than an editor's.
    for whole in text.splitlines(keepends=True):
        line = next(iter(whole.splitlines()), "")
        if not parts:
            number, begin = counter.place(offset)
            first, column = number + 1, begin + len(line) - len(line.lstrip()) + 1
        offset += len(whole)
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            continue
        # A comment ends what a backslash continued.
        parts.append(f" {line}" if is_comment and parts else line)
        yield from _said(first, column, "".join(parts))
        parts = []
    if parts:
        yield from _said(first, column, "".join(parts))


def _said(number: int, column: int, text: str) -> Iterator[Logical]:
    said = _COMMENT.sub("", text).strip()
    if said:
        yield Logical(number, column, said)


def parsed(text: str) -> Parsed:
    """What stands in a logical line."""
    words = text.split(" ")
    cut = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    requirement = " ".join(words[:cut]).strip()
    try:
        options = _options(" ".join(words[cut:]))
    except ValueError as error:
        return Parsed(wrong=str(error), hint="close the quotes")
    if isinstance(options, Parsed):
        return options
    alien = next((name for name, _ in options if (name in _OF_REQUIREMENT) != bool(requirement)), "")
    if alien and requirement:
        return Parsed(wrong=f"{alien} stands behind a requirement", hint="give it a line of its own")
    if alien:
        return Parsed(wrong=f"{alien} belongs to no requirement", hint="write it behind one: name==version --hash=...")
    return Parsed(requirement, options)


def _options(text: str) -> tuple[tuple[str, str], ...] | Parsed:
    if not text:
        return ()
    found: list[tuple[str, str]] = []
    words = iter(_words(text))
    for word in words:
        name, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        name = _SHORT.get(name, name)
        if name in _FLAGS and not equals:
            found.append((name, ""))
        elif name in (*_VALUED, *_OF_REQUIREMENT):
            given = value if equals else next(words, "")
            if not given:
                return Parsed(wrong=f"{name} needs a value", hint=f"write {name} VALUE")
            found.append((name, given))
        elif word.startswith("-"):
            return Parsed(wrong=f"{name} is no option of a requirements file", hint=_allowed(name))
        else:
            is_marker = word.startswith(";")
            hint = "pip takes no marker there: leave it out" if is_marker else "put what holds blanks into quotes"
            return Parsed(wrong=f'"{word}" stands behind an option', hint=hint)
    return tuple(found)


def _words(text: str) -> list[str]:
    if not any(mark in text for mark in "'\"\\"):
        return text.split()
    import shlex

    return shlex.split(text)


def _allowed(name: str) -> str:
    import difflib

    known = (*_VALUED, *_FLAGS, *_OF_REQUIREMENT)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"allowed: {', '.join(known)}"
