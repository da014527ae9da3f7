"""Keeps secrets out of everything that a plan shows: values, command lines, URLs.

A plan is printed, saved and pasted into reviews. Names decide what counts as a secret, and too much is hidden
rather than too little.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "(sensitive)"
_NO_LOGIN = "***"

_SENSITIVE = (
    r"(?:token(?!i[sz]|s(?![a-z]))|secret|passw|passphrase|credential|api[-_]?key|access[-_]?key|private[-_]?key)"
)
_NAME = re.compile(rf"{_SENSITIVE}|(?:^|[-_.])(?:key|auth|pwd|pat)(?:$|[-_.])|key$", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_ASSIGNMENT = re.compile(
    rf"""((?<![\w-])(?:--?)?[\w.-]*(?:{_SENSITIVE}|[-_]key)[\w.-]*(?:=|:\s?|\s+(?!-)))("[^"]*"|'[^']*'|\S+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s+)(?!\$)\S+", re.IGNORECASE)
_FLAG = re.compile(r"--?[\w.-]+")


def is_secret_name(name: str) -> bool:
    """Whether a variable, key or flag of that name is likely to hold a secret."""
    return _NAME.search(name) is not None


def text(value: str) -> str:
    """``value`` without the logins in its URLs."""
    return _URL_LOGIN.sub(_NO_LOGIN, value)


def is_masked(value: str | None) -> bool:
    """Whether something was hidden in a value that is shown."""
    return value is not None and (MASK in value or f"://{_NO_LOGIN}@" in value)


def words(command: Sequence[str]) -> list[str]:
    """A command line without its secrets: ``--token X``, ``--token=X``, ``HF_TOKEN=X`` in scripts, logins in URLs."""
    shown: list[str] = []
    after_secret_flag = False
    for word in command:
        if after_secret_flag and not word.startswith("-"):
            shown.append(MASK)
        else:
            shown.append(_script(word))
        after_secret_flag = _FLAG.fullmatch(word) is not None and is_secret_name(word)
    return shown


def _script(word: str) -> str:
    masked = _ASSIGNMENT.sub(_masked_assignment, text(word))
    return _BEARER.sub(rf"\1{MASK}", masked)


def _masked_assignment(found: re.Match[str]) -> str:
    introduction, value = found.groups()
    # `$TOKEN` and `$(TOKEN)` name a variable; they tell the reader something and give nothing away.
    names_variable = value.strip("\"'").startswith("$")
    is_prose = introduction.rstrip()[-1] not in "=:" and not introduction.startswith("-")
    return found.group() if names_variable or is_prose else f"{introduction}{MASK}"
