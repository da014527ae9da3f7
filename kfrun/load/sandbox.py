"""The Jinja2 that renders manifests: nothing to read but the values, nothing to call but what is listed, and an end.

It is imported, with Jinja2, only when there is something to render. A template is text of somebody else: it reaches no
file, no variable of the environment and no Python object, and what it may use of time and memory is bounded. Objects
that a template can name are the values, and texts, numbers, lists and mappings made of them.
"""

from __future__ import annotations

import json
import re
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError, TemplateAssertionError, TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.filters import FILTERS
from jinja2.lexer import Token
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace, missing
from jinja2.visitor import NodeTransformer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jinja2.runtime import Context

MAX_STEPS: Final = 500_000
"""Rounds of loops and calls of one rendering."""

MAX_CHARACTERS: Final = 16 * 1024 * 1024
"""Written by one rendering, what macros and blocks write for later included."""

MAX_VALUE: Final = 2 * 1024 * 1024
"""Size of one value that a template makes: its characters, and `_ITEM` for each item of its lists and mappings."""

_ITEM: Final = 16

MAX_SECONDS: Final = 1.0
"""The last resort: the other limits do not depend on how fast the machine is."""

_MAX_BITS: Final = 4096
_MAX_WIDTH: Final = 1000
_MAX_PRECISION: Final = 100

_FILTERS: Final = (
    "abs capitalize count d default dictsort first float groupby int items last length list lower map max min reject"
    " rejectattr reverse select selectattr sort string sum title trim unique upper wordcount"
)
_TEXT_METHODS: Final = (
    "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isspace isupper lower"
    " lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines"
    " startswith strip swapcase title upper"
)
_METHODS: Final[dict[type, frozenset[str]]] = {
    str: frozenset(_TEXT_METHODS.split()),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
}
"""What a template may call of a value. ``format`` is not in it: its fields walk through Python's objects."""

_WIDE: Final = re.compile(r"%[^a-zA-Z%]*?(?:[0-9]{4,}|\*)")
_LARGE: Final = re.compile(r"[0-9]{4,}|\*")
"""Widths of a format; where it names its values, ``%(name)9d``, no number of it may be so large."""


class TooMuch(Exception):
    """The template does more than a manifest needs."""


class Unwritable(Exception):
    """The template writes something that is no value of YAML."""


class Unparsed(TemplateSyntaxError):
    """The text is no template; ``word`` stands where it is wrong, as far as that is known."""

    def __init__(self, error: TemplateSyntaxError, word: str) -> None:
        super().__init__(error.message or "", error.lineno)
        self.word = word


class Told(str):
    """What is said of a name without value; ``name`` is None where something else is missing."""

    __slots__ = ("is_value", "name")
    name: str | None
    is_value: bool
    """It would be one of the values themselves, not a part of one."""


class Missing(StrictUndefined):
    """A name that nobody gave a value, told in our words."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> Told:
        told = Told(self._words())
        told.name = self._undefined_name if isinstance(self._undefined_name, str) else None
        told.is_value = self._undefined_obj is missing and not self._undefined_hint
        return told

    def _words(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = self._undefined_name
        if not isinstance(self._undefined_obj, dict | list | tuple | str):
            return f'"{name}" is not defined'
        what = {dict: "the mapping", str: "the text"}.get(type(self._undefined_obj), "the list")
        return f'{what} has no "{name}"' if isinstance(name, str) else f"{what} has no item {name}"


class Marks(Extension):
    """Writes before every line and expression of the template which line it is: ``<mark>17<mark>``.

    A rendering with marks says of each character of the output which line of the template it comes from.
    """

    mark = ""

    def filter_stream(self, stream: Iterable[Token]) -> Iterator[Token]:
        """Add the marks to the template's own text."""
        for token in stream:
            if token.type == "data":
                lines = token.value.split("\n")
                marked = [f"{self._mark(token.lineno + index)}{line}" for index, line in enumerate(lines)]
                yield Token(token.lineno, "data", "\n".join(marked))
                continue
            if token.type == "variable_begin":
                yield Token(token.lineno, "data", self._mark(token.lineno))
            yield token

    def _mark(self, line: int) -> str:
        mark = self.environment.mark  # type: ignore[attr-defined]
        return f"{mark}{line}{mark}"


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one rendering; it counts what the template does.

    Args:
        mark: a character that stands nowhere in the template, to have lines marked with; empty for none.
    """

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self, mark: str = "") -> None:
        super().__init__(
            undefined=Missing,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            finalize=self._written,
            extensions=[Marks] if mark else [],
        )
        self.mark = mark
        self.globals = {"range": safe_range, "dict": dict, "namespace": Namespace}
        self.filters = {name: self._guarded(FILTERS[name]) for name in _FILTERS.split()}
        self.filters |= {"tojson": self._json, "indent": self._guarded(_indent), "round": _round, "bool": _as_bool}
        self.filters |= {"join": self._join, "replace": self._replace}
        self._steps = self._characters = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    def compiled(self, text: str) -> Template:
        """The template, with the counting built in.

        Raises:
            TemplateSyntaxError: it is none.
            Elsewhere: it wants another file.
        """
        tree = self.parse(text)
        filters = list(tree.find_all((nodes.Filter, nodes.Test)))
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise Elsewhere(node.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        counted.set_environment(self)
        try:
            code = self.compile(counted)
        except TemplateAssertionError as error:
            unknown = (node.name for node in filters if node.name not in self.filters.keys() | self.tests.keys())
            raise Unparsed(error, next(unknown, "")) from None
        return Template.from_code(self, code, self.globals)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parser = Parser(self, source, name, filename)
        try:
            return parser.parse()
        except TemplateSyntaxError as error:
            token = parser.stream.current
            is_word = token.lineno == error.lineno and not token.type.endswith("_end")
            raise Unparsed(error, str(token.value) if is_word else "") from None

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may have ``obj.attr``: what is not listed, it may not."""
        if isinstance(obj, LoopContext | Namespace):
            return super().is_safe_attribute(obj, attr, value)
        if isinstance(obj, Macro):
            return attr == "name"
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def wrap_str_format(self, value: Any) -> None:  # noqa: ARG002
        """No ``format`` at all: Jinja2 would allow a tamed one, whose widths have no limit."""
        return

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls, counted."""
        if getattr(function, "__self__", None) is self:
            return function(*args)
        self.tick(1)
        if getattr(function, "__name__", "") == "replace" and isinstance(getattr(function, "__self__", None), str):
            return self._replace(function.__self__, *args, **kwargs)
        return self.measured(super().call(context, function, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The operators whose result can be large beyond measure."""
        if operator == "*":
            _require_small_product(left, right)
        elif operator == "**":
            _require_small_power(left, right)
        elif operator == "%" and isinstance(left, str) and (_LARGE if "%(" in left else _WIDE).search(left):
            raise TooMuch("the width of a format is too large")
        return self.measured(super().call_binop(context, operator, left, right))

    def tick(self, weight: int) -> None:
        """One more step, which writes ``weight`` characters."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooMuch(f"more than {MAX_STEPS:,} rounds of loops and calls")
        self._charge(weight)
        if time.monotonic() > self._deadline:
            raise TooMuch(f"more than {MAX_SECONDS:g} s to render")

    def measured(self, value: Any) -> Any:
        """``value``, unless it is too large; lists that hold a list many times count it as often."""
        room, waiting = MAX_VALUE, [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                room -= len(item)
            elif isinstance(item, dict):
                waiting += item
                waiting += item.values()
                room -= _ITEM * len(item)
            elif isinstance(item, list | tuple):
                waiting += item
                room -= _ITEM * len(item)
            if room < 0:
                raise TooMuch(f"a value of more than {MAX_VALUE:,} characters, or {MAX_VALUE // _ITEM:,} items")
        return value

    def _charge(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            raise TooMuch(f"more than {MAX_CHARACTERS // 2**20} MiB of text")

    def _written(self, value: Any) -> Any:
        """What ``{{ value }}`` becomes: texts as they are, everything else as YAML (and JSON) writes it."""
        if isinstance(value, StrictUndefined):
            return value
        text = value if isinstance(value, str) else self._json(value)
        self.tick(len(text))
        return text

    def _json(self, value: Any) -> str:
        # In pieces: what looks small in memory can be large when it is written.
        pieces, length = [], 0
        for piece in json.JSONEncoder(ensure_ascii=False, default=_refuse).iterencode(value):
            length += len(piece)
            if length > MAX_VALUE:
                raise TooMuch(f"a value of more than {MAX_VALUE:,} characters")
            pieces.append(piece)
        return "".join(pieces)

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.tick(1)
            return self.measured(function(*args, **kwargs))

        return counted

    def _join(self, value: Any, separator: str = "") -> str:
        self.tick(1)
        parts = [item if isinstance(item, str) else self._json(item) for item in _required(value)]
        if sum(map(len, parts)) + len(separator) * len(parts) > MAX_VALUE:
            raise TooMuch(f"a value of more than {MAX_VALUE:,} characters")
        return separator.join(parts)

    def _replace(self, value: str, old: str, new: str, count: int = -1) -> str:
        self.tick(1)
        times = min(value.count(old), count) if count >= 0 else value.count(old)
        if len(value) + times * max(0, len(new) - len(old)) > MAX_VALUE:
            raise TooMuch(f"a value of more than {MAX_VALUE:,} characters")
        return value.replace(old, new, count)


class Elsewhere(SecurityError):
    """The template wants another file; ``line`` says where."""

    def __init__(self, line: int) -> None:
        super().__init__("a template cannot include, import or extend another file")
        self.line = line


class _Counting(NodeTransformer):
    """Has every round of a loop, every call of a macro and every value that is put together counted."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        return self._with_tick(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._with_tick(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._with_tick(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        return self._measured(node)

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return self._measured(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return self._measured(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return node if node.ctx != "load" else self._measured(node)

    def _with_tick(self, node: Any) -> nodes.Node:
        weight = sum(len(data.data) for item in node.body for data in _texts(item))
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("tick", nodes.Const(weight), node.lineno), lineno=node.lineno))
        found: nodes.Node = node
        return found

    def _measured(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return _call("measured", node, node.lineno)


def _call(name: str, argument: nodes.Expr, line: int) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name, lineno=line), [argument], [], None, None, lineno=line)


def _texts(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    if isinstance(node, nodes.TemplateData):
        yield node
    yield from node.find_all(nodes.TemplateData)


def _require_small_product(left: Any, right: Any) -> None:
    sizes = [len(item) for item in (left, right) if isinstance(item, str | list | tuple)]
    counts = [item for item in (left, right) if isinstance(item, int)]
    weight = 1 if isinstance(left, str) or isinstance(right, str) else _ITEM
    if sizes and counts and weight * sizes[0] * max(counts[0], 0) > MAX_VALUE:
        raise TooMuch(f"a value of more than {MAX_VALUE:,} characters or items")
    if sum(item.bit_length() for item in counts) > _MAX_BITS:
        raise TooMuch("a number is too large")


def _require_small_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MAX_BITS:
        raise TooMuch("a number is too large")


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Jinja2's filter without markup, for widths that make sense."""
    prefix = width if isinstance(width, str) else " " * min(width, _MAX_WIDTH)
    if len(prefix) * (text.count("\n") + 1) > MAX_VALUE:
        raise TooMuch("the indentation is too wide")
    lines = text.split("\n")
    return "\n".join(
        prefix + line if (index or first) and (line or blank) else line for index, line in enumerate(lines)
    )


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    """Jinja2's filter, for precisions that make sense."""
    if abs(precision) > _MAX_PRECISION:
        raise TooMuch("the precision is too large")
    rounded: float = FILTERS["round"](value, precision, method)
    return rounded


def _as_bool(value: Any) -> bool:
    """Whether a value means yes: ``--set-string flag=false`` is a text, and every text is true."""
    return value.lower() in ("true", "yes", "on", "1") if isinstance(value, str) else bool(value)


def _required(value: Any) -> Iterable[Any]:
    if isinstance(value, StrictUndefined):
        list(value)  # says that it is undefined
    found: Iterable[Any] = value
    return found


def _refuse(value: Any) -> NoReturn:
    if isinstance(value, StrictUndefined):
        str(value)  # says that it is undefined
    kind = "a function" if callable(value) else f"a {type(value).__name__}"
    hint = " (add |list)" if hasattr(value, "__next__") else ""
    raise Unwritable(f"{kind} cannot be written into a manifest{hint}")
