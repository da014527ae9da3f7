"""Regular expressions that are compiled when they are first used. For places where most commands need none of them.

Compiling one takes 0.1 to 0.5 ms; the modules that every command imports have some thirty, nearly all of them for
input that is wrong or unusual.
"""

from __future__ import annotations

import re
from typing import Any, cast


def pattern(expression: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` gives, later; a wrong expression is told at its first use."""
    return cast("re.Pattern[str]", _Pattern(expression, flags))


def split_outside(text: str, brackets: str) -> list[str]:
    """The parts of a text between the commas that are in no brackets, such as ``()``."""
    closing = brackets[-1]
    parts, end, is_inside = [], len(text), False
    for at in range(len(text) - 1, -1, -1):
        character = text[at]
        if character in brackets:
            is_inside = character == closing
        elif character == "," and not is_inside:
            parts.append(text[at + 1 : end])
            end = at
    return [text[:end], *reversed(parts)]


class _Pattern:
    def __init__(self, expression: str, flags: int) -> None:
        self._arguments = expression, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._arguments), name)
        # as quick as the real one from now on
        setattr(self, name, value)
        return value
