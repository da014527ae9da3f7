"""Patterns of a failurePolicy for messages of failed Jobs: Go's expressions (RE2), as Python can search them."""

from __future__ import annotations

import re

_OF_GO = {r"\z": r"\Z", "[:alpha:]": "a-zA-Z", "[:digit:]": "0-9", "[:alnum:]": "0-9a-zA-Z", "[:space:]": r"\s"}
"""How a pattern of the API is written here, where that differs."""
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{)")
_REPETITION = re.compile(r"[*+]|\{\d*,")
_OPTION = re.compile(r"(?<![(*+?}])\?")
"""What may be there or not: not the mark of a group, nor that of a lazy repetition."""
_MOST, _CHOICES = 3, 12
_EACH = 4
"""Choices that a repetition costs."""
_LONGEST = 1000


def is_usable(pattern: str) -> bool:
    """Whether a pattern can be searched here in the time that a line of text deserves.

    RE2 takes no longer for any; here repeated groups and many repetitions may take for ever.
    """
    if len(pattern) > _LONGEST:
        return False
    plain = _ESCAPED.sub("x", _of_python(pattern))
    repetitions = len(_REPETITION.findall(plain))
    if _REPEATED_GROUP.search(plain) or repetitions > _MOST:
        return False
    # Each makes twice as many ways; alternatives outside of groups do not.
    choices = len(_OPTION.findall(plain)) + (plain.count("|") if "(" in plain else 0)
    if choices > _CHOICES - _EACH * repetitions:
        return False
    try:
        re.compile(_of_python(pattern))
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def is_found(pattern: str, message: str) -> bool:
    """Whether a pattern is found in a message; one that is not usable is in none, as one that Go cannot read."""
    return is_usable(pattern) and re.search(_of_python(pattern), message) is not None


def _of_python(pattern: str) -> str:
    for theirs, ours in _OF_GO.items():
        pattern = pattern.replace(theirs, ours)
    return pattern
