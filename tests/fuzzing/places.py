"""Whether findings say where they are from, and whether that place exists."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kfrun.load.excerpts import shown
from kfrun.load.lines import line_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kfrun.model.source import Finding

_CODE: Final = re.compile(r"KF[1-9][0-9]{2}")
_BREAK: Final = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_TEMPLATE_BREAK: Final = re.compile("\r\n?|\n")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def text_of(data: bytes) -> tuple[str, bool]:
    """The text of a file as far as it is one, and whether it is: otherwise no template was made of it."""
    codec = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    text = data.decode(codec, "replace").removeprefix("\ufeff")
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return text, False
    return text, True


@lru_cache(maxsize=4)
def _lines(text: str, *, is_template: bool) -> list[str]:
    return (_TEMPLATE_BREAK if is_template else _BREAK).split(text)


def wrong(found: Sequence[Finding], texts: Mapping[str, str], *, is_template: bool) -> Iterator[str]:
    """What is wrong with the findings about the sources ``texts``, a sentence each."""
    for one in found:
        for problem in _wrong(one, texts, is_template=is_template):
            yield f"{one.code} at {one.position} ({one.field}): {problem}"


def _wrong(one: Finding, texts: Mapping[str, str], *, is_template: bool) -> Iterator[str]:
    if not _CODE.fullmatch(one.code):
        yield "no code"
    if not one.message.strip():
        yield "no message"
    if one.hint is not None and not one.hint.strip():
        yield "an empty hint"
    if one.position is None:
        yield "no position"
        return
    file, line, column = one.position
    text = texts.get(file)
    if text is None:
        yield f"no such source; there are {sorted(texts)}"
        return
    is_template = is_template and any(opening in text for opening in ("{{", "{%", "{#"))
    lines = _lines(text, is_template=is_template)
    if not 1 <= line <= len(lines):
        yield f"line {line} of {len(lines)}"
    elif not 1 <= column <= len(lines[line - 1]) + 1:
        yield f"column {column} of a line of {len(lines[line - 1])}"
    elif one.excerpt is not None and not is_template and one.excerpt != shown(line_at(text, line), column):
        yield f"the excerpt is of another line: {one.excerpt!r}"
