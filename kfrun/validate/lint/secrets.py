"""Policies on secrets in plain sight and on what is installed from where.

A finding about a secret shows neither its value nor its line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kfrun.load import excerpts, lines
from kfrun.model.values import NamedTuple, replace
from kfrun.validate.lint.subject import containers, items
from kfrun.validate.located import Problem
from kfrun.validate.rules.cel import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import Document, FieldPath, Finding, Position
    from kfrun.validate.lint.subject import Subject

SECRET_CODES: Final = frozenset({"KF704", "KF715"})
"""Codes whose findings must not show the source line."""

PACKAGES: Final[FieldPath] = ("metadata", "annotations", "kfrun.dev/packages")
INDEX_URLS: Final[FieldPath] = ("metadata", "annotations", "kfrun.dev/pip-index-urls")

_NAME: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?|AUTH)(?:$|_)",
    re.IGNORECASE,
)
_HARMLESS_NAME: Final = re.compile(r"_(?:FILE|PATH|DIR|NAME|URL|URI|ID|TYPE|COUNT|LENGTH|LEN|SIZE|TTL)$", re.IGNORECASE)
_HARMLESS_VALUE: Final = re.compile(r"|[\d.]+|true|false|none|null|\$\([^)]*\)|/\S*", re.IGNORECASE)
_VALUE: Final = re.compile(
    r"AKIA[0-9A-Z]{16}|\bhf_[A-Za-z0-9]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bsk-[\w-]{20,}|\bxox[abp]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/:@\s$]+:[^/@\s$]+@"
)
"""What keys of AWS, Hugging Face, GitHub, OpenAI and Slack, private keys and URLs with passwords look like."""

_PINNED: Final = re.compile(r"(?<!=)===?\s*+[^\s*,=]++\s*+\)?\s*+(?:$|,)|\s@\s")
_NEAR: Final = 2
_FAR: Final = 1000
"""Lines that are looked at for an entry: where it stands in a block, and then below the annotation."""


class Entry(NamedTuple):
    """One entry of a list annotation, and the 0-based number of its line."""

    number: int
    text: str


def plain_secret(subject: Subject) -> Iterator[Problem]:
    """KF704: a password or token written into the manifest."""
    for path, variable in _variables(subject):
        name, value = variable.get("name"), variable.get("value")
        if isinstance(name, str) and isinstance(value, str) and _looks_secret(name, value):
            yield Problem(
                "KF704", (*path, "value"), f"{name} looks like a secret, and its value stands in the manifest"
            )


def unpinned(subject: Subject) -> Iterator[Problem]:
    """KF707: another version tomorrow."""
    for entry in _entries(get(subject.data, *PACKAGES)):
        requirement = entry.text.partition(";")[0]
        if not _PINNED.search(requirement) and not _lies_here(requirement.strip()):
            yield Problem(
                "KF707",
                (*PACKAGES, entry.number),
                f'"{entry.text}" is not pinned: what it installs changes from day to day',
            )


def _lies_here(requirement: str) -> bool:
    """Whether it is a path: what lies beside the manifest is as it is."""
    return requirement.startswith(("-e", "--editable", ".", "/")) or requirement.endswith((".whl", ".zip", ".tar.gz"))


def open_index(subject: Subject) -> Iterator[Problem]:
    """KF715: packages over a connection that anyone can change, or a password in a URL."""
    for entry in _entries(get(subject.data, *INDEX_URLS)):
        where = f"line {entry.number + 1}"
        if re.match(r"http://(?!localhost\b|127\.|\[::1\])", entry.text):
            yield Problem("KF715", (*INDEX_URLS, entry.number), f"{where} fetches packages without encryption")
        elif re.search(r"://[^/@\s]+@", entry.text):
            yield Problem("KF715", (*INDEX_URLS, entry.number), f"{where} holds a name or password for the index")


def on_its_line(finding: Finding, document: Document) -> Finding:
    """A finding about an entry of a list annotation, moved to the line of the entry.

    Its path ends in the number of the entry, which is no field: the annotation is text.
    """
    annotation, number = finding.path[:-1], finding.path[-1]
    if annotation not in (PACKAGES, INDEX_URLS) or finding.position is None or not isinstance(number, int):
        return finding
    text = _lines(str(get(document.data, *annotation)))[number]
    position = _line_of(document, finding.position, _without_comment(text), number)
    excerpt = excerpts.excerpt(document, position)
    return replace(finding, path=annotation, position=position, excerpt=excerpt)


@lru_cache(maxsize=2)  # a thousand findings about one annotation look at it a thousand times
def _lines(text: str) -> list[str]:
    return text.splitlines()


def _line_of(document: Document, start: Position, text: str, number: int) -> Position:
    """Where an entry stands: in its turn below the annotation, or wherever its text is found first."""
    if not start.line:
        return start
    in_turn = range(start.line + number, start.line + number + _NEAR)
    for line in (*in_turn, *range(start.line, start.line + _FAR)):
        column = lines.line_of(document, line).find(text)
        if column >= 0:
            return start._replace(line=line, column=column + 1)
    return start


def _variables(subject: Subject) -> Iterator[tuple[FieldPath, dict[str, object]]]:
    for place in (("trainer",), ("initializer", "dataset"), ("initializer", "model")):
        yield from items(subject.data, "spec", *place, "env")
    for path, _ in containers(subject.data):
        yield from items(subject.data, *path, "env")


def _looks_secret(name: str, value: str) -> bool:
    if _VALUE.search(value):
        return True
    is_named_so = _NAME.search(name) is not None and _HARMLESS_NAME.search(name) is None
    return is_named_so and _HARMLESS_VALUE.fullmatch(value) is None


def _entries(text: object) -> Iterator[Entry]:
    """The entries of a list annotation: one a line, blank lines and ``#`` comments left out."""
    for number, line in enumerate(text.splitlines() if isinstance(text, str) else ()):
        entry = _without_comment(line)
        if entry:
            yield Entry(number, entry)


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line).strip()
