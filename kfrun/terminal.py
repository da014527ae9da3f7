"""What a terminal or a CI runner would obey, taken out of texts that are about to be shown.

Names and texts of others come into lines of ours. Whoever draws a line cleans them with `clean`; `printable` and
`harmless` are the last look, for all that is drawn and for whoever forgets. Data for programs is exact, with nothing of
this in it but escapes: `json_text`, and YAML in `kfrun.report.yamljson`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kfrun.patterns import pattern

_STYLES: Final = r"\x1b\[(?:[012]|1;3[136]|3[1-6])m"
"""The ANSI styles of our own."""

_BIDI: Final = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff"
"""What reorders a line, ends one, or is not to be seen."""

UNSEEN: Final = pattern(f"[\x7f-\x9f{_BIDI}\ud800-\udfff]")
"""What JSON may hold and a terminal, or somebody who reads a text, must not."""

_OBEYED: Final = pattern(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")
_UNSHOWN: Final = pattern(f"[\x00-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")
_OBEYED_OR_STYLE: Final = pattern(f"{_STYLES}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")

_PLAIN_WORD: Final = pattern(r"[\w@%+=:,./-]+")

COMMAND: Final = pattern(r"^[^\S\n]*:(?=:)|##(?=\w{0,16}\[)", re.MULTILINE)
"""Begin of what runners obey: ``::error`` in front of a line, ``##[error]`` and ``##vso[…]`` anywhere."""


def clean(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable(text: str, *, styled: bool = False) -> str:
    """The lines of a text with everything escaped that a terminal obeys; styles of our own stay if there are any."""
    if text.isascii() and text.isprintable():
        return text
    return (_OBEYED_OR_STYLE if styled else _OBEYED).sub(_escaped, text)


def in_columns(text: str) -> str:
    """The text on one line, each character that a terminal would obey replaced by one: columns stay the same."""
    return text if text.isprintable() else _UNSHOWN.sub("\ufffd", text)


def harmless(text: str) -> str:
    """The lines of a text, none of which is a command to a CI runner."""
    return COMMAND.sub(_without_command, text) if "::" in text or "##" in text else text


def quoted(word: str) -> str:
    """The word as a shell takes it, on one line."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    return "'" + clean(word).replace("'", "'\\''") + "'"


def json_text(data: Any) -> str:
    """Data as JSON in lines, with a line break at the end; what must not be shown is in escapes, so it is the same."""
    import json

    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if not text.isascii() or "\x7f" in text:
        text = UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    # in JSON no line begins with a colon, and two hash signs are only found in texts
    return COMMAND.sub(lambda _: "#\\u0023", text) if "##" in text else text


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    return text if len(text) > 1 else text.encode("unicode_escape").decode("ascii")


def _without_command(found: re.Match[str]) -> str:
    text = found[0]
    return "#\\x23" if text == "##" else f"{text[:-1]}\\x3a"
