"""What kubectl's parser refuses and the ones under us take, found among their events.

Imported for texts in which they may differ, and to say what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.load.kubeyaml.libyaml import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    YAMLError,
)
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from kfrun.load.kubeyaml.events import EventSource

_QUOTES: Final = frozenset("'\"")
_SLASH: Final = pattern(r"(?<!\\)(?:\\\\)*\\/")
_BARE_TAG: Final = pattern(r"(?:&\S+\s+)?!(?:\s|$)")


class GoYamlError(YAMLError):
    """What kubectl's parser refuses and the one under us takes: ``reason`` is escape, character or question."""

    def __init__(self, reason: str, mark: Any) -> None:
        super().__init__(reason, mark)
        self.reason = reason
        self.mark = mark


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
