"""What stands in a line for something that another program fills in, or that somebody had to decide.

Looked for only where a text was refused anyway: then it is called what it is, and the way out is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern
from kfrun.terminal import in_columns

if TYPE_CHECKING:
    import re
    from collections.abc import Callable


class Placeholder(NamedTuple):
    """What was found.

    Attributes:
        start: where in its line.
        text: as it was written.
        what: what it is.
        hint: how to have it filled in.
    """

    start: int
    text: str
    what: str
    hint: str

    @property
    def way_out(self) -> str:
        """What it is and how to have it filled in, in one sentence."""
        return f"{self.text} is {self.what}; {self.hint}"


CONFLICT: Final = "the marks of a merge conflict"
RESOLVE: Final = "resolve the conflict: keep one side, and remove the lines <<<<<<<, ======= and >>>>>>>"

_GO: Final = "a template of Helm or Go that nobody rendered"
_JINJA: Final = "a template that nobody rendered"
_UNFILLED: Final = "a placeholder that nobody filled in"
_HELM: Final = "render the template first: kfrun validate --helm CHART, helm template CHART | kfrun validate -f -"
_RENDER: Final = "kfrun renders Jinja2 when values are given: --set NAME=VALUE or --values FILE"
_ENVSUBST: Final = "substitute the variables first: envsubst < FILE | kfrun … -f -"
_PIPELINE: Final = "only the CI system that it is written for replaces the variable: give kfrun the file after that"
_KUBERNETES: Final = "write the value: $(VARIABLE) is replaced in commands, arguments and env of containers alone"
_WRITE: Final = "write the value in its place, or have the program that the template is for do so first"

_GO_WORDS: Final = "block|define|else|end|if|include|lookup|printf|range|required|template|toYaml|tpl|with"

_KINDS: Final = tuple(
    (pattern(expression), what, hint)
    for expression, what, hint in (
        (r"(?:<{7}|\|{7}|={7}|>{7})(?:\s|$)", CONFLICT, RESOLVE),
        (r"\$\{\{.{0,200}?\}\}|\$\[\[.{0,200}?\]\]", _UNFILLED, _PIPELINE),
        (rf"\{{\{{-?\s*(?:[.$(]|/\*|(?:{_GO_WORDS})\b)(?:.{{0,200}}?\}}\}})?", _GO, _HELM),
        (r"\{\{.{0,200}?\}\}|\{%.{0,200}?%\}|\{#.{0,200}?#\}", _JINJA, _RENDER),
        (r"\$\{[^}\s]{0,200}\}?|\$[A-Za-z_]\w{0,99}", _UNFILLED, _ENVSUBST),
        (r"\$\([A-Za-z_][\w.-]{0,99}\)", _UNFILLED, _KUBERNETES),
        (r"<%.{0,200}?%>|<[A-Za-z][\w .-]{0,99}>|\(\([\w./-]{1,99}\)\)|#\{[^}]{0,200}\}", _UNFILLED, _WRITE),
        (r"@[A-Za-z_]\w{0,99}@|%\(\w{1,99}\)[sd]|%[A-Za-z_]\w{0,99}%|\b__[A-Z][A-Z0-9_]{0,99}__\b", _UNFILLED, _WRITE),
        (r"\{[A-Za-z_]\w{0,99}\}|\[\[ ?[\w.-]{1,99} ?\]\]", _UNFILLED, _WRITE),
    )
)
"""What a placeholder looks like, what it is, and the way out; where several begin at one place the first counts."""

_BEHIND: Final = pattern(r":\s|,\s|\s#")
"""Ends a value or key of one line, roughly: what stands behind it is another one."""

_QUOTED: Final = pattern(r"""'[^']{0,300}'|"(?:[^"\\]|\\.){0,300}\"""")
_BREAKS_YAML: Final = pattern(r"\{\{|\}\}|\{%|%\}|\{#|<%|\$\{|@\w|%\w|%\(")


def at(line: str, column: int) -> Placeholder | None:
    """The placeholder in the value or key that stands at the 1-based ``column`` of a line."""
    found = _first(line, column - 1)
    if found is None:
        return None
    behind = _BEHIND.search(line, column - 1)
    return found if behind is None or found.start < behind.start() else None


def of_line(line: str) -> Placeholder | None:
    """The placeholder that keeps a line from being YAML; within quotes it is a text like any other."""
    quoted = [match.span() for match in _QUOTED.finditer(line)]

    def breaks(match: re.Match[str]) -> bool:
        is_quoted = any(start < match.start() and match.end() < end for start, end in quoted)
        return not is_quoted and _BREAKS_YAML.search(match[0]) is not None

    return _first(line, 0, breaks)


def of_another_language(line: str) -> str | None:
    """The way out where Jinja2 does not understand a line because it is written for Go's templates."""
    return next((hint for expression, what, hint in _KINDS if what == _GO and expression.search(line)), None)


def _first(line: str, start: int, counts: Callable[[re.Match[str]], bool] = bool) -> Placeholder | None:
    found = [
        Placeholder(match.start(), in_columns(match[0].strip()), what, hint)
        for expression, what, hint in _KINDS
        if (match := next(filter(counts, expression.finditer(line, start)), None)) is not None
    ]
    return min(found, key=lambda one: one.start, default=None)
