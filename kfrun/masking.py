"""Keeps secrets out of everything that is shown of objects: values, command lines, URLs.

Plans, differences and descriptions are printed, saved and pasted into reviews. Names decide what counts as a secret,
and too much is hidden rather than too little. What ``-o yaml`` prints is exact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MASK = "(sensitive)"
_NO_LOGIN = "***"

LOGIN = r"(?<=://)[^/\s\"'<>?#]+"
"""The login of a URL, before its ``@``."""

_SENSITIVE = (
    r"(?:token(?!i[sz]|s(?![a-z]))|secret|passw|passphrase|credential|api[-_]?key|access[-_]?key|private[-_]?key)"
)
_NAME = pattern(rf"{_SENSITIVE}|(?:^|[-_.])(?:key|auth|pwd|pat)(?:$|[-_.])|key$", re.IGNORECASE)
_ASSIGNED = pattern(rf"{_SENSITIVE}|[-_]key", re.IGNORECASE)
_URL_LOGIN = pattern(rf"{LOGIN}(?=@)")
_URL_PARAMETER = pattern(r"(?<=[?&])([\w.-]++=)[^&\s#\"'<>]++")
_WORD = pattern(r"(?<![\w.-])[\w.-]++")
_VALUE = pattern(r"""(["']?(?:=|:\s?)|\s++(?!-))("[^"]*+"|'[^']*+'|\S++)""")
_BEARER = pattern(r"""(\bBearer\s++|\bAuthorization["']?[:=]\s?["']?Basic\s++)(?!\$)\S++""", re.IGNORECASE)
_FLAG = pattern(r"--?[\w.-]+")


_SECRET = frozenset({"data", "stringData"})
_NAMED = frozenset({"annotations", "labels", "data"})
"""Mappings whose keys are names that somebody chose."""


def is_secret_name(name: str) -> bool:
    """Whether a variable, key or flag of that name is likely to hold a secret."""
    return _NAME.search(name) is not None


def text(value: str) -> str:
    """``value`` without the logins, and the tokens among the parameters, of its URLs."""
    return _URL_PARAMETER.sub(_masked_parameter, without_logins(value)) if "://" in value else value


def without_logins(value: str) -> str:
    """``value`` without the logins of its URLs; a text in JSON or XML stays one."""
    return _URL_LOGIN.sub(_NO_LOGIN, value) if "://" in value else value


def is_masked(value: str | None) -> bool:
    """Whether something was hidden in a value that is shown."""
    return value is not None and (MASK in value or f"://{_NO_LOGIN}@" in value)


def words(command: Sequence[str], before: Sequence[str] = ()) -> list[str]:
    """A command line without its secrets: ``--token X``, ``--token=X``, ``HF_TOKEN=X`` in scripts, logins in URLs.

    ``before`` are the words that it goes on from: those of ``command``, for ``args``.
    """
    shown: list[str] = []
    after_secret_flag = bool(before) and _is_secret_flag(before[-1])
    for word in command:
        shown.append(MASK if after_secret_flag and not word.startswith("-") else script(word))
        after_secret_flag = _is_secret_flag(word)
    return shown


def script(value: str) -> str:
    """A text in which anything may be assigned or passed, without its secrets."""
    value = _BEARER.sub(rf"\1{MASK}", text(value))
    if not _ASSIGNED.search(value):
        return value
    parts, start, at = [], 0, 0
    while found := _WORD.search(value, at):
        at = found.end()
        if _ASSIGNED.search(found[0]) and (given := _VALUE.match(value, at)) and not _is_harmless(found[0], given):
            parts += [value[start : given.start(2)], MASK]
            start = at = given.end()
    return "".join([*parts, value[start:]])


def data(value: Any) -> Any:
    """An object, or a part of one, as it may be shown; the shape of it stays.

    Secret are values of variables by their names, of annotations and labels, what a Secret holds, and what command
    lines and texts give away.
    """
    return _object(value) if isinstance(value, dict) else _masked(value)


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    hidden = _SECRET if value.get("kind") == "Secret" else frozenset()
    return {key: _hidden(item) if key in hidden else _field(value, key, item) for key, item in value.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return script(value)
    if isinstance(value, list):
        return words(value) if _is_command(value) else [_masked(item) for item in value]
    return {key: _field(value, key, item) for key, item in value.items()} if isinstance(value, dict) else value


def _field(holder: Mapping[str, Any], key: str, value: Any) -> Any:
    if key == "value":
        name = holder.get("name")
        return MASK if isinstance(name, str) and is_secret_name(name) else _masked(value)
    if key in _NAMED and isinstance(value, dict):
        return {name: MASK if _is_secret_entry(name) else _masked(item) for name, item in value.items()}
    if key == "args" and _is_command(value) and _is_command(holder.get("command")):
        return words(value, holder["command"])
    return _masked(value)


def _hidden(value: Any) -> Any:
    return dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK


def _is_command(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_secret_entry(name: str) -> bool:
    # kubectl keeps a copy of the whole object in its annotation
    return is_secret_name(name) or name.endswith("last-applied-configuration")


def _is_secret_flag(word: str) -> bool:
    return _FLAG.fullmatch(word) is not None and is_secret_name(word)


def _is_harmless(name: str, given: re.Match[str]) -> bool:
    """Whether a value names a variable, which tells the reader something and gives nothing away, or is only prose."""
    is_prose = given[1].isspace() and not name.startswith("-")
    return is_prose or given[2].strip("\"'").startswith(("$", MASK))


def _masked_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}" if is_secret_name(found[1][:-1]) else found[0]
