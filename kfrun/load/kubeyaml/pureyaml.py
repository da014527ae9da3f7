"""PyYAML's own parser, for where libyaml is missing, and the errors of both. Imported when one of these is needed."""

from __future__ import annotations

from typing import Any, Final

from yaml.events import ScalarEvent
from yaml.parser import Parser, ParserError
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner, ScannerError

from kfrun.load.kubeyaml.goyaml import GoYamlError
from kfrun.patterns import pattern

__all__ = ["ParserError", "PureParser", "ReaderError", "ScannerError"]

_SURROGATE: Final = pattern("[\ud800-\udfff]")


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
