"""A command as a manifest has it, a list: what one text means as such, and how one is shown. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_CHARACTERS = 160
_MOST_READ = 2000
_PLAIN = re.compile(r"(?:--?[A-Za-z]|\.{0,2}/|[A-Za-z_])[\w./+@%=-]*")
_RESERVED = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
OPERATOR = re.compile(r"[();<>|&]+|\d?>{1,2}(?:&\d)?|\d?>.+")
"""What joins and redirects commands in a shell."""
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
"""A variable set for one command, as only a shell does it."""
_BASH = frozenset(["source", "[[", "shopt", "pushd", "popd", "declare", "typeset", "let", "function", "select"])
SHELL = _BASH | frozenset(
    [
        "cd",
        ".",
        ":",
        "export",
        "set",
        "unset",
        "alias",
        "eval",
        "exec",
        "ulimit",
        "umask",
        "trap",
        "shift",
        "read",
        "local",
        "wait",
        "jobs",
        "exit",
        "return",
        "break",
        "continue",
        "command",
        "type",
        "hash",
        "builtin",
        "getopts",
        "readonly",
        "if",
        "then",
        "for",
        "while",
        "until",
        "do",
        "case",
        "{",
        "(",
        "!",
        "time",
        "module",
        "nvm",
        "workon",
    ]
)
"""What a shell does by itself: no programs."""


def split(text: str) -> list[str]:
    """The command that a text means: its words, or a shell where only that would understand it."""
    shell = ["bash" if set(text.split()) & _BASH else "sh", "-c", text.strip()]
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words = list(lexer)
    except ValueError:
        return shell
    # What a shell is given it reads by itself.
    is_plain = words[0].rpartition("/")[2] in ("sh", "bash") or not set("$`*?~\n") & set(text)
    starts = words[0] not in SHELL and not ASSIGNMENT.fullmatch(words[0])
    return words if is_plain and starts and not any(map(OPERATOR.fullmatch, words)) else shell


def by_shell(words: Sequence[str]) -> list[str]:
    """The command that has a shell read these words."""
    script = " ".join(word if OPERATOR.fullmatch(word) or word in SHELL else shlex.quote(word) for word in words)
    return ["bash" if words[0] in _BASH else "sh", "-c", script]


def listed(words: Sequence[str]) -> str:
    """A command as a manifest has it, without its secrets; what comes late in a long one is left away."""
    import json

    from kfrun import masking

    shown, left = [], _MOST_CHARACTERS
    for word in masking.words([word[:_MOST_READ] for word in words]):
        cut = word if len(word) <= left else f"{word[: max(left, 0)]}..."
        is_plain = _PLAIN.fullmatch(cut) and cut.lower() not in _RESERVED
        shown.append(cut if is_plain else json.dumps(cut, ensure_ascii=False))
        left -= len(word) + 2
        if left <= 0:
            break
    return f"[{', '.join(shown)}]"
