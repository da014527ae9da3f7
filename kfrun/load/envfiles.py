"""Files of variables as ``kubectl create secret generic --from-env-file`` and ``docker run --env-file`` read them.

``KEY=VALUE`` a line, the value as it stands there: quotes belong to it. A key alone has its value from the environment.
No finding shows a line of them: these files hold secrets.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from kfrun.errors import InvalidInput, NotFound, Unavailable
from kfrun.model.source import Finding, Position, Severity, Stage
from kfrun.patterns import pattern
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CODES: Final = {
    "KF130": "a line of a file of variables that is none",
    "KF131": "a file of secrets that others can read",
}

_MOST_BYTES: Final = 1 << 20
"""Of all that is in a Secret, for an API server."""
_KEY = pattern(r"[-._a-zA-Z0-9]{1,253}")
_MARK: Final = b"\xef\xbb\xbf"


def read(name: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """The variables of a file in their order, and warnings of it.

    Raises:
        InvalidInput: a line is none.
        NotFound: there is no such file.
        Unavailable: it cannot be read.
    """
    path = os.path.expanduser(name)
    try:
        with open(path, "rb") as file:
            found, content = os.fstat(file.fileno()), file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file of variables {name}", "write KEY=VALUE into it, one a line") from error
    except OSError as error:
        raise Unavailable(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    variables, wrong = _variables(content, name, environ)
    if wrong:
        raise InvalidInput(wrong)
    return variables, list(_too_open(name, found))


def _too_open(name: str, found: os.stat_result) -> Iterator[Finding]:
    """As ssh says of keys. What comes through a pipe lies nowhere."""
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode) and mode & 0o077:
        message, hint = f"permissions {mode:04o} are too open: other users can use it", f"chmod 600 {quoted(name)}"
        yield Finding("KF131", message, Stage.YAML, Severity.WARNING, position=Position(name, 0, 0), hint=hint)


def _variables(content: bytes, name: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    if len(content) > _MOST_BYTES:
        return {}, [
            _finding(name, 0, 0, ("more than 1 MiB are too much for a Secret", "leave out what belongs elsewhere"))
        ]
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    wrong = []
    for number, raw in enumerate(content.removeprefix(_MARK).split(b"\n"), 1):
        line = raw.removesuffix(b"\r").decode("utf-8", "surrogateescape")
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        problem = _problem(key, equals, text, environ)
        if problem is None and key in lines:
            problem = f"the same key as in line {lines[key]}", "keep one of the two"
        if problem is not None:
            wrong.append(_finding(name, number, len(line) - len(text) + 1, problem))
            continue
        found[key], lines[key] = value if equals else environ[key], number
    if not lines and not wrong:
        wrong.append(_finding(name, 0, 0, ("there is no variable in it", "write KEY=VALUE into it, one a line")))
    return found, wrong


def _problem(key: str, equals: str, text: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong with a line, and the way out. Not even a key is quoted: what is no variable may be a secret."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return "the line is no text in UTF-8", "save the file as UTF-8; bytes need a manifest of the Secret"
    if key.startswith("export "):
        return "no shell reads this file: export is none of it", "leave export away"
    if not _KEY.fullmatch(key):
        return "what stands before = is no key; allowed: letters, digits, -, _ and .", "write KEY=VALUE"
    if not equals and key not in environ:
        return "a key without = has its value from your environment, which has no such variable", "write KEY=VALUE"
    return None


def _finding(name: str, line: int, column: int, problem: tuple[str, str]) -> Finding:
    message, hint = problem
    return Finding("KF130", message, Stage.YAML, position=Position(name, line, column), hint=hint)
