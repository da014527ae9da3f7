"""The YAML parsers under kubeyaml: libyaml's, or PyYAML's pure Python one where libyaml is missing.

Both give the same events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from kfrun.load.kubeyaml.libyaml import (
    AliasEvent,
    CParser,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    YAMLError,
)

__all__ = [
    "AliasEvent",
    "MappingEndEvent",
    "MappingStartEvent",
    "ScalarEvent",
    "SequenceEndEvent",
    "SequenceStartEvent",
    "StreamEndEvent",
    "YAMLError",
    "before",
    "is_at_end",
    "open_parser",
]

if TYPE_CHECKING:
    # a protocol takes 0.2 ms to define, and nobody asks for it while kfrun runs

    class EventSource(Protocol):
        """A YAML parser that is asked for one event after the other."""

        def get_event(self) -> Any:
            """The next event; its ``start_mark`` has a 0-based ``line`` and ``column``."""


_DIFFERENT: Final = ("?", "\\/", "! ", "!\t", "!\r", "!\n")
"""What is in texts about which libyaml and go-yaml may differ: ``[a?]``, ``"\\/"`` and the tag ``!``."""


def _fastest() -> type[EventSource]:
    if CParser is None:  # PyYAML was built without libyaml
        from kfrun.load.kubeyaml.pureyaml import PureParser

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
        from kfrun.load.kubeyaml.pureyaml import ReaderError

        raise ReaderError("", error.start, ord(text[error.start]), "unicode", "half a character") from None
    if not is_json and any(part in text for part in _DIFFERENT):
        from kfrun.load.kubeyaml.goyaml import GoYamlEvents

        return GoYamlEvents(source, text)
    return source


def before(error: YAMLError, text: str) -> str | None:
    """What stands in ``text`` before the token that stopped a parser; None where the parser does not tell.

    A parser looks ahead, for the colon behind a key or into brackets inside brackets: it knows of what is wrong there
    before it has told what stands here. How far it looks, and how many levels it bears, is its own business. From this
    text it tells all that it would have told, were there nothing wrong behind.
    """
    from kfrun.load.kubeyaml.pureyaml import ScannerError

    mark = getattr(error, "problem_mark", None)
    if isinstance(error, ScannerError) and error.context_mark is not None:
        mark = error.context_mark
    return None if mark is None else text[: mark.index]


def is_at_end(error: YAMLError, text: str) -> bool:
    """Whether a parser stopped at the end of ``text``."""
    mark = getattr(error, "problem_mark", None)
    return mark is not None and mark.index >= len(text)
