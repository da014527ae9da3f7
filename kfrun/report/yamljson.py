"""Writes objects as YAML and JSON, in the order of their keys.

What it writes as YAML, kubectl reads back as the same data: kubectl knows more words for booleans and numbers than
PyYAML does, so more strings are quoted than PyYAML would quote. What a terminal or a CI runner obeys is in escapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kfrun.terminal import COMMAND, UNSEEN, json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = frozenset(
    ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".inf", "+.inf", "-.inf", ".nan", "=", "<<")
)
_NUMBER_LIKE = re.compile(r"[-+.]{0,2}[0-9][0-9a-fA-FxXoO_.:eE+-]*([tT][0-9:.]+)?[zZ]?")
"""Wider than any YAML's numbers, times and dates: a needless quote does no harm."""


def to_yaml(objects: Sequence[dict[str, Any]]) -> str:
    """A stream of documents with ``---`` between them; long texts as blocks."""
    import yaml

    dumper = _dumper()
    options: dict[str, Any] = {"sort_keys": False, "default_flow_style": False, "allow_unicode": True}
    text = "---\n".join(yaml.dump(item, Dumper=dumper, width=1 << 20, **options) for item in objects)
    # what is found here stands in double quotes
    text = text if text.isascii() else UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return COMMAND.sub(lambda _: "#\\x23", text) if "##" in text else text


def to_json(objects: Sequence[dict[str, Any]]) -> str:
    """One object as it is, several as a ``List``; a line break at the end."""
    value = objects[0] if len(objects) == 1 else as_list(objects)
    return json_text(value)


def as_list(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The objects as kubectl wraps several of them."""
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def _dumper() -> Any:
    import yaml

    # libyaml writes ten times as fast; not every build of PyYAML has it.
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    kind = type("_Dumper", (base,), {"ignore_aliases": lambda *_: True})
    kind.add_representer(str, _represent_text)  # type: ignore[attr-defined]
    return kind


def _represent_text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _may_command(text: str) -> bool:
    return "::" in text or "##" in text


def _style(text: str) -> str | None:
    # anywhere but in double quotes breaks other than line feeds are read back as these, or not at all
    if "\r" in text or (not text.isascii() and UNSEEN.search(text)) or (_may_command(text) and COMMAND.search(text)):
        return '"'
    if "\n" in text:
        # A block that starts with blanks needs an indentation hint, which emitters get wrong inside lists.
        return '"' if text[0] in " \t\n" else "|"
    if text.lower() in _WORDS or _NUMBER_LIKE.fullmatch(text):
        return '"'
    return None
