"""Objects as text, in every style that people write, and texts made wrong: indents, anchors, tags, breaks, bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzzing.choices import Choices

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

SPLICES: Final = (
    "\t", " ", "\n", "\r", "\r\n", "\n---\n", "\n--- x\n", "\n...\n", "---", "# kfrun: ignore KF701\n", "#", ": ", "- ",
    "? ", "? [a]\n", "[", "]", "{", "}", ",", "&a ", "*a", "*b", "&a [*a]", "<<: *a\n", "<<: {a: 1}\n",
    "<<: [{a: 1}, {a: 2}]\n",
    "!!str ", "!!int ", "!!float ", "!!binary ", "!!python/object/apply:os.system ", "!x ", "!!set ", "!!omap ",
    "!<a> ",
    "|\n", ">-\n", "|9\n", "|+2\n", "'", '"', "\\", '"\\x00"', '"\\ud800"', '"\\U0010ffff"', '"\\/"',
    "%YAML 1.2\n---\n",
    "%TAG ! x\n", "\ufeff", "\x00", "\x07", "\x0b", "\x0c", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029",
    "\u200b", "\u202e", "🚀",
    "~", "null", "yes", "0x1F", "0o17", "1e400", ".nan", "-.inf", "1_000", "12:30:45", "2026-01-01T00:00:00Z",
    "9" * 400,
    "{{", "}}", "{{ name }}", "{{ missing }}", "{% if nodes %}", "{% endif %}", "{% for i in range(3) %}",
    "{% endfor %}",
    "{# x", "{{ 1/0 }}", "{{ ''.__class__ }}", "{% include 'x' %}", "{{ 'a' * 10**9 }}", "{{ range(10**9)|list }}",
    "kind: TrainJob\n", "name: x\n", "spec:\n", "a: b: c\n", "- - - - a\n", "apiVersion: v1\nkind: List\nitems:\n",
)  # fmt: skip

ODD_SCALARS: Final = (
    "yes", "No", "~", "", "0x1F", "0o17", "017", "0b11", "1e3", "1E400", ".5", ".nan", "-.INF", "1_000", "+12", "- 1",
    "12:30", "2026-01-01", "2026-01-01 10:00:00 +01:00", "'it''s'", '"\\u00e9\\x41\\n"', "|-\n          a", "!!str 1",
    "!!int '1'", "!!binary aGk=", "!!null x", "&x y", "*x", "[a, , b]", "[a: b]", "{a, b: }", "{a: b, a: c}",
    "[[[[]]]]",
    "9223372036854775808", "1" * 5000, "=", "<<", "? a", "@x", "`x`", "%x", "x # y", "x: y", "a\tb", '"a\n  b"',
)  # fmt: skip

TEMPLATE_PARTS: Final = (
    "{{ name }}", "{{ nodes }}", "{{ labels }}", "{{ missing }}", "{{ name | upper }}", "{{ nodes * 2 }}",
    "{{ list[1] }}",
    "{{ text }}", "{{ labels.a | default('x') }}", "{% if nodes > 1 %}a{% endif %}", "{{ list | join(', ') }}",
    "{{ 1 // 0 }}",
)  # fmt: skip

VALUES: Final = {
    "name": "tj", "nodes": 2, "labels": {"a": "b"}, "list": ["x", "y"], "text": "a: b\nc: [d\n", "rt": "rt",
}  # fmt: skip
"""What templates are rendered with."""

BOMB: Final = "".join(
    f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]\n" for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)

_EXPONENT: Final = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
"""A number to kubectl, and to kfrun, where PyYAML knows a text."""

_SCALAR: Final = re.compile(r"(?<=: )[^\n]+")
_KEY: Final = re.compile(r"^( *(?:- )*)([A-Za-z]+):", re.MULTILINE)


def written(choices: Choices, objects: list[Any]) -> str:
    """The objects as text; as JSON where PyYAML cannot write them, for they are too deep or not Unicode."""
    try:
        return choices.pick(_STYLES)(choices, objects)
    except (RecursionError, UnicodeEncodeError):
        return _json(choices, objects)


def _dumped(objects: list[Any], **style: Any) -> str:
    return "---\n".join(yaml.dump(item, Dumper=_NoAliases, sort_keys=False, **style) for item in objects)


class _NoAliases(_Dumper):
    """Writes what comes twice twice, and quotes every text that is no text without quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True

    def represent_str(self, data: str) -> Any:
        """A text, in the style that was asked for where that makes no number of it."""
        style = "'" if _EXPONENT.fullmatch(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_NoAliases.add_representer(str, _NoAliases.represent_str)


def _block(choices: Choices, objects: list[Any]) -> str:
    return _dumped(objects, indent=choices.pick((2, 4, 7)), allow_unicode=bool(choices.below(2)))


def _flow(choices: Choices, objects: list[Any]) -> str:
    return _dumped(objects, default_flow_style=bool(choices.below(2)) or None, width=choices.pick((80, 20, 10**6)))


def _folded(choices: Choices, objects: list[Any]) -> str:
    return _dumped(objects, default_style=choices.pick(('"', "'", "|", ">")), width=40)


def _json(choices: Choices, objects: list[Any]) -> str:
    return choices.pick(("\n---\n", "", "\n")).join(json.dumps(item, ensure_ascii=True) for item in objects)


def _indented_json(choices: Choices, objects: list[Any]) -> str:
    indent = choices.pick((1, 2, "\t"))
    return "\n---\n".join(json.dumps(item, ensure_ascii=False, indent=indent) for item in objects)


def _commented(choices: Choices, objects: list[Any]) -> str:
    lines = _dumped(objects).split("\n")
    for _ in range(choices.between(1, 5)):
        comment = choices.pick(("# a comment", "  # kfrun: ignore KF701", "#", "\t# tab", "# ---", "", "   "))
        lines.insert(choices.below(len(lines)), comment)
    return "\n".join(lines)


def _anchored(choices: Choices, objects: list[Any]) -> str:
    """With an anchor, an alias where the same stands again, and a merge key."""
    for item in objects:
        metadata = item.get("metadata") if isinstance(item, dict) else None
        if isinstance(metadata, dict):
            metadata["labels"] = metadata["annotations"] = {"example.com/a": "b"}
    text = yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False)
    keys = list(_KEY.finditer(text))
    if not keys:
        return text
    match = choices.pick(keys)
    merge = choices.pick(("<<: *m", "<<: [*m, *m]", "<<: {numNodes: 2}", "'<<': a", "m: &m {numNodes: 1}"))
    return f"{text[: match.start()]}{match[1].replace('- ', '  ')}{merge}\n{text[match.start() :]}"


def plain(choices: Choices, objects: list[Any]) -> str:
    """The objects as text, in a style that changes nothing of them."""
    return choices.pick(_PLAIN_STYLES)(choices, objects)


_PLAIN_STYLES: Final = (_block, _json, _flow, _indented_json)
_STYLES: Final = (*_PLAIN_STYLES, _block, _commented, _anchored, _folded)


def damage(choices: Choices, text: str) -> str:
    """Change a text in one to three places."""
    for _ in range(choices.between(1, 3)):
        text = choices.pick(_DAMAGES)(choices, text)
    return text


def _splice(choices: Choices, text: str) -> str:
    at = choices.below(len(text) + 1)
    return text[:at] + choices.pick(SPLICES) + text[at:]


def _splice_line(choices: Choices, text: str) -> str:
    lines = text.split("\n")
    at = choices.below(len(lines))
    indent = len(lines[at]) - len(lines[at].lstrip(" "))
    lines.insert(at, " " * indent + choices.pick(SPLICES))
    return "\n".join(lines)


def _cut(choices: Choices, text: str) -> str:
    return text[: choices.below(len(text) + 1)]


def _cut_out(choices: Choices, text: str) -> str:
    start = choices.below(len(text) + 1)
    return text[:start] + text[start + choices.between(1, 40) :]


def _repeat(choices: Choices, text: str) -> str:
    lines = text.split("\n")
    start = choices.below(len(lines))
    part = lines[start : start + choices.between(1, 6)]
    at = choices.below(len(lines) + 1)
    return "\n".join([*lines[:at], *part, *lines[at:]])


def _reindent(choices: Choices, text: str) -> str:
    lines = text.split("\n")
    at = choices.below(len(lines))
    lines[at] = choices.pick((lines[at].lstrip(), f" {lines[at]}", f"\t{lines[at]}", f"  {lines[at]}", lines[at] + " "))
    return "\n".join(lines)


def _scalar(choices: Choices, text: str) -> str:
    found = list(_SCALAR.finditer(text))
    if not found:
        return text
    match = choices.pick(found)
    return text[: match.start()] + choices.pick(ODD_SCALARS) + text[match.end() :]


def _template(choices: Choices, text: str) -> str:
    found = list(_SCALAR.finditer(text))
    if not found:
        return choices.pick(TEMPLATE_PARTS)
    match = choices.pick(found)
    return text[: match.start()] + choices.pick(TEMPLATE_PARTS) + text[match.end() :]


def _line_ends(choices: Choices, text: str) -> str:
    return text.replace("\n", choices.pick(("\r\n", "\r", "\n\n", "\u2028", "\x85")))


def _bomb(choices: Choices, text: str) -> str:
    return f"{text}\n---\na: &a [x]\n{BOMB}" if choices.below(2) else f"a: &a [x]\n{BOMB}{text}"


def _nest(choices: Choices, text: str) -> str:
    depth = choices.pick((50, 150, 3000))
    opening = choices.pick(("[", "{a: ", "- ", "? ", "!!seq [", "\n" + " " * 40 + "- "))
    return text + "\nx: " + opening * depth if choices.below(2) else opening * depth + text


def _characters(choices: Choices, text: str) -> str:
    if not text:
        return text
    at = choices.below(len(text))
    return (
        text[:at]
        + chr(choices.pick((0, 7, 0x7F, 0x85, 0xA0, 0xAD, 0xFFFD, 0xFFFE, 0x10FFFF, 0x20, 0x3A)))
        + text[at + 1 :]
    )


_DAMAGES: Final[tuple[Callable[[Choices, str], str], ...]] = (
    _splice, _splice, _splice, _splice_line, _splice_line, _cut, _cut_out, _cut_out, _repeat, _repeat, _reindent,
    _reindent, _scalar, _scalar, _scalar, _template, _line_ends, _bomb, _nest, _characters,
)  # fmt: skip


def encoded(choices: Choices, text: str) -> bytes:
    """The text as bytes: UTF-8 nearly always, and now and then with a byte that is wrong."""
    if choices.once_in(40):
        return text.encode(choices.pick(("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32")), "backslashreplace")
    data = text.encode("utf-8", "surrogatepass")
    if data and choices.once_in(20):
        at = choices.below(len(data))
        data = data[:at] + bytes([data[at] ^ (1 << choices.below(8))]) + data[at + 1 :]
    return data
