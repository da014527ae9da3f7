"""The YAML parsers under kubeyaml: libyaml's, or PyYAML's pure Python one where libyaml is missing.

Nothing else of load imports ``yaml``. Both parsers give the same events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.parser import Parser, ParserError
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner, ScannerError

from kfrun.patterns import pattern

__all__ = [
    "AliasEvent",
    "GoYamlError",
    "MappingEndEvent",
    "MappingStartEvent",
    "ParserError",
    "PureParser",
    "ReaderError",
    "ScalarEvent",
    "SequenceEndEvent",
    "SequenceStartEvent",
    "StreamEndEvent",
    "YAMLError",
    "before",
    "is_at_end",
    "open_parser",
]

_SURROGATE: Final = pattern("[\ud800-\udfff]")


if TYPE_CHECKING:
    # a protocol takes 0.2 ms to define, and nobody asks for it while kfrun runs

    class EventSource(Protocol):
        """A YAML parser that is asked for one event after the other."""

        def get_event(self) -> Any:
            """The next event; its ``start_mark`` has a 0-based ``line`` and ``column``."""


class GoYamlError(YAMLError):
    """What kubectl's parser refuses and the one under us takes: ``reason`` is escape, character or question."""

    def __init__(self, reason: str, mark: Any) -> None:
        super().__init__(reason, mark)
        self.reason = reason
        self.mark = mark


class PureParser(Reader, Scanner, Parser):
    """PyYAML's own parser, brought in line with libyaml about tabs and escapes that name half a character."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def get_event(self) -> Any:
        """The next event."""
        try:
            event: Any = Parser.get_event(self)  # type: ignore[no-untyped-call]
        except (ValueError, OverflowError):  # of chr(), for an escape beyond U+10FFFF
            raise GoYamlError("character", self.get_mark()) from None
        if type(event) is ScalarEvent and _SURROGATE.search(event.value):
            raise GoYamlError("character", event.start_mark)
        return event

    def scan_to_next_token(self) -> None:
        """Skip white space and comments: tabs, too, where no indentation is looked for."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


_DIFFERENT: Final = pattern(r"\?|\\/|![ \t\r\n]")
"""Texts in which libyaml and go-yaml may differ: ``[a?]``, ``"\\/"`` and the tag ``!``."""

_QUOTES: Final = frozenset("'\"")
_SLASH: Final = pattern(r"(?<!\\)(?:\\\\)*\\/")
_BARE_TAG: Final = pattern(r"(?:&\S+\s+)?!(?:\s|$)")


class GoYamlEvents:
    """Events of a text in which libyaml would accept what kubectl's parser refuses, or type it otherwise."""

    def __init__(self, source: EventSource, text: str) -> None:
        self._source = source
        self._text = text
        self._flow_depth = 0

    def get_event(self) -> Any:
        """The next event."""
        event = self._source.get_event()
        kind = type(event)
        if kind is ScalarEvent:
            self._check(event)
        elif kind in (MappingStartEvent, SequenceStartEvent):
            if event.flow_style or self._flow_depth:
                self._flow_depth += 1
        elif kind in (MappingEndEvent, SequenceEndEvent) and self._flow_depth:
            self._flow_depth -= 1
        return event

    def _check(self, event: Any) -> None:
        is_quoted = event.style in _QUOTES
        if event.style == '"' and _SLASH.search(self._source_of(event)):
            raise GoYamlError("escape", event.start_mark)
        if self._flow_depth and not is_quoted and "?" in event.value:
            raise GoYamlError("question", event.start_mark)
        if event.implicit[0] and _BARE_TAG.match(self._source_of(event)):
            event.implicit = (False, True)

    def _source_of(self, event: Any) -> str:
        return self._text[event.start_mark.index : event.end_mark.index]


def _fastest() -> type[EventSource]:
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]
    except ImportError:  # PyYAML was built without libyaml
        return PureParser
    parser: type[EventSource] = CParser
    return parser


PARSER: type[EventSource] = _fastest()
"""The parser in use; takes a text."""


def open_parser(text: str, *, is_json: bool = False) -> EventSource:
    """A parser at the start of ``text``; JSON may hold escapes that YAML does not know.

    Raises:
        YAMLError: the text holds characters that YAML forbids; the events may say so later, too.
    """
    try:
        source = PARSER(text)  # type: ignore[call-arg]
    except UnicodeEncodeError as error:
        raise ReaderError("", error.start, ord(text[error.start]), "unicode", "half a character") from None
    if not is_json and _DIFFERENT.search(text):
        return GoYamlEvents(source, text)
    return source


def before(error: YAMLError, text: str) -> str | None:
    """What stands in ``text`` before the token that stopped a parser; None where the parser does not tell.

    A parser looks ahead, for the colon behind a key or into brackets inside brackets: it knows of what is wrong there
    before it has told what stands here. How far it looks, and how many levels it bears, is its own business. From this
    text it tells all that it would have told, were there nothing wrong behind.
    """
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, ScannerError) and error.context_mark is not None:
        mark = error.context_mark
    return None if mark is None else text[: mark.index]


def is_at_end(error: YAMLError, text: str) -> bool:
    """Whether a parser stopped at the end of ``text``."""
    mark = getattr(error, "problem_mark", None)
    return mark is not None and mark.index >= len(text)
