r"""The JSONPath dialect of kubectl: templates, ``range``, filters, slices.

A template is text with actions in braces. An action is a path (``{.items[*].metadata.name}``), a quoted text
(``{"\n"}``) or ``{range PATH}`` … ``{end}``. Behaviour was compared with kubectl's; where kubectl has a trap this
module is kinder: ``['a.b/c']`` needs no backslash, slices may reach beyond the end, and a ``range``
without ``end`` is an error.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kfrun.errors import UsageProblem
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_Values = list[Any]
_Step = Callable[[_Values], _Values]
_Path = tuple[_Step, ...]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WORD = re.compile(r"(range|end)(?![\w-])")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_SLICE = re.compile(r"(-?[0-9]{0,18})(:(-?[0-9]{0,18}))?(:(-?[0-9]{0,18}))?")
_MOST = 1_000_000
"""Values that a path may find: ``..`` behind ``..`` finds them over and over."""
_FIELD_ENDS = frozenset(" \t\r\n.,[]$@{}()=!<>")


@dataclass(frozen=True, slots=True)
class _Range:
    path: _Path
    body: tuple[str | _Path | _Range, ...]


_Node = str | _Path | _Range


class JsonPath:
    """A parsed expression.

    Raises:
        UsageProblem: the expression makes no sense; the message says at which column.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._nodes = _Parser(expression).template()

    @classmethod
    def relaxed(cls, expression: str) -> JsonPath:
        """Parse a single path whose braces and first dot may be missing, as ``--sort-by`` allows."""
        inner = expression[1:-1] if expression.startswith("{") and expression.endswith("}") else expression
        return cls("{" + (inner if inner[:1] in (".", "[", "$", "@") else f".{inner}") + "}")

    def render(self, data: Any) -> str:
        """The template's text for ``data``; fields that are missing yield nothing.

        Raises:
            UsageProblem: an index is out of bounds, or a step does not suit the data.
        """
        return "".join(self._rendered(self._nodes, data))

    def values(self, data: Any) -> _Values:
        """What the expression's first path finds in ``data``."""
        path = next((node for node in self._nodes if isinstance(node, tuple)), ())
        return _walk(path, data)

    def _rendered(self, nodes: tuple[_Node, ...], data: Any) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, str):
                yield node
            elif isinstance(node, _Range):
                for value in _walk(node.path, data):
                    yield from self._rendered(node.body, value)
            else:
                yield " ".join(to_text(value) for value in _walk(node, data))


def to_text(value: Any) -> str:
    """A value as kubectl prints it: texts bare, lists and mappings as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _walk(path: _Path, data: Any) -> _Values:
    values = [data]
    for step in path:
        values = step(values)
        if len(values) > _MOST:
            raise UsageProblem(f"jsonpath: more than {_MOST} values are found", "name the fields instead of ..")
    return values


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def template(self) -> tuple[_Node, ...]:
        nodes, ended = self._nodes()
        if ended:
            raise self._problem("{end} without {range}", self._at - 1)
        return nodes

    def _nodes(self) -> tuple[tuple[_Node, ...], bool]:
        """Nodes up to the end of the text (False) or up to an ``{end}`` (True)."""
        nodes: list[_Node] = []
        while self._at < len(self._text):
            brace = self._text.find("{", self._at)
            literal = self._text[self._at : brace if brace >= 0 else None]
            self._at += len(literal)
            if literal:
                nodes.append(literal)
            if brace < 0:
                break
            if self._action(nodes):
                return tuple(nodes), True
        return tuple(nodes), False

    def _action(self, nodes: list[_Node]) -> bool:
        start = self._at
        self._at += 1
        self._blanks()
        word = _WORD.match(self._text, self._at)
        if word:
            self._at = word.end()
        if word and word[1] == "end":
            self._expect("}", "unclosed action", start)
            return True
        path = self._path()
        self._expect("}", "unclosed action", start)
        if word:
            body, ended = self._nodes()
            if not ended:
                raise self._problem("{range} without {end}", start)
            nodes.append(_Range(path, body))
        else:
            nodes.append(path)
        return False

    def _path(self) -> _Path:
        steps: list[_Step] = []
        while True:
            self._blanks()
            step = self._step()
            if step is None:
                return tuple(steps)
            steps += step

    def _step(self) -> list[_Step] | None:
        """The next step, nothing for ``$``, ``@`` and a bare dot, None where the path ends."""
        character = self._peek()
        if character in ("", "}", ")", "=", "!", "<", ">"):
            return None
        if character in ("$", "@"):
            # Both are the current object, inside a range too, as in kubectl.
            self._at += 1
            return []
        if character == ".":
            return self._field()
        if character == "[":
            return [self._brackets()]
        if character in ("'", '"'):
            return [_constant(self._quoted())]
        return [self._literal()]

    def _field(self) -> list[_Step]:
        self._at += 1
        if self._peek() == ".":
            self._at += 1
            # ``..name`` is every descendant's ``name``.
            name = self._name()
            return [_descendants, *([_field(name)] if name else [])]
        name = self._name()
        if not name:
            return []
        return [_children if name == "*" else _field(name)]

    def _name(self) -> str:
        name = ""
        while self._peek() and self._peek() not in _FIELD_ENDS:
            if self._peek() == "\\":
                self._at += 1
            name += self._peek()
            self._at += 1
        return name

    def _literal(self) -> _Step:
        start = self._at
        number = _NUMBER.match(self._text, self._at)
        if number:
            self._at = number.end()
            return _constant(float(number[0]) if number[1] else int(number[0]))
        name = self._name()
        if name in ("true", "false"):
            return _constant(name == "true")
        if name:
            raise self._problem(f'unrecognized identifier "{name}" (fields begin with a dot: .{name})', start)
        raise self._problem(f'unexpected "{self._peek()}"', start)

    def _quoted(self) -> str:
        start, quote = self._at, self._peek()
        self._at += 1
        text = ""
        while self._peek() != quote:
            if not self._peek():
                raise self._problem("unterminated text", start)
            if self._peek() == "\\":
                self._at += 1
                text += _ESCAPES.get(self._peek(), self._peek())
            else:
                text += self._peek()
            self._at += 1
        self._at += 1
        return text

    def _brackets(self) -> _Step:
        start = self._at
        self._at += 1
        self._blanks()
        if self._peek() == "?":
            step = self._filter(start)
        elif self._peek() == "*":
            self._at += 1
            step = _children
        else:
            step = self._union(start)
        self._expect("]", "unterminated brackets", start)
        return step

    def _union(self, start: int) -> _Step:
        parts = [self._selector(start)]
        while self._peek() == ",":
            self._at += 1
            parts.append(self._selector(start))
        return parts[0] if len(parts) == 1 else _union(parts)

    def _selector(self, start: int) -> _Step:
        self._blanks()
        if self._peek() in ("'", '"'):
            name = self._quoted()
            self._blanks()
            return _field(name)
        found = _SLICE.match(self._text, self._at)
        if not found or not found[0]:
            raise self._problem("expected an index, a slice, '*', a quoted name or a filter '?(…)'", self._at)
        self._at = found.end()
        self._blanks()
        first, last, step = (int(part) if part not in ("", "-", None) else None for part in found.group(1, 3, 5))
        if found[2] is None:
            if first is None:
                raise self._problem("expected an index", start)
            return self._index(first, start)
        if step is not None and step <= 0:
            raise self._problem("the step of a slice must be above 0", start)
        return _slice(slice(first, last, step))

    def _index(self, number: int, start: int) -> _Step:
        def step(values: _Values) -> _Values:
            found = []
            for value in values:
                if not isinstance(value, list):
                    raise self._problem(f"[{number}] needs a list, not {_kind(value)}", start)
                if not -len(value) <= number < len(value):
                    raise self._problem(f"index {number} is out of bounds: there are {len(value)} items", start)
                found.append(value[number])
            return found

        return step

    def _filter(self, start: int) -> _Step:
        self._at += 1
        self._expect("(", "a filter is written ?(…)", start)
        left = self._path()
        name = next((name for name in _OPERATORS if self._text.startswith(name, self._at)), "")
        self._at += len(name)
        right = self._path() if name else ()
        if name and not right:
            raise self._problem("the filter compares with nothing", self._at)
        if self._peek() != ")":
            raise self._problem("unrecognized operator (there are ==, !=, <, <=, > and >=)", self._at)
        self._at += 1
        self._blanks()

        def step(values: _Values) -> _Values:
            items = [item for value in values for item in self._items(value, start)]
            return [item for item in items if self._holds(item, left, name, right, start)]

        return step

    def _items(self, value: Any, start: int) -> _Values:
        if not isinstance(value, list):
            raise self._problem(f"a filter needs a list, not {_kind(value)}", start)
        return value

    def _holds(self, item: Any, left: _Path, name: str, right: _Path, start: int) -> bool:
        found = _walk(left, item)
        if not name:
            return bool(found)
        others = _walk(right, item)
        if len(found) > 1 or len(others) > 1:
            raise self._problem("a filter compares one value at a time", start)
        if not found or not others:
            return False
        kinds = _kind(found[0]), _kind(others[0])
        if kinds[0] != kinds[1]:
            raise self._problem(f"{kinds[0]} cannot be compared with {kinds[1]}", start)
        if name not in ("==", "!=") and not isinstance(found[0], str | int | float):
            raise self._problem(f"{kinds[0]} is neither greater nor less than another", start)
        return _OPERATORS[name](found[0], others[0])

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _blanks(self) -> None:
        while self._peek() and self._peek() in " \t\r\n":
            self._at += 1

    def _expect(self, character: str, message: str, start: int) -> None:
        self._blanks()
        if self._peek() != character:
            raise self._problem(message, start)
        self._at += 1

    def _problem(self, message: str, at: int) -> UsageProblem:
        return UsageProblem(f"jsonpath: {message}, at column {at + 1} of {self._text}")


def _kind(value: Any) -> str:
    names = {str: "a text", dict: "a mapping", list: "a list", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _field(name: str) -> _Step:
    # kubectl wants dots escaped even within quotes; such paths are pasted here, too.
    plain = name.replace("\\.", ".")
    return lambda values: [value[plain] for value in values if isinstance(value, dict) and plain in value]


def _constant(value: object) -> _Step:
    return lambda _values: [value]


def _slice(part: slice) -> _Step:
    return lambda values: [item for value in values if isinstance(value, list) for item in value[part]]


def _union(parts: list[_Step]) -> _Step:
    return lambda values: [item for part in parts for item in part(values)]


def _children(values: _Values) -> _Values:
    found: _Values = []
    for value in values:
        if isinstance(value, dict):
            found += [value[key] for key in sorted(value)]
        elif isinstance(value, list):
            found += value
    return found


def _descendants(values: _Values) -> _Values:
    """Every value and all that is in it, parents first."""
    found: _Values = []
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        found.append(value)
        waiting += _children([value])[::-1]
    return found
